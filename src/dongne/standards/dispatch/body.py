"""All parts of a hand-over in one body: multipart/related (RFC 2387) whose root is the alert, each part under the media type that
RFC 8876 and RFC 7852 register, so that a gateway can put them into a SIP message as they are."""

from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32

from dongne.model.errors import BadInput, TooLarge, WrongForm
from dongne.standards.cap import xml as cap_xml
from dongne.standards.dispatch.build import Dispatch
from dongne.standards.pidf_lo import call_data
from dongne.standards.pidf_lo import xml as pidf_xml

ALERT_TYPE = "application/EmergencyCallData.cap+xml"  # RFC 8876, 9.1
MOST_BYTES = 1_000_000
MOST_PARTS = 8
REASON = "dispatch"


def encode(dispatch: Dispatch) -> tuple[str, bytes]:
    """The content type and the body. The same Dispatch gives the same bytes. Raises BadInput."""
    name = dispatch.alert.identifier
    parts = [(ALERT_TYPE, "alert", cap_xml.encode(dispatch.alert))]
    if dispatch.presence is not None:
        parts.append((pidf_xml.MEDIA_TYPE, "place", pidf_xml.encode(dispatch.presence)))
    if dispatch.subscriber is not None:
        parts.append((call_data.SUBSCRIBER_TYPE, "subscriber", call_data.encode_subscriber(dispatch.subscriber)))
    if dispatch.comment is not None:
        parts.append((call_data.COMMENT_TYPE, "comment", call_data.encode_comment(dispatch.comment)))
    boundary = f"=_{name[:40]}"
    while any(boundary.encode() in content for _, _, content in parts):
        boundary += "_"
    written = b""
    for media_type, part, content in parts:
        head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-ID: <{part}.{name}>\r\n\r\n"
        written += head.encode() + content + b"\r\n"
    content_type = f'multipart/related; boundary="{boundary}"; type="{ALERT_TYPE}"; start="<alert.{name}>"'
    return content_type, written + f"--{boundary}--\r\n".encode()


def decode(content_type: str, body: bytes) -> Dispatch:
    """What was handed over. Parts of types that are not known here are passed over. Raises BadInput; TooLarge; WrongForm for what
    is no multipart/related."""
    if len(body) > MOST_BYTES:
        raise TooLarge(f"the body has {len(body)} bytes; send at most {MOST_BYTES}", reason=REASON)
    found = _parts(content_type, body)
    if ALERT_TYPE.lower() not in found:
        raise BadInput(f"the body has no part {ALERT_TYPE}; the alert is one", reason=REASON)
    place, person, note = (
        found.get(one.lower()) for one in (pidf_xml.MEDIA_TYPE, call_data.SUBSCRIBER_TYPE, call_data.COMMENT_TYPE)
    )
    return Dispatch(
        alert=cap_xml.decode(found[ALERT_TYPE.lower()]),
        presence=None if place is None else pidf_xml.decode(place),
        subscriber=None if person is None else call_data.decode_subscriber(person),
        comment=None if note is None else call_data.decode_comment(note),
    )


def _parts(content_type: str, body: bytes) -> dict[str, bytes]:
    if not content_type.lower().startswith("multipart/related") or not content_type.isascii() or "\n" in content_type:
        raise WrongForm(f"{content_type[:80]!r} is not read here; send multipart/related", reason=REASON)
    try:
        message = BytesParser(policy=compat32).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    except (MessageError, ValueError, LookupError, IndexError, TypeError) as error:
        raise BadInput(f"the body is no multipart/related ({error})", reason=REASON) from None
    parts = message.get_payload()
    if not isinstance(parts, list) or message.defects or len(parts) > MOST_PARTS:
        raise BadInput(
            f"the body is no multipart/related of at most {MOST_PARTS} parts with its boundary", reason=REASON
        )
    found: dict[str, bytes] = {}
    for part in parts:
        if not isinstance(part, Message):
            continue
        content = part.get_payload(decode=True)
        kind = part.get_content_type()
        if not isinstance(content, bytes) or kind in found:
            raise BadInput(f"the part {kind[:80]!r} is there twice, or has parts in it", reason=REASON)
        found[kind] = content
    return found
