"""/homes/<id>/measurements: what a person measured at home, what nurses have to review, and the plan; the same as FHIR."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec
from markupsafe import Markup
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.model.cases import Case
from dongne.model.entities import Datastream, Thing
from dongne.model.errors import BadInput
from dongne.model.records import RecordKind, SettingChange
from dongne.model.times import from_us
from dongne.model.who import Right
from dongne.runtime.ports import CaseFilter, Entry, SettingInForce, Transaction
from dongne.runtime.settings import thing_level
from dongne.standards.fhir import Measurement, make_bundle
from dongne.standards.fhir.codes import ANSWERS, CODED, JSON
from dongne.web.charts import draw_chart
from dongne.web.frame import HOMES, Page, read_form, render
from dongne.web.homes.care import care_of, may_consent, note, open_home, private
from dongne.web.series import Line

SERVICE = "measurement_plan"
REVIEW = "telehealth_review"
SHOWN = timedelta(days=28)
MOST_ROWS = 30  # newest readings in a table
MOST_REVIEWS = 50
PLANNED = "_at"  # how the settings that are the plan end
APPLY_WITHIN_S, LOOK_EVERY_S = 2.0, 0.02
KEYS = (*CODED, *ANSWERS)


@dataclass(frozen=True)
class Measured:
    """One property of one device: newest readings first."""

    key: str
    device: str
    unit: str
    readings: list[tuple[int, float]]
    chart: Markup


def show_measurements(request: Request) -> Response:
    """GET /homes/<id>/measurements."""
    page, home = open_home(request)
    return _page(page, home)


def _page(page: Page, home: Thing, status: int = 200, typed: dict[str, str] | None = None, wrong: str = "") -> Response:
    plan, limits = _settings(page, home)
    values = {
        "home": home, "person": home.properties.get("person", home.name), "measured": list_measured(page, home),
        "is_simulated": home.properties.get("simulated") is True, "reviews": list_reviews(page, home),
        "plan": plan, "limits": limits, "typed": typed or {}, "wrong": wrong, "may_plan": may_consent(page), "service": SERVICE,
        "saved": page.request.query_params.get("saved", ""), "word": partial(page.names.case_word, REVIEW),
        "plain": _plain,
    }  # fmt: skip
    return private(render(page, "measurements.html", status, **values))


def _settings(page: Page, home: Thing) -> tuple[list[SettingInForce], list[SettingInForce]]:
    """The plan, and all else that may be set for this person; nothing where the city does not run the service."""
    runtime = care_of(page).runtime
    if SERVICE not in {one.id for one in runtime.statuses()}:
        return [], []
    there = runtime.settings_in_force(SERVICE, home.id)
    return [s for s in there if s.name.endswith(PLANNED)], [s for s in there if not s.name.endswith(PLANNED)]


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def list_streams(page: Page, home: Thing) -> list[tuple[str, Datastream]]:
    """What is measured here, by property in the order in which it is shown."""
    graph = page.store.graph
    found = [(graph.property_key(stream), stream) for stream in graph.list_datastreams(home.id)]
    return sorted(((key, s) for key, s in found if key in KEYS), key=lambda one: (KEYS.index(one[0]), one[1].id))


def list_measured(page: Page, home: Thing) -> list[Measured]:
    """What was measured in the last weeks; what never was is left out."""
    found = []
    for key, stream in list_streams(page, home):
        times, values = _series(page, stream)
        if len(times):
            line = Line(page.now_us - SHOWN // timedelta(microseconds=1), page.now_us, times, values)
            name = page.names.property(key)
            chart = draw_chart(line, page.words, name, from_zero=False)
            rows = list(zip(times.tolist(), values.tolist(), strict=True))[::-1][:MOST_ROWS]
            device = str(stream.properties.get("device", ""))
            found.append(Measured(key, device, stream.unit_of_measurement.symbol or "1", rows, chart))
    return found


def _series(page: Page, stream: Datastream) -> tuple[NDArray[Any], NDArray[Any]]:
    now = from_us(page.now_us)
    return page.store.series(stream.id, now - SHOWN, now + timedelta(microseconds=1))


def list_reviews(page: Page, home: Thing) -> list[Case]:
    """The newest first, those that are open before all others."""
    found = page.store.list_cases(CaseFilter(thing=home.id, kind=REVIEW, limit=MOST_REVIEWS))
    return sorted(found, key=lambda case: (case.is_closed, -case.id))


async def change_plan(request: Request) -> Response:
    """POST /homes/<id>/measurements: the settings that differ become this home's own. Who may write down what a person agreed to
    may do this: a plan is an agreement with them."""
    page, home = await asyncio.to_thread(open_home, request)
    form = await read_form(page, Right.CONSENT)
    plan, limits = _settings(page, home)
    runtime, values = care_of(page).runtime, dict[str, Any]()
    for setting in (*plan, *limits):
        text = form.get(setting.name, "").strip()
        if setting.name not in form or text == _plain(setting.value):
            continue
        try:
            values |= runtime.check_settings(SERVICE, {setting.name: text.replace(",", ".")})
        except BadInput:
            return await asyncio.to_thread(_page, page, home, 400, form, setting.name)
    if values:
        change = SettingChange(SERVICE, thing_level(home.id), values, f"{page.who.role} {page.who.name}"[:80])
        entry = Entry(RecordKind.SETTING, msgspec.msgpack.encode(change))
        await asyncio.wrap_future(page.store.submit(Transaction([entry])))
        said = ", ".join(f"{name} = {value}" for name, value in values.items())
        await asyncio.to_thread(page.context.gate.write_down, page.who, "plan changed", page.path, said[:500])
        for _ in range(int(APPLY_WITHIN_S / LOOK_EVERY_S)):
            now = {s.name: s.value for s in runtime.settings_in_force(SERVICE, home.id)}
            if all(now.get(name) == value for name, value in values.items()):
                break
            await asyncio.sleep(LOOK_EVERY_S)
    return RedirectResponse(f"{HOMES}/{home.id}/measurements?saved=1", 303)


def get_fhir(request: Request) -> Response:
    """GET /homes/<id>/measurements.fhir.json: a Bundle of FHIR R4 Observations of the last four weeks."""
    page, home = open_home(request)
    note(page, "measurements exported", page.path)
    given = [
        Measurement(f"{stream.id}-{time}", key, from_us(time), value, str(stream.properties.get("device", "")))
        for key, stream in list_streams(page, home)
        for time, value in zip(*(column.tolist() for column in _series(page, stream)), strict=True)
    ]
    is_simulated = home.properties.get("simulated") is True
    person = str(home.properties.get("person", home.name))
    bundle = make_bundle(person, given, from_us(page.now_us), is_simulated=is_simulated)
    return private(Response(msgspec.json.encode(bundle), media_type=JSON))


ROUTES = [
    Route("/homes/{id:int}/measurements", show_measurements),
    Route("/homes/{id:int}/measurements", change_plan, methods=["POST"]),
    Route("/homes/{id:int}/measurements.fhir.json", get_fhir),
]
