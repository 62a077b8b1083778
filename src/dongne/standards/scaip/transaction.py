"""When a request over UDP is sent again, and when it is given up (RFC 3261, 17.1.2.2: timers E and F)."""

T1_S, T2_S = 0.5, 4.0  # 17.1.1.1: the estimate of a round trip, and the longest wait between two
LIFE_S = 64 * T1_S  # timers F and J: so long a request may be sent again, and its answer is kept


def resends_s(t1_s: float = T1_S, t2_s: float = T2_S) -> tuple[float, ...]:
    """Seconds after the first time: 0.5, 1.5, 3.5, 7.5, then every 4 s, all before 64 T1."""
    found: list[float] = []
    wait_s, at_s = t1_s, t1_s
    while at_s < 64 * t1_s:
        found.append(at_s)
        wait_s = min(2 * wait_s, t2_s)
        at_s += wait_s
    return tuple(found)
