"""What conditions find, as tables: for instants and intervals, for values inside JSON, for places, and over navigations.

Each row is a fact on which servers of SensorThings agree, or which the standard gives (18-088, clauses 9.3.3.5.1 and 9.3.3.5.2).
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import Client
from tests.conformance.replay import empty_city

from dongne.web.api import create_api

UNIT = {"name": "degree Celsius", "symbol": "°C", "definition": "ucum:T"}
SENSOR = {"name": "S", "description": "", "encodingType": "text", "metadata": "m"}


def letters(first: int, count: int = 10) -> str:
    """So many letters of the alphabet from the one at this place."""
    return "".join(chr(ord("a") + (first + n) % 26) for n in range(count))


def numbers(first: int, count: int = 5) -> list[int]:
    """So many whole numbers."""
    return list(range(first, first + count))


class Known:
    """A city and, by set, the ids of its entities in the order in which they were made."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.ids: dict[str, list[int]] = {}

    def make(self, name: str, /, **values: Any) -> dict[str, int]:
        """The link to a new entity."""
        made = self.client.create(
            name, {"name": name, "description": "", **values} if name != "Observations" else values
        )
        self.ids.setdefault(name, []).append(made)
        return {"@iot.id": made}

    def places_of(self, name: str, condition: str) -> list[int]:
        """Which of them a condition finds, by their places."""
        found = self.client.json(name, filter=condition, orderby="id", top="1000", count="true")
        ids = [one["@iot.id"] for one in found["value"]]
        assert len(ids) == len(set(ids)) == found["@iot.count"]
        return [self.ids[name].index(one) for one in ids]


@pytest.fixture(scope="module")
def make_known() -> Iterator[Any]:
    opened: list[Any] = []

    def make() -> Known:
        folder = tempfile.TemporaryDirectory()
        city = empty_city(Path(folder.name))
        client = Client(create_api(city.__enter__()))
        opened.append((folder, city, client))
        return Known(client)

    yield make
    for folder, city, client in opened:
        client.close()
        city.__exit__(None, None, None)
        folder.cleanup()


# --- times --------------------------------------------------------------------------------------------------------

DAY = "2016-01-01T"
T = {
    name: f"{DAY}{name[:2]}:{name[2:]}:00Z" for name in ("0600", "0659", "0700", "0701", "0759", "0800", "0801", "0900")
}
T |= {"2014": "2014-01-01T06:00:00Z", "2015": "2015-01-01T06:00:00Z", "2017": "2017-01-01T09:00:00Z",
      "2017b": "2017-01-01T10:00:00Z", "2018": "2018-01-01T09:00:00Z"}  # fmt: skip
INSTANTS = ["0600", "0659", "0700", "0701", "0759", "0800", "0801", "0900"]  # places 0 to 7
INTERVALS = ["0600/0659", "0600/0700", "0600/0701", "0700/0800", "0701/0759", "0759/0900", "0800/0900", "0801/0900",
             "0659/0801", "0700/0759", "0700/0801", "0659/0800", "0701/0800"]  # fmt: skip  # places 8 to 20


def time_of(name: str) -> str:
    """An instant, or an interval of two."""
    return "/".join(T[part] for part in name.split("/"))


@pytest.fixture(scope="module")
def times(make_known: Any) -> Known:
    known: Known = make_known()
    place = {
        "name": "P",
        "encodingType": "application/vnd.geo+json",
        "location": {"type": "Point", "coordinates": [8, 51]},
    }
    thing = known.make("Things", Locations=[place])
    sensor, observed = known.make("Sensors", **SENSOR), known.make("ObservedProperties", definition="urn:t")
    linked = {"Thing": thing, "Sensor": sensor, "ObservedProperty": observed, "unitOfMeasurement": UNIT}
    stream = known.make("Datastreams", observationType="someType", **linked)
    rows = [{"phenomenonTime": T[one], "resultTime": T[one]} for one in INSTANTS]
    rows += [{"phenomenonTime": time_of(one), "validTime": time_of(one)} for one in INTERVALS]
    year_2015, year_2017 = f"{T['2015']}/2015-01-01T07:00:00Z", f"{T['2017']}/{T['2017b']}"
    rows += [{"phenomenonTime": T[one], "resultTime": T[one]} for one in ("2015", "2017")]
    rows.append({"phenomenonTime": year_2015, "resultTime": T["2015"], "validTime": year_2015})
    rows.append({"phenomenonTime": year_2017, "resultTime": T["2017b"], "validTime": year_2017})
    for result, row in enumerate(rows):
        known.make("Observations", result=result, Datastream=stream, **row)
    known.make("Datastreams", observationType="someType", **linked)  # without Observations
    return known


