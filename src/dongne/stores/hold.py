"""One process has a folder at a time: DuckDB and the writer can't share it."""

import fcntl
import os
from pathlib import Path

from dongne.model.errors import BadSetup


def hold_folder(folder: Path) -> int:
    """Holds the folder for this process until the returned file is closed (or the process dies).

    Raises BadSetup where another has it.
    """
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise BadSetup(f"{folder} is open in another process; stop that one, or ask it instead of the files") from None
    return file
