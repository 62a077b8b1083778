"""How often one may ask: by token, and where there is none by the address it came from."""

import time
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from dongne.methods.token_bucket import Buckets
from dongne.model.errors import TooMany
from dongne.model.limits import Limits
from dongne.model.who import Who

Scope = MutableMapping[str, Any]
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})
_REMEDY = {
    "write": "send more at once: CreateObservations takes a data array, $batch many requests",
    "costly_read": "ask for less often, or for more at once; /api/latest and /api/observations answer for many Datastreams",
    "sign_in": "wait a moment",
}


class Rates:
    """Counts what each one asks. `is_proxied`: a proxy of this machine says in X-Forwarded-For whose request it passes on."""

    def __init__(self, limits: Limits | None = None, *, is_proxied: bool = False) -> None:
        limits = limits or Limits()
        per_s = {
            "write": limits.writes_per_s, "costly_read": limits.costly_reads_per_s, "sign_in": limits.sign_ins_per_s
        }  # fmt: skip
        self._buckets = {what: Buckets(rate, rate * limits.burst_s) for what, rate in per_s.items() if rate > 0}
        self._exempt: frozenset[str] = frozenset() if limits.on_this_machine else LOOPBACK
        self._is_proxied = is_proxied
        self._passed = frozenset() if is_proxied else self._exempt
        self.refused: Counter[str] = Counter()  # by what was too much

    def check(self, what: str, who: Who, scope: Scope) -> None:
        """Raises TooMany where one asked too often; `what` is write, costly_read or sign_in."""
        peer = scope.get("client")
        if peer is None or peer[0] in self._passed:  # most requests of a quick sender end here
            return
        address: str = peer[0]
        if self._is_proxied and address in LOOPBACK:
            address = forwarded_for(scope) or address
        buckets = self._buckets.get(what)
        if address in self._exempt or buckets is None:
            return
        key = _key_of(who, address)
        wait_s = buckets.take(key, time.monotonic())
        if wait_s:
            self.refused[what] += 1
            raise TooMany(
                f"{'the token ' + repr(who.name[:40]) if who.is_known else 'this address'} had its share of "
                f"{buckets.per_s:g} {what.replace('_', ' ')}s a second; {_REMEDY[what]}, or come back in {wait_s:.1f} s",
                reason=f"rate_{what}",
                after_s=wait_s,
            )

    def wait_s(self, what: str, who: Who, address: str) -> float:
        """The same where one can be made to wait: 0.0 where one more was there and is taken, else how long none will be."""
        buckets = self._buckets.get(what)
        if address in self._exempt or buckets is None:
            return 0.0
        found = buckets.take(_key_of(who, address), time.monotonic())
        self.refused[what] += bool(found)
        return found


def _key_of(who: Who, address: str) -> str:
    return f"token {who.name}" if who.is_known else _network(address)


def forwarded_for(scope: Scope) -> str:
    """Who asked the proxy: the last address it added to X-Forwarded-For."""
    found = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return found[-1].decode("latin-1").rpartition(",")[2].strip()[:60] if found else ""


def _network(address: str) -> str:
    """An IPv6 client has 2^64 addresses: it is known by the first half."""
    return ":".join(address.split(":")[:4]) if address.count(":") > 1 else address