R7, V7 = "3 4 5 6 7 22 24", "12 13 14 15 20 24"
# what `X op T` and `T op X` find, X being resultTime and validTime, and T first 07:00 and then 07:00/08:00
OVER_TIMES = {
    "{} lt {}": [("0 1 21 23", "8 9 23", "0 1 21 23", "8 9 23"), (R7, V7, "5 6 7 22 24", "14 15 24")],
    "{} le {}": [("0 1 2 21 23", "8 9 23", "0 1 2 21 23", "8 9 10 11 17 19 23"),
                 ("2 " + R7, "11 12 13 14 15 17 18 20 24", "5 6 7 22 24", "11 13 14 15 18 20 24")],
    "{} eq {}": [("2", "", "", "11"), ("2", "", "", "11")],
    "meets({},{})": [("2", "9 11 17 18", "2 5", "9 14")] * 2,
    "overlaps({},{})": [("2", "10 11 16 17 18 19", "2 3 4", "10 11 12 13 16 17 18 19 20")] * 2,
    "starts({},{})": [("2", "11 17 18", "2", "11 17 18")] * 2,
    "finishes({},{})": [("2", "9", "5", "11 19 20")] * 2,
}  # fmt: skip
OVER_TIMES |= {
    "{} gt {}": OVER_TIMES["{} lt {}"][::-1],
    "{} ge {}": OVER_TIMES["{} le {}"][::-1],
    "before({},{})": OVER_TIMES["{} lt {}"],
    "after({},{})": OVER_TIMES["{} lt {}"][::-1],
}


def places(text: str) -> list[int]:
    """The numbers of a text."""
    return sorted(map(int, text.split()))


@pytest.mark.parametrize("form", OVER_TIMES)
def test_instants_and_intervals_are_compared(times: Known, form: str) -> None:
    for found, turned in zip(OVER_TIMES[form], (False, True), strict=True):
        for place, time in enumerate(("0700", "0700/0800")):
            result, valid = found[2 * place : 2 * place + 2]
            both = " ".join({*result.split(), *valid.split()})
            for name, wanted in (("resultTime", result), ("validTime", valid), ("phenomenonTime", both)):
                pair = (time_of(time), name) if turned else (name, time_of(time))
                condition = form.format(*pair)
                assert (condition, times.places_of("Observations", condition)) == (condition, places(wanted))


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (f"during(resultTime,{time_of('0700/0800')})", "2 3 4"),
        (f"during(validTime,{time_of('0700/0800')})", "11 12 17 20"),
        (f"during(phenomenonTime,{time_of('0700/0800')})", "2 3 4 11 12 17 20"),
        (f"during({T['0700']},validTime)", "10 11 16 17 18 19"),
        (f"during({T['0700']},phenomenonTime)", "10 11 16 17 18 19"),
        (f"during({time_of('0700/0800')},validTime)", "11 16 18 19"),
        (f"during({time_of('0700/0800')},phenomenonTime)", "11 16 18 19"),
        ("year(resultTime) eq 2015", "21 23"),
        ("year(validTime) eq 2015", "23"),
        ("year(phenomenonTime) eq 2015", "21 23"),
        (f"resultTime add duration'PT1H' gt {T['0900']}", "6 7 22 24"),
        (f"validTime add duration'PT1H' gt {T['0900']}", "15 24"),
        (f"phenomenonTime add duration'PT1H' gt {T['0900']}", "6 7 15 22 24"),
        (f"phenomenonTime gt {T['0900']} sub duration'PT1H'", "6 7 15 22 24"),
        (f"validTime sub duration'PT1H' gt {T['0700']}", "15 24"),
        (f"validTime lt {time_of('0600/0700')} add duration'PT1H'", "8 9 23"),
        (f"phenomenonTime lt {time_of('0600/0700')} add duration'PT1H'", "0 1 8 9 21 23"),
        (f"phenomenonTime gt {time_of('0800/0900')} sub duration'PT1H'", "5 6 7 14 15 22 24"),
        (f"phenomenonTime sub {T['0800']} eq duration'PT1H'", "7"),
        (f"not resultTime lt {T['0700']} and not resultTime ge {T['0800']}", "2 3 4"),
        (f"not validTime lt {T['0700']} and not validTime ge {T['0800']}", "10 11 12 13 16 17 18 19 20"),
    ],
)
def test_times_are_reckoned_with(times: Known, condition: str, wanted: str) -> None:
    assert times.places_of("Observations", condition) == places(wanted)


