"""Channels against simulators at real sockets: what arrives, what counts as receipt, and what is said of all that goes wrong."""

import asyncio
import io
import os
import select
import smtplib
import socket
import ssl
import stat
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dongne.adapters.channels import Secrets, list_channel_faults, make_channels
from dongne.adapters.sources import load_city
from dongne.lab.simulators import Behaviour, Simulators
from dongne.lab.simulators.gateways import Browser
from dongne.model.channels import ChannelsConfig, MailConfig, PushConfig, SmsConfig, SpeakerConfig
from dongne.model.errors import BadSetup
from dongne.runtime.channels import Message, Outcome
from dongne.standards.web_push import decrypt

sys.path.insert(0, str(Path(__file__).parent))
from receiver import Receiver, is_signed

LINK = "https://dongne.example/answers/abc"
SHORT_S = 0.3  # a timeout that a hanging provider runs into


@pytest.fixture
def simulators() -> Iterator[Simulators]:
    with Simulators() as found:
        yield found


def to(simulators: Simulators, channel: str) -> str:
    return {
        "mail": "daughter@example.org", "sms": "+821012345678", "push": simulators.subscription("daughter"),
        "messenger": "@daughter", "voice": "+821012345678", "speaker": "speaker-17",
    }[channel]  # fmt: skip


def message(to: str, **more: Any) -> Message:
    given: dict[str, Any] = {
        "id": "home_alarm/17/ask/1 sms", "subject": "화재 경보: 김영희 님", "text": "김영희 님 댁에서 화재 경보가 울렸습니다.",
        "language": "ko", "urgent": True, "answer_url": LINK, "asks": True, **more,
    }  # fmt: skip
    return Message(to=to, **given)


def send(config: ChannelsConfig, channel: str, sent: Message, environment: dict[str, str] | None = None) -> Outcome:
    return send_all(config, channel, [sent], environment)[0]


