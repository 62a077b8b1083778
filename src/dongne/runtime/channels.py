"""What a channel to people is: a Message goes in, and an Outcome says whether the provider took it. What a person answers is
neither: it comes by the answer link or the keypad, at `answer_url`, whenever they answer."""

from typing import Any, Protocol, runtime_checkable

import msgspec

from dongne.model.notices import ACKNOWLEDGED, FINE, HELP, Notice


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one address by one channel.

    `id` is the same at each attempt, so that a provider can know a repeat, which `repeat` says too: it may have arrived
    already. `to` is the address as the channel has it: a telephone number (E.164), a mail address, a push subscription
    (JSON), a URL. `text` is whole without the link; a channel adds `answer_url` where it has a place for it. `answers` are
    those that the person may give where `asks`. `language` is a BCP 47 tag. `notice` is what it says, for channels to machines.
    """

    id: str
    to: str
    subject: str
    text: str
    language: str = "ko"
    urgent: bool = False
    exercise: bool = False
    asks: bool = False
    answers: tuple[str, ...] = (FINE, HELP)
    answer_url: str = ""
    values: dict[str, Any] = {}
    repeat: bool = False
    notice: Notice | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one attempt. `ok`: the provider took it, under its own number `receipt`; of a telephone call, that it
    was picked up. `error` says for operators why not, without secrets. `retry_after_s`: the provider asks to wait so long.
    `is_final`: this address will never take it, so the next channel's turn is now.
    """

    ok: bool
    receipt: str = ""
    error: str = ""
    retry_after_s: float | None = None
    is_final: bool = False


class Channel(Protocol):
    """A way to people. `send` never raises but when cancelled, and ends by itself: within the channel's own timeout, which begins
    once there is a free connection. Several may be under way at once, all in one event loop."""

    @property
    def name(self) -> str:
        """As contacts name it: "sms", "mail"."""

    async def send(self, message: Message) -> Outcome:
        """What came of one attempt."""

    async def close(self) -> None:
        """Connections end; what is under way is broken off."""


@runtime_checkable
class Foreseeing(Protocol):
    """A channel that knows without trying that nothing would arrive now: then no attempt is made, and none is written down."""

    def find_obstacle(self, to: str) -> str:
        """What stands in the way to this address now; "" where nothing does, or nobody knows."""


def answers_of(notice: Notice) -> tuple[str, ...]:
    """What may be answered to it: residents say how they are, all others that they take care of it, or that help is needed."""
    return (FINE, HELP) if notice.to == "resident" else (ACKNOWLEDGED, HELP)