# of a Datastream with Observations from 2015 to 2017b and another without: whether the first is found
SPANS = ["2014", "2015", "0700", "2017b", "2018", "0700/0800", "2014/2015", "2014/2017b", "2014/2018", "2015/2017b",
         "2015/2018", "2017b/2018"]  # fmt: skip
OF_DATASTREAMS = {
    "{} lt {}": "000110000001", "{} gt {}": "100000100000", "{} le {}": "000110000111", "{} ge {}": "110000110100",
    "{} eq {}": "000000000100", "before({},{})": "000110000001", "after({},{})": "100000100000",
    "meets({},{})": "010100100001", "overlaps({},{})": "011001011110", "starts({},{})": "010000000110",
    "finishes({},{})": "000100010100",
}  # fmt: skip


@pytest.mark.parametrize("form", OF_DATASTREAMS)
def test_datastreams_are_found_by_their_span(times: Known, form: str) -> None:
    for name in ("phenomenonTime", "resultTime"):
        for span, wanted in zip(SPANS, OF_DATASTREAMS[form], strict=True):
            condition = form.format(name, time_of(span))
            found = times.places_of("Datastreams", condition)
            assert (condition, found) == (condition, [0] * (wanted == "1"))


def test_nothing_is_during_an_instant(times: Known) -> None:
    for pair in (f"resultTime,{T['0700']}", f"phenomenonTime,{T['0700']}", f"{time_of('0700/0800')},resultTime"):
        answer = times.client.get("/v1.1/Observations", params={"$filter": f"during({pair})"})
        assert (answer.status_code, "name an interval" in answer.json()["message"]) == (400, True)


# --- values inside JSON ---------------------------------------------------------------------------------------------


def inside(number: int, size: int) -> dict[str, Any]:
    """Values of all sorts, and lists of them."""
    return {
        "intArray": numbers(number, 5),
        "strArray": [f"s{one}" for one in numbers(number, 5)],
        "intIntArray": [numbers(number + n, size) for n in range(size)],
        "objArray": [
            {"string": letters(number + n), "boolean": (number + n) % 2 == 0, "intArray": numbers(number + n, 3)}
            for n in range(size)
        ],
    }


@pytest.fixture(scope="module")
def values(make_known: Any) -> Known:
    known: Known = make_known()
    for n in range(4):
        own = {"string": letters(n), "boolean": n % 2 == 0, "int": n + 8, **inside(n + 8, 3)}
        known.make("Things", properties=own)
    thing = {"@iot.id": known.ids["Things"][0]}
    known.make(
        "Locations",
        encodingType="application/geo+json",
        location={"type": "Point", "coordinates": [8, 52]},
        Things=[thing],
    )
    linked = {"Thing": thing, "Sensor": known.make("Sensors", **SENSOR), "ObservedProperty": known.make("ObservedProperties", definition="urn:t")}  # fmt: skip
    stream = known.make("Datastreams", observationType="someType", unitOfMeasurement=UNIT, **linked)
    known.make(
        "Datastreams", unitOfMeasurement={"name": "degree Fahrenheit", "symbol": "°F", "definition": "[degF]"}, **linked
    )
    status = {"code": 2, "label": "Niveau 1", "comment": "contrôlée"}
    for n in range(13):
        quality: Any = {"DQ_Status": status} if n % 2 == 0 else [{"nameOfMeasure": "x", "DQ_Result": status}]
        own = {"string": letters(n), "boolean": n % 2 == 0, "int": n, **inside(n, 3)}
        known.make("Observations", result=n, Datastream=stream, parameters=own, resultQuality=quality)
    odd = inside(13, 3)
    for wrong in (
        {
            "int": letters(13),
            "string": False,
            "boolean": 13,
            "objArray": odd["intArray"],
            "intArray": odd["intIntArray"],
        },
        {
            "boolean": letters(14),
            "int": True,
            "string": 14,
            "objArray": odd["intIntArray"],
            "intArray": odd["objArray"],
        },
        {"boolean": "true", "int": "5"},
    ):
        known.make("Observations", result="bad values", Datastream=stream, parameters=wrong)
    known.make("Observations", result=1, Datastream=stream, resultQuality="number-1")
    known.make("Observations", result=1, Datastream=stream, resultQuality=2)
    return known


