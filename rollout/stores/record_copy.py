"""The record that this server ships to its disk, for those who only read it: what was in force long ago, once the store
no longer says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rollout.core.audit import read_line
from rollout.stores.segments import read_kept, read_segments


class RecordCopy:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def changes(self, after: int, before: int) -> Iterator[bytes]:
        """The lines of changes, oldest first, with after < revision < before. Raises OSError."""
        for line in read_segments(self._folder) if self._folder.is_dir() else ():
            entry = read_line(line)
            if entry["revision"] >= before:
                return
            if entry["revision"] > after and not entry.get("note"):
                yield line

    def blob(self, digest: str) -> bytes | None:
        return read_kept(self._folder, digest)
