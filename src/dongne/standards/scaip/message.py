"""What a gateway asks (`Mrq`) and what it is answered (`Mrs`): values, all as text as in the XML; empty is not there."""

import msgspec

from dongne.model.errors import BadInput
from dongne.standards.scaip.codes import OK, STATUS_NUMBERS


class Mrq(msgspec.Struct, frozen=True, kw_only=True):
    """A request: an alarm, a reset, information or a heartbeat. Codes have their leading zeros (`codes.padded`).

    `set_aside` are fields that were wrong or unknown and do not change what the message says, as "tag: why".
    """

    cid: str  # the controller: which gateway it is
    dty: str  # the device's type
    ref: str = ""  # of this message, at most 16 letters and digits; what the answer refers to
    ver: str = ""
    sco: str = ""  # the system's configuration
    cha: str = ""  # call handling
    mty: str = "ME"
    hbo: str = ""  # whether the gateway lets its heartbeat interval be set: 0 no; devices write 1 or 001 for yes
    did: str = ""  # the device
    dco: str = ""  # the component of the device
    dte: str = ""  # text on the device
    crd: str = ""  # who may be called back, as "sip:...", "gsm:..."
    stc: str = ""  # the status
    stt: str = ""  # text on the status
    pri: str = ""  # priority
    lco: str = ""  # where it is, as a code
    lva: str = ""  # a value to the code, such as the floor
    geo: str = ""  # lge/geo: position, WGS 84
    tim: str = ""  # lge/tim: the time of the position
    gga: str = ""  # lge/gga: an NMEA GGA sentence
    lte: str = ""  # text on where it is
    ico: str = ""  # code of an information
    ite: str = ""  # its text
    ame: str = ""  # 1: another message belongs to it
    set_aside: tuple[str, ...] = ()


class Mrs(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `snu` says how it went (`codes.STATUS_NUMBERS`)."""

    ref: str = ""
    snu: str = OK
    ste: str = ""  # text on how it went, at most 128 characters
    cve: str = ""  # the version that both speak
    mre: str = ""  # what voice connection is wanted
    cre: str = ""  # who is called
    tnu: str = ""  # the number to call, for cre 62
    hbi: str = ""  # the heartbeat interval that the receiver sets, as a code

    @property
    def is_ok(self) -> bool:
        """The message was treated."""
        return self.snu == OK


class Refused(BadInput):
    """A message that is not taken: `snu` is what it is answered, `ref` what it is called as far as that was read."""

    def __init__(self, snu: str, message: str, *, ref: str = "", reason: str = "") -> None:
        super().__init__(message, reason=reason or STATUS_NUMBERS[snu])
        self.snu, self.ref = snu, ref

    def answer(self) -> Mrs:
        """What the gateway is told."""
        return Mrs(ref=self.ref, snu=self.snu, ste=self.message[:128])
