"""Bars for long work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str, int, int], None]


@contextmanager
def bars() -> Iterator[Report]:
    """Gives `report(what, done, total)`: one bar for each `what`; a total of 0 means that nobody knows.

    On standard error, so that what a command prints can be piped.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        known: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if not (done or total):
                return
            if what not in known:
                known[what] = progress.add_task(what, total=None)
            progress.update(known[what], completed=done, total=total or None)

        yield report
