"""A catalogue as DCAT-AP 3.0 has it: what its parts are, and their RDF.

Terms of the controlled vocabularies are those of the Publications Office of the EU. What is measured of a data set (freshness,
completeness) is said with the Data Quality Vocabulary (https://www.w3.org/TR/vocab-dqv/).
"""

from collections.abc import Iterable, Mapping

import msgspec

from dongne.standards.dcat.rdf import Address, Resource, Text, Value, expand, said

AUTHORITY = "http://publications.europa.eu/resource/authority/"
IANA = "http://www.iana.org/assignments/media-types/"
FREQUENCIES = {
    60: "1MIN", 300: "5MIN", 600: "10MIN", 900: "15MIN", 1_800: "30MIN", 3_600: "HOURLY", 7_200: "BIHOURLY",
    10_800: "TRIHOURLY", 43_200: "12HRS", 86_400: "DAILY", 604_800: "WEEKLY",
}  # fmt: skip
LANGUAGES = {"ko": "KOR", "en": "ENG", "cs": "CES", "de": "DEU"}
Said = Mapping[str, str]  # language -> text
Box = tuple[float, float, float, float]  # west, south, east, north


class Metric(msgspec.Struct, frozen=True):
    """What is measured: in which dimension of quality, with which datatype, and how, in words."""

    address: str
    dimension: str
    datatype: str
    definition: Said


class Measurement(msgspec.Struct, frozen=True):
    """What a metric gave at an instant (ISO 8601)."""

    metric: str  # its address
    value: str
    datatype: str
    at: str


class Licence(msgspec.Struct, frozen=True):
    """A licence by its address and its name."""

    address: str
    name: str


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """One way to the data. `file_type` is a code of the EU's list (CSV), `service` the address of the DataService."""

    address: str
    title: Said
    description: Said
    access: str
    download: str = ""
    file_type: str = ""
    media_type: str = ""
    service: str = ""


class DataService(msgspec.Struct, frozen=True, kw_only=True):
    """An interface. `standard` is the address of what it conforms to, `description` that of its description for machines."""

    address: str
    title: Said
    endpoint: str
    description: str
    standard: str
    standard_name: str


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A data set. `promised_s`: a value is due each so many seconds; None where none is promised. `provenance` says where it
    comes from; `notes` what changed in its schema, and when. Times are ISO 8601."""

    address: str
    id: str
    title: Said
    description: Said
    keywords: tuple[Said, ...]
    theme: str
    provenance: Said
    licence: Licence | None
    attribution: str
    box: Box | None
    period: tuple[str, str] | None
    promised_s: float | None
    issued: str = ""
    modified: str = ""
    version: str = "1"
    notes: tuple[Said, ...] = ()
    standard: str = ""
    standard_name: str = ""
    distributions: tuple[Distribution, ...] = ()
    measurements: tuple[Measurement, ...] = ()


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """The whole. `contact` is mailto: or an address."""

    address: str
    home: str
    title: Said
    description: Said
    publisher: str
    contact: str
    licence: Licence | None
    languages: tuple[str, ...]
    box: Box
    issued: str
    modified: str
    datasets: tuple[Dataset, ...]
    services: tuple[DataService, ...]
    metrics: tuple[Metric, ...]


def frequency_of(promised_s: float | None) -> str:
    """The code of the EU's list; what promises nothing comes when something changes."""
    return "IRREG" if promised_s is None else FREQUENCIES.get(round(promised_s), "OTHER")


def describe(catalog: Catalog) -> list[Resource]:
    """The catalogue, its data sets, services and metrics as RDF."""
    publisher = Resource(
        Address(f"{catalog.home}#publisher"), ("foaf:Agent",), (("foaf:name", Text(catalog.publisher)),)
    )
    contact = _contact(catalog)
    languages = [
        _term("language", LANGUAGES[one], "dct:LinguisticSystem") for one in catalog.languages if one in LANGUAGES
    ]
    shared = (publisher, contact, languages)
    whole = Resource(
        Address(catalog.address),
        ("dcat:Catalog",),
        said(
            ("dct:title", _texts(catalog.title)),
            ("dct:description", _texts(catalog.description)),
            ("dct:publisher", publisher),
            ("dct:license", _licence(catalog.licence)),
            ("dct:language", languages),
            ("dct:spatial", _place(catalog.box)),
            ("dct:issued", _instant(catalog.issued)),
            ("dct:modified", _instant(catalog.modified)),
            ("foaf:homepage", _typed(catalog.home, "foaf:Document")),
            ("dcat:themeTaxonomy", _typed(f"{AUTHORITY}data-theme", "skos:ConceptScheme")),
            ("dcat:dataset", [_dataset(one, catalog.home, *shared) for one in catalog.datasets]),
            ("dcat:service", [_service(one, catalog, *shared) for one in catalog.services]),
        ),
    )
    return [whole, *map(_metric, catalog.metrics)]


