"""What is internal or personal is as if it were not there, on every page and every road of the interface, for whoever may
not see it. The roads come from the routing table: a new route is walked by itself."""

import contextlib
import json
import logging
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import little_city
import msgspec
import pytest
from little_city import BIN, FULL_BIN, LAMP, NOW, Browser, LittleCity
from starlette.routing import Route

from dongne.model.access import PUBLIC, Access, Sight
from dongne.model.cases import CaseEvent
from dongne.model.entities import (
    Actuator,
    Datastream,
    EntityType,
    FeatureOfInterest,
    Location,
    Relation,
    Remove,
    TaskingCapability,
    Thing,
    Unit,
    put,
)
from dongne.model.records import RecordKind
from dongne.model.tasks import TaskEvent
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.wanted import WantedCases, WantedObservations, WantedTasks
from dongne.standards.sensorthings.schema import SETS
from dongne.web.api.data import FORMS_OF
from dongne.web.api.events import read_events
from dongne.web.app import create_pages

HOME, SHED = 77, 78
HOME_LEVEL, SHED_LEVEL, BIN_SECRET, HOME_SITTING = 771, 772, 773, 774
PERSONAL = ("Zzyzx", "24.944432", "60.171111", "93.7777", "zznote")
INTERNAL = ("Qqshed", "24.943321", "60.170001", "91.1111", "81.2345")
QUERIES = [
    "", "q=zzyz", "kind=zzhome", "all=1", "all=1&page=2", f"thing={HOME}", f"thing={FULL_BIN}", f"stream={BIN_SECRET}", "show=all",
    "state=crowded", "property=fill_level", "service=smart_bins", "near=24.9444,60.1711", "lon=24.9444&lat=60.1711&radius_m=80",
    "lon=24.9444&lat=60.1711&radius_m=500&format=json", "span=7d",
]  # fmt: skip
OF_ONE = [
    "",
    f"thing={HOME}",
    f"thing={FULL_BIN}&stream={BIN_SECRET}&span=7d",
    *[q for q in QUERIES if q.startswith("lon")],
]
NUMBERS: dict[str, list[Any]] = {"id": [HOME, SHED, BIN], "stream": [HOME_LEVEL, BIN_SECRET, 1]}
NAMES: dict[str, list[Any]] = {
    "id": ["smart_bins", "breaker", "whats_near", HOME], "layer": ["things", "zzhome", "building", "next_lamp", "waste_basket"],
    "version": [0], "package": ["uplot@1"], "path": ["page.css"],
}  # fmt: skip
OF_ANY: list[Any] = [HOME, "zzhome", "waste_basket", "datastreams"]  # for gaps that nobody listed above
OPTIONS = [
    "", "?$count=true&$top=100", "?$count=true&$top=1&$orderby=id desc", "?$filter=id gt 20&$count=true", "?$resultFormat=CSV",
    "?$resultFormat=GeoJSON", "?$select=id&$top=3", "?$filter=startswith(name,'Zz')", "?$filter=result gt 90&$count=true",
]  # fmt: skip
EXPANDED = [
    "/v1.1/Things?$expand=Datastreams/Observations,Locations,HistoricalLocations",
    "/v1.1/Observations?$resultFormat=dataArray&$top=20&$orderby=phenomenonTime desc",
    f"/v1.1/Things({HOME})", f"/v1.1/Things({HOME})/Datastreams", f"/v1.1/Datastreams({HOME_LEVEL})/Observations",
    f"/v1.1/Datastreams({BIN_SECRET})", f"/v1.1/Things({BIN})/Datastreams?$count=true",
    "/v1.1/Datastreams?$filter=Thing/name eq 'Zzyzx home'&$count=true",
    f"/v1.1/Things({HOME})?$asOf=2026-11-20T12:00:00Z", "/v1.1/Sensors?$expand=Datastreams($count=true)",
    "/v1.1/Datastreams?$filter=substring(Thing/name,0,99999) eq 1", "/v1.1/Things?$orderby=Locations/name desc",
]  # fmt: skip


def page_roads(city: LittleCity, method: str) -> list[str]:
    """The paths of every route of the pages, with each of the values its gaps may have."""
    roads = []
    for route in create_pages(city.context).routes:
        assert isinstance(route, Route)
        if method in (route.methods or ()):
            gaps = re.findall(r"{(\w+)(:int)?(?::path)?}", route.path)
            numbers = {"id": ["CASE", 1]} if route.path.startswith("/cases") else NUMBERS
            for chosen in product(*[(numbers if is_int else NAMES).get(name, OF_ANY) for name, is_int in gaps]):
                values = iter(chosen)
                roads.append(re.sub(r"{[^}]+}", lambda _gap, values=values: str(next(values)), route.path))
    return roads


