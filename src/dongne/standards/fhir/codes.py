"""Which code stands for what: LOINC and UCUM as the vital signs profiles of FHIR R4 fix them.

https://hl7.org/fhir/R4/observation-vitalsigns.html. Blood glucose is not among the vital signs: LOINC 15074-8 is in moles by volume.
LOINC is copyright Regenstrief Institute, free under https://loinc.org/license.
"""

from dataclasses import dataclass
from types import MappingProxyType

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
OWN = "urn:dongne:observed-property"
PROFILE = "http://hl7.org/fhir/StructureDefinition/"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
TEST_DATA = "HTEST"  # health data that are of nobody
JSON = "application/fhir+json"

STATUSES = frozenset(
    {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"}
)
CATEGORIES = frozenset(
    {
        "social-history", "vital-signs", "imaging", "laboratory", "procedure", "survey", "exam", "therapy", "activity",
    }
)  # fmt: skip
PANEL = ("85354-9", "Blood pressure panel with all children optional")


@dataclass(frozen=True)
class Coded:
    """How a property is said: LOINC codes with their displays, the unit (UCUM) and as people write it."""

    codes: tuple[tuple[str, str], ...]
    unit: str
    written: str
    profile: str = ""  # of the vital signs; empty where it is none

    @property
    def category(self) -> str:
        """What sort of observation it is."""
        return "vital-signs" if self.profile else "laboratory"


CODED = MappingProxyType({
    "heart_rate": Coded((("8867-4", "Heart rate"),), "/min", "/min", "heartrate"),
    "oxygen_saturation": Coded(
        (
            ("2708-6", "Oxygen saturation in Arterial blood"),
            ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        ),
        "%", "%", "oxygensat",
    ),
    "body_weight": Coded((("29463-7", "Body weight"),), "kg", "kg", "bodyweight"),
    "body_temperature": Coded((("8310-5", "Body temperature"),), "Cel", "°C", "bodytemp"),
    "glucose": Coded((("15074-8", "Glucose [Moles/volume] in Blood"),), "mmol/L", "mmol/L"),
    "blood_pressure_systolic": Coded((("8480-6", "Systolic blood pressure"),), "mm[Hg]", "mmHg", "bp"),
    "blood_pressure_diastolic": Coded((("8462-4", "Diastolic blood pressure"),), "mm[Hg]", "mmHg", "bp"),
})  # fmt: skip
PRESSURES = ("blood_pressure_systolic", "blood_pressure_diastolic")
ANSWERS = MappingProxyType({
    "wellbeing_general": "How they feel",
    "wellbeing_breathing": "Breathing",
    "wellbeing_sleep": "Sleep",
    "wellbeing_appetite": "Appetite",
})  # fmt: skip
"""Our own questions, 0 (very bad) to 4 (very good), which no terminology knows."""
