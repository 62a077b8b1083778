"""A notice that the outbox has to do with, as the store has it or will have it."""

import asyncio

from dongne.model.errors import DongneError
from dongne.model.notices import Notice, NoticeEvent, apply_notice_event


class Tracked:
    """`notice` has what the outbox did already, also where the store has still to write it. `changed` is set at each change."""

    def __init__(self, notice: Notice) -> None:
        self.notice = notice
        self.changed = asyncio.Event()
        self.tasks: set[asyncio.Task[object]] = set()
        self.has_case = False
        self.is_held = False  # it waits for the end of quiet hours
        self.obstacles: dict[str, str] = {}  # channel -> what kept it from being tried
        self._unwritten: list[NoticeEvent] = []

    @property
    def next_attempt(self) -> int:
        """The number of the next attempt."""
        return len(self.notice.attempts) + 1

    def take(self, event: NoticeEvent) -> None:
        """A step of the outbox, before it is written."""
        self._unwritten.append(event)
        self._apply(event)

    def written(self, event: NoticeEvent) -> None:
        """The store has it, or will never have it."""
        if event in self._unwritten:
            self._unwritten.remove(event)

    def reload(self, stored: Notice) -> None:
        """What others did too; steps of the outbox that are not written yet stay."""
        self.notice = stored
        for event in self._unwritten:
            self._apply(event)
        self.changed.set()

    def _apply(self, event: NoticeEvent) -> None:
        try:
            self.notice = apply_notice_event(self.notice, event, self.notice.id) or self.notice
        except DongneError:
            return  # it is in there already
        finally:
            self.changed.set()
