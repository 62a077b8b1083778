"""How each class of alarm is handled: who is asked or told, in which order, and how long each may take.

| policy | steps |
|---|---|
| fire | 119 at once, the resident called beside it |
| button | 119 at once, the resident called beside it |
| heart | asked for seconds, then 119 |
| detector | one detector alone: asked, then 119 where it goes on |
| fall | asked twice, a responder, 119 |
| vital | asked twice, a responder, 119 |
| late | what a gateway kept for long: asked, then an operator |
| inactivity | care call, a guardian, a nurse, a visit, then an operator |

Each plan ends at an operator, who alone can end what reached 119.
"""

from dataclasses import dataclass

from dongne.services.home_alarm.settings import Settings

ASK, GO, PHONE_GUARDIAN, PHONE_NURSE, VISIT = "ask", "go", "phone_guardian", "phone_nurse", "visit"
DISPATCH, DESK = "dispatch", "desk"
FIRE, BUTTON, HEART, DETECTOR, FALL, VITAL, LATE, INACTIVITY = (
    "fire", "button", "heart", "detector", "fall", "vital", "late", "inactivity",
)  # fmt: skip
RANK = {FIRE: 0, BUTTON: 0, HEART: 1, DETECTOR: 1, VITAL: 2, FALL: 2, LATE: 2, INACTIVITY: 3}
"""The lower, the sooner 119 must know."""
ANSWERED_BY_WORD = frozenset({BUTTON, HEART, FALL, LATE})
"""Policies whose evidence is an event: a further one makes an earlier "fine" void."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a plan, and how long it may take."""

    act: str
    wait_s: float


def plan(policy: str, settings: Settings) -> tuple[Stage, ...]:
    """The steps of a policy, in order. The last is DESK, which is done again until an operator closes the alarm."""
    s = settings
    end: tuple[Stage, ...] = (Stage(DISPATCH, s.dispatch_s), Stage(DESK, s.remind_s))
    before: tuple[Stage, ...] = ()
    match policy:
        case "button" if not s.button_at_once:
            before = (Stage(ASK, s.ask_heart_s),)
        case "heart":
            before = (Stage(ASK, s.ask_heart_s),)
        case "detector":
            before = (Stage(ASK, s.ask_fire_s),)
        case "fall":
            before = (Stage(ASK, s.ask_fall_s), Stage(ASK, s.ask_fall_s), Stage(GO, s.responder_s))
        case "vital":
            before = (Stage(ASK, s.ask_vital_s), Stage(ASK, s.ask_vital_s), Stage(GO, s.responder_s))
        case "late":
            before, end = (Stage(ASK, s.ask_vital_s),), end[1:]
        case "inactivity":
            before, end = (
                Stage(ASK, s.care_call_s), Stage(PHONE_GUARDIAN, s.phone_s), Stage(PHONE_NURSE, s.phone_s),
                Stage(VISIT, s.visit_s),
            ), end[1:]  # fmt: skip
    return (*before, *end)


def after_asking(stages: tuple[Stage, ...], step: int) -> int:
    """The first step behind `step` which asks nobody at home; the last where there is none."""
    return next((number for number in range(step + 1, len(stages)) if stages[number].act != ASK), len(stages) - 1)


def step_of(stages: tuple[Stage, ...], act: str) -> int:
    """Where this act stands; the last step where the plan has none."""
    return next((number for number, stage in enumerate(stages) if stage.act == act), len(stages) - 1)
