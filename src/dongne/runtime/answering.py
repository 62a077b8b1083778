"""Where answers of people come in, by whichever channel: a link, a key of a telephone, the screen at home, an operator's page."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from dongne.model.errors import BadInput, NotFound
from dongne.model.notices import ANSWERED, Notice, event_of
from dongne.model.records import RecordKind
from dongne.model.times import from_us
from dongne.runtime.channels import answers_of
from dongne.runtime.ports import Entry, Lane, Receipt, Store, Transaction
from dongne.standards.answer_links import AnswerLink, make_token, read_token

SAME = timedelta(seconds=10)  # the same said again by the same person within this is said once
HOLDS = timedelta(days=2)  # so long a link is taken
PATH = "/replies/"


class Opened(NamedTuple):
    """What a link is about."""

    link: AnswerLink
    notice: Notice
    now: datetime


class AnswerDesk:
    """Takes answers to the notices of these stores. `secret` makes and knows links; `base_url` is where people reach the pages."""

    def __init__(self, stores: Sequence[Store], secret: bytes, base_url: Callable[[], str]) -> None:
        self._stores, self._secret, self._base_url = stores, secret, base_url

    def url_of(self, notice: Notice, recipient: str, channel: str) -> str:
        """The address at which this recipient answers; the same at each attempt."""
        until_s = int((notice.requested + HOLDS).timestamp())
        token = make_token(self._secret, AnswerLink(notice.key, recipient, answers_of(notice), until_s))
        return f"{self._base_url()}{PATH}{token}?by={channel}"

    def open(self, token: str) -> Opened:
        """What the link is about. Raises NotFound for one that is not ours (reason "answer_link"), is over ("answer_link_ended"), or
        whose notice is gone ("answer_gone")."""
        now = from_us(self._stores[0].clock.now_us())
        link = read_token(self._secret, token, now.timestamp())
        _, notice = self._find(link.notice)
        return Opened(link, notice, now)

    def answer(self, key: str, answer: str, by: str, channel: str) -> "Future[Receipt] | None":
        """Its receipt once it is durable; None where this person has just said the same. Raises NotFound for a notice that there is
        not, BadInput for an answer that can't be given to it."""
        store, notice = self._find(key)
        if answer not in answers_of(notice):
            raise BadInput(
                f"{answer[:40]!r} can't be answered here; answers: {', '.join(answers_of(notice))}",
                reason="notice_answer",
            )
        now = from_us(store.clock.now_us())
        if any(one.answer == answer and one.by == by and now - one.time < SAME for one in notice.answers):
            return None
        said = event_of(notice, ANSWERED, now, answer=answer, by=by, channel=channel, exercise=notice.exercise)
        entry = Entry(RecordKind.NOTICE, msgspec.msgpack.encode(said))
        return store.submit(Transaction([entry]), Lane.LIFE_SAFETY)

    def _find(self, key: str) -> tuple[Store, Notice]:
        for store in self._stores:
            if (found := store.find_notice(key)) is not None:
                return store, found
        raise NotFound("what was asked by this is no longer here", reason="answer_gone")
