"""What devices say, joined for one home: is there an alarm in it, of which class, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dongne.methods.vital_band import VitalBand, find_band, note_reading
from dongne.model.home import RHYTHM_ASYSTOLE, RHYTHM_VF, RHYTHM_VT
from dongne.model.observed import Observation
from dongne.services.home_alarm import policy
from dongne.services.home_alarm.home import Device, Home, Line, Vital
from dongne.services.home_alarm.settings import Settings

DETECTORS = frozenset({"smoke", "heat", "carbon_monoxide", "gas"})
SORT_OF_DETECTOR = {"smoke": "fire", "heat": "fire", "carbon_monoxide": "carbon_monoxide", "gas": "gas"}
SORT_OF_WORD = {"button": "button", "help_call": "button", "chest_pain": "heart", "fall": "fall"}
POLICY_OF_WORD = {
    "button": policy.BUTTON, "help_call": policy.BUTTON, "chest_pain": policy.HEART, "fall": policy.FALL,
}  # fmt: skip
WITHOUT_PULSE = frozenset({RHYTHM_VF, RHYTHM_ASYSTOLE})
NO_WRIST_PER_MIN = 20.0  # below it a wearable lies on the table; a heart that stands still shows in the rhythm
BAND_WIDTH = {"heart_rate": 5.0, "oxygen_saturation": 1.0}
MARGIN = {"heart_rate": 15.0, "oxygen_saturation": 4.0}  # beyond the person's own band
QUALITY_HOLDS = timedelta(minutes=5)
TOLD_HOLDS = timedelta(hours=1)  # the same sign raises no other alarm before


@dataclass(frozen=True, slots=True)
class Trigger:
    """An alarm in what was observed. `reason` is a word of the catalogue (home_alarm.reason.<reason>)."""

    policy: str
    sort: str
    reason: str
    line: Line
    is_exercise: bool = False


def line_of(obs: Observation) -> Line:
    """The Observation as evidence."""
    return Line(obs.time, obs.property, obs.datastream, obs.result)


def is_exercise(obs: Observation, settings: Settings) -> bool:
    """Whether it is one for practice: all of the home are, or this one says so."""
    return settings.exercise or bool(obs.parameters and obs.parameters.get("exercise"))


def note_word(home: Home, obs: Observation, settings: Settings) -> bool:
    """Notes a 1 or 0 of a device; whether it is a 1 not heard before. Many detectors never say 0: with no alarm open, a 1 long after
    the last one is another."""
    device = home.devices.setdefault(obs.datastream, Device(obs.property))
    if obs.result < 0.5:
        if device.cleared is None or obs.time > device.cleared:
            device.cleared = obs.time
            device.is_muted = device.is_muted and device.is_raised
        return False
    if device.raised is not None and obs.time <= device.raised:
        return False
    before = device.raised if device.is_raised and obs.property in DETECTORS else None
    device.raised = obs.time
    if before is None:
        return True
    if home.alarm is not None or obs.time - before <= timedelta(seconds=settings.join_s):
        return False
    device.is_muted = False
    return True


def raised_detectors(home: Home) -> list[Device]:
    """Detectors that say danger now."""
    return [device for device in home.devices.values() if device.observes in DETECTORS and device.is_raised]


def find_fire(home: Home, obs: Observation, settings: Settings) -> Trigger:
    """A detector was raised: alone, or beside another of the last minutes."""
    line, exercise = line_of(obs), is_exercise(obs, settings)
    window = timedelta(seconds=settings.join_s)
    others = {
        device.observes
        for number, device in home.devices.items()
        if number != obs.datastream and device.observes in DETECTORS and device.raised is not None
        and (device.is_raised or obs.time - device.raised <= window) and not device.is_muted
    }  # fmt: skip
    if not others:
        sort = SORT_OF_DETECTOR[obs.property]
        return Trigger(policy.DETECTOR, sort, f"{obs.property}_alone", line, exercise)
    kinds = others | {obs.property}
    sort = "fire" if kinds & {"smoke", "heat"} else SORT_OF_DETECTOR[obs.property]
    return Trigger(policy.FIRE, sort, "two_kinds" if len(kinds) > 1 else "two_detectors", line, exercise)


def find_word(obs: Observation, settings: Settings) -> Trigger:
    """Somebody pressed, called, or a fall was seen."""
    exercise = is_exercise(obs, settings)
    return Trigger(POLICY_OF_WORD[obs.property], SORT_OF_WORD[obs.property], obs.property, line_of(obs), exercise)


def as_late(trigger: Trigger, arrived: datetime, settings: Settings) -> Trigger:
    """The same, as what it is where a gateway kept it for long."""
    if arrived - trigger.line.time <= timedelta(seconds=settings.late_s):
        return trigger
    return Trigger(policy.LATE, trigger.sort, "late", trigger.line, trigger.is_exercise)


# --- the heart --------------------------------------------------------------------------------------------------------


def note_rhythm(home: Home, obs: Observation) -> None:
    """Notes what rhythm it is, and since when."""
    if home.rhythm_since is not None and obs.time < home.rhythm_since:
        return
    if obs.result not in WITHOUT_PULSE and obs.result != RHYTHM_VT:
        home.rhythm, home.rhythm_since = obs.result, None
    elif home.rhythm_since is None or (obs.result == RHYTHM_VT) != (home.rhythm == RHYTHM_VT):
        home.rhythm, home.rhythm_since, home.rhythm_device = obs.result, obs.time, obs.datastream


def rhythm_check_at(home: Home, settings: Settings) -> datetime | None:
    """When a dangerous rhythm has lasted long enough; None where there is none."""
    if home.rhythm_since is None:
        return None
    wait_s = settings.tachycardia_s if home.rhythm == RHYTHM_VT else settings.rhythm_s
    return home.rhythm_since + timedelta(seconds=wait_s)


def find_rhythm(home: Home, now: datetime, settings: Settings) -> Trigger | None:
    """A dangerous rhythm, long enough, of a good signal, and nothing speaks against it: who moves or has a pulse has a
    circulation."""
    at = rhythm_check_at(home, settings)
    if at is None or now < at or home.rhythm_since is None:
        return None
    if home.quality is None or home.quality < settings.good_quality:
        return None
    if home.rhythm in WITHOUT_PULSE:
        still_since = now - timedelta(seconds=settings.still_s)
        if home.moved is not None and max(still_since, home.rhythm_since) < home.moved:
            return None
        if home.pulse_at is not None and max(still_since, home.rhythm_since) < home.pulse_at:
            return None
    reason = "tachycardia" if home.rhythm == RHYTHM_VT else "no_pulse_rhythm"
    line = Line(home.rhythm_since, "rhythm", home.rhythm_device, home.rhythm)
    return Trigger(policy.HEART, "heart", reason, line)


def find_vital(home: Home, obs: Observation, settings: Settings) -> Trigger | None:
    """A vital sign that is out of its bounds, or out of the person's own band, for long enough and often enough."""
    vital = home.vitals.get(obs.property)
    if vital is None:
        vital = home.vitals[obs.property] = Vital(VitalBand(BAND_WIDTH[obs.property]))
    bound = _bound_left(vital, obs, settings)
    if bound and _is_doubtful(home, obs, settings):
        return None
    if not bound or (bound == "own" and vital.told is not None):
        note_reading(vital.band, obs.result)  # what nobody worried about becomes usual
    if not bound:
        vital.is_absolute, vital.since, vital.count, vital.told = False, None, 0, None
        return None
    if vital.told is not None and obs.time - vital.told < TOLD_HOLDS:
        return None
    if vital.since is None:
        vital.since = obs.time
    if obs.time < vital.since:
        return None
    vital.is_absolute, vital.count = vital.is_absolute or bound == "absolute", vital.count + 1
    long_s = settings.vital_s if vital.is_absolute else settings.own_band_s
    if vital.count < settings.vital_readings or obs.time - vital.since < timedelta(seconds=long_s):
        return None
    how, which = (policy.HEART, "bounds") if vital.is_absolute else (policy.VITAL, "own_band")
    vital.is_absolute, vital.since, vital.count, vital.told = False, None, 0, obs.time
    return Trigger(how, "heart", f"{obs.property}_{which}", line_of(obs), is_exercise(obs, settings))


def _bound_left(vital: Vital, obs: Observation, settings: Settings) -> str:
    is_heart = obs.property == "heart_rate"
    low = settings.heart_rate_low_per_min if is_heart else settings.oxygen_low_percent
    high = settings.heart_rate_high_per_min if is_heart else 100.0
    if not low <= obs.result <= high:
        return "absolute"
    band = find_band(vital.band)
    margin = MARGIN[obs.property]
    if band is None or band[0] - margin <= obs.result <= band[1] + margin:
        return ""
    return "own"


def _is_doubtful(home: Home, obs: Observation, settings: Settings) -> bool:
    """A wearable that was taken off, a bad signal, or somebody who is busy."""
    if obs.property == "heart_rate" and obs.result < NO_WRIST_PER_MIN:
        return True
    is_rated = home.quality_at is not None and abs(obs.time - home.quality_at) <= QUALITY_HOLDS
    if is_rated and home.quality is not None and home.quality < settings.good_quality:
        return True
    is_high = obs.property == "heart_rate" and obs.result > settings.heart_rate_low_per_min
    is_moving = home.moved is not None and obs.time - home.moved <= timedelta(seconds=settings.still_s)
    return is_high and is_moving
