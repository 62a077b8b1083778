"""The messages about one incident: which kind each is, and to which it refers (CAP 1.2, 3.2.1 msgType and references)."""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

import msgspec

from dongne.standards.cap.message import MsgType, Reference


class Turn(Enum):
    """What became of the incident."""

    HOLDS = "holds"  # it is there, or has changed
    OVER = "over"  # it was there and is no more: an Update whose responseType is AllClear
    REVOKED = "revoked"  # it was never so: a Cancel, which takes the messages back


class Said(msgspec.Struct, frozen=True):
    """One message of the chain, without what it says."""

    reference: Reference
    msg_type: MsgType
    references: tuple[Reference, ...]
    turn: Turn


def chain(incident: str, sender: str, turns: Iterable[tuple[int, datetime, Turn]]) -> list[Said]:
    """The messages of these turns (number, instant, what became of it), oldest first. Each identifier is that of the
    incident, a point and the number. An Update or Cancel refers to all messages before it, as any of them may be the last
    one that a receiver has; after a Cancel nothing is left to refer to, and an Alert begins anew."""
    found: list[Said] = []
    standing: tuple[Reference, ...] = ()
    for number, sent, turn in turns:
        reference = Reference(sender, f"{incident}.{number}", sent)
        msg_type: MsgType = "Alert"
        if standing:
            msg_type = "Cancel" if turn is Turn.REVOKED else "Update"
        elif turn is not Turn.HOLDS:
            continue  # nobody was told of it
        found.append(Said(reference, msg_type, standing, turn))
        standing = () if msg_type == "Cancel" else (*standing, reference)
    return found
