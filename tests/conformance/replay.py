"""Asks a recorded session again, in order, of an empty city, and compares."""

import asyncio
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import httpx
from tests.conformance.recording import Exchange, read_session

from dongne.adapters.clock import CityClock
from dongne.model.city import CityConfig
from dongne.runtime.intake import Intake
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector
from dongne.web.api import ApiContext, create_api

RECORDED_ROOT, RECORDED_HOST = "/v4/v1.1", "https://istsos.org/v4/v1.1"
ROOT = "http://city.test/v1.1"
REASONS = Path(__file__).with_name("differences.toml")
_ID = re.compile(r"([A-Z][A-Za-z]+)\((\d+)\)")
_LINK = re.compile(r"/v1\.1/([A-Z][A-Za-z]+)\((\d+)\)$")
_MOMENT = re.compile(r"20(2[4-9]|[3-9]\d)-\d\d-\d\dT[\d:.]+Z")  # when something was stored, then and now


@dataclass(frozen=True)
class Difference:
    """An answer that is not as recorded, in each of these places; `reasons` says of each why that is right, "" where nobody does."""

    exchange: Exchange
    places: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def unexplained(self) -> list[str]:
        """The places for which nobody has a reason."""
        return [place for place, reason in zip(self.places, self.reasons, strict=True) if not reason]


@dataclass(frozen=True)
class Result:
    """What was asked, and what differs."""

    asked: list[Exchange]
    differences: list[Difference]

    @property
    def equal(self) -> int:
        """Answers that are equal."""
        return len(self.asked) - len(self.differences)


class Ids:
    """Recorded ids to ours, by set; learned from addresses that stand at the same place in both answers."""

    def __init__(self, root: str = ROOT) -> None:
        self._root = root
        self._ours: dict[tuple[str, str], str] = {}

    def learn(self, recorded: Any, ours: Any) -> None:
        """From two answers of the same form."""
        if isinstance(recorded, dict) and isinstance(ours, dict):
            if isinstance(recorded.get("@iot.selfLink"), str) and isinstance(ours.get("@iot.selfLink"), str):
                self.learn_link(recorded["@iot.selfLink"], ours["@iot.selfLink"])
            for name in recorded.keys() & ours.keys():
                self.learn(recorded[name], ours[name])
        elif isinstance(recorded, list) and isinstance(ours, list):
            for one, other in zip(recorded, ours, strict=False):
                self.learn(one, other)

    def learn_link(self, recorded: str, ours: str) -> None:
        """From two addresses of one entity."""
        one, other = _LINK.search(recorded), _LINK.search(ours)
        if one and other and one[1] == other[1]:
            self._ours.setdefault((one[1], one[2]), other[2])

    def text(self, recorded: str) -> str:
        """A text with our ids and addresses."""
        found = recorded.replace(RECORDED_HOST, self._root)
        return _ID.sub(lambda m: f"{m[1]}({self._ours.get((_set(m[1]), m[2]), m[2])})", found)

    def of(self, name: str, recorded: int) -> int:
        """Our id of an entity."""
        return int(self._ours.get((_set(name), str(recorded)), recorded))

    def document(self, recorded: Any, name: str = "") -> Any:
        """A recorded document with our ids and addresses; `name` is the set or link it hangs on."""
        if isinstance(recorded, dict):
            link = recorded.get("@iot.selfLink")
            own = _LINK.search(link)[1] if isinstance(link, str) and _LINK.search(link) else name  # type: ignore[index]
            return {
                key: self.of(own, value) if key == "@iot.id" else self.document(value, key)
                for key, value in recorded.items()
            }
        if isinstance(recorded, list):
            return [self.document(one, name) for one in recorded]
        return self.text(recorded) if isinstance(recorded, str) and recorded.startswith(RECORDED_HOST) else recorded


_SETS = {
    "Thing": "Things", "Location": "Locations", "Datastream": "Datastreams", "Sensor": "Sensors",
    "ObservedProperty": "ObservedProperties", "FeatureOfInterest": "FeaturesOfInterest", "Observation": "Observations",
}  # fmt: skip


def _set(name: str) -> str:
    return _SETS.get(name, name)


@contextmanager
def empty_city(folder: Path) -> Iterator[ApiContext]:
    """A city with nothing in it, in this folder."""
    store = EmbeddedStore.open(folder / "city", CityClock(1.0))
    selector = Selector(store, store.history)
    try:
        city = CityConfig(id="empty", name={"en": "Empty"}, zone="UTC", bounds=(-180.0, -90.0, 180.0, 90.0))
        yield ApiContext(store, city, Intake(store), selector)
    finally:
        selector.close()
        store.close()


