"""How a simulator behaves, what it was sent, and what it counts."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from dongne.model.times import format_instant

Mode = Literal["ok", "slow", "refuse", "hang", "lose", "drop", "twice"]
Person = Literal["", "fine", "help", "acknowledged", "nothing", "no_pickup", "busy"]
MODES: tuple[str, ...] = Mode.__args__  # type: ignore[attr-defined]
PEOPLE: tuple[str, ...] = Person.__args__  # type: ignore[attr-defined]
KEPT = 200
IDS = 200_000  # identifiers and the numbers of their first messages; the oldest are forgotten


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a simulator does with what comes. After `after` further messages, and for `count` of them (0: for good):

    ok      takes it
    slow    takes it after `slow_s`
    refuse  answers with `status` and, where it isn't 0, Retry-After of `retry_after_s`
    hang    never answers
    lose    says that it took it, and delivers it to nobody
    drop    takes it, and breaks the connection off before it answered
    twice   takes it, and delivers it twice

    `person` is who gets it: answers so (at the answer's link, or by keys), does nothing, and of calls: doesn't pick up, is
    busy. `keys` are pressed instead of those that this answer needs. They answer after `answers_after_s`; `scans`: their
    mail program opens the link first.
    """

    mode: Mode = "ok"
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    slow_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 5.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503
    retry_after_s: Annotated[int, msgspec.Meta(ge=0)] = 0
    person: Person = ""
    keys: tuple[str, ...] = ()
    answers_after_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0
    scans: bool = False


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One message that was taken. `repeat`: its identifier had come before. `delivered`: how often somebody got it."""

    number: int
    at: str
    id: str
    to: str
    text: str
    repeat: bool
    delivered: int
    more: dict[str, Any] = {}


class Desk:
    """One simulator's behaviour, messages and counts; used by several threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._behaviour = Behaviour()
        self._seen = 0  # messages since the behaviour was set
        self._kept: deque[Received] = deque(maxlen=KEPT)
        self._ids: OrderedDict[str, int] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()  # its lock may be taken again by who holds it

    @property
    def behaviour(self) -> Behaviour:
        """As it was told last."""
        return self._behaviour

    def behave(self, behaviour: Behaviour) -> None:
        """From the next message on."""
        with self._changed:
            self._behaviour, self._seen = behaviour, 0

    def next_mode(self) -> Mode:
        """For the message that has come now, which is counted."""
        with self._changed:
            behaviour, number = self._behaviour, self._seen
            self._seen += 1
            over = behaviour.count and number >= behaviour.after + behaviour.count
            mode: Mode = "ok" if number < behaviour.after or over else behaviour.mode
            self._counts["came"] += 1
            self._counts[mode] += 1
            self._changed.notify_all()
            return mode

    def take(self, mode: Mode, id: str, to: str, text: str, *, again: bool = False, **more: Any) -> Received:
        """Notes what was taken. A repeat is delivered only where `again`, as mail is: other ways know an identifier."""
        with self._changed:
            repeat = id in self._ids
            self._ids.setdefault(id, self._counts["taken"] + 1)
            if len(self._ids) > IDS:
                self._ids.popitem(last=False)
            delivered = 0 if mode == "lose" or (repeat and not again) else 2 if mode == "twice" else 1
            self._counts["taken"] += 1
            self._counts["repeated"] += repeat
            self._counts["distinct"] += not repeat
            self._counts["delivered"] += delivered
            found = Received(
                number=self._counts["taken"], at=format_instant(datetime.now(UTC)), id=id, to=to, text=text, repeat=repeat,
                delivered=delivered, more=more,
            )  # fmt: skip
            self._kept.append(found)
            self._changed.notify_all()
            return found

    def first_number(self, taken: Received) -> int:
        """Of the message that had this identifier first."""
        with self._changed:
            return self._ids.get(taken.id, taken.number)

    def count(self, what: str) -> None:
        """One more of these."""
        with self._changed:
            self._counts[what] += 1
            self._changed.notify_all()

    @property
    def received(self) -> list[Received]:
        """What was taken last, in order, KEPT at most."""
        with self._changed:
            return list(self._kept)

    @property
    def counts(self) -> dict[str, int]:
        """`came`: messages that began to come; `taken`, `distinct`, `repeated` by their identifiers; `delivered` to people;
        `answered` by them; and how often each mode was used."""
        with self._changed:
            return dict(self._counts)

    def wait(self, reached: Callable[["Desk"], Any], within_s: float = 10.0) -> None:
        """Until this holds. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: reached(self), within_s):
                raise TimeoutError(f"{self.name}: not within {within_s:g} s; counts are {dict(self._counts)}")
