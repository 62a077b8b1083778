"""What is set of a lamp and what is remembered of it."""

from dataclasses import dataclass, field

import msgspec

from dongne.methods.walking import Pace


@dataclass(frozen=True)
class Settings:
    """How bright, for whom, how long; units and ranges are in service.toml."""

    full_percent: float = 100.0
    dim_percent: float = 30.0
    wet_percent: float = 50.0
    beside_silent_percent: float = 60.0
    lead_s: float = 15.0
    hold_s: float = 30.0
    soft_s: float = 10.0
    stay_s: float = 900.0
    reach_m: float = 45.0
    slowest_m_s: float = 0.3
    fastest_m_s: float = 8.0
    on_lx: float = 35.0
    off_lx: float = 55.0
    sun_deg: float = 0.0
    wet_mm_h: float = 0.1
    drying_s: float = 1800.0
    stale_s: float = 1800.0
    sky_s: float = 300.0
    confirm_s: float = 10.0
    tolerance_percent: float = 5.0
    power_w: float = 60.0

    @property
    def pace(self) -> Pace:
        """The speeds at which somebody may be going."""
        return Pace(self.slowest_m_s, self.fastest_m_s)


class Visit(msgspec.Struct):
    """Somebody was noticed at a lamp from `first_us` to `last_us`, without a longer break; `before_us` is the end of the
    visit before. `cleared`: its sensor said that nobody is there any more."""

    first_us: int
    last_us: int
    before_us: int = 0
    cleared: bool = False


@dataclass
class Lamp:
    """One lamp. Times are microseconds UTC, 0 where there is none.

    It is in full light until `here_until_us` (somebody under it) or `ahead_until_us` (somebody comes); `plan_us` is when
    the light goes on for somebody still far away. `sent_percent` is the last order, -1 before the first; `tries` counts
    orders without an answer.
    """

    met: bool = False
    night: bool = False
    base_percent: float = 0.0
    wet_until_us: int = 0
    heard: dict[int, Visit] = field(default_factory=dict)
    says_clear: bool = False
    here_until_us: int = 0
    ahead_until_us: int = 0
    plan_us: int = 0
    plan_until_us: int = 0
    sent_percent: float = -1.0
    sent_us: int = 0
    orders: int = 0
    once: str = ""
    answered: bool = True
    tries: int = 0
    silent: bool = False
    silence: str = ""
    beside_percent: dict[int, float] = field(default_factory=dict)
    beside_doubt_us: dict[int, int] = field(default_factory=dict)
    beside_silent: list[int] = field(default_factory=list)
    counted_us: int = 0
    used_wh: float = 0.0
    full_wh: float = 0.0

    def forget_people(self) -> None:
        """Nobody is here or on the way: it has become day."""
        self.heard.clear()
        self.beside_doubt_us.clear()
        self.here_until_us = self.ahead_until_us = self.plan_us = self.plan_until_us = 0

    @property
    def lit_until_us(self) -> int:
        """Until when it is in full light."""
        return max(self.here_until_us, self.ahead_until_us)
