"""What a telephone call says and asks, as data: a gateway follows it key by key, and whoever reads it sees every way through."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from dongne.model.notices import ACKNOWLEDGED, FINE, HELP

FINE_KEY, HELP_KEY = "1", "9"
WORDS = ("press", "again", "thanks", "help_comes", "take", "taken")  # what an ask_script needs


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something said, then keys waited for: each leads to another step. Keys pressed before it is begun do not count. After
    `wait_s` seconds without one of them it is said again, `times` in all; then the call ends without an answer. A step
    with an `answer` is the end of the call, and what the person answered."""

    say: str
    keys: dict[str, str] = {}
    wait_s: float = 8.0
    times: int = 1
    answer: str = ""


class CallScript(msgspec.Struct, frozen=True):
    """The steps by name, and the first of them."""

    language: str
    start: str
    steps: dict[str, Step]


class Heard(NamedTuple):
    """What came of a call: the answer, "" where there was none, and what was said in order."""

    answer: str
    said: tuple[str, ...]


def tell_script(text: str, language: str) -> CallScript:
    """Says it twice, and asks nothing."""
    return CallScript(language, "tell", {"tell": Step(f"{text} {text}")})


def ask_script(
    text: str, language: str, answers: Iterable[str], words: Mapping[str, str], *, wait_s: float = 8.0, times: int = 3
) -> CallScript:
    """Asks for one of the answers. 1 is "I am fine" and is asked again, so that nobody is fine by mistake; 9 is help; where
    it isn't asked how somebody is, 1 is "I take care of it". `words` has the sentences of WORDS in this language."""
    asked = set(answers)
    helped = {HELP_KEY: "help"} if HELP in asked else {}
    if FINE in asked:
        steps = {
            "ask": Step(f"{text} {words['press']}", {FINE_KEY: "again", **helped}, wait_s, times),
            "again": Step(words["again"], {FINE_KEY: "fine", **helped}, wait_s, times),
            "fine": Step(words["thanks"], answer=FINE),
        }
    else:
        steps = {
            "ask": Step(f"{text} {words['take']}", {FINE_KEY: "taken", **helped}, wait_s, times),
            "taken": Step(words["taken"], answer=ACKNOWLEDGED),
        }
    if helped:
        steps["help"] = Step(words["help_comes"], answer=HELP)
    return CallScript(language, "ask", steps)


def follow(script: CallScript, keys: Iterable[str]) -> Heard:
    """What comes of it for somebody who presses these keys, one at each time that a key is waited for; "" is none."""
    pressed = iter(keys)
    said: list[str] = []
    name = script.start
    while True:
        step = script.steps[name]
        following = ""
        for _ in range(step.times):
            said.append(step.say)
            if step.answer or not step.keys:
                return Heard(step.answer, tuple(said))
            following = step.keys.get(next(pressed, ""), "")
            if following:
                break
        if not following:
            return Heard("", tuple(said))
        name = following
