"""Links by which a person answers: nobody else can make one, or change what it says."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dongne.model.errors import NotFound
from dongne.standards.answer_links import AnswerLink, make_token, read_token

SECRET = bytes(range(32))
LINK = AnswerLink("home_alarm/17/ask/1", "guardian-1", ("fine", "help"), 2_000_000_000)


def test_a_token_says_what_it_was_made_for() -> None:
    token = make_token(SECRET, LINK)
    assert read_token(SECRET, token, 1_999_999_999.0) == LINK
    assert token == make_token(SECRET, LINK)
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_token_is_hmac_sha256_as_the_standard_library_reckons_it() -> None:
    token = make_token(SECRET, LINK)
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    body = msgspec.msgpack.encode(["home_alarm/17/ask/1", "guardian-1", ["fine", "help"], 2_000_000_000])
    assert raw[16:] == body
    assert raw[:16] == hmac.new(SECRET, b"dongne answer link 1\n" + body, hashlib.sha256).digest()[:16]


def test_a_token_of_another_secret_is_not_ours() -> None:
    with pytest.raises(NotFound) as refused:
        read_token(bytes(32), make_token(SECRET, LINK), 0.0)
    assert refused.value.reason == "answer_link"


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_not_ours(place: int, change: int) -> None:
    token = make_token(SECRET, LINK)
    raw = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[place % len(raw)] ^= change
    with pytest.raises(NotFound):
        read_token(SECRET, urlsafe_b64encode(raw).rstrip(b"=").decode(), 0.0)


@given(st.text(max_size=100))
def test_whatever_stands_in_its_place_is_not_ours(token: str) -> None:
    with pytest.raises(NotFound):
        read_token(SECRET, token, 0.0)


def test_a_token_ends() -> None:
    with pytest.raises(NotFound) as refused:
        read_token(SECRET, make_token(SECRET, LINK), 2_000_000_000.0)
    assert refused.value.reason == "answer_link_ended"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        make_token(b"secret", LINK)
