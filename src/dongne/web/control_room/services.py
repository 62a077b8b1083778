"""/services: what feeds what, and how each is doing; /services/<id>: its words, settings and parked keys."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.model.case_kinds import CASE_KINDS
from dongne.model.errors import BadInput, NotFound
from dongne.model.records import RecordKind, Resume, SettingChange
from dongne.model.who import Right
from dongne.runtime.manifest import SERVICES, read_manifest
from dongne.runtime.ports import CaseFilter, Entry, ServiceStatus, SettingInForce, Transaction
from dongne.runtime.settings import CITY, thing_level
from dongne.standards.openapi import JSON, Answer, Operation, schema_of
from dongne.web.control_room.cases import say_by
from dongne.web.control_room.feeding import draw_feeding
from dongne.web.frame import Page, is_id, open_page, read_form, render

APPLY_WITHIN_S = 2.0
LOOK_EVERY_S = 0.02
LAG_FINE = 5_000  # numbers behind the sequence; more is shown as behind


def list_services(request: Request) -> Response:
    """GET /services."""
    page = open_page(request)
    statuses = page.context.runtime.statuses(page.who.sight)
    return render(
        page, "services.html", statuses=statuses, drawing=draw_feeding(page, statuses), state=state_of,
        names=lambda keys: [name_of(page, key) for key in keys],
    )  # fmt: skip


def get_statuses(request: Request) -> Response:
    """GET /services.json: the statuses for `dongne services` and other programs."""
    page = open_page(request)
    statuses = page.context.runtime.statuses(page.who.sight)
    return Response(msgspec.json.encode(statuses), media_type="application/json")


def state_of(status: ServiceStatus) -> tuple[str, str]:
    """(state, key of its word): stopped, parked keys, behind, or running."""
    if not status.running:
        return "alarm", "service.stopped"
    if status.parked:
        return "crowded", "service.parked"
    if status.lag > LAG_FINE:
        return "busy", "service.behind"
    return "calm", "service.running"


def name_of(page: Page, key: str) -> str:
    """A property or a kind of case."""
    return page.names.case_kind(key) if key in CASE_KINDS else page.names.property(key)


def _get_status(page: Page, service: str) -> ServiceStatus:
    statuses = page.context.runtime.statuses(page.who.sight)
    for status in statuses:
        if status.id == service:
            return status
    raise NotFound(f"there is no service {service!r} here; services: {', '.join(s.id for s in statuses)}")


def show_service(request: Request) -> Response:
    """GET /services/<id>; with `thing`, the settings are those of one Thing."""
    page = open_page(request)
    return _service_page(page, request.path_params["id"], _thing(page, request.query_params.get("thing", "")))


def _thing(page: Page, text: str) -> int | None:
    if not text:
        return None
    return page.seen.graph.get_thing(int(text) if is_id(text) else -1).id


def _service_page(
    page: Page, service: str, thing: int | None, status: int = 200,
    typed: dict[str, str] | None = None, errors: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    page.path = f"/services/{service}"
    found = _get_status(page, service)
    manifest = read_manifest(SERVICES / service) if (SERVICES / service / "service.toml").exists() else None
    return render(
        page, "service.html", status, service=found, manifest=manifest, thing=thing,
        settings=page.context.runtime.settings_in_force(service, thing) if found.shape == "service" else [],
        typed=typed or {}, errors=errors or {}, state=state_of(found), names=lambda keys: [name_of(page, k) for k in keys],
        saved=page.request.query_params.get("saved", ""), here=f"thing:{thing}" if thing is not None else CITY,
        plain=plain_value, say_range=lambda s: say_range(page, s),
        cases=page.seen.list_cases(CaseFilter(service=service, is_open=True, limit=5)),
    )  # fmt: skip


def plain_value(value: Any) -> str:
    """A setting's value as its input field holds it."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def say_range(page: Page, setting: SettingInForce) -> str:
    """What may be entered, in words; empty where there is no limit."""
    low, high = setting.low, setting.high
    if low == float("-inf") or high == float("inf"):
        return ""
    return page.words.say(
        "setting.range", low=page.names.setting_value(setting, low), high=page.names.setting_value(setting, high)
    )


