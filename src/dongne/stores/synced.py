"""Files and folders on the disk itself."""

import os
from pathlib import Path


def sync_path(path: Path) -> None:
    """What a file holds, or which files a folder has, is there after a power cut, when this returns."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
