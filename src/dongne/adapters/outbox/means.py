"""What an outbox sends with."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from dongne.model.notices import Notice
from dongne.model.outbox import Rules
from dongne.runtime.channels import Channel
from dongne.runtime.delivery import Directory, Render

AnswerUrl = Callable[[Notice, str, str], str]
"""Where this recipient answers this notice that came by this channel; "" where nowhere."""


def no_answers(notice: Notice, recipient: str, channel: str) -> str:
    """Nobody can answer."""
    return ""


DEFAULT = Rules()


@dataclass(frozen=True)
class Means:
    """`channels` by name belong to the outbox, which closes them. `directory` knows who is meant, `render` puts it into words.
    `city` goes into the identifiers of messages, `zone` says when its nights are. `ticks`: seconds that only grow."""

    channels: Mapping[str, Channel]
    directory: Directory
    render: Render
    city: str
    zone: ZoneInfo
    rules: Rules = DEFAULT
    answer_url: AnswerUrl = no_answers
    ticks: Callable[[], float] = time.monotonic