async def change_settings(request: Request) -> Response:
    """POST /services/<id>/settings: the fields that differ become a record; `back` takes one setting back to its level above."""
    page = open_page(request)
    form = await read_form(page, Right.SETTING)
    service = request.path_params["id"]
    thing = _thing(page, form.get("thing", ""))
    page.who.must(Right.SETTING, thing)
    level = thing_level(thing) if thing is not None else CITY
    in_force = page.context.runtime.settings_in_force(service, thing)
    if form.get("back"):
        values: dict[str, Any] = {form["back"]: None}
        errors: dict[str, str] = {}
    else:
        values, errors = read_values(page, service, form, in_force)
    if errors:
        return _service_page(page, service, thing, 400, form, errors)
    if values:
        change = SettingChange(
            service, level, page.context.runtime.check_settings(service, values), say_by(page, form)[:80]
        )
        entry = Entry(RecordKind.SETTING, msgspec.msgpack.encode(change))
        await asyncio.wrap_future(page.context.store.submit(Transaction([entry])))
        said = ", ".join(f"{name} = {value}" for name, value in values.items())
        await asyncio.to_thread(page.context.gate.write_down, page.who, "setting", f"{service} {level}", said[:500])
        await _applied(page, service, thing, values)
    query = f"saved={len(values)}" + (f"&thing={thing}" if thing is not None else "")
    return RedirectResponse(f"/services/{service}?{query}#settings", 303)


def read_values(
    page: Page, service: str, form: dict[str, str], in_force: list[SettingInForce]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values that differ from those in force, and what is wrong, by setting."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for setting in in_force:
        text = form.get(setting.name, "").strip()
        if setting.name not in form or text == plain_value(setting.value):
            continue
        try:
            values |= page.context.runtime.check_settings(service, {setting.name: _typed(setting, text)})
        except (BadInput, ValueError):
            errors[setting.name] = page.words.say("setting.wrong", range=say_range(page, setting))
    return values, errors


def _typed(setting: SettingInForce, text: str) -> Any:
    if isinstance(setting.default, bool):
        return text == "True"
    if isinstance(setting.default, int | float):
        return float(text.replace(",", ".")) if not text.lstrip("-").isdigit() else int(text)
    return text


async def _applied(page: Page, service: str, thing: int | None, values: dict[str, Any]) -> None:
    """Waits until the services have taken the change in, so that the next page shows it."""
    for _ in range(int(APPLY_WITHIN_S / LOOK_EVERY_S)):
        now = {s.name: s.value for s in page.context.runtime.settings_in_force(service, thing)}
        if all(value is None or now.get(name) == value for name, value in values.items()):
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def resume(request: Request) -> Response:
    """POST /services/<id>/resume: thing, reset, who."""
    page = open_page(request)
    form = await read_form(page, Right.SETTING)
    service = request.path_params["id"]
    text = form.get("thing", "")
    parked = {key for key, _ in _get_status(page, service).parked}
    if not is_id(text) or int(text) not in parked:
        raise BadInput(f"Thing {text[:40]!r} is not parked by {service}")
    page.who.must(Right.SETTING, int(text))
    body = Resume(service, int(text), reset=form.get("reset") == "1", by=say_by(page, form)[:80])
    await asyncio.wrap_future(
        page.context.store.submit(Transaction([Entry(RecordKind.RESUME, msgspec.msgpack.encode(body))]))
    )
    await asyncio.to_thread(page.context.gate.write_down, page.who, "resume", f"{service} thing:{text}")
    for _ in range(int(APPLY_WITHIN_S / LOOK_EVERY_S)):
        if int(text) not in {key for key, _ in _get_status(page, service).parked}:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    return RedirectResponse(f"/services/{service}?saved=resumed", 303)


_STATUS, _SCHEMAS = schema_of(ServiceStatus, "services")
OPERATIONS = (
    Operation(
        "GET", "/services.json", "listServices", "status", "The services that are switched on, and how they are doing",
        {200: Answer("By id; `lag` counts records behind the head of the sequence.", {JSON: {"type": "array", "items": _STATUS}})},
        errors=(), schemas=_SCHEMAS,
    ),
)  # fmt: skip
ROUTES = [
    Route("/services", list_services),
    Route("/services.json", get_statuses),
    Route("/services/{id}", show_service),
    Route("/services/{id}/settings", change_settings, methods=["POST"]),
    Route("/services/{id}/resume", resume, methods=["POST"]),
]