def _dataset(one: Dataset, home: str, publisher: Resource, contact: Resource, languages: list[Resource]) -> Resource:
    return Resource(
        Address(one.address),
        ("dcat:Dataset",),
        said(
            ("dct:identifier", Text(one.id)),
            ("dct:title", _texts(one.title)),
            ("dct:description", _texts(one.description)),
            ("dct:publisher", publisher),
            ("dcat:contactPoint", contact),
            ("dcat:keyword", [text for keyword in one.keywords for text in _texts(keyword)]),
            ("dcat:theme", _term("data-theme", one.theme, "skos:Concept")),
            ("dct:accessRights", _term("access-right", "PUBLIC", "dct:RightsStatement")),
            ("dct:accrualPeriodicity", _term("frequency", frequency_of(one.promised_s), "dct:Frequency")),
            ("dcat:temporalResolution", Text(f"PT{one.promised_s:g}S", datatype="xsd:duration") if one.promised_s else None),
            ("dct:spatial", _place(one.box) if one.box else None),
            ("dct:temporal", _period(one.period) if one.period else None),
            ("dct:issued", _instant(one.issued)),
            ("dct:modified", _instant(one.modified)),
            ("dcat:version", Text(one.version)),
            ("adms:versionNotes", [text for note in one.notes for text in _texts(note)]),
            ("dct:language", languages),
            ("dct:provenance", Resource(None, ("dct:ProvenanceStatement",), said(("rdfs:label", _texts(one.provenance))))),
            ("dct:conformsTo", _standard(one.standard, one.standard_name) if one.standard else None),
            ("dcat:landingPage", _typed(home, "foaf:Document")),
            ("dcat:distribution", [_distribution(part, one) for part in one.distributions]),
            ("dqv:hasQualityMeasurement", map(_measurement, one.measurements)),
        ),
    )  # fmt: skip


def _distribution(part: Distribution, whole: Dataset) -> Resource:
    rights = (
        Resource(None, ("dct:RightsStatement",), (("rdfs:label", Text(whole.attribution)),))
        if whole.attribution
        else None
    )
    return Resource(
        Address(part.address),
        ("dcat:Distribution",),
        said(
            ("dct:title", _texts(part.title)),
            ("dct:description", _texts(part.description)),
            ("dcat:accessURL", Address(part.access)),
            ("dcat:downloadURL", Address(part.download) if part.download else None),
            ("dct:format", _term("file-type", part.file_type, "dct:MediaTypeOrExtent") if part.file_type else None),
            ("dcat:mediaType", _typed(IANA + part.media_type, "dct:MediaType") if part.media_type else None),
            ("dcatap:availability", _term("planned-availability", "AVAILABLE", "skos:Concept")),
            ("dct:license", _licence(whole.licence)),
            ("dct:rights", rights),
            ("dcat:accessService", Address(part.service) if part.service else None),
        ),
    )


def _service(
    one: DataService, catalog: Catalog, publisher: Resource, contact: Resource, languages: list[Resource]
) -> Resource:
    served = [d for d in catalog.datasets if any(part.service == one.address for part in d.distributions)]
    return Resource(
        Address(one.address),
        ("dcat:DataService",),
        said(
            ("dct:title", _texts(one.title)),
            ("dcat:endpointURL", Address(one.endpoint)),
            ("dcat:endpointDescription", Address(one.description)),
            ("dct:conformsTo", _standard(one.standard, one.standard_name)),
            ("dct:publisher", publisher),
            ("dcat:contactPoint", contact),
            ("dct:accessRights", _term("access-right", "PUBLIC", "dct:RightsStatement")),
            ("dct:license", _licence(catalog.licence)),
            ("dcat:servesDataset", [Address(d.address) for d in served]),
        ),
    )


def _measurement(one: Measurement) -> Resource:
    return Resource(
        None,
        ("dqv:QualityMeasurement",),
        said(
            ("dqv:isMeasurementOf", Address(one.metric)),
            ("dqv:value", Text(one.value, datatype=one.datatype)),
            ("prov:generatedAtTime", _instant(one.at)),
        ),
    )


def _metric(one: Metric) -> Resource:
    return Resource(
        Address(one.address),
        ("dqv:Metric",),
        said(
            ("skos:definition", _texts(one.definition)),
            ("dqv:expectedDataType", Address(expand(one.datatype))),
            ("dqv:inDimension", Address(one.dimension)),
        ),
    )


# --- small parts


def _texts(texts: Said) -> list[Value]:
    return [Text(text, language=language) for language, text in texts.items() if text]


def _instant(text: str) -> Text | None:
    return Text(text, datatype="xsd:dateTime") if text else None


def _typed(address: str, kind: str) -> Resource:
    return Resource(Address(address), (kind,))


def _term(table: str, code: str, kind: str) -> Resource:
    return _typed(f"{AUTHORITY}{table}/{code}", kind)


def _standard(address: str, name: str) -> Resource:
    return Resource(Address(address), ("dct:Standard",), (("dct:title", Text(name, language="en")),))


def _licence(licence: Licence | None) -> Resource | None:
    if licence is None:
        return None
    return Resource(Address(licence.address), ("dct:LicenseDocument",), (("dct:title", Text(licence.name)),))


def _contact(catalog: Catalog) -> Resource:
    way = "vcard:hasEmail" if catalog.contact.startswith("mailto:") else "vcard:hasURL"
    says = (("vcard:fn", Text(catalog.publisher)), (way, Address(catalog.contact)))
    return Resource(Address(f"{catalog.home}#contact"), ("vcard:Kind",), says)


def _place(box: Box) -> Resource:
    west, south, east, north = box
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    ring = ", ".join(f"{lon:.6f} {lat:.6f}" for lon, lat in corners)
    centre = f"POINT({(west + east) / 2:.6f} {(south + north) / 2:.6f})"
    return Resource(
        None,
        ("dct:Location",),
        said(
            ("dcat:bbox", Text(f"POLYGON(({ring}))", datatype="geo:wktLiteral")),
            ("dcat:centroid", Text(centre, datatype="geo:wktLiteral")),
        ),
    )


def _period(period: Iterable[str]) -> Resource:
    start, end = period
    return Resource(
        None, ("dct:PeriodOfTime",), said(("dcat:startDate", _instant(start)), ("dcat:endDate", _instant(end)))
    )