@pytest.mark.parametrize(
    ("name", "condition", "wanted"),
    [
        ("Things", f"properties/string eq '{letters(2)}'", "2"),
        ("Observations", f"parameters/string eq '{letters(2)}'", "2"),
        ("Things", "substringof('cdefgh',properties/string)", "0 1 2"),
        ("Observations", "substringof('cdefgh',parameters/string)", "0 1 2"),
        ("Things", "properties/objArray[0]/string eq 'jklmnopqrs'", "1"),
        ("Observations", "parameters/objArray[0]/string eq 'jklmnopqrs'", "9"),
        ("Observations", "parameters/objArray/0/string eq 'jklmnopqrs'", "9"),
        ("Observations", "parameters/int eq '5'", "5 15"),
        ("Things", "properties/int eq 10", "2"),
        ("Things", "properties/int gt 9", "2 3"),
        ("Observations", "parameters/int gt 8", "9 10 11 12"),
        ("Observations", "parameters/int lt 8", "0 1 2 3 4 5 6 7"),
        ("Things", "properties/intArray[1] gt 10", "2 3"),
        ("Observations", "parameters/intArray[1] gt 9", "9 10 11 12"),
        ("Things", "properties/intIntArray[1][0] gt 10", "2 3"),
        ("Observations", "parameters/intIntArray[1][0] gt 9", "9 10 11 12"),
        ("Things", "properties/objArray[1]/intArray[0] gt 10", "2 3"),
        ("Things", "properties/boolean eq false", "1 3"),
        ("Observations", "parameters/boolean eq false", "1 3 5 7 9 11"),
        ("Things", "properties/boolean", "0 2"),
        ("Observations", "parameters/boolean", "0 2 4 6 8 10 12"),
        ("Observations", "not parameters/boolean", "1 3 5 7 9 11"),
        ("Things", "properties/objArray[1]/boolean", "1 3"),
        ("Datastreams", "unitOfMeasurement/symbol eq '°F'", "1"),
        ("Datastreams", "unitOfMeasurement/name eq 'degree Celsius'", "0"),
        ("Datastreams", "concat(concat(unitOfMeasurement/symbol,', '),unitOfMeasurement/name) eq '°C, degree Celsius'", "0"),
        ("Observations", "parameters/int eq Datastream/Thing/properties/int", "8"),
        ("Observations", "parameters/string eq Datastream/Thing/properties/string", "0"),
        ("Observations", "parameters/boolean eq Datastream/Thing/properties/boolean", "0 2 4 6 8 10 12 15"),
        ("Things", "properties/int in (8,9)", "0 1"),
        ("Things", "9 in properties/intArray", "0 1"),
        ("Things", "'s10' in properties/strArray", "0 1 2"),
        ("Things", "not (9 in properties/intArray)", "2 3"),
        ("Things", "properties/int in properties/intArray", "0 1 2 3"),
        ("Things", "properties/string in properties/strArray", ""),
        ("Observations", "resultQuality/DQ_Status/code eq 2", "0 2 4 6 8 10 12"),
        ("Observations", "resultQuality[0]/DQ_Result/code eq 2", "1 3 5 7 9 11"),
        ("Observations", "resultQuality eq 'number-1'", "16"),
        ("Observations", "resultQuality eq 2", "17"),
        ("Observations", "1 add result mul 2 sub -1 eq 4", "1 16 17"),
        ("Observations", "6 div 2 sub result eq 2", "1 16 17"),
        ("Observations", "1 add 2.0 mod (result add 1) eq 1", "0 1 16 17"),
        ("Observations", "14 div (result add 1) mod 3 mul 3 eq 3 and result eq 1", "1 16 17"),
        ("Observations", "not result lt 1 and not result gt 1", "1 16 17"),
        ("Observations", "result eq 2 and result eq 3 or result eq 3", "3"),
        ("Observations", "result eq 2 and (result eq 3 or result eq 3)", ""),
    ],
)  # fmt: skip
def test_values_inside_json_are_found(values: Known, name: str, condition: str, wanted: str) -> None:
    assert values.places_of(name, condition) == places(wanted)


