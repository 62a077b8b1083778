"""What is remembered of one home: its devices, the person's own days and vital signs, and the alarm that is open."""

from dataclasses import dataclass, field
from datetime import datetime

from dongne.methods.day_profile import DayProfile
from dongne.methods.vital_band import VitalBand

PLAN, HELD, RECHECK = "plan", "held", "recheck"
NEW, VERIFYING, RESPONDING = "new", "verifying", "responding"
DISPATCHED, ACKNOWLEDGED, OPERATOR = "dispatched", "acknowledged", "operator"
MOST_LINES = 12
MOST_PRACTISED = 100
PRACTICE = "x"  # marks what belongs to an exercise


@dataclass(slots=True)
class Device:
    """A Datastream that says 1 or 0, by the times of its newest words."""

    observes: str
    raised: datetime | None = None
    cleared: datetime | None = None
    is_muted: bool = False  # an operator closed its alarm while it was raised: it counts again once it was quiet

    @property
    def is_raised(self) -> bool:
        """Whether its newest word is 1."""
        return self.raised is not None and (self.cleared is None or self.cleared < self.raised)


@dataclass(slots=True)
class Line:
    """One thing that speaks for an alarm; `device` is the Datastream, `value` in the property's unit."""

    time: datetime
    property: str
    device: int
    value: float


@dataclass(slots=True)
class Vital:
    """One vital sign: the person's own band, and since when and how often it was left; `told` is when that raised an alarm."""

    band: VitalBand = field(default_factory=VitalBand)
    is_absolute: bool = False  # a bound that holds for anybody was left
    since: datetime | None = None
    count: int = 0
    told: datetime | None = None


@dataclass(slots=True)
class Alarm:
    """One alarm, from its first evidence to its cause.

    `sort` is the sort of Case it was opened as, `kind` what it is taken for now, `policy` how it is handled. `phase` is PLAN
    while its steps are taken, HELD after somebody said fine, RECHECK while that is asked again. `round` counts how often the
    plan began: answers to an earlier round no longer say that all is well. `said` counts notices to 119; `open_notices` are
    those that must be taken back at the end, as [name, once].
    """

    number: int
    sort: str
    kind: str
    policy: str
    reason: str
    opened: datetime
    raised: datetime
    exercise: bool = False
    reopened: int = 0  # when an operator opened it again, in seconds since 1970: its notices are others then
    state: str = NEW
    phase: str = PLAN
    round: int = 1
    step: int = 0
    asked: int = 0
    reminded: int = 0
    said: int = 0
    said_at: datetime | None = None
    said_last: str = ""
    fines: int = 0  # said to the call beside 119, each to another question
    goes: bool = False  # somebody said that they go there
    is_waiting_for_119: bool = False
    lines: list[Line] = field(default_factory=list)
    open_notices: list[tuple[str, str]] = field(default_factory=list)

    @property
    def tag(self) -> str:
        """How the `once` of each of its notices begins."""
        practice = PRACTICE if self.exercise else ""
        return f"{self.number}{practice}-{self.reopened}" if self.reopened else f"{self.number}{practice}"


@dataclass(slots=True)
class Home:
    """The state of one key. `alarms` counts them; `moved` is the last sign of life, `door` the last word of the door."""

    alarms: int = 0
    alarm: Alarm | None = None
    devices: dict[int, Device] = field(default_factory=dict)
    moved: datetime | None = None
    door: datetime | None = None
    is_watched: bool = False  # a Wake "quiet" is pending
    is_checked: bool = False  # this spell has raised an alarm: it is no example of what is usual
    looked_in: datetime | None = (
        None  # when somebody last found that all was well: the same spell is not asked about at once
    )
    day: DayProfile = field(default_factory=DayProfile)
    rhythm: float = 0.0
    rhythm_since: datetime | None = None
    rhythm_device: int = 0
    quality: float | None = None
    quality_at: datetime | None = None
    pulse_at: datetime | None = None
    vitals: dict[str, Vital] = field(default_factory=dict)
    practised: list[int] = field(
        default_factory=list
    )  # alarms that were exercises: they stay so when they are opened again
    faults: dict[str, str] = field(default_factory=dict)  # sort and Datastream -> `once` of the open alert
