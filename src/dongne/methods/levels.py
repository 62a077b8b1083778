"""The level of something that fills and is emptied, out of noisy readings: a Kalman filter with a guard.

The state is (level L in %, rate r in %/h) with covariance P. Between readings, `h` hours apart,

    L' = L + h r        P11' = P11 + 2 h P12 + h² P22 + h q_level + h³ q_rate / 3
    r' = r              P12' = P12 + h P22 + h² q_rate / 2
                        P22' = P22 + h q_rate

and a reading z with noise variance R brings, with v = z - L' and S = P11' + R,

    L = L' + P11' v / S    r = r' + P12' v / S    P = P' - K S Kᵀ.

`q_rate` lets the rate wander (continuous white noise acceleration: Bar-Shalom, Li, Kirubarajan, Estimation with
Applications to Tracking and Navigation, 2001, 6.2.2). q_level = q_level_least + scatter r: items fall in one by one, and
a compound Poisson process has a variance in proportion to its rate; the rhythm of the day is in `scatter` too. R is
learned from the innovations, R = mean(v²) - P11' (Mehra, IEEE Trans. Automatic Control 15(2), 1970). Added to it:

- a reading above L' with v² > gate² S is not believed, nor one below L with (L - z)² > gate² (P11 + R): of itself a
  level does not fall. `confirm` such readings in a row that agree with each other are a jump (emptied, or a big piece),
  and the level starts anew from their mean. The rate is kept: it belongs to the place.
- a rate below zero is set to zero (Simon, IET Control Theory & Applications 4(8), 2010, projection): nothing takes
  litter out but an emptying.
- a reading of 100 % when the level is 100 % says nothing about the rate.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import sqrt

NOISE_LOW = 0.25  # %²: a sensor that counts in whole percent
NOISE_HIGH = 225.0  # %²: worse is no sensor


class Seen(IntEnum):
    """What a reading was taken for."""

    LEVEL = 0  # believed
    ODD = 1  # not believed, yet
    JUMP = 2  # the last of the odd readings that confirm a jump


@dataclass(slots=True)
class Level:
    """What is known of one level. `p11`, `p12`, `p22` is the covariance in %², %²/h, %²/h²; `noise` is R in %².

    `odd` is the mean of the `odd_count` last readings that were not believed.
    """

    percent: float = 0.0
    rate: float = 0.0
    p11: float = 0.0
    p12: float = 0.0
    p22: float = 0.0
    noise: float = 0.0
    odd: float = 0.0
    odd_count: int = 0


@dataclass(frozen=True, slots=True)
class LevelFilter:
    """How readings become a Level. `noise_percent` and `rate_sd` (%/h) are what is supposed before the first readings."""

    noise_percent: float = 4.0
    rate_sd: float = 2.0
    scatter: float = 12.0  # %
    q_level_least: float = 0.5  # %²/h
    q_rate: float = 0.0005  # %²/h³
    gate: float = 3.5
    confirm: int = 2
    learn: float = 0.01  # weight of a new innovation in R

    def q_level(self, rate: float) -> float:
        """Growth of the level's variance, %²/h, at this rate."""
        return self.q_level_least + self.scatter * rate

    def start(self, reading: float) -> Level:
        """The Level after the very first reading."""
        noise = self.noise_percent**2
        return Level(reading, 0.0, noise, 0.0, self.rate_sd**2, noise)

    def step(self, level: Level, hours: float, reading: float) -> Seen:
        """Takes a reading in, `hours` (> 0) after the one before, and says what it was taken for."""
        rate, p12, p22, noise = level.rate, level.p12, level.p22, level.noise
        drift = hours * self.q_rate
        percent = level.percent + hours * rate
        p11 = level.p11 + hours * (
            2.0 * p12 + hours * p22 + self.q_level_least + self.scatter * rate + hours * drift / 3.0
        )
        p12 += hours * (p22 + drift / 2.0)
        p22 += drift
        if percent >= 100.0:
            percent = 100.0
            if reading >= 100.0:
                level.percent, level.p11, level.p12, level.p22, level.odd_count = 100.0, noise, 0.0, p22, 0
                return Seen.LEVEL
        v = reading - percent
        s = p11 + noise
        vv = v * v
        if v > 0.0:
            odd = vv > self.gate * self.gate * s
        else:
            fall = level.percent - reading  # from where it was: of itself it does not fall
            odd = fall > 0.0 and fall * fall > self.gate * self.gate * (level.p11 + noise)
        if odd:
            return self._doubt(level, hours, percent, p11, p12, p22, reading)
        k1, k2 = p11 / s, p12 / s
        percent += k1 * v
        rate += k2 * v
        level.percent = 0.0 if percent < 0.0 else 100.0 if percent > 100.0 else percent
        level.rate = 0.0 if rate < 0.0 else rate
        level.p11 = p11 * (1.0 - k1)
        level.p12 = p12 * (1.0 - k1)
        level.p22 = p22 - k2 * p12
        noise += self.learn * (vv - p11 - noise)
        level.noise = NOISE_LOW if noise < NOISE_LOW else NOISE_HIGH if noise > NOISE_HIGH else noise
        level.odd_count = 0
        return Seen.LEVEL

    def _doubt(
        self, level: Level, hours: float, percent: float, p11: float, p12: float, p22: float, reading: float
    ) -> Seen:
        """Keeps what was predicted; or, where enough odd readings agree, begins anew from them."""
        apart = reading - level.odd - hours * level.rate
        spread = 2.0 * level.noise + hours * self.q_level(level.rate)
        agrees = level.odd_count > 0 and apart * apart <= self.gate * self.gate * spread
        level.odd_count = level.odd_count + 1 if agrees else 1
        level.odd = reading - apart * (1.0 - 1.0 / level.odd_count) if agrees else reading
        if level.odd_count < self.confirm:
            level.percent, level.p11, level.p12, level.p22 = percent, p11, p12, p22
            return Seen.ODD
        jumped = 0.0 if level.odd < 0.0 else 100.0 if level.odd > 100.0 else level.odd  # the drift may lead beyond
        level.percent, level.p11, level.p12, level.p22 = jumped, level.noise / level.odd_count, 0.0, p22
        level.odd_count = 0
        return Seen.JUMP


def hours_to_full(level: Level, at_most: float) -> float:
    """How long it takes, at the present rate, until the level is 100 %; `at_most` where longer or never."""
    left = 100.0 - level.percent
    return left / level.rate if level.rate * at_most > left else at_most


def early_hours_to_full(level: Level, q_level: float, z: float, at_most: float) -> float:
    """The time by which it is full with the chance that belongs to `z` (1.28: one in ten), at most `at_most`.

    The first t with L + r t + z sqrt(P11 + (2 P12 + q_level) t + P22 t²) = 100; squared, a quadratic equation.
    """
    left = 100.0 - level.percent
    zz = z * z
    c = left * left - zz * level.p11
    if left <= 0.0 or c <= 0.0:
        return 0.0
    a = level.rate * level.rate - zz * level.p22
    b = 2.0 * left * level.rate + zz * (2.0 * level.p12 + q_level)
    inside = b * b - 4.0 * a * c
    if inside < 0.0:
        return at_most
    divisor = b + sqrt(inside)  # in this form of the root an `a` near 0 does no harm
    return min(2.0 * c / divisor, at_most) if divisor > 0.0 else at_most
