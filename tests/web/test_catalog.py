"""The catalogue: as DCAT-AP asks, true to what is stored, silent about what is hidden."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import little_city
import msgspec
import pyshacl
import pytest
import rdflib
from little_city import BENCH, DARK_LIGHT, FULL_BIN, FULL_LEVEL, NOW, PEOPLE, Browser, LittleCity
from rdflib.compare import isomorphic
from rdflib.namespace import DCTERMS, RDF

from dongne.adapters.sources import Source
from dongne.model.entities import Datastream, Property, Thing, Unit, put
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Transaction

# rdflib's parser of JSON-LD and pyshacl use what rdflib itself calls deprecated
pytestmark = pytest.mark.filterwarnings("ignore:(ConjunctiveGraph|Dataset):DeprecationWarning")

SHAPES = Path(__file__).with_name("dcat_ap.ttl")
SECRET = "heart_rate_of_somebody"
DCAT = rdflib.Namespace("http://www.w3.org/ns/dcat#")
DQV = rdflib.Namespace("http://www.w3.org/ns/dqv#")
ADMS = rdflib.Namespace("http://www.w3.org/ns/adms#")
CONFIG = msgspec.structs.replace(
    little_city.CONFIG, publisher="Little town council", contact="mailto:data@little.test", licence="CC0-1.0"
)
OSM = Source(
    id="osm", used_for="places", licence="ODbL-1.0", attribution="© OpenStreetMap contributors", origin="an extract"
)


def put_all(city: LittleCity, *entities: Any) -> None:
    body = msgspec.msgpack.encode([put(one) for one in entities])
    city.store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()


@contextlib.contextmanager
def open_city(folder: Path) -> Iterator[LittleCity]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(little_city, "CONFIG", CONFIG)
        with little_city.open_little_city(folder / "store", sources=(OSM,)) as opened:
            yield opened


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCity]:
    with open_city(tmp_path_factory.mktemp("catalogue")) as opened:
        yield opened


@pytest.fixture
def own_city(tmp_path: Path) -> Iterator[LittleCity]:
    """One that the test may change."""
    with open_city(tmp_path) as opened:
        yield opened


@pytest.fixture
def browser(city: LittleCity) -> Iterator[Browser]:
    with contextlib.closing(Browser(city, **{"accept-language": "en"})) as client:
        yield client


@pytest.fixture
def own_browser(own_city: LittleCity) -> Iterator[Browser]:
    with contextlib.closing(Browser(own_city, **{"accept-language": "en"})) as client:
        yield client


def read(browser: Browser, host: str = "testserver") -> rdflib.Graph:
    """The catalogue; it is kept for a moment, but for each address of the server apart."""
    answer = browser.get("/catalog.ttl", headers={"host": host})
    assert answer.status_code == 200 and answer.headers["content-type"] == "text/turtle; charset=utf-8"
    return rdflib.Graph().parse(data=answer.text.replace(f"http://{host}/", "http://testserver/"), format="turtle")


def page_of(browser: Browser, host: str = "testserver") -> str:
    return str(browser.get("/catalog?lang=en", headers={"host": host}).text)


def dataset(name: str) -> rdflib.URIRef:
    return rdflib.URIRef(f"http://testserver/catalog#{name}")


def measured(graph: rdflib.Graph, name: str) -> dict[str, float]:
    found = {}
    for one in graph.objects(dataset(name), DQV.hasQualityMeasurement):
        metric = str(graph.value(one, DQV.isMeasurementOf)).rpartition("#")[2]
        found[metric] = graph.value(one, DQV.value).toPython()
    return found


def test_the_catalogue_is_as_dcat_ap_asks_with_all_that_it_recommends(browser: Browser) -> None:
    graph = read(browser)
    conforms, _, report = pyshacl.validate(graph, shacl_graph=str(SHAPES), inference="none")
    assert conforms, report
    assert len(set(graph.subjects(RDF.type, DCAT.Dataset))) >= 8


def test_the_shapes_find_what_is_missing(browser: Browser) -> None:
    graph = read(browser)
    graph.remove((dataset("pedestrians-rehomed-CC-BY-4.0"), DCTERMS.title, None))
    conforms, _, report = pyshacl.validate(graph, shacl_graph=str(SHAPES), inference="none")
    assert not conforms and "pedestrians-rehomed" in report


def test_turtle_and_json_ld_say_the_same_and_the_address_answers_as_it_is_asked(browser: Browser) -> None:
    graph = read(browser)
    document = browser.get("/catalog.jsonld")
    assert document.headers["content-type"] == "application/ld+json"
    assert isomorphic(graph, rdflib.Graph().parse(data=document.text, format="json-ld"))
    assert browser.get("/catalog", headers={"accept": "text/turtle"}).headers["content-type"].startswith("text/turtle")
    assert browser.get("/catalog", headers={"accept": "application/ld+json"}).json()["@graph"]
    page = browser.get("/catalog", headers={"accept": "text/html,text/turtle;q=0.5"})
    assert page.headers["content-type"].startswith("text/html")


def test_a_data_set_says_whose_it_is_where_it_comes_from_and_how_often(browser: Browser) -> None:
    graph = read(browser)
    people = dataset("pedestrians-rehomed-CC-BY-4.0")
    shared = graph.value(people, DCAT.distribution)
    assert str(graph.value(shared, DCTERMS.license)) == "https://spdx.org/licenses/CC-BY-4.0"
    assert str(graph.value(people, DCTERMS.accrualPeriodicity)).endswith("/frequency/HOURLY")
    assert str(graph.value(people, DCAT.theme)).endswith("/data-theme/TRAN")
    provenance = graph.value(people, DCTERMS.provenance)
    assert "measured in Auckland, replayed here" in {str(x) for x in graph.objects(provenance)}
    period = graph.value(people, DCTERMS.temporal)
    assert str(graph.value(period, DCAT.startDate)) == "2026-10-09T12:00:00+00:00"
    own = graph.value(dataset("light_level-simulated"), DCAT.distribution)
    assert str(graph.value(own, DCTERMS.license)) == "https://spdx.org/licenses/CC0-1.0"
    places = graph.value(dataset("places-osm"), DCAT.distribution)
    assert str(graph.value(places, DCTERMS.license)) == "https://spdx.org/licenses/ODbL-1.0"


def test_every_download_is_there_and_holds_these_datastreams_alone(browser: Browser) -> None:
    graph = read(browser)
    addresses = sorted(str(one) for one in graph.objects(None, DCAT.downloadURL))
    assert len(addresses) > 20
    for address in addresses:
        assert browser.get(address.removeprefix("http://testserver")).status_code == 200, address
    for name, expected in (
        ("fill_level-simulated", {1}),
        ("fill_level-measured", {FULL_LEVEL, 3}),
        ("pedestrians-rehomed-CC-BY-4.0", {PEOPLE}),
    ):
        (address,) = [
            a
            for a in graph.objects(None, DCAT.downloadURL)
            if "geojson" in a and graph.value(None, DCAT.downloadURL, a) == dataset(f"{name}-geojson")
        ]
        features = browser.get(str(address).removeprefix("http://testserver")).json()["features"]
        assert {one["id"] for one in features} == expected, name
    for one in graph.objects(None, DCAT.endpointURL):
        asked = str(one).removeprefix("http://testserver")
        assert browser.get(asked).status_code in (200, 400), asked  # 400: it wants to know which Datastreams


def test_freshness_and_completeness_are_measured_against_the_promise(
    own_city: LittleCity, own_browser: Browser
) -> None:
    """Hourly counts up to an hour ago, one day with 6 of 24 missing: the newest is an hour old, nothing is overdue."""
    before = measured(read(own_browser), "pedestrians-rehomed-CC-BY-4.0")
    assert before == {"freshness": 3600.0, "in-time": 1.0, "complete-day": 1.0, "complete-week": 1.0}
    own_city.clock.us += int(timedelta(days=1).total_seconds() * 1e6)
    own_city.observe(*[(PEOPLE, NOW + timedelta(hours=h), 5.0) for h in range(24) if not 10 <= h < 16])
    found = measured(read(own_browser, "later.test"), "pedestrians-rehomed-CC-BY-4.0")
    assert found["freshness"] == 3600.0
    assert found["complete-day"] == pytest.approx(18 / 24)
    assert found["complete-week"] == pytest.approx((7 * 24 - 6) / (7 * 24), abs=1e-3)
    page = page_of(own_browser, "later.test")
    assert "Promised every 1 hour, last 1 hour ago" in page
    assert "1 of 1 in time · 75 % of the last day is there · 96.4 % of the last week is there" in page


def test_what_is_overdue_and_what_promises_nothing_is_said_so(browser: Browser) -> None:
    assert (
        measured(read(browser), "light_level-measured")["in-time"] == 0.0
    )  # the dark lamp: nine hours, ten minutes promised
    page = page_of(browser)
    assert "No interval promised, last 5 minutes ago" in page and "Promised every 10 minutes, last 9 hours ago" in page
    assert 'class="state stale"' in page


def test_a_change_of_unit_property_or_type_is_noticed_with_its_day(own_city: LittleCity, own_browser: Browser) -> None:
    old = own_city.store.graph.datastreams[DARK_LIGHT]
    assert not list(read(own_browser).objects(dataset("light_level-measured"), ADMS.versionNotes))
    own_city.clock.us += 60_000_000
    put_all(own_city, msgspec.structs.replace(old, unit_of_measurement=Unit(symbol="lx", definition="ucum:lx")))
    own_city.clock.us += 60_000_000
    put_all(
        own_city,
        msgspec.structs.replace(own_city.store.graph.datastreams[DARK_LIGHT], description="the same, described"),
    )
    graph = read(own_browser, "later.test")
    notes = {
        str(note) for note in graph.objects(dataset("light_level-measured"), ADMS.versionNotes) if note.language == "en"
    }
    assert notes == {f"2026-11-20T12:01:00Z: the unit of Datastream {DARK_LIGHT} was % before, and is lx since"}
    assert str(graph.value(dataset("light_level-measured"), DCAT["version"])) == "2"
    assert str(graph.value(dataset("light_level-measured"), DCTERMS.modified)) == "2026-11-20T12:01:00+00:00"
    assert "was % before, and is lx since" in page_of(own_browser, "later.test")


def test_nothing_hidden_is_listed_counted_or_told(own_city: LittleCity, own_browser: Browser) -> None:
    put_all(
        own_city,
        Property(id=900, name=SECRET),
        Thing(id=900, name=SECRET, properties={"kind": SECRET, "access": "personal"}),
        Datastream(id=900, name=SECRET, thing_id=900, sensor_id=1, observed_property_id=900),
        Datastream(
            id=901,
            name=SECRET,
            thing_id=FULL_BIN,
            sensor_id=1,
            observed_property_id=900,
            properties={"access": "internal"},
        ),
    )
    shown = Datastream(
        id=901,
        name="now open",
        thing_id=FULL_BIN,
        sensor_id=1,
        observed_property_id=1,
        unit_of_measurement=Unit(symbol="%"),
    )
    put_all(own_city, shown)  # what it was while it was hidden is not told
    for path in ("/catalog", "/catalog.ttl", "/catalog.jsonld"):
        assert SECRET not in own_browser.get(path).text, path
    put_all(own_city, Thing(id=BENCH, name="Bench", properties={"kind": "bench", "access": "internal"}))
    assert "sitting" in own_browser.get("/catalog.ttl").text
    assert "sitting" not in own_browser.get("/catalog.ttl", headers={"host": "later.test"}).text
