"""Python's garbage collector, set for a process that serves."""

import gc

YOUNG = 50_000  # objects; a data array of 5,000 rows is decoded without a collection


def quieten_collector() -> None:
    """What is there now is never looked at again, and what comes is looked at seldom: Observations make no circles.

    Call it once the city is loaded. Without it a third of the time of a data array goes into collections.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)


def settle_collector() -> None:
    """After much was taken in that stays: it is never looked at either, in a process that serves. A full collection would stop
    everything for a second with 100,000 homes."""
    if gc.get_freeze_count():
        gc.freeze()


def waken_collector() -> None:
    """Undoes it when the city is closed, so that what is left is released before the interpreter ends."""
    gc.unfreeze()
    gc.collect()