@pytest.mark.parametrize(
    ("path", "label", "wanted"),
    [
        ("string", "string", letters(0)),
        ("boolean", "boolean", True),
        ("int", "int", 8),
        ("intArray", "intArray", numbers(8)),
        ("intArray[1]", "intArray[1]", 9),
        ("intIntArray[1]", "intIntArray[1]", [9, 10, 11]),
        ("intIntArray[0][1]", "intIntArray[0][1]", 9),
        ("objArray[0]/string", "string", letters(8)),
    ],
)
def test_a_value_inside_json_has_an_address(values: Known, path: str, label: str, wanted: Any) -> None:
    thing = values.ids["Things"][0]
    assert values.client.json(f"Things({thing})/properties/{path}") == {label: wanted}
    encoded = path.replace("[", "%5B").replace("]", "%5D")
    assert values.client.json(f"Things({thing})/properties/{encoded}") == {label: wanted}
    raw = values.client.get(f"/v1.1/Things({thing})/properties/{path}/$value")
    assert raw.status_code == 200


def test_an_option_is_known_in_any_case(values: Known) -> None:
    found = values.client.get("/v1.1/Things", params={"$orderBy": "id desc", "$TOP": "1"}).json()["value"]
    assert [one["@iot.id"] for one in found] == values.ids["Things"][-1:]


# --- places, and conditions over navigations ------------------------------------------------------------------------

POINTS = [[8, 51], [8, 52], [8, 53], [8, 54]]
SHAPES: list[dict[str, Any]] = [
    *({"type": "Point", "coordinates": point} for point in POINTS),
    {"type": "Polygon", "coordinates": [[[8, 53], [7, 52], [7, 53], [8, 53]]]},
    {"type": "LineString", "coordinates": [[5, 52], [5, 53]]},
    {"type": "LineString", "coordinates": [[5, 52], [6, 53]]},
    {"type": "LineString", "coordinates": [[4, 52], [8, 52]]},
]
OWNERS = [0, 0, 1, 2, 3]
BOX = "geography'POLYGON((7.5 51.5, 7.5 53.5, 8.5 53.5, 8.5 51.5, 7.5 51.5))'"
WEDGE = "geography'POLYGON((8 53, 7.5 54.5, 8.5 54.5, 8 53))'"
STREAMS = [
    (0, 0, 0),
    (0, 1, 1),
    (0, 2, 2),
    (1, 0, 0),
    (1, 1, 1),
    (1, 3, 3),
    (2, 1, 0),
]  # Thing, Sensor, ObservedProperty


