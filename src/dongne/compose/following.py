"""What follows a store's sequence in a thread of its own, step by step, until it is told to stop."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from dongne.model.errors import DongneError
from dongne.runtime.ports import Store

log = logging.getLogger("dongne")
LOOK_S = 0.5  # a step may also be due by the clock
REST_S = 0.1  # what comes meanwhile is looked at together
AGAIN_S = 2.0


class Follower(Protocol):
    """Something that follows a sequence; `position` is how far it has come."""

    position: int

    def step(self) -> bool:
        """Does what there is to do; False where there is nothing now."""


def start_following(
    name: str, make: Callable[[], Follower], store: Store, stopping: threading.Event
) -> threading.Thread:
    """A thread that steps until `stopping` is set and the store woken. After a fault it starts anew from what is stored."""
    thread = threading.Thread(target=_follow, args=(name, make, store, stopping), name=name, daemon=True)
    thread.start()
    return thread


def _follow(name: str, make: Callable[[], Follower], store: Store, stopping: threading.Event) -> None:
    follower: Follower | None = None
    while not stopping.is_set():
        try:
            follower = follower or make()
            if not follower.step() and not stopping.wait(REST_S):
                store.wait_beyond(follower.position, LOOK_S, stopping.is_set)
            continue
        except DongneError as error:
            log.warning("%s: it has to wait: %s", name, error.message)
        except Exception:  # a fault with one must not end all for good
            log.exception("%s: it failed; tried again", name)
        follower = None
        stopping.wait(AGAIN_S)