def replay(file: Path, folder: Path) -> Result:
    """The whole session against a new city in this folder, without a socket."""
    with empty_city(folder) as context:
        api = create_api(context)
        return replay_over(file, lambda: httpx.AsyncClient(transport=httpx.ASGITransport(app=api)), ROOT)


def replay_over(file: Path, connect: Callable[[], httpx.AsyncClient], root: str) -> Result:
    """The whole session against an empty service at this root."""
    reasons: dict[str, dict[str, Any]] = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    exchanges = list(read_session(file))
    with ThreadPoolExecutor(1) as alone:  # another test may have left a loop running in this thread
        return alone.submit(asyncio.run, _ask_all(connect, root, exchanges, reasons)).result()


async def _ask_all(
    connect: Callable[[], httpx.AsyncClient], root: str, exchanges: list[Exchange], reasons: dict[str, dict[str, Any]]
) -> Result:
    ids, differences = Ids(root), []
    async with connect() as client:
        for exchange in exchanges:
            path, _, query = exchange.url.removeprefix(RECORDED_ROOT).partition("?")
            address = f"{root}{ids.text(path)}" + (f"?{query}" if query else "")
            body = None if exchange.body is None else json.dumps(ids.document(exchange.body))
            answer = await client.request(exchange.method, address, content=body)
            if places := tuple(_compare(exchange, answer, ids)):
                why = tuple(_reason(reasons, exchange, place) for place in places)
                differences.append(Difference(exchange, places, why))
    return Result(exchanges, differences)


def _compare(exchange: Exchange, answer: httpx.Response, ids: Ids) -> Iterator[str]:
    """What differs, place by place."""
    if answer.status_code != exchange.status:
        yield f"status {exchange.status} recorded, {answer.status_code} here: {answer.text[:200]}"
        return
    if exchange.location:
        ids.learn_link(exchange.location, answer.headers.get("location", ""))
    if exchange.status >= 400 or exchange.method != "GET" or exchange.answer is None:
        return  # the words of an error are each server's own; an answer left out of the recording says nothing
    if not isinstance(exchange.answer, dict | list):
        if str(exchange.answer) != answer.text:
            yield f"recorded {exchange.answer!r}, here {answer.text[:100]!r}"
        return
    ours = answer.json()
    ids.learn(exchange.answer, ours)
    yield from _differences(ids.document(exchange.answer), ours, "$")


def _differences(recorded: Any, ours: Any, place: str) -> Iterator[str]:
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for name in sorted(recorded.keys() | ours.keys()):
            one, other = recorded.get(name), ours.get(name)
            if not (one or other) and (name == "properties" or name.endswith("@iot.nextLink")):
                continue  # null or absent
            if name not in recorded or name not in ours:
                yield f"{place}.{name} is only {'here' if name in ours else 'recorded'}: {str(one or other)[:80]}"
            else:
                yield from _differences(one, other, f"{place}.{name}")
    elif isinstance(recorded, list) and isinstance(ours, list):
        if len(recorded) != len(ours):
            yield f"{place} has {len(recorded)} recorded, {len(ours)} here"
        else:
            for row, (one, other) in enumerate(zip(recorded, ours, strict=True)):
                yield from _differences(one, other, f"{place}[{row}]")
    elif recorded != ours and not _is_alike(recorded, ours):
        yield f"{place}: recorded {str(recorded)[:80]!r}, here {str(ours)[:80]!r}"


def _is_alike(recorded: Any, ours: Any) -> bool:
    if isinstance(recorded, str) and isinstance(ours, str):
        if recorded.startswith("http"):
            return _address(recorded) == _address(ours)
        return bool(_MOMENT.fullmatch(recorded) and _MOMENT.fullmatch(ours))
    return False


def _address(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The path, and the options in any order; asc is what an $orderby without a word means."""
    path, _, options = text.partition("?")
    return unquote_plus(path), sorted((name, value.removesuffix(" asc")) for name, value in parse_qsl(options))


def _reason(reasons: dict[str, dict[str, Any]], exchange: Exchange, place: str) -> str:
    asked = f"{exchange.method} {exchange.url}"
    for name, entry in reasons.items():
        if re.search(entry["asked"], asked) and re.search(entry["differs"], place):
            return name
    return ""