@pytest.fixture(scope="module")
def around(make_known: Any) -> Known:
    known: Known = make_known()
    for n, own in enumerate((None, {"field": 2, "string": "one"}, {"field": 3, "string": "two"}, None), 1):
        known.make("Things", name=f"Thing {n}", **({} if own is None else {"properties": own}))
    names = ["Location 1.0", "Location 1.1", "Location 2", "Location 3", "Location 4", "Line 5", "Line 6", "Line 7"]
    for n, (name, shape) in enumerate(zip(names, SHAPES, strict=True)):
        owner = {"Things": [{"@iot.id": known.ids["Things"][OWNERS[n]]}]} if n < len(OWNERS) else {}
        field = {"field": [1, 1.1, 2, 3, 4, 5, 6, 7][n]}
        known.make(
            "Locations", name=name, encodingType="application/vnd.geo+json", location=shape, properties=field, **owner
        )
        known.make("FeaturesOfInterest", encodingType="application/geo+json", feature=shape)
    for n in range(4):
        known.make("Sensors", **{**SENSOR, "name": f"Sensor {n}"})
        known.make("ObservedProperties", name=f"ObservedProperty {n}", definition=f"urn:{n}")
    for thing, sensor, observed in STREAMS:
        known.make("Datastreams", unitOfMeasurement=UNIT, Thing={"@iot.id": known.ids["Things"][thing]},
                   Sensor={"@iot.id": known.ids["Sensors"][sensor]},
                   ObservedProperty={"@iot.id": known.ids["ObservedProperties"][observed]})  # fmt: skip
    for feature, stream in enumerate((0, 0, 3, 6)):
        known.make("Observations", result=feature, Datastream={"@iot.id": known.ids["Datastreams"][stream]},
                   FeatureOfInterest={"@iot.id": known.ids["FeaturesOfInterest"][feature]})  # fmt: skip
    return known


@pytest.mark.parametrize(
    ("name", "condition", "wanted"),
    [
        ("Locations", "geo.distance({},geography'POINT(8 54.1)') lt 1", "3"),
        ("Locations", "geo.distance({},geography'POINT(8 54.1)') gt 1", "0 1 2 4 5 6 7"),
        ("Observations", "geo.distance({},geography'POINT(8 54.1)') lt 1", "3"),
        ("Observations", "geo.distance({},geography'POINT(8 54.1)') gt 1", "0 1 2"),
        ("Locations", "geo.intersects({},geography'LINESTRING(7.5 51, 7.5 54)')", "4 7"),
        ("Datastreams", f"geo.intersects({{}},{BOX})", "0 3"),
        ("Locations", "geo.length({}) gt 1", "6 7"),
        ("Locations", "geo.length({}) eq 1", "5"),
        ("Locations", "geo.length({}) ne 1", "0 1 2 3 4 6 7"),
        ("Locations", "geo.length({}) le 4", "0 1 2 3 4 5 6 7"),
        ("Locations", f"st_contains({BOX},{{}})", "1 2"),
        ("Observations", f"st_contains({BOX},{{}})", "1 2"),
        ("Datastreams", f"st_contains({BOX},{{}})", "3"),
        ("Locations", "st_crosses(geography'LINESTRING(7.5 51.5, 7.5 53.5)',{})", "4 7"),
        ("Locations", f"st_disjoint({BOX},{{}})", "0 3 5 6"),
        ("Locations", "st_equals({},geography'POINT(8 53)')", "2"),
        ("Locations", "st_intersects({},geography'LINESTRING(7.5 51, 7.5 54)')", "4 7"),
        ("Locations", f"st_overlaps({BOX},{{}})", "4"),
        ("Locations", f"st_relate({BOX},{{}},'T********')", "1 2 4 7"),
        ("Locations", f"st_touches({WEDGE},{{}})", "2 4"),
        ("Locations", "st_within(geography'POINT(7.5 52.75)',{})", "4"),
    ],
)
def test_places_are_found(around: Known, name: str, condition: str, wanted: str) -> None:
    where = {"Locations": "location", "Observations": "FeatureOfInterest/feature", "Datastreams": "observedArea"}[name]
    assert around.places_of(name, condition.format(where)) == places(wanted)
    if name == "Locations":
        assert around.places_of("FeaturesOfInterest", condition.format("feature")) == places(wanted)


