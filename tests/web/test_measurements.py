"""What a person measured at home, on the nurse's page: who may open it, what it shows, and a plan that is kept."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from little_city import CONFIG, NOW, LittleCity, open_little_city, visiting
from little_homes import SECRET

from dongne.adapters.channels.screen import ScreenBoard
from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.gateways.register import HomeRegister
from dongne.model.cases import CaseEvent
from dongne.model.errors import BadInput
from dongne.model.home import ANSWERED, DeviceEvent, GatewayMessage, HomeDevice, NewHome
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.runtime.consents import Consents, consent_key
from dongne.runtime.host import RuntimeHost
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import LoadedService, load
from dongne.standards.fhir import list_faults
from dongne.standards.home_links import HomeLink, Use, make_link
from dongne.stores.sealed import SealedStore
from dongne.web.homes_sight import HomesSight

MEASURED = NewHome(
    gateway="gw-1", person="zzperson",
    devices=(HomeDevice("scale-1", ("body_weight",)), HomeDevice("cuff-1", ("blood_pressure_systolic", "blood_pressure_diastolic"))),
    agrees=("body_weight", "blood_pressure_systolic", "blood_pressure_diastolic", *ANSWERED),
)  # fmt: skip


class HomeClock:
    us = to_us(NOW)

    def now_us(self) -> int:
        return self.us


class Homes:
    """A home with a scale and a cuff, over a real store."""

    def __init__(self, folder: Path) -> None:
        self.clock = HomeClock()
        self.store = SealedStore.open(folder, self.clock)
        service = load("measurement_plan")
        assert isinstance(service, LoadedService)
        self.runtime = RuntimeHost(self.store, CONFIG, [service], [])
        self.consents = Consents(self.store)
        self.gateways = GatewayDesk(self.store, self.consents.holds)
        (self.home,) = HomeRegister(self.store, self.gateways.book).add([MEASURED], "test")
        self.runtime.start()
        self.runtime.open()

    def say(self, seq: int, *events: tuple[str, str, float, float]) -> None:
        """(device, property, hours ago, value)."""
        said = tuple(DeviceEvent(d, key, NOW - timedelta(hours=h), value) for d, key, h, value in events)
        reply = self.gateways.take(GatewayMessage("gw-1", seq, NOW, said)).result(10)
        assert reply.refused == {}, reply

    def withdraw(self, gateway: str) -> int:
        raise AssertionError(gateway)

    def close(self) -> None:
        self.gateways.close()
        self.consents.close()
        self.runtime.close()
        self.store.close()


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    made = Homes(tmp_path / "homes")
    made.say(1, ("scale-1", "body_weight", 48, 81.5), ("scale-1", "body_weight", 24, 82.5), ("cuff-1", "blood_pressure_systolic", 24, 134),
             ("cuff-1", "blood_pressure_diastolic", 24, 82))  # fmt: skip
    yield made
    made.close()


@pytest.fixture
def city(tmp_path: Path, homes: Homes) -> Iterator[LittleCity]:
    rules = {"homes": homes.store, "care": homes, "link_secret": SECRET, "screens": ScreenBoard()}
    with open_little_city(tmp_path / "store", guarded_at="0.0.0.0", **rules) as made:
        yield made


def log_of(city: LittleCity) -> list[tuple[str, str]]:
    assert city.guard is not None
    city.guard._notes.close()
    return [(entry.what, entry.detail) for entry in city.guard.book.list_entries()]


def test_only_carers_see_measurements_and_each_view_is_written_down_with_its_purpose(
    city: LittleCity, homes: Homes
) -> None:
    roads = (f"/homes/{homes.home}/measurements", f"/homes/{homes.home}/measurements.fhir.json")
    for role, status in (("", 401), ("operator", 403), ("auditor", 403), ("device", 403), ("steward", 403)):
        with visiting(city, role) as who:
            for found in map(who.get, roads):
                assert found.status_code == status and "zzperson" not in found.text and "81.5" not in found.text
    with visiting(city, "carer") as carer:
        for found in map(carer.get, roads):
            assert found.status_code == 200 and found.headers["cache-control"] == "no-store"
    assert [what for what, detail in log_of(city) if detail == "carer rounds"] == [
        "home seen",
        "home seen",
        "measurements exported",
    ]


def test_the_page_has_each_value_as_text_and_as_a_chart(city: LittleCity, homes: Homes) -> None:
    with visiting(city, "carer") as carer:
        page = carer.get(f"/homes/{homes.home}/measurements").text
    for text in ("82.5 kg", "81.5 kg", "134 mmHg", "82 mmHg", "scale-1", "no medical device"):
        assert text in page, text
    assert page.count('<svg class="chart"') == 3


def test_reviews_of_every_sort_stand_on_the_page_in_words(city: LittleCity, homes: Homes) -> None:
    reviews = {
        "weight_gain": {"gain_kg": 2.1, "within_d": 3, "limit": 2.0, "value": 83.5, "first": 83.4, "times": 2},
        "blood_pressure_high": {"value": 171.0, "limit": 160.0, "times": 1, "property": "blood_pressure_systolic"},
        "missed_weight": {"missed": 3},
        "weight_drift": {"change": "+3.2", "within_d": 27, "limit": 3.0, "days": [["2026-11-01", 80.0, 1]]},
    }
    events = [
        CaseEvent(
            key=f"measurement_plan/{homes.home}/telehealth_review/{name}/1", kind="telehealth_review", action="open", name=name,
            time=NOW, thing=homes.home, service="measurement_plan", values=values, severity="moderate", access="personal",
        )
        for name, values in reviews.items()
    ]  # fmt: skip
    entries = [Entry(RecordKind.CASE, msgspec.msgpack.encode(event)) for event in events]
    numbers = homes.store.submit(Transaction(entries)).result(10).numbers
    with visiting(city, "carer") as carer:
        page = carer.get(f"/homes/{homes.home}/measurements").text
        pressure = carer.get(f"/homes/cases/{numbers[1]}").text
    for text in ("2.1 kg within 3 d", "171", "left out 3 times in a row", "+3.2 kg in 27 d"):
        assert text in page, text
    assert page.count("not measured again") == 1
    assert "Systolic blood pressure" in pressure and f"/homes/{homes.home}/measurements" in pressure
    assert "Times measured" in pressure


def test_a_plan_is_kept_and_a_wrong_one_is_said_and_not_kept(city: LittleCity, homes: Homes) -> None:
    road = f"/homes/{homes.home}/measurements"
    with visiting(city, "carer") as carer:
        wrong = carer.post(road, data={"weight_at": "at eight"})
        assert wrong.status_code == 400 and "at eight" in wrong.text and "When weight is measured" in wrong.text
        assert carer.post(road, data={"weight_at": "mon thu 07:30", "oxygen_low": "88"}).status_code in (200, 303)
    now = {s.name: (s.value, s.level) for s in homes.runtime.settings_in_force("measurement_plan", homes.home)}
    assert now["weight_at"] == ("mon thu 07:30", f"thing:{homes.home}") and now["oxygen_low"][0] == 88.0
    assert now["glucose_at"] == ("", "default")
    assert ("plan changed", "weight_at = mon thu 07:30, oxygen_low = 88.0") in log_of(city)


def test_the_same_comes_as_fhir_and_holds(city: LittleCity, homes: Homes) -> None:
    with visiting(city, "carer") as carer:
        found = carer.get(f"/homes/{homes.home}/measurements.fhir.json")
    assert found.headers["content-type"].startswith("application/fhir+json")
    bundle = json.loads(found.text)
    assert list_faults(bundle) == []
    resources = [entry["resource"] for entry in bundle["entry"]]
    assert sorted(one["code"]["coding"][0]["code"] for one in resources) == ["29463-7", "29463-7", "85354-9"]
    assert {one["subject"]["identifier"]["value"] for one in resources} == {"zzperson"}


def test_an_open_bench_sees_no_measurements_of_a_person(tmp_path: Path, homes: Homes) -> None:
    assert HomesSight(homes.store)._simulated() == frozenset()
    with (
        open_little_city(tmp_path / "bench", guarded_at="127.0.0.1", homes=homes.store, care=homes) as bench,
        visiting(bench) as whoever,
    ):
        assert whoever.get(f"/homes/{homes.home}/measurements").status_code in (401, 404)


# --- the questions on the screen at home


def screen_of(homes: Homes) -> str:
    now_s = int(NOW.timestamp())
    use: Use = "screen"
    return f"/homes/screen/{make_link(SECRET, HomeLink(use, homes.home, now_s, now_s + 3_600))}"


def said(homes: Homes) -> dict[str, float]:
    graph, found = homes.store.graph, {}
    for stream in graph.list_datastreams(homes.home):
        latest = homes.store.latest(stream.id)
        if (
            latest is not None
            and graph.property_key(stream).startswith("wellbeing_")
            and stream.properties.get("device")
        ):
            found[graph.property_key(stream)] = latest.result
    return found


def test_who_agreed_answers_four_questions_on_the_screen_at_home(city: LittleCity, homes: Homes) -> None:
    screen = screen_of(homes)
    with visiting(city) as tablet:
        assert f'href="{screen}/questions"' in tablet.get(f"{screen}?lang=en").text
        asked = tablet.get(f"{screen}/questions?lang=en").text
        assert "How is your breathing?" in asked and asked.count('type="radio"') == 20 and "Help me" in asked
        revision = tablet.get(f"{screen}/now.json").json()["revision"]
        assert f'data-revision="{revision}"' in asked and f'content="120;url={screen}"' in asked, "it gives way"
        given = dict(zip(ANSWERED, ("3", "4", "2", "3"), strict=True))
        missing = tablet.post(f"{screen}/questions", data={**given, "wellbeing_sleep": ""})
        assert missing.status_code == 400 and missing.text.count(" checked") == 3 and said(homes) == {}
        assert tablet.post(f"{screen}/questions", data={**given, "wellbeing_sleep": "9"}).status_code == 400
        assert tablet.post(f"{screen}/questions", data=given).headers["location"] == screen
        after = tablet.get(f"{screen}?lang=en").text
        assert "We have your answers" in after and "/questions" not in after
        homes.clock.us += 11 * 60 * 1_000_000
        assert "All is quiet." in tablet.get(f"{screen}?lang=en").text, "thanks are for a while"
        assert tablet.get(f"{screen}/now.json").json()["revision"] == revision
    assert said(homes) == {key: float(value) for key, value in given.items()}


def test_who_has_not_agreed_is_not_asked(city: LittleCity, homes: Homes) -> None:
    screen = screen_of(homes)
    consent = homes.store.find_case(consent_key(homes.home, ANSWERED[1]))
    assert consent is not None
    event = CaseEvent(
        key=consent.key,
        kind=consent.kind,
        action="withdraw",
        name=consent.name,
        time=NOW,
        thing=homes.home,
        cause="by_person",
    )
    homes.store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(event))])).result(10)
    with visiting(city) as tablet:
        assert f'href="{screen}/questions"' not in tablet.get(screen).text
        assert tablet.get(f"{screen}/questions").status_code == 404
        assert tablet.post(f"{screen}/questions", data=dict.fromkeys(ANSWERED, "3")).status_code == 404
    with pytest.raises(BadInput, match="has not agreed"):
        homes.gateways.say(homes.home, "screen", dict.fromkeys(ANSWERED, 3.0))
    assert said(homes) == {}


@pytest.mark.parametrize(
    ("key", "value"), [("heart_rate", 70.0), ("wellbeing_sleep", 5.0), ("wellbeing_sleep", float("nan"))]
)
def test_nothing_but_answers_is_said_on_a_screen(key: str, value: float, homes: Homes) -> None:
    with pytest.raises(BadInput, match="is no answer"):
        homes.gateways.say(homes.home, "screen", {key: value})