def all_roads(city: LittleCity, case: int) -> list[str]:
    """Everything that can be read: pages with many questions, the whole of SensorThings, downloads, numbers."""
    found = []
    for path in page_roads(city, "GET"):
        if "assets" not in path:
            is_one = any(character.isdigit() for character in path) or path.count("/") > 1
            found += [f"{path.replace('CASE', str(case))}?{query}" for query in (OF_ONE if is_one else QUERIES)]
    found += [f"/v1.1/{name}{options}" for name in SETS for options in OPTIONS]
    for name, forms in FORMS_OF.items():
        for form, choice in product(
            forms, ["property=fill_level", f"thing={HOME}", f"thing={BIN}", f"datastream={HOME_LEVEL}"]
        ):
            found.append(f"/api/{name}?{choice}&format={form}" + ("&interval=PT1H" if name == "aggregates" else ""))
    return [*found, *EXPANDED, "/status", "/metrics"]


class Walker(Browser):
    """Somebody with a token, or without, who asks for everything."""

    def __init__(self, city: LittleCity, token: str = "") -> None:
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        super().__init__(city, **{"accept-language": "en"}, **bearer)

    def walk(self, roads: list[str]) -> dict[str, tuple[int, str]]:
        """Status, and what is said in headers and body, by road."""
        found = {}
        for road in roads:
            answer = self.get(road)
            assert answer.status_code < 500, (road, answer.text)
            head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
            found[road] = answer.status_code, head + "\n" + answer.content.decode("utf-8", "replace")
        return found


def plant(city: LittleCity) -> int:
    """A personal home, an internal shed and an internal Datastream at a public bin, with everything that hangs on them; the
    number of the home's Case."""
    key = {p.name: p.id for p in city.store.graph.properties.values()}
    entities: list[Any] = [Actuator(id=77, name="lock", encoding_type="text/plain", metadata="")]
    for thing, name, kind, access, point in (
        (HOME, "Zzyzx home", "zzhome", "personal", [24.9444321, 60.1711117]),
        (SHED, "Qqshed", "waste_basket", "internal", [24.9433211, 60.1700011]),
    ):
        where = {"type": "Point", "coordinates": point}
        entities.append(Location(id=thing, name=f"{name} street", location=where))
        properties = {
            "kind": kind,
            "access": access,
            "near": "Zzyzx 1" if thing == HOME else "Qqshed 1",
            "source_id": name,
        }
        entities.append(Thing(id=thing, name=name, properties=properties, location_ids=(thing,)))
        entities.append(FeatureOfInterest(id=thing, name=f"{name} bed", feature=where, thing_id=thing))
    for stream, thing, observed, properties in (
        (HOME_LEVEL, HOME, "fill_level", {}), (SHED_LEVEL, SHED, "fill_level", {}),
        (BIN_SECRET, BIN, "parking_occupancy", {"access": "internal"}), (HOME_SITTING, HOME, "sitting", {}),
    ):  # fmt: skip
        unit = Unit(symbol="%" if observed != "sitting" else "1")
        name = f"{'Zzyzx' if thing == HOME else 'Qqshed'} {observed}"
        entities.append(
            Datastream(
                id=stream, name=name, unit_of_measurement=unit, thing_id=thing, sensor_id=1,
                observed_property_id=key[observed], properties=properties,
            )
        )  # fmt: skip
    entities.append(Relation(id=2, kind="next_lamp", from_id=LAMP, to_id=HOME, distance_m=93.7777))
    entities.append(TaskingCapability(id=77, name="light_level", thing_id=HOME, actuator_id=77, description="zznote"))
    event = CaseEvent(
        key=f"smart_bins/{HOME}/work_order/collect/zznote", kind="work_order", action="open", name="collect", time=NOW, thing=HOME,
        service="smart_bins", values={"level_percent": 93.7777}, by="service:smart_bins", note="zznote",
    )  # fmt: skip
    later = CaseEvent(
        key=event.key, kind=event.kind, action="accept", name="collect", time=NOW, by="Aino", note="zznote 2"
    )
    task = TaskEvent(key="zznote", thing=HOME, capability="light_level", state="created", time=NOW, capability_id=77,
                     parameters={"value": 93.7777}, by="zznote", reason="zznote")  # fmt: skip
    entries = [
        Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(one) for one in entities])),
        Entry(RecordKind.CASE, msgspec.msgpack.encode(event)),
        Entry(RecordKind.CASE, msgspec.msgpack.encode(later)),
        Entry(RecordKind.TASK, msgspec.msgpack.encode(task)),
    ]
    number = city.store.submit(Transaction(entries)).result().numbers[1]
    city.observe(
        (HOME_LEVEL, NOW, 93.7777), (SHED_LEVEL, NOW, 91.1111), (BIN_SECRET, NOW, 81.2345), (HOME_SITTING, NOW, 0.0)
    )
    city.settle()
    return number