@pytest.mark.parametrize(
    ("name", "condition", "wanted"),
    [
        ("Things", "Locations/name eq 'Location 2'", "1"),
        ("Things", "startswith(HistoricalLocations/Locations/name,'Location 1')", "0"),
        ("Things", "HistoricalLocations/Locations/properties/field eq properties/field", "1 2"),
        ("ObservedProperties", "Datastreams/Thing/Datastreams/ObservedProperty/name eq 'ObservedProperty 0'", "0 1 2 3"),
        ("ObservedProperties", "Datastreams/Thing/Datastreams/ObservedProperty/name eq 'ObservedProperty 3'", "0 1 3"),
        ("Things", "substring(properties/string,1) eq 'wo'", "2"),
        ("Things", "substring(properties/string,1,1) eq 'w'", "2"),
        ("Things", "substring(name,4) eq 'g 4'", "3"),
        ("Things", "indexof(name,'Thing') eq 1", "0 1 2 3"),  # 18-088, table 23: counted from 1, unlike substring
        ("Things", "indexof(name,'ng 4') eq 4 or indexof(name,'3') eq 7", "2 3"),
        ("Things", "indexof(name,'x') eq 0", "0 1 2 3"),
        ("Things", "properties/field eq null", "0 3"),
        ("Things", "Datastreams/id eq null", "3"),
        ("Things", "properties/field ne null", "1 2"),
        ("Things", "Datastreams/id ne null", "0 1 2"),
        ("Things", "Locations/any(l:l/name eq 'Location 2')", "1"),
        ("Things", "HistoricalLocations/any(hl : hl/Locations/any(l : startswith(l/name,'Location 1')))", "0"),
        ("Things", "HistoricalLocations/any(h:h/Locations/any(l:l/properties/field eq properties/field))", "1 2"),
        ("Things", "Datastreams/any(d:d/ObservedProperty/name eq 'ObservedProperty 0') and "
                   "Datastreams/any(d:d/ObservedProperty/name eq 'ObservedProperty 1')", "0 1"),
        ("Things", "Datastreams/any(d:d/ObservedProperty/name eq 'ObservedProperty 3') and "
                   "Datastreams/any(d:d/ObservedProperty/name eq 'ObservedProperty 1')", "1"),
        ("Things", "Datastreams/any(d:d/ObservedProperty/name eq 'ObservedProperty 0' and d/Sensor/name eq 'Sensor 1')", "2"),
        ("Things", "not Datastreams/any(d:d/id gt 0)", "3"),
        ("Things", "Datastreams/any(d:d/Observations/any(o:o/result ge 2))", "1 2"),
        ("Datastreams", "Thing/Locations/any(l:l/name eq 'Location 3')", "6"),
        ("Locations", "Things/any(t:t/Datastreams/any(d:d/Sensor/id eq 1)) and id gt 1", "1 2"),
        ("FeaturesOfInterest", "Observations/any(o:o/result gt 1)", "2 3"),
        ("Sensors", "Datastreams/any(d:geo.intersects(d/Thing/Locations/location,geography'POINT (8 54)'))", "1"),
        ("Things", "geo.distance(Locations/location,Datastreams/Observations/FeatureOfInterest/feature) eq 0", "0 1 2"),
        ("Datastreams", "st_within(Observations/FeatureOfInterest/feature,Thing/Locations/location)", "0 3 6"),
        ("Observations", "geo.distance(FeatureOfInterest/feature,Datastream/Thing/Locations/location) gt 0.5", "0"),
        ("Locations", "st_equals(location,location)", "0 1 2 3 4 5 6 7"),
    ],
)  # fmt: skip
def test_conditions_go_over_navigations(around: Known, name: str, condition: str, wanted: str) -> None:
    assert around.places_of(name, condition) == places(wanted)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("Datastreams/any(d:name eq)", "position"),
        ("Datastreams/any(d)", "':'"),
        ("Datastreams/any(d:d/nope eq 1)", "'nope'; it has"),
        ("Datastreams/any(d:d eq 1)", "'/'"),
        ("Datastreams/any(d:e/id eq 1)", "Thing has no 'e'"),
        ("Locations/any(l:st_within(l/location,Locations/location))", "two different any"),
        ("properties/list in properties", "inside JSON"),
        ("3 in (", "position"),
        ("now() in properties/list", "a list has no time"),
        ("properties/a[x] eq 1", "a place in the list"),
        (" and ".join(["Datastreams/any(d:d/id gt 0)"] * 13), "more than 12 any"),
        ("any(d:d/id eq 1)", "no function 'any'"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused_with_what_helps(around: Known, condition: str, says: str) -> None:
    answer = around.client.get("/v1.1/Things", params={"$filter": condition})
    assert answer.status_code == 400
    assert says in answer.json()["message"]