def send_all(
    config: ChannelsConfig, channel: str, sent: list[Message], environment: dict[str, str] | None = None
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        made = make_channels(config, Secrets(Path("/nowhere"), environment or {}))[channel]
        try:
            return [await made.send(one) for one in sent]
        finally:
            await made.close()

    return asyncio.run(run())


def quick(config: ChannelsConfig, channel: str) -> ChannelsConfig:
    """With a short timeout."""
    given = getattr(config, channel)
    return msgspec.structs.replace(config, **{channel: msgspec.structs.replace(given, timeout_s=SHORT_S)})


# --- every channel --------------------------------------------------------------------------------------------------

ALL = ["mail", "sms", "push", "messenger", "voice", "speaker"]


@pytest.fixture
def sending(simulators: Simulators, need: Any) -> Any:
    def run(channel: str, *, timeout: bool = False, times: int = 1, **more: Any) -> list[Outcome]:
        if channel == "speaker":
            need("espeak", has_espeak(), "espeak-ng is not installed")
        config = quick(simulators.config, channel) if timeout else simulators.config
        return send_all(config, channel, [message(to(simulators, channel), **more)] * times, simulators.environment)

    return run


@pytest.mark.parametrize("channel", ALL)
def test_what_a_provider_took_has_its_receipt(channel: str, simulators: Simulators, sending: Any) -> None:
    (outcome,) = sending(channel)
    assert outcome.ok
    assert outcome.receipt
    (taken,) = simulators.desks[channel].received
    assert taken.to in to(simulators, channel)


@pytest.mark.parametrize("channel", ALL)
def test_a_provider_that_hangs_is_given_up_in_time(channel: str, simulators: Simulators, sending: Any) -> None:
    simulators.desks[channel].behave(Behaviour(mode="hang"))
    (outcome,) = sending(channel, timeout=True)
    assert not outcome.ok
    assert not outcome.is_final
    assert f"within {SHORT_S:g} s" in outcome.error


@pytest.mark.parametrize("channel", ALL)
def test_an_answer_lost_on_the_way_is_a_failure_and_the_repeat_is_known(
    channel: str, simulators: Simulators, sending: Any
) -> None:
    simulators.desks[channel].behave(Behaviour(mode="drop", count=1))
    lost, again = sending(channel, times=2)
    assert (lost.ok, again.ok) == (False, True)
    counts = simulators.desks[channel].counts
    assert (counts["taken"], counts["distinct"], counts["repeated"]) == (2, 1, 1)


@pytest.mark.parametrize("channel", ["sms", "push", "messenger", "voice", "speaker"])
def test_a_provider_with_too_much_to_do_says_when_to_come_again(
    channel: str, simulators: Simulators, sending: Any
) -> None:
    simulators.desks[channel].behave(Behaviour(mode="refuse", status=429, retry_after_s=40))
    (outcome,) = sending(channel)
    assert (outcome.ok, outcome.retry_after_s, outcome.is_final) == (False, 40.0, False)
    assert outcome.error.startswith("429")


@pytest.mark.parametrize("channel", ["sms", "push", "messenger", "voice", "speaker"])
def test_an_address_that_is_gone_is_final_and_a_server_error_is_not(
    channel: str, simulators: Simulators, sending: Any
) -> None:
    simulators.desks[channel].behave(Behaviour(mode="refuse", status=410, count=1))
    assert [outcome.is_final for outcome in sending(channel)] == [True]
    simulators.desks[channel].behave(Behaviour(mode="refuse", status=500))
    assert [(outcome.ok, outcome.is_final) for outcome in sending(channel)] == [(False, False)]


@pytest.mark.parametrize("channel", ["mail", "sms", "push", "voice", "speaker"])
@pytest.mark.parametrize("address", ["", "-rf /", "a\r\nBcc: all@example.org", "somebody", "+82 10", "a@b, c@d"])
def test_what_is_no_address_is_final_and_goes_nowhere(channel: str, address: str, simulators: Simulators) -> None:
    if channel == "speaker" and address == "somebody":
        pytest.skip("a good name for a speaker")
    outcome = send(simulators.config, channel, message(address), simulators.environment)
    assert (outcome.ok, outcome.is_final) == (False, True)
    assert simulators.desks[channel].counts == {}


@pytest.mark.parametrize("channel", ALL)
def test_nobody_listening_is_a_failure_without_an_exception(channel: str, simulators: Simulators, sending: Any) -> None:
    simulators.close()
    (outcome,) = sending(channel)
    assert (outcome.ok, outcome.is_final) == (False, False)
    assert outcome.error


# --- mail -----------------------------------------------------------------------------------------------------------


class Kept:
    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.original_content)
        return "250 2.0.0 Ok: queued as 4F2A"

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address.startswith("unknown"):
            return "550 5.1.1 <unknown@example.org>: no such user"
        if address.startswith("full"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@contextmanager
def mail_server(kept: Kept, **options: Any) -> Iterator[Controller]:
    """aiosmtpd with this handler. It stops when the connections have ended, each whole: it would drop them half closed."""
    server = Controller(kept, port=free_port(), ready_timeout=60, **{"hostname": "127.0.0.1", **options})
    server.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(end_of_others(), server.loop).result(60)
        server.stop()


async def end_of_others() -> None:
    """Returns when nothing else runs in this loop."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    await asyncio.sleep(0)


def certificate(folder: Path) -> tuple[Path, Path]:
    """For localhost, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def test_a_mail_is_read_back_as_it_was_meant(simulators: Simulators) -> None:
    kept = Kept()
    with mail_server(kept) as server:
        config = ChannelsConfig(
            mail=MailConfig(host="127.0.0.1", port=server.port, sender="동네 <dongne@example.org>", tls="none")
        )
        first, _ = send_all(config, "mail", [message("daughter@example.org")] * 2)
    assert first == Outcome(ok=True, receipt="2.0.0 Ok: queued as 4F2A")
    mail, repeat = (message_from_bytes(raw, policy=policy.default) for raw in kept.mails)
    assert mail["Subject"] == "화재 경보: 김영희 님"
    assert mail["From"].addresses[0].display_name == "동네"
    assert mail["To"] == "daughter@example.org"
    assert mail.get_content().splitlines() == ["김영희 님 댁에서 화재 경보가 울렸습니다.", "", LINK]
    assert (mail["Auto-Submitted"], mail["Importance"], mail["Content-Language"]) == ("auto-generated", "high", "ko")
    assert abs(parsedate_to_datetime(mail["Date"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert mail["Message-ID"] == repeat["Message-ID"]
    assert mail["Message-ID"].endswith("@example.org>")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_a_mail_goes_by_starttls_to_who_proves_itself_with_a_password(password: str, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    kept = Kept()

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=data == LoginPassword(b"dongne", b"right"), handled=False)

    rules = {"tls_context": context, "require_starttls": True, "authenticator": check, "auth_required": True}
    with mail_server(kept, hostname="localhost", **rules) as server:
        mail = MailConfig(
            host="localhost", port=server.port, sender="dongne@example.org", user="dongne", password_env="P",
            ca_file=str(cert),
        )  # fmt: skip
        outcome = send(ChannelsConfig(mail=mail), "mail", message("daughter@example.org"), {"P": password})
        untrusted = send(
            ChannelsConfig(mail=msgspec.structs.replace(mail, ca_file="")),
            "mail",
            message("d@example.org"),
            {"P": "right"},
        )
    assert outcome.ok is (password == "right")
    assert len(kept.mails) == outcome.ok
    assert outcome.ok or ("535" in outcome.error and "wrong" not in outcome.error)
    assert not untrusted.ok
    assert "certificate" in untrusted.error.lower()


def test_a_mailbox_that_is_not_there_is_final_and_a_full_one_is_not() -> None:
    with mail_server(Kept()) as server:
        config = ChannelsConfig(
            mail=MailConfig(host="127.0.0.1", port=server.port, sender="dongne@example.org", tls="none")
        )
        unknown, full = send_all(config, "mail", [message("unknown@example.org"), message("full@example.org")])
    assert (unknown.ok, unknown.is_final, unknown.error[:9]) == (False, True, "550 5.1.1")
    assert "unknown@" not in unknown.error
    assert (full.ok, full.is_final) == (False, False)


def test_a_subject_never_becomes_a_header(simulators: Simulators) -> None:
    sent = message("daughter@example.org", subject="불\r\nBcc: all@example.org")
    assert send(simulators.config, "mail", sent, simulators.environment).ok
    assert simulators.desks["mail"].received[0].more["Subject"] == "불 Bcc: all@example.org"


def test_the_simulated_mail_server_is_one_for_other_clients_too(simulators: Simulators) -> None:
    with smtplib.SMTP("127.0.0.1", simulators.smtp_port, timeout=5) as client:
        client.sendmail("a@example.org", ["b@example.org"], "Subject: hello\nMessage-ID: <1@x>\n\nworld")
    (taken,) = simulators.desks["mail"].received
    assert (taken.to, taken.more["Subject"], taken.text.strip()) == ("b@example.org", "hello", "world")


# --- short messages -------------------------------------------------------------------------------------------------


def test_a_short_message_says_its_number_and_its_length_and_ends_with_the_link(simulators: Simulators) -> None:
    receiver = Receiver()
    try:
        config = ChannelsConfig(sms=SmsConfig(url=f"{receiver.url}/sms", sender="0311", token_env="T", most_segments=2))
        send(config, "sms", message("+821012345678", text="불이 났습니다. " * 40), {"T": "token-1"})
        ((headers, body),) = receiver.at("/sms")
    finally:
        receiver.close()
    assert headers["authorization"] == "Bearer token-1"
    assert headers["idempotency-key"] == body["id"] == "home_alarm/17/ask/1 sms"
    assert (body["to"], body["from"], body["encoding"], body["segments"]) == ("+821012345678", "0311", "UCS-2", 2)
    assert body["text"].endswith(f"…\n{LINK}")
    assert 120 <= len(body["text"]) <= 134


def test_what_a_gateway_says_is_told_without_number_and_token(simulators: Simulators) -> None:
    config = simulators.config
    sms = SmsConfig(url=f"{simulators.url}/nowhere?+821012345678", token_env="T")
    outcome = send(
        msgspec.structs.replace(config, sms=sms),
        "sms",
        message("+821012345678"),
        {**simulators.environment, "T": "s3cret"},
    )
    assert not outcome.ok
    assert "8210" not in outcome.error
    assert "s3cret" not in outcome.error


# --- push -----------------------------------------------------------------------------------------------------------


def test_a_push_is_read_by_its_browser_alone(simulators: Simulators) -> None:
    receiver = Receiver(lambda n, path: (201, {"location": "/m/1"}))
    try:
        subscription = simulators.subscription("daughter").replace(simulators.url, receiver.url)
        outcome = send(simulators.config, "push", message(subscription), simulators.environment)
        ((path, headers, body, _),) = receiver.came
    finally:
        receiver.close()
    assert outcome == Outcome(ok=True, receipt="/m/1")
    assert path == "/push/daughter"
    assert (headers["urgency"], headers["ttl"], headers["content-encoding"]) == ("high", "3600", "aes128gcm")
    assert len(headers["topic"]) == 32
    browser = Browser("daughter")
    said = msgspec.json.decode(decrypt(body, browser.key, browser.auth))
    assert said == {
        "id": "home_alarm/17/ask/1 sms", "title": "화재 경보: 김영희 님", "body": "김영희 님 댁에서 화재 경보가 울렸습니다.",
        "language": "ko", "url": LINK, "answers": ["fine", "help"], "urgent": True, "exercise": False,
    }  # fmt: skip


def test_a_long_push_is_cut_to_what_every_service_takes(simulators: Simulators) -> None:
    sent = message(simulators.subscription("daughter"), text="불이 났습니다. " * 1_000)
    assert send(simulators.config, "push", sent, simulators.environment).ok
    text = simulators.desks["push"].received[0].text
    assert text.startswith("화재 경보: 김영희 님\n불이 났습니다.")
    assert text.endswith(f"…\n{LINK}")


@pytest.mark.parametrize("channel", ["push", "messenger"])
def test_an_address_inside_is_not_asked_unless_it_is_allowed(channel: str, simulators: Simulators) -> None:
    given = getattr(simulators.config, channel)
    config = ChannelsConfig(**{channel: msgspec.structs.replace(given, inside=False)})
    for scheme in ("http://", "https://"):
        address = to(simulators, "push") if channel == "push" else f"{simulators.url}/messenger"
        outcome = send(config, channel, message(address.replace("http://", scheme)), simulators.environment)
        assert not outcome.ok
        assert f"`inside = true` under [channels.{channel}]" in outcome.error
        assert "/push/daughter" not in outcome.error
    assert simulators.desks[channel].counts == {}


# --- messenger ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["url of the configuration", "url as address"])
def test_a_messenger_gets_a_signed_message(way: str, simulators: Simulators) -> None:
    receiver = Receiver()
    try:
        given = simulators.config.messenger
        assert given is not None
        by_config = way == "url of the configuration"
        config = ChannelsConfig(
            messenger=msgspec.structs.replace(given, url=f"{receiver.url}/hook" if by_config else "")
        )
        address = "@daughter" if by_config else f"{receiver.url}/hook"
        assert send(config, "messenger", message(address), simulators.environment).ok
        ((_, headers, body, _),) = receiver.came
    finally:
        receiver.close()
    assert is_signed(headers, body, simulators.environment["SIMULATED_MESSENGER"])
    assert headers["webhook-id"] == "home_alarm/17/ask/1 sms"
    data = msgspec.json.decode(body)["data"]
    assert (data["to"], data["answers"], data["answer_url"]) == (address, ["fine", "help"], LINK)


def test_a_name_without_a_messenger_is_final(simulators: Simulators) -> None:
    given = simulators.config.messenger
    assert given is not None
    config = ChannelsConfig(messenger=msgspec.structs.replace(given, url=""))
    assert send(config, "messenger", message("@daughter"), simulators.environment).is_final


# --- telephone ------------------------------------------------------------------------------------------------------


class Answers:
    """The page that takes answers, in place of the city's."""

    def __enter__(self) -> "Answers":
        self.receiver = Receiver()
        self.url = f"{self.receiver.url}/answers/abc"
        return self

    def __exit__(self, *_: object) -> None:
        self.receiver.close()

    @property
    def came(self) -> list[bytes]:
        return [body for _, _, body, _ in self.receiver.came]


@pytest.mark.parametrize(
    ("behaviour", "answers"),
    [
        (Behaviour(person="fine"), [b"answer=fine"]),
        (Behaviour(person="help"), [b"answer=help"]),
        (Behaviour(keys=("1", "", "9")), [b"answer=help"]),
        (Behaviour(person="fine", mode="twice"), [b"answer=fine"] * 2),
    ],
)
def test_a_key_is_an_answer(behaviour: Behaviour, answers: list[bytes], simulators: Simulators) -> None:
    desk = simulators.desks["voice"]
    desk.behave(behaviour)
    with Answers() as city:
        outcome = send(simulators.config, "voice", message("+8210", answer_url=city.url), simulators.environment)
        desk.wait(lambda desk: desk.counts.get("answered", 0) == len(answers))
        assert outcome == Outcome(ok=True, receipt="call-1")
        assert city.came == answers


@pytest.mark.parametrize("keys", [("1",), ("5",), ()])
def test_silence_and_one_press_are_no_answer(keys: tuple[str, ...], simulators: Simulators) -> None:
    desk = simulators.desks["voice"]
    desk.behave(Behaviour(keys=keys))
    with Answers() as city:
        sent = message("+8210", answer_url=city.url)
        assert send(simulators.config, "voice", sent, simulators.environment).ok
        desk.wait(lambda desk: desk.counts.get("picked_up", 0) == 1)
        call = httpx.get(
            f"{simulators.url}/voice/call-1?wait_s=5&since=picked_up", headers={"authorization": "Bearer simulated-voice"},
            trust_env=False,
        ).json()  # fmt: skip
        assert (call["state"], call["answer"]) == ("ended", "")
        assert city.came == []


@pytest.mark.parametrize(("person", "state"), [("busy", "busy"), ("no_pickup", "not_picked_up")])
def test_a_call_that_is_not_picked_up_failed(person: Any, state: str, simulators: Simulators) -> None:
    simulators.desks["voice"].behave(Behaviour(person=person, answers_after_s=0.05))
    outcome = send(simulators.config, "voice", message("+8210"), simulators.environment)
    assert outcome == Outcome(ok=False, error=f"the call is {state}")


def test_more_calls_than_lines_wait_for_a_line_and_are_all_made(simulators: Simulators) -> None:
    async def run() -> list[Outcome]:
        made = make_channels(simulators.config, Secrets(Path("/nowhere"), simulators.environment))["voice"]
        try:
            return await asyncio.gather(*(made.send(message("+8210", id=f"call {n}")) for n in range(60)))
        finally:
            await made.close()

    outcomes = asyncio.run(run())
    assert [outcome.error for outcome in outcomes if not outcome.ok] == []
    assert len({outcome.receipt for outcome in outcomes}) == 60


def test_a_call_says_the_message_and_asks_again_before_anybody_is_fine(simulators: Simulators) -> None:
    simulators.desks["voice"].behave(Behaviour(person="fine"))
    assert send(simulators.config, "voice", message("+8210", answer_url=""), simulators.environment).ok
    call = httpx.get(
        f"{simulators.url}/voice/call-1?wait_s=5&since=picked_up", headers={"authorization": "Bearer simulated-voice"},
        trust_env=False,
    ).json()  # fmt: skip
    ask, again, thanks = call["said"]
    assert ask.startswith("김영희 님 댁에서 화재 경보가 울렸습니다. 괜찮으시면 1번")
    assert "한 번 더" in again
    assert "괜찮으시다고" in thanks


def test_a_call_in_another_language_asks_in_english(simulators: Simulators) -> None:
    sent = message("+8210", text="Požár.", language="cs", answers=("acknowledged", "help"))
    assert send(simulators.config, "voice", sent, simulators.environment).ok
    assert simulators.desks["voice"].received[0].text == (
        "Požár. If you take care of it, press 1. If help is needed at once, press 9."
    )


# --- people behind links --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["mail", "sms", "push", "messenger"])
def test_people_answer_by_the_link(channel: str, simulators: Simulators, sending: Any) -> None:
    desk = simulators.desks[channel]
    desk.behave(Behaviour(person="acknowledged"))
    with Answers() as city:
        assert sending(channel, answer_url=city.url)[0].ok
        desk.wait(lambda desk: desk.counts.get("answered", 0) == 1)
        assert city.came == [b"answer=acknowledged"]


def test_a_mail_program_that_opens_links_first_has_not_answered(simulators: Simulators, sending: Any) -> None:
    desk = simulators.desks["mail"]
    desk.behave(Behaviour(person="nothing", scans=True))
    with Answers() as city:
        assert sending("mail", answer_url=city.url)[0].ok
        desk.wait(lambda desk: desk.counts.get("scanned", 0) == 1)
        assert city.came == []


def test_who_never_got_it_does_not_answer(simulators: Simulators, sending: Any) -> None:
    desk = simulators.desks["sms"]
    desk.behave(Behaviour(person="fine", mode="lose", count=1))
    with Answers() as city:
        assert [outcome.ok for outcome in sending("sms", answer_url=city.url)] == [True]
        assert sending("sms", answer_url=city.url, id="another")[0].ok
        desk.wait(lambda desk: desk.counts.get("answered", 0) == 1)
        assert city.came == [b"answer=fine"]


# --- speaker --------------------------------------------------------------------------------------------------------


def has_espeak() -> bool:
    import shutil

    return shutil.which("espeak-ng") is not None


def test_korean_is_spoken_as_sound_of_some_seconds(need: Any, tmp_path: Path) -> None:
    need("espeak", has_espeak(), "espeak-ng is not installed")
    player = tmp_path / "player"
    player.write_text(f'#!/bin/sh\ncat > "{tmp_path}/$1.wav"\n')
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    config = ChannelsConfig(speaker=SpeakerConfig(command=(str(player), "{to}")))
    assert send(config, "speaker", message("speaker-17")) == Outcome(ok=True, receipt="played")
    with wave.open(io.BytesIO((tmp_path / "speaker-17.wav").read_bytes())) as wav:
        length_s = wav.getnframes() / wav.getframerate()
        samples = wav.readframes(wav.getnframes())
    assert 2.0 < length_s < 15.0
    assert len(samples) == wav.getnframes() * wav.getsampwidth()
    assert any(samples)


def test_without_espeak_the_outcome_and_the_check_say_so(simulators: Simulators) -> None:
    speaker = SpeakerConfig(program="espeak-nowhere", command=("true",))
    config = ChannelsConfig(speaker=speaker)
    outcome = send(config, "speaker", message("speaker-17"))
    assert (outcome.ok, outcome.is_final) == (False, False)
    assert "espeak-nowhere is not installed here; `apt install espeak-ng`" in outcome.error
    assert list_channel_faults(config, Secrets(Path("/nowhere"), {})) == [outcome.error]


def test_a_player_that_fails_or_hangs_is_told_and_ended(tmp_path: Path, need: Any) -> None:
    need("espeak", has_espeak(), "espeak-ng is not installed")
    fails = ChannelsConfig(
        speaker=SpeakerConfig(command=("sh", "-c", "cat >/dev/null; echo no sound card >&2; exit 3"))
    )
    outcome = send(fails, "speaker", message("speaker-17"))
    assert outcome.error == "sh ended with 3: no sound card\n"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    hanging = ("sh", "-c", f"sleep 600 > {fifo} & wait")
    hangs = ChannelsConfig(speaker=SpeakerConfig(command=hanging, timeout_s=2.0))
    assert send(hangs, "speaker", message("speaker-17")).error == "not spoken within 2 s"
    assert select.select([held], [], [], 10.0)[0] == [
        held
    ]  # nobody has it open: what the player had begun is ended too
    assert os.read(held, 1) == b""
    os.close(held)


# --- configuration --------------------------------------------------------------------------------------------------

CITY = 'zone = "Asia/Seoul"\nbounds = [126.9, 37.5, 127.1, 37.6]\n[name]\nen = "Town"\n'


def city(folder: Path, channels: str) -> ChannelsConfig:
    (folder / "city.toml").write_text(CITY + channels, encoding="utf-8")
    return load_city(folder).channels


def test_a_city_without_channels_reaches_nobody(tmp_path: Path) -> None:
    assert make_channels(city(tmp_path, ""), Secrets(tmp_path, {})) == {}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[channels.smss]\n", r"unknown key 'channels\.smss'; did you mean 'sms'\?"),
        (
            '[channels.sms]\nurl = "https://x"\ntokenfile = "x"\n',
            r"'channels\.sms\.tokenfile'; did you mean 'token_file'\?",
        ),
        ("[channels.sms]\n", r"in channels\.sms: .*missing required field `url`"),
        ('[channels.sms]\nurl = "https://x"\ntimeout_s = 0\n', r"in channels\.sms: .*> 0"),
        ('[channels.mail]\nhost = "x"\nsender = "a@b"\ntls = "ssl"\n', r"in channels\.mail: .*ssl"),
    ],
)
def test_a_wrong_configuration_is_refused_with_file_and_key(written: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match=rf"city\.toml: .*{said}"):
        city(tmp_path, written)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            '[channels.sms]\nurl = "https://x"\ntoken_file = "gone"\n',
            r"channels\.sms\.token_file: .*gone can't be read",
        ),
        ('[channels.sms]\nurl = "https://x"\ntoken_file = "empty"\n', r"channels\.sms\.token_file: .*empty is empty"),
        ('[channels.sms]\nurl = "https://x"\ntoken_env = "NOT_SET"\n', r"the variable NOT_SET is not set"),
        ('[channels.sms]\nurl = "https://x"\ntoken_env = "A"\ntoken_file = "b"\n', "leave one of them out"),
        (
            '[channels.push]\nsubject = "mailto:a@b"\n',
            r"channels\.push\.key_file or channels\.push\.key_env is missing",
        ),
        ('[channels.push]\nsubject = "mailto:a@b"\nkey_file = "word"\n', "openssl ecparam"),
        ('[channels.messenger]\nsecret_file = "word"\n', "whsec_"),
        ("[channels.speaker]\n", "a command that plays, or a url"),
    ],
)
def test_a_secret_that_is_not_there_is_said_with_its_key_at_the_start_and_by_the_check(
    written: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "word").write_text("not base64!\n")
    config = city(tmp_path, written)
    with pytest.raises(BadSetup, match=rf"city\.toml: .*{said}"):
        make_channels(config, Secrets(tmp_path, {}))
    assert len(list_channel_faults(config, Secrets(tmp_path, {}))) >= 1


def test_secrets_come_from_files_of_the_data_folder(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    for name, format in (("pkcs8", PrivateFormat.PKCS8), ("sec1", PrivateFormat.TraditionalOpenSSL)):
        (tmp_path / name).write_bytes(key.private_bytes(Encoding.PEM, format, NoEncryption()))
        config = ChannelsConfig(push=PushConfig(subject="mailto:a@b", key_file=name))
        assert list(make_channels(config, Secrets(tmp_path, {}))) == ["push"]


def test_two_simulators_at_one_port_are_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadSetup, match="--port-base"):
            Simulators("127.0.0.1", taken.getsockname()[1])