class Walked:
    """What each saw: nobody before anything hidden was there, then nobody, an operator and a carer."""

    def __init__(self, city: LittleCity, caplog_text: list[str]) -> None:
        assert city.guard is not None
        self.city = city
        self.case = city.store.head() + 2
        roads = all_roads(city, self.case)
        with contextlib.closing(Walker(city)) as nobody:
            self.before = nobody.walk(roads)
            assert plant(city) == self.case
            self.nobody = nobody.walk(roads)
        issue = city.guard.book.issue
        self.tokens = {
            role: issue(role, role, None, None, "visits", 1) for role in ("operator", "carer", "admin", "planner")
        }
        self.logged = list(caplog_text)
        with contextlib.closing(Walker(city, self.tokens["operator"])) as operator:
            self.operator = operator.walk(roads)
        with contextlib.closing(Walker(city, self.tokens["carer"])) as carer:
            self.carer = carer.walk(roads)


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    keep = Keep(logging.DEBUG)
    logging.getLogger().addHandler(keep)
    try:
        with little_city.open_little_city(tmp_path_factory.mktemp("hidden") / "store", guarded_at="0.0.0.0") as city:
            yield Walked(city, lines)
    finally:
        logging.getLogger().removeHandler(keep)


def _met(said: dict[str, tuple[int, str]], words: tuple[str, ...]) -> list[str]:
    return [f"{road}: {word}" for road, (_, text) in said.items() for word in words if word in text]


def test_nobody_meets_what_is_hidden_anywhere(walked: Walked) -> None:
    assert _met(walked.nobody, PERSONAL + INTERNAL) == []
    links = re.compile(
        rf"/things/(?:{HOME}|{SHED})\b|Things\((?:{HOME}|{SHED})\)|Datastreams\(77\d\)|/cases/{walked.case}\b"
    )
    own = re.compile(rf"{HOME}|{SHED}|{walked.case}")
    assert [road for road, (_, text) in walked.nobody.items() if not own.search(road) and links.search(text)] == []


def test_for_nobody_everything_is_as_it_was_before_it_was_there(walked: Walked) -> None:
    """So no count, no order, no page and no error tells of it; numbers of the whole sequence are no secret."""

    def plain(road: str, text: str) -> str:
        if road.startswith(("/status", "/metrics")):
            return ""
        text = re.sub(r'name="form" value="\w+"|etag: [^\n]+|content-length: \d+|"time":"[^"]+"', "", text)
        text = re.sub(r'"@iot.nextLink":"[^"]+"', '"@iot.nextLink":""', text)  # it holds the head of the sequence
        return re.sub(r"[\d,]+ records?|[\d,]+ numbers?", "", text) if road.startswith("/data") else text

    changed = {
        road: (status, walked.nobody[road][0])
        for road, (status, text) in walked.before.items()
        if status != walked.nobody[road][0] or plain(road, text) != plain(road, walked.nobody[road][1])
    }
    assert changed == {}


def test_staff_meet_what_is_internal_and_nothing_personal(walked: Walked) -> None:
    assert _met(walked.operator, PERSONAL) == []
    met = " ".join(_met(walked.operator, INTERNAL))
    assert all(word in met for word in INTERNAL)
    assert walked.operator[f"/things/{HOME}?"][0] == 404 and walked.operator[f"/things/{SHED}?"][0] == 200


def test_who_may_meets_all_of_it(walked: Walked) -> None:
    met = " ".join(_met(walked.carer, PERSONAL + INTERNAL))
    assert all(word in met for word in PERSONAL + INTERNAL)
    for road in (f"/things/{HOME}?", f"/cases/{walked.case}?", f"/things/{HOME}/series/{HOME_LEVEL}.json?"):
        assert walked.carer[road][0] == 200, road
    assert "Zzyzx" in walked.carer["/answers/whats_near?lon=24.9444&lat=60.1711&radius_m=80"][1]


