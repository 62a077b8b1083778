"""HL7 FHIR R4 (4.0.1): measurements at home as Observations, in a Bundle."""

from dongne.standards.fhir.check import list_faults
from dongne.standards.fhir.observations import Measurement, make_bundle

__all__ = ["Measurement", "list_faults", "make_bundle"]
