"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

import httpx

from dongne.client import calls
from dongne.client.calls import Call, Rows, Sent
from dongne.client.entities import Entity, Observation
from dongne.client.errors import TryLater
from dongne.client.events import Event, EventReader
from dongne.client.tables import Table
from dongne.client.wire import LONGEST_WAIT_S, TRIES, check, headers_of, wait_s

T = TypeVar("T")
E = TypeVar("E", bound=Entity)


class AsyncCity:
    """A city that runs somewhere, asked over HTTP, from asyncio.

    `token` is what `dongne token issue` printed; without one only open data are there. `timeout_s` holds for each answer.
    What the city wants to have later (429, 503) and what finds no connection is tried again before it is raised.
    """

    def __init__(self, url: str, token: str = "", timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/").removesuffix("/v1.1")
        self._http = httpx.AsyncClient(base_url=self.url, headers=headers_of(token), timeout=timeout_s)

    async def __aenter__(self) -> "AsyncCity":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()

    async def do(self, call: Call[T]) -> T:
        """Carries a call out. Raises CityError."""
        for tried in range(1, TRIES + 1):
            try:
                try:
                    answer = await self._http.request(
                        call.method, call.path, params=call.params or None, content=call.body or None,
                        headers={"content-type": call.content_type} if call.body else None,
                    )  # fmt: skip
                except httpx.TransportError as error:
                    raise TryLater(0, f"{self.url} does not answer ({error}); is the city running?") from error
                check(answer)
                return call.read(answer.content, answer.headers)
            except TryLater as error:
                if tried == TRIES:
                    raise
                await asyncio.sleep(wait_s(error, tried))
        raise AssertionError("unreachable")

    # --- entities

    async def list(self, kind: type[E], under: Entity | None = None, **options: Any) -> AsyncIterator[E]:
        """All entities of a set, page after page. Options: filter, orderby, select, expand, top (of a page), skip, as_of."""
        page = await self.do(calls.list_entities(kind, calls.path_under(under), options))
        while True:
            for one in page.value:
                yield one
            if not page.next_link:
                return
            page = await self.do(calls.next_page(kind, page))

    async def get(self, kind: type[E], entity_id: int, **options: Any) -> E:
        """One entity. Options: select, expand, as_of. Raises NoSuchThing."""
        return await self.do(calls.get_entity(kind, entity_id, options))

    async def find(self, kind: type[E], filter: str, **options: Any) -> E | None:  # the option's name
        """The first entity for which the filter holds; None where there is none."""
        page = await self.do(calls.list_entities(kind, "", {**options, "filter": filter, "top": 1}))
        return page.value[0] if page.value else None

    async def count(self, kind: type[Entity], under: Entity | None = None, filter: str | None = None) -> int:
        """How many there are."""
        page = await self.do(
            calls.list_entities(kind, calls.path_under(under), {"filter": filter, "top": 0, "count": True})
        )
        return page.count or 0

    async def create(self, entity: Entity) -> int:
        """The id of a new entity, made with all that hangs on it; an entity inside which has an id is linked."""
        return await self.do(calls.create_entity(entity))

    async def change(self, kind: type[Entity], entity_id: int, **changes: Any) -> None:
        """These members are now so, by their names on the wire: `change(Thing, 3, name="Bench 3")`."""
        await self.do(calls.change_entity(kind, entity_id, changes))

    async def delete(self, kind: type[Entity], entity_id: int) -> None:
        """It goes, with what can't be without it (a Thing's Datastreams and their Observations)."""
        await self.do(calls.delete_entity(kind, entity_id))

    # --- Observations

    async def observe(self, datastream: int, result: Any, time: datetime | str | None = None, **more: Any) -> int:
        """The id of one Observation, stored; without a time it was measured now."""
        at = None if time is None else calls.instant(time)
        return await self.do(calls.send_one(datastream, Observation(result=result, phenomenon_time=at, **more)))

    async def observe_many(self, rows: Mapping[int, Rows]) -> Sent:
        """Sends (time, number) pairs by Datastream, as many as there are; says what became of each."""
        return calls.together([await self.do(call) for call in calls.send_many(rows)])

    async def observations(
        self, *datastreams: int, since: datetime | str | None = None, until: datetime | str | None = None
    ) -> Table:
        """All Observations of these Datastreams in [since, until)."""
        return await self.do(calls.observations(datastreams, since, until))

    async def latest(self, *datastreams: int, **chosen: str) -> Table:
        """The newest Observation of each; instead of ids also `thing="3"`, `property="fill_level"`."""
        return await self.do(calls.latest(datastreams, chosen))

    async def aggregates(
        self,
        *datastreams: int,
        interval: str,
        since: datetime | str,
        until: datetime | str,
        values: Sequence[str] = ("n", "mean", "min", "max"),
        zone: str | None = None,
    ) -> Table:
        """Values by interval (PT15M, PT1H, P1D, P1M ...) of the calendar of a zone, the city's where none is given.

        Values: n, mean, min, max, sum, last, and percentiles as p50, p95.
        """
        return await self.do(calls.aggregates(datastreams, interval, since, until, values, zone))

    # --- doing and listening

    async def send_task(self, capability: int, **parameters: Any) -> int:
        """The id of a new Task for what the capability names. Raises BadRequest where its schema or an interlock says no."""
        return await self.do(calls.send_task(capability, parameters))

    async def listen(
        self,
        what: str = "observations",
        *,
        datastreams: Sequence[int] = (),
        things: Sequence[int] = (),
        properties: Sequence[str] = (),
        after: int | None = None,
    ) -> AsyncIterator[Event]:
        """Events as they are stored, for as long as you take them; "observations" or "cases".

        `after`: what was stored behind this number comes first. A lost connection is taken up again where it ended, so
        that nothing is missing and nothing comes twice.
        """
        path, reader, failed = calls.events_path(what, datastreams, things, properties), EventReader(after), 0
        while True:
            with suppress(httpx.TransportError):
                async with self._http.stream("GET", path, headers=reader.begin()) as answer:
                    if answer.is_error:
                        await answer.aread()
                        check(answer)
                    failed = 0
                    async for part in answer.aiter_raw():
                        for event in reader.take(part):
                            yield event
            failed += 1
            if failed > TRIES:
                raise TryLater(0, f"{self.url} does not answer; is the city running?")
            await asyncio.sleep(min(0.1 * 2**failed, LONGEST_WAIT_S))
