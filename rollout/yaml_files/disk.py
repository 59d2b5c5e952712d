"""Reads a flags file and its member lists from a folder, and remembers what each looked like, so that a change can be
told from a touch, and a file that changed while it was read is never taken for one that says both halves.
"""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rollout.core.errors import InvalidInput


class Signature(NamedTuple):
    """What `stat` says of a file. Whoever changes its content changes one of these, nearly always."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was when it was read. No signature: there was none. No digest: it could not be read."""

    signature: Signature | None
    digest: str | None


def signature(path: Path) -> Signature | None:
    """None where there is no file (a folder, a pipe or a device is none)."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return Signature(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def digest(path: Path) -> str | None:
    """SHA-256 of a file's content, in hexadecimal; None where it cannot be read."""
    if signature(path) is None:
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


class TooMuch(Exception):
    """There is more to read than this process shall read itself."""


@dataclass(slots=True)
class Disk:
    """Loads files and keeps what was seen of each. `budget`: bytes in all; TooMuch beyond."""

    budget: int | None = None
    seen: dict[Path, Seen] = field(default_factory=dict)

    def load(self, path: Path, most: int) -> bytes:
        """The file's content. Raises OSError, and InvalidInput where it is no file or has more than `most` bytes."""
        self.seen[path] = Seen(signature(path), None)
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InvalidInput(f"'{path.name}' is not a file", "name a text file")
        if found.st_size > most:
            raise InvalidInput(f"'{path.name}' has more than {most // 1_000_000} MB", "split it")
        self._spend(found.st_size)
        content = path.read_bytes()
        self.seen[path] = Seen(self.seen[path].signature, hashlib.sha256(content).hexdigest())
        return content

    def unchanged(self) -> bool:
        """Every file still is what it was when it was read."""
        return all(signature(path) == seen.signature for path, seen in self.seen.items())

    def _spend(self, size: int) -> None:
        if self.budget is None:
            return
        self.budget -= size
        if self.budget < 0:
            raise TooMuch
