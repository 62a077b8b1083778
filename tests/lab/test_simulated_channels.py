"""The simulators themselves: they behave as they are told, and count what they were sent."""

import smtplib
from collections.abc import Iterator

import httpx
import pytest

from dongne.lab.simulators import Behaviour, Simulators

TOKEN = {"authorization": "Bearer simulated-sms"}
SMS = {"to": "+82101", "text": "hello", "segments": 1, "encoding": "GSM-7", "urgent": False, "exercise": False}


@pytest.fixture
def simulators() -> Iterator[Simulators]:
    with Simulators() as found:
        yield found


def send(simulators: Simulators, key: str = "m1", timeout_s: float = 5.0) -> httpx.Response:
    headers = {**TOKEN, "idempotency-key": key}
    return httpx.post(f"{simulators.url}/sms", json=SMS, headers=headers, timeout=timeout_s, trust_env=False)


def test_a_repeat_gets_the_first_receipt_and_is_not_delivered_again(simulators: Simulators) -> None:
    first, again, other = send(simulators), send(simulators), send(simulators, "m2")
    assert first.json() == again.json() == {"id": "sms-1"}
    assert other.json() == {"id": "sms-3"}
    counts = simulators.desks["sms"].counts
    assert (counts["taken"], counts["distinct"], counts["repeated"], counts["delivered"]) == (3, 2, 1, 2)
    assert [one.repeat for one in simulators.desks["sms"].received] == [False, True, False]


def test_a_behaviour_is_told_by_http_begins_after_some_and_ends(simulators: Simulators) -> None:
    told = {"mode": "refuse", "status": 429, "retry_after_s": 7, "after": 1, "count": 2}
    assert httpx.post(f"{simulators.url}/sms/behaviour", json=told, trust_env=False).json()["mode"] == "refuse"
    answers = [send(simulators, f"m{n}") for n in range(4)]
    assert [answer.status_code for answer in answers] == [202, 429, 429, 202]
    assert answers[1].headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("told", "said"),
    [('{"mode": "explode"}', "explode"), ('{"mod": "ok"}', "mod"), ("[", "DecodeError")],
)
def test_a_behaviour_that_is_none_is_refused(simulators: Simulators, told: str, said: str) -> None:
    answer = httpx.post(f"{simulators.url}/sms/behaviour", content=told, trust_env=False)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_hanging_never_answers_and_dropping_took_it_first(simulators: Simulators) -> None:
    desk = simulators.desks["sms"]
    desk.behave(Behaviour(mode="hang"))
    with pytest.raises(httpx.ReadTimeout):
        send(simulators, "m1", timeout_s=0.2)
    assert desk.received == []
    desk.behave(Behaviour(mode="drop"))
    with pytest.raises(httpx.RemoteProtocolError):
        send(simulators, "m2")
    assert [one.id for one in desk.received] == ["m2"]


def test_what_is_lost_is_delivered_to_nobody_and_what_is_doubled_twice(simulators: Simulators) -> None:
    desk = simulators.desks["sms"]
    desk.behave(Behaviour(mode="lose"))
    assert send(simulators, "m1").status_code == 202
    desk.behave(Behaviour(mode="twice"))
    assert send(simulators, "m2").status_code == 202
    assert [one.delivered for one in desk.received] == [0, 2]


def test_a_wrong_token_and_an_unknown_simulator_are_told(simulators: Simulators) -> None:
    assert httpx.post(f"{simulators.url}/sms", json=SMS, trust_env=False).status_code == 401
    assert httpx.get(f"{simulators.url}/pigeon/received", trust_env=False).status_code == 404


def test_closing_lets_go_of_whatever_hangs() -> None:
    with Simulators() as simulators:
        simulators.desks["mail"].behave(Behaviour(mode="hang"))
        client = smtplib.SMTP("127.0.0.1", simulators.smtp_port, timeout=0.5)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            client.sendmail("a@example.org", ["b@example.org"], "Subject: x\n\nx")
    assert not simulators._thread.is_alive()


def test_the_page_shows_what_came_marked_as_simulated_and_nothing_of_it_as_markup(simulators: Simulators) -> None:
    httpx.post(
        f"{simulators.url}/sms", json={**SMS, "text": "<script>x</script>"}, headers={**TOKEN, "idempotency-key": "m"},
        trust_env=False,
    )  # fmt: skip
    page = httpx.get(simulators.url, trust_env=False).text
    assert "Simulated: nothing of this reached anybody." in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    form = httpx.post(f"{simulators.url}/voice/behaviour", data={"mode": "slow", "person": "help"}, trust_env=False)
    assert form.status_code == 303
    assert simulators.desks["voice"].behaviour == Behaviour(mode="slow", person="help")