def test_a_hidden_thing_is_missing_like_one_that_is_not_there(walked: Walked) -> None:
    with contextlib.closing(Walker(walked.city)) as nobody:
        hidden, missing = nobody.get(f"/things/{HOME}"), nobody.get("/things/987654")
        salt = r'name="form" value="\w+"'
        assert (hidden.status_code, missing.status_code) == (404, 404)
        assert re.sub(salt, "", hidden.text).replace(str(HOME), "N") == re.sub(salt, "", missing.text).replace(
            "987654", "N"
        )


def test_the_numbers_of_the_city_count_what_who_asks_may_see(walked: Walked) -> None:
    def counts(said: dict[str, tuple[int, str]]) -> dict[str, int]:
        return dict(json.loads(said["/status"][1].partition("\n{")[2].join(("{", "")))["entities"])

    public, staff, carer = counts(walked.nobody), counts(walked.operator), counts(walked.carer)
    assert counts(walked.before) == public
    assert (staff["things"] - public["things"], carer["things"] - staff["things"]) == (1, 1)


@pytest.mark.parametrize("role", ["", "operator", "planner"])
def test_no_form_changes_or_tells_of_what_is_hidden(walked: Walked, role: str) -> None:
    city = walked.city
    head = city.store.head()
    fields = {
        "thing": str(HOME),
        "action": "accept",
        "full_percent": "70",
        "reset": "1",
        "next": "/",
        "token": "dgn_no",
    }
    with contextlib.closing(Walker(city, walked.tokens.get(role, ""))) as walker:
        for path in page_roads(city, "POST"):
            if "CASE" in path or not re.search(r"\d", path):
                answer = walker.post(path.replace("CASE", str(walked.case)), data=fields)
                assert answer.status_code in (303, 400, 401, 403, 404, 405), (path, answer.text)
                assert not any(word in answer.text for word in PERSONAL), path
    assert city.store.head() == head


def test_no_event_tells_of_it(walked: Walked) -> None:
    store = walked.city.store

    def everything(sight: Sight) -> str:
        found = b""
        listeners = (
            WantedObservations(store.graph, set(), set(), set(), sight),
            WantedCases(store, set(), set(), set(), sight),
            WantedTasks(store.graph, set(), set(), sight),
        )
        for wanted in listeners:
            after = 0
            while after < store.head():
                events, after = read_events(store, wanted, after)
                found += b"".join(events)
        return found.decode()

    assert not any(word in everything(PUBLIC) for word in ("93.7777", "91.1111", "81.2345", "zznote"))
    staff = everything(Sight(Access.INTERNAL))
    assert "81.2345" in staff and "93.7777" not in staff and "zznote" not in staff
    assert all(word in everything(Sight(Access.PERSONAL)) for word in ("93.7777", "zznote", "zznote 2"))


def test_no_line_of_the_log_tells_of_it(walked: Walked) -> None:
    assert walked.logged == [] or not any(word in line for line in walked.logged for word in PERSONAL + INTERNAL)


def test_who_reached_personal_data_and_what_for_is_written_down(walked: Walked) -> None:
    guard = walked.city.guard
    assert guard is not None
    guard._notes.close()
    entries = guard.book.list_entries()
    seen = [one for one in entries if one.what == "personal data asked for"]
    assert {one.who for one in seen} == {"carer"}
    assert {one.detail for one in seen} == {"carer visits"}
    assert {f"/things/{HOME}", "/v1.1/Things?$count=true&$top=100"} <= {one.place for one in seen}
    assert guard.book.find_fault() == ""


def test_cases_of_a_thing_that_was_deleted_stay_with_who_sees_everything(tmp_path: Path) -> None:
    with little_city.open_little_city(tmp_path / "store", guarded_at="0.0.0.0") as city:
        case = plant(city)
        gone = [Remove(EntityType.DATASTREAM, HOME_LEVEL), Remove(EntityType.THING, HOME)]
        city.store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(gone))])).result()
        assert city.guard is not None
        token = city.guard.book.issue("admin", "admin", None, None, "", 1)
        with contextlib.closing(Walker(city)) as nobody, contextlib.closing(Walker(city, token)) as admin:
            assert nobody.get(f"/cases/{case}").status_code == 404
            assert "zznote" not in nobody.get("/cases?show=all").text
            assert admin.get(f"/cases/{case}").status_code == 200
