"""Who is meant by a notice: the people of a home, who is on duty in a unit, and 119.

A home's contacts are in the `properties` of its Thing:
`{"id", "role": "guardian", "name", "language", "addresses": [["sms", "+82..."], ["mail", "a@b"]]}`; the person who lives there is
reached at the home itself, by its screen, its speaker and its telephone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from dongne.model.entities import Thing
from dongne.model.errors import NotFound
from dongne.model.graph import ThingGraph
from dongne.model.notices import DISPATCH, UNIT, Notice
from dongne.runtime.delivery import DISPATCH_CHANNEL, Found, Line, Way

RESIDENT = "resident"
SCREEN = "screen"
_AT_HOME = ("speaker", "voice", "sms", "push", "messenger", "mail")  # in which order a person is tried at home

Consents = Callable[[int, str], bool]
"""Whether the person of this Thing agreed that the contact of this id is told. 119 is told where a life may depend on it; what more
than the place it is told is looked at by the channel."""


class OnDuty(Protocol):
    """Somebody on duty."""

    @property
    def id(self) -> str:
        """The person's lasting id."""

    @property
    def name(self) -> str:
        """As colleagues know them."""

    @property
    def language(self) -> str:
        """A BCP 47 tag."""

    @property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        """(channel, address), the one to try first in front."""


class Duty(Protocol):
    """Knows who is on duty."""

    def find_on_duty(self, unit_id: str, at: datetime) -> tuple[str, Sequence[OnDuty]]:
        """The unit that serves, and its people in the order in which to try them. Raises NotFound."""


def all_consent(thing: int, contact: str) -> bool:
    """Where nobody keeps consents: everybody is told."""
    return True


class CityDirectory:
    """Out of a store's Things and a duty roster; `language` is that of whoever says none."""

    def __init__(
        self, graph: ThingGraph, duty: Duty | None = None, *, consents: Consents = all_consent, language: str = "ko"
    ) -> None:
        self._graph, self._duty, self._consents, self._language = graph, duty, consents, language

    def find(self, notice: Notice, at: datetime) -> Found:
        """Those to be reached; where there is nobody, why."""
        if notice.to.startswith(UNIT):
            return self._of_unit(notice.to.removeprefix(UNIT), at)
        if notice.to == DISPATCH:
            return Found((Line(recipient=DISPATCH, ways=(Way(DISPATCH_CHANNEL),), language=self._language),))
        thing = self._graph.things.get(notice.thing or 0)
        if thing is None:
            return Found(why=f"there is no Thing {notice.thing}")
        if notice.to == RESIDENT:
            return Found(tuple(self._of_resident(thing)))
        lines = self._of_contacts(thing, notice.to)
        if not lines:
            return Found(why=f"there is no {notice.to}")
        agreed = tuple(line for contact, line in lines if self._consents(thing.id, contact))
        return Found(agreed) if agreed else Found(why=f"no {notice.to} may be told, as the person has not agreed to it")

    def _of_unit(self, unit_id: str, at: datetime) -> Found:
        if self._duty is None:
            return Found(why="the city has no duty roster")
        try:
            serving, people = self._duty.find_on_duty(unit_id, at)
        except NotFound as error:
            return Found(why=error.message)
        lines = [
            Line(recipient=one.id, ways=_ways(one.addresses), language=one.language or self._language, name=one.name)
            for one in people
        ]
        return Found(tuple(lines)) if lines else Found(why=f"nobody is on duty in {serving}")

    def _of_resident(self, thing: Thing) -> list[Line]:
        properties = thing.properties
        language = str(properties.get("language") or self._language)
        telephone = str(properties.get("phone") or properties.get("telephone") or "")
        speaker = str(properties.get("speaker") or properties.get("gateway") or "")
        there = {"speaker": speaker, "voice": telephone, "sms": telephone}
        given = {way.channel: way.address for way in _ways(properties.get("addresses") or ())}
        there |= given
        ways = tuple(Way(channel, there[channel]) for channel in _AT_HOME if there.get(channel))
        at_screen = Line(recipient=SCREEN, ways=(Way(SCREEN, str(thing.id)),), language=language)
        return [at_screen, *([Line(recipient=RESIDENT, ways=ways, language=language)] if ways else [])]

    def _of_contacts(self, thing: Thing, role: str) -> list[tuple[str, Line]]:
        """By their ids, in the order in which the home has them."""
        contacts = thing.properties.get("contacts")
        found = []
        for place, one in enumerate(contacts if isinstance(contacts, list | tuple) else ()):
            if not isinstance(one, Mapping) or one.get("role") != role:
                continue
            contact = str(one.get("id") or place)
            line = Line(
                recipient=f"{role}:{contact}", ways=_ways(one.get("addresses") or ()),
                language=str(one.get("language") or self._language), name=str(one.get("name") or ""),
            )  # fmt: skip
            found.append((contact, line))
        return found


def _ways(addresses: Iterable[Any]) -> tuple[Way, ...]:
    """What can be read of them, in their order; never the channel to 119."""
    pairs = [pair for pair in addresses if isinstance(pair, list | tuple) and len(pair) == 2]
    return tuple(Way(str(name), str(address)) for name, address in pairs if address and name != DISPATCH_CHANNEL)
