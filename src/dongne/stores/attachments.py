"""What is attached to Cases: files named by the SHA-256 of what is in them, in the data folder."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from dongne.model.errors import NotFound
from dongne.stores.synced import sync_path

FOLDER = "attachments"
_SHA256 = re.compile(r"[0-9a-f]{64}")


class AttachmentFolder:
    """The attachments of a city. A file never changes; the same one kept twice is one."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER

    def keep(self, body: bytes) -> str:
        """Its SHA-256, once it is durable."""
        digest = hashlib.sha256(body).hexdigest()
        file = self._file(digest)
        if file.exists():
            return digest
        file.parent.mkdir(parents=True, exist_ok=True)
        number, aside = tempfile.mkstemp(dir=file.parent, prefix=".new-")
        try:
            with os.fdopen(number, "wb") as opened:
                opened.write(body)
                opened.flush()
                os.fsync(opened.fileno())
            Path(aside).rename(file)
            for folder in (file.parent, self._folder):
                sync_path(folder)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        return digest

    def read(self, sha256: str) -> bytes:
        """What is in it. Raises NotFound, also where the file is not what its name says."""
        try:
            body = self._file(sha256).read_bytes() if _SHA256.fullmatch(sha256) else b""
        except FileNotFoundError:
            body = b""
        if hashlib.sha256(body).hexdigest() != sha256:
            raise NotFound(f"the attachment {sha256[:16]} is not here, or was changed; a backup may have it")
        return body

    def _file(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256
