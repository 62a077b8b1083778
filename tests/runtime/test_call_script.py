"""The telephone's script: nobody is fine by mistake, and silence is no answer."""

import pytest

from dongne.runtime.call_script import WORDS, ask_script, follow, tell_script

SAID = {word: word for word in WORDS}


def answers(*keys: str, asked: tuple[str, ...] = ("fine", "help")) -> str:
    return follow(ask_script("smoke", "ko", asked, SAID, times=3), keys).answer


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (("1", "1"), "fine"),
        (("1",), ""),
        (("1", "", "", ""), ""),
        (("1", "9"), "help"),
        (("9",), "help"),
        (("", "", "9"), "help"),
        (("", "", "", "9"), ""),
        (("5", "1", "#", "1"), "fine"),
        ((), ""),
    ],
)
def test_fine_needs_two_presses_and_help_one(keys: tuple[str, ...], answer: str) -> None:
    assert answers(*keys) == answer


def test_who_is_told_takes_it_with_one_press_or_calls_for_help() -> None:
    assert answers("1", asked=("acknowledged", "help")) == "acknowledged"
    assert answers("9", asked=("acknowledged", "help")) == "help"
    assert answers(asked=("acknowledged", "help")) == ""
    assert answers("9", asked=("acknowledged",)) == ""


def test_the_question_is_said_again_to_who_presses_nothing() -> None:
    heard = follow(ask_script("smoke", "ko", ("fine", "help"), SAID, times=3), [])
    assert heard.said == ("smoke press",) * 3


def test_what_only_tells_asks_nothing() -> None:
    heard = follow(tell_script("The nurse comes at ten.", "en"), ["1", "9"])
    assert heard == ("", ("The nurse comes at ten. The nurse comes at ten.",))
