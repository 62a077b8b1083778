"""The chain of an alarm, second by second: what sensors of the home said, what services and people did, and what became of each
message to somebody. That a message was sent, that a provider took it and that a human answered are three things, shown as three.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dongne.model.cases import Case
from dongne.model.entities import Datastream
from dongne.model.home import LIFE_SAFETY
from dongne.model.notices import DEAD, RECEIVED, WITHDRAWN, Attempt, Notice
from dongne.model.times import from_us, parse_instant
from dongne.runtime.ports import CaseFilter, NoticeFilter, Store

KIND = "home_alarm"
ALERT = "alert"
BEFORE = timedelta(minutes=2)  # the first sign
AFTER = timedelta(minutes=10)  # the Case was closed
MOST_ALARMS = 20
MOST_NOTICES = 500
MOST_OF_A_STREAM = 200
SENSOR, STEP, ASKED, SENT, TAKEN, FAILED, ANSWERED, GIVEN_UP, TAKEN_BACK = (
    "sensor", "step", "asked", "sent", "taken", "failed", "answered", "given_up", "taken_back",
)  # fmt: skip
SORTS = (SENSOR, STEP, ASKED, SENT, TAKEN, FAILED, ANSWERED, GIVEN_UP, TAKEN_BACK)
IN_ORDER = {sort: place for place, sort in enumerate(SORTS)}  # of what has the same time


@dataclass(frozen=True)
class Moment:
    """One line of the chain. `since_s` counts from the first sign. What it holds depends on `sort`: the Datastream and `value` of a
    sensor, the `action` and `state` of a step, a notice and of its `attempt` the rest."""

    time: datetime
    sort: str
    since_s: float = 0.0
    stream: Datastream | None = None
    value: float = 0.0
    action: str = ""
    state: str = ""
    note: str = ""
    cause: str = ""
    by: str = ""
    notice: Notice | None = None
    channel: str = ""
    recipient: str = ""
    receipt: str = ""
    error: str = ""
    answer: str = ""
    repeat: bool = False


@dataclass(frozen=True)
class Chain:
    """An alarm's Case, when its first sign was, and its moments in order."""

    case: Case
    begun: datetime
    moments: list[Moment]


def list_alarms(store: Store, home: int) -> list[Case]:
    """The alarms of a home, the newest first."""
    return store.list_cases(CaseFilter(kind=KIND, thing=home, limit=MOST_ALARMS))


def list_faults(store: Store, home: int) -> list[Case]:
    """What is wrong with its devices and its link, the newest first."""
    return store.list_cases(CaseFilter(kind=ALERT, thing=home, is_open=True, limit=MOST_ALARMS))


def find_chain(store: Store, case: Case) -> Chain:
    """The chain of this alarm. Of what happened at the same instant, causes come before what followed."""
    begun = begun_at(case)
    found = [*_sensors(store, case, begun), *_steps(store, case), *_notices(store, case)]
    found.sort(key=lambda one: (one.time, IN_ORDER[one.sort]))
    return Chain(case, begun, [replace(one, since_s=(one.time - begun).total_seconds()) for one in found])


def begun_at(case: Case) -> datetime:
    """When the first sign was."""
    raised = case.values.get("raised")
    return min(parse_instant(str(raised)), case.opened) if raised else case.opened


def _sensors(store: Store, case: Case, begun: datetime) -> list[Moment]:
    graph, now = store.graph, from_us(store.clock.now_us())
    until = min(now, case.changed + AFTER) if case.is_closed else now
    found = []
    for stream in graph.list_datastreams(case.thing or 0):
        if graph.property_key(stream) in LIFE_SAFETY:
            times, values = store.series(stream.id, begun - BEFORE, until + timedelta(seconds=1))
            pairs = list(zip(times.tolist(), values.tolist(), strict=True))[:MOST_OF_A_STREAM]
            found += [Moment(from_us(time), SENSOR, stream=stream, value=value) for time, value in pairs]
    return found


def _steps(store: Store, case: Case) -> list[Moment]:
    return [
        Moment(
            event.time, STEP, action=event.action, state=event.state, note=event.note, cause=event.cause, by=event.by
        )
        for _, event, _ in store.list_case_events(case.id)
    ]


def _notices(store: Store, case: Case) -> list[Moment]:
    found: list[Moment] = []
    for notice in store.list_notices(NoticeFilter(case=case.key, limit=MOST_NOTICES)):
        found.append(Moment(notice.requested, ASKED, notice=notice))
        for attempt in notice.attempts:
            found += _attempt(notice, attempt)
        found += [
            Moment(said.time, ANSWERED, notice=notice, answer=said.answer, by=said.by, channel=said.channel)
            for said in notice.answers
        ]
        if notice.state in (DEAD, WITHDRAWN):
            sort = GIVEN_UP if notice.state == DEAD else TAKEN_BACK
            found.append(Moment(notice.changed, sort, notice=notice, error=notice.error))
    return found


def _attempt(notice: Notice, attempt: Attempt) -> list[Moment]:
    sent = Moment(
        attempt.begun, SENT, notice=notice, channel=attempt.channel, recipient=attempt.recipient, repeat=attempt.repeat
    )
    if not attempt.outcome or attempt.ended is None:
        return [sent]
    sort = TAKEN if attempt.outcome == RECEIVED else FAILED
    ended = replace(sent, time=attempt.ended, sort=sort, repeat=False, receipt=attempt.receipt, error=attempt.error)
    return [sent, ended]
