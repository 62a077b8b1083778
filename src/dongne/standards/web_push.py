"""Web push: messages that only the browser can read (RFC 8291, with RFC 8188's aes128gcm) and who sends them (VAPID, RFC
8292). Keys and salts are given; nothing here draws them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dongne.model.errors import BadInput

MOST_BYTES = 3_993  # of plaintext: 4,096 that every push service takes (RFC 8030, 7.2), less header, tag and delimiter
SALT_BYTES = 16
_AUTH_BYTES, _POINT_BYTES, _RECORD_BYTES, _HEADER_BYTES = 16, 65, 4_096, 21
_LAST_RECORD = b"\x02"  # RFC 8188, 2


class Subscription(msgspec.Struct, frozen=True):
    """What a browser gave: where to send, its public key, its secret."""

    endpoint: str
    p256dh: ec.EllipticCurvePublicKey
    auth: bytes


class _Keys(msgspec.Struct):
    p256dh: str
    auth: str


class _Written(msgspec.Struct):
    endpoint: str
    keys: _Keys


def read_subscription(text: str) -> Subscription:
    """Of the JSON that PushSubscription.toJSON() gives. Raises BadInput without repeating it: it is a capability."""
    try:
        written = msgspec.json.decode(text, type=_Written)
        point, auth = from_base64url(written.keys.p256dh), from_base64url(written.keys.auth)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except (ValueError, msgspec.MsgspecError):
        raise BadInput(
            "this is no push subscription: JSON with endpoint, keys.p256dh (65 bytes) and keys.auth (16 bytes)",
            reason="subscription",
        ) from None
    if len(auth) != _AUTH_BYTES or len(point) != _POINT_BYTES:
        raise BadInput("a push subscription's keys.auth has 16 bytes and keys.p256dh 65", reason="subscription")
    return Subscription(written.endpoint, key, auth)


def encrypt(text: bytes, to: Subscription, salt: bytes, sender: ec.EllipticCurvePrivateKey) -> bytes:
    """The body of the POST. `salt` (16 random bytes) and `sender` are used for one message only. Raises BadInput for more
    than MOST_BYTES."""
    if len(text) > MOST_BYTES:
        raise BadInput(f"a push message of {len(text)} bytes is too long; at most {MOST_BYTES}", reason="too_long")
    point = point_of(sender.public_key())
    shared = sender.exchange(ec.ECDH(), to.p256dh)
    key, nonce = _keys(shared, to.auth, point_of(to.p256dh), point, salt)
    header = salt + _RECORD_BYTES.to_bytes(4, "big") + bytes([len(point)]) + point
    return header + AESGCM(key).encrypt(nonce, text + _LAST_RECORD, None)


def decrypt(body: bytes, receiver: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """What the browser does with it. Raises BadInput for what was not meant for this receiver."""
    salt, length = body[:SALT_BYTES], body[_HEADER_BYTES - 1 : _HEADER_BYTES]
    point = body[_HEADER_BYTES : _HEADER_BYTES + _POINT_BYTES]
    try:
        if length != bytes([_POINT_BYTES]):
            raise ValueError
        sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        shared = receiver.exchange(ec.ECDH(), sender)
        key, nonce = _keys(shared, auth, point_of(receiver.public_key()), point, salt)
        padded = AESGCM(key).decrypt(nonce, body[_HEADER_BYTES + _POINT_BYTES :], None)
    except (ValueError, InvalidTag):
        raise BadInput("this is not encrypted to this subscription (RFC 8291)", reason="push") from None
    text, delimiter, padding = padded.rpartition(_LAST_RECORD)
    if not delimiter or padding.strip(b"\0"):
        raise BadInput("the record is not the last one of its message (RFC 8188, 2)", reason="push")
    return text


def _keys(shared: bytes, auth: bytes, receiver: bytes, sender: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Key and nonce: RFC 8291, 3.3 and 3.4; RFC 8188, 2.2 and 2.3."""
    secret = _hkdf(auth, shared, b"WebPush: info\0" + receiver + sender, 32)
    return (
        _hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16),
        _hkdf(salt, secret, b"Content-Encoding: nonce\0", 12),
    )


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


# --- who sends (RFC 8292)


def vapid_header(key: ec.EllipticCurvePrivateKey, endpoint: str, subject: str, until_s: int) -> str:
    """The Authorization of a POST to this endpoint; `until_s` at most a day ahead, `subject` mailto: or https:."""
    claims = {"aud": audience_of(endpoint), "exp": until_s, "sub": subject}
    parts = [msgspec.json.encode(part) for part in ({"typ": "JWT", "alg": "ES256"}, claims)]
    signed = ".".join(to_base64url(part) for part in parts)
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = to_base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={signed}.{signature}, k={to_base64url(point_of(key.public_key()))}"


def read_vapid(header: str, endpoint: str, now_s: float) -> dict[str, Any]:
    """The claims of such a header, as a push service checks them. Raises BadInput."""
    scheme, _, rest = header.partition(" ")
    given = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    try:
        signed, _, signature = given["t"].rpartition(".")
        raw = from_base64url(signature)
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64url(given["k"]))
        dss = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public.verify(dss, signed.encode(), ec.ECDSA(hashes.SHA256()))
        claims: dict[str, Any] = msgspec.json.decode(from_base64url(signed.partition(".")[2]))
    except (KeyError, ValueError, msgspec.MsgspecError, InvalidSignature):
        raise BadInput("the Authorization is no VAPID of RFC 8292, or wrongly signed", reason="vapid") from None
    if scheme.lower() != "vapid" or claims.get("aud") != audience_of(endpoint):
        raise BadInput(f"the VAPID token is for {claims.get('aud')!r}", reason="vapid")
    if not now_s < claims.get("exp", 0) <= now_s + 86_400:
        raise BadInput("the VAPID token is over, or good for more than a day", reason="vapid")
    return claims


def audience_of(endpoint: str) -> str:
    """The origin of an endpoint."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}"


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as 65 bytes; to_base64url of it is a page's applicationServerKey."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def to_base64url(raw: bytes) -> str:
    """Without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """With or without padding. Raises ValueError."""
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
