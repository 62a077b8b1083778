"""/services/<id>/what-if: the recorded past replayed with other settings, beside the present ones."""

import logging
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.errors import DongneError, NotFound
from dongne.model.times import from_us
from dongne.runtime.ports import SettingInForce
from dongne.runtime.what_if import Compared, WhatIf
from dongne.web.control_room.services import plain_value, read_values, say_range
from dongne.web.frame import Page, open_page, render

log = logging.getLogger(__name__)
DAYS = (1, 7, 28)
HOUR_US = 3_600_000_000


class Row(msgspec.Struct, frozen=True):
    """A sort of fact in words, how often it was said and would have been, and both as shares of the table's largest."""

    what: str
    name: str
    present: int
    tried: int
    present_share: float
    tried_share: float


def show(request: Request) -> Response:
    """GET: the form; with values that differ from those in force, the comparison or that it is being worked out."""
    page = open_page(request)
    service = request.path_params["id"]
    in_force = page.context.runtime.settings_in_force(service)
    if page.context.lab is None or not in_force:
        raise NotFound(f"there is nothing to try with {service!r}; services with settings are listed at /services")
    typed = dict(request.query_params)
    values, errors = read_values(page, service, typed, in_force)
    days = int(typed["days"]) if typed.get("days", "") in map(str, DAYS) else DAYS[1]
    future = _ask(page, service, values, days) if values and not errors else None
    is_waiting = future is not None and not future.done()
    found, failed = _outcome(future)
    response = render(
        page, "what_if.html", 400 if errors else 200, service=service, settings=in_force, typed=typed, errors=errors,
        days=days, choices=DAYS, is_waiting=is_waiting, failed=failed, found=found, values=values,
        rows=[_row(page, service, one, found.rows) for one in found.rows] if found else [],
        tried=_tried(page, in_force, values), plain=plain_value, say_range=lambda setting: say_range(page, setting),
    )  # fmt: skip
    if is_waiting:
        response.headers["refresh"] = "2"
    return response


def _ask(page: Page, service: str, values: dict[str, Any], days: int) -> Future[WhatIf]:
    """The comparison of the last days up to the last full hour: the same for an hour, so that a reload finds it."""
    context = page.context
    assert context.lab is not None
    until = from_us(page.now_us // HOUR_US * HOUR_US)
    return context.lab.ask(
        service, values, until - timedelta(days=days), until, context.store.head(), page.seen.hidden_things
    )


def _outcome(future: Future[WhatIf] | None) -> tuple[WhatIf | None, str]:
    if future is None or not future.done():
        return None, ""
    error = future.exception()
    if error is None:
        return future.result(), ""
    if isinstance(error, DongneError):
        return None, error.message
    log.error("a what-if failed", exc_info=error)
    return None, type(error).__name__  # what else it says may tell of hidden values


def _tried(page: Page, in_force: list[SettingInForce], values: dict[str, Any]) -> list[tuple[SettingInForce, str, str]]:
    """(setting, its value now, its value tried) in words."""
    return [
        (s, page.names.setting_value(s), page.names.setting_value(s, values[s.name]))
        for s in in_force
        if s.name in values
    ]


def _row(page: Page, service: str, one: Compared, among: tuple[Compared, ...]) -> Row:
    most = max(max(other.present, other.tried) for other in among if other.what == one.what) or 1
    name = _name(page, service, one)
    return Row(one.what, name, one.present, one.tried, one.present / most, one.tried / most)


def _name(page: Page, service: str, compared: Compared) -> str:
    words = page.words
    if compared.what == "case":
        sort, _, action = compared.sort.rpartition(" ")
        kind, _, name = sort.partition("/")
        called = words.find([f"{service}.case_name.{name}"]) or name.replace("_", " ")
        return words.say(
            "what_if.case", called=called, kind=page.names.case_kind(kind), action=_action(page, kind, action)
        )
    if compared.what == "task":
        key, _, state = compared.sort.rpartition(" ")
        return words.say(
            "what_if.task", called=page.names.property(key), state=words.find([f"task.state.{state}"]) or state
        )
    return page.names.property(compared.sort)


def _action(page: Page, kind: str, action: str) -> str:
    return page.words.find([f"what_if.action.{action}"]) or page.names.case_word(kind, "step", action)


ROUTES = [Route("/services/{id}/what-if", show)]
