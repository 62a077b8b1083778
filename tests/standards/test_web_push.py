"""Web push against the example of RFC 8291, appendix A, and VAPID against its own checks in another hand."""

from base64 import urlsafe_b64decode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dongne.model.errors import BadInput
from dongne.standards.web_push import (
    MOST_BYTES,
    Subscription,
    decrypt,
    encrypt,
    from_base64url,
    point_of,
    read_subscription,
    read_vapid,
    to_base64url,
    vapid_header,
)

# RFC 8291, appendix A and section 5
TEXT = b"When I grow up, I want to be a watermelon"
AS_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
UA_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
UA_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
    "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
ENDPOINT = "https://push.example.net:8443/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV"
WRITTEN = msgspec.json.encode({"endpoint": ENDPOINT, "keys": {"p256dh": UA_PUBLIC, "auth": AUTH}}).decode()


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(from_base64url(text), "big"), ec.SECP256R1())


def test_the_example_of_the_rfc_comes_out() -> None:
    body = encrypt(TEXT, read_subscription(WRITTEN), from_base64url(SALT), private(AS_PRIVATE))
    assert to_base64url(body) == BODY


def test_the_example_of_the_rfc_is_read_by_the_browsers_side() -> None:
    assert decrypt(from_base64url(BODY), private(UA_PRIVATE), from_base64url(AUTH)) == TEXT


def test_a_message_to_somebody_else_or_changed_on_the_way_is_not_read() -> None:
    body = bytearray(from_base64url(BODY))
    with pytest.raises(BadInput):
        decrypt(bytes(body), private(AS_PRIVATE), from_base64url(AUTH))
    body[-1] ^= 1
    with pytest.raises(BadInput):
        decrypt(bytes(body), private(UA_PRIVATE), from_base64url(AUTH))
    with pytest.raises(BadInput):
        decrypt(b"short", private(UA_PRIVATE), from_base64url(AUTH))


def test_a_message_fills_what_every_push_service_takes_and_no_more() -> None:
    to = read_subscription(WRITTEN)
    assert len(encrypt(b"x" * MOST_BYTES, to, bytes(16), private(AS_PRIVATE))) == 4_096
    with pytest.raises(BadInput, match="3993"):
        encrypt(b"x" * (MOST_BYTES + 1), to, bytes(16), private(AS_PRIVATE))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "[]",
        '{"endpoint": "https://push.example.net/secret"}',
        msgspec.json.encode({"endpoint": ENDPOINT, "keys": {"p256dh": UA_PUBLIC[:-8], "auth": AUTH}}).decode(),
        msgspec.json.encode({"endpoint": ENDPOINT, "keys": {"p256dh": UA_PUBLIC, "auth": "BTBZ"}}).decode(),
    ],
)
def test_what_is_no_subscription_is_refused_without_being_repeated(written: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_subscription(written)
    assert "push.example.net" not in refused.value.message


def test_a_vapid_header_is_signed_for_the_endpoints_origin() -> None:
    key = private(AS_PRIVATE)
    header = vapid_header(key, ENDPOINT, "mailto:it@dongne.example", 2_000)
    assert read_vapid(header, ENDPOINT, 1_000.0) == {
        "aud": "https://push.example.net:8443", "exp": 2_000, "sub": "mailto:it@dongne.example",
    }  # fmt: skip
    token, public = header.removeprefix("vapid t=").split(", k=")
    first = token.split(".")[0]
    assert urlsafe_b64decode(first + "=" * (-len(first) % 4)) == b'{"typ":"JWT","alg":"ES256"}'
    assert from_base64url(public) == point_of(key.public_key())


@pytest.mark.parametrize(
    ("endpoint", "now_s", "alter"),
    [
        ("https://other.example/x", 1_000.0, False),
        (ENDPOINT, 2_000.0, False),
        (ENDPOINT, 2_000.0 - 86_401, False),
        (ENDPOINT, 1_000.0, True),
    ],
)
def test_a_vapid_header_for_elsewhere_or_over_or_too_long_or_changed_is_refused(
    endpoint: str, now_s: float, alter: bool
) -> None:
    header = vapid_header(private(AS_PRIVATE), ENDPOINT, "mailto:it@dongne.example", 2_000)
    with pytest.raises(BadInput):
        read_vapid(header.replace("t=eyJ", "t=eyK") if alter else header, endpoint, now_s)


def test_a_subscription_is_what_the_browser_gave() -> None:
    found = read_subscription(WRITTEN)
    assert isinstance(found, Subscription)
    assert (found.endpoint, to_base64url(found.auth), to_base64url(point_of(found.p256dh))) == (
        ENDPOINT,
        AUTH,
        UA_PUBLIC,
    )
