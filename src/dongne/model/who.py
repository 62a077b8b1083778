"""One who asks: what the role allows, which Things it is about, and how much may be seen.

Public reads open data. A device has a token for its Things. Staff have roles. Nothing here knows tokens: whoever reads
the request works out a Who, and the rest of the city asks that.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec

from dongne.model.access import Access, Sight
from dongne.model.errors import NotAllowed, NotKnown


class Right(StrEnum):
    """What somebody may do."""

    OBSERVE = "observe"  # send Observations
    MODEL = "model"  # create, change and delete entities; correct and remove Observations
    TASK = "task"  # create Tasks, and say what became of them
    CASE = "case"  # move Cases on
    CONSENT = "consent"  # write down who agreed to what, and that it is over
    SETTING = "setting"  # change settings of services
    AUDIT = "audit"  # read the audit log
    TOKEN = "token"  # issue and revoke tokens; see all webhooks
    WEBHOOK = "webhook"  # register webhooks


ROLES: dict[str, tuple[frozenset[Right], Access]] = {
    "public": (frozenset(), Access.PUBLIC),
    "device": (frozenset({Right.OBSERVE, Right.TASK}), Access.PUBLIC),
    "operator": (frozenset({Right.CASE, Right.TASK}), Access.INTERNAL),
    "steward": (
        frozenset({Right.OBSERVE, Right.MODEL, Right.TASK, Right.CASE, Right.CONSENT, Right.SETTING, Right.WEBHOOK}),
        Access.INTERNAL,
    ),
    "planner": (frozenset({Right.CASE}), Access.INTERNAL),
    "auditor": (frozenset({Right.AUDIT}), Access.PERSONAL),
    "carer": (frozenset({Right.CASE, Right.CONSENT, Right.TASK}), Access.PERSONAL),
    "admin": (frozenset(Right), Access.PERSONAL),
}


class Who(msgspec.Struct, frozen=True):
    """See the head of this file. `things`: the rights hold for these only; None means for all. `is_known`: a token said
    who it is. `purpose`: what the token was issued for."""

    name: str = ""
    role: str = "public"
    rights: frozenset[Right] = frozenset()
    things: frozenset[int] | None = None
    sight: Sight = Sight()
    is_known: bool = False
    purpose: str = ""

    def may(self, right: Right, thing: int | None = None) -> bool:
        """Whether this right holds, for this Thing where one is meant; a right for some Things only never holds for none."""
        return right in self.rights and (self.things is None or thing in self.things)

    def must(self, right: Right, thing: int | None = None) -> None:
        """Raises NotKnown where a token is needed, NotAllowed where this one does not allow it."""
        if self.may(right, thing):
            return
        if not self.is_known:
            raise NotKnown(
                f"this ({right.value}) needs a token: send the header Authorization: Bearer <token>; `dongne token "
                "issue` makes one",
                reason="token",
            )
        what = "" if thing is None else f" for Thing {thing}"
        raise NotAllowed(
            f"the token {self.name[:40]!r} ({self.role}) does not allow this ({right.value}{what}); ask for one that does",
            reason="right",
        )


ANYBODY = Who()
BENCH = Who("open", "admin", frozenset(Right))
"""Where writing is open to everybody, as on a trusted bench: everything may be done, but only open data be seen."""

Audit = Callable[[Who, list[tuple[str, str, int]]], None]
"""Writes down what somebody changed, each as (put, remove or correct, type, id)."""


def unwritten(who: Who, changed: list[tuple[str, str, int]]) -> None:
    """An Audit where nobody keeps a log."""
