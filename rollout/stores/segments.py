"""The record on disk: daily files of audit lines, `audit-2018-02-13.jsonl` while its day lasts and
`audit-2018-02-13.jsonl.gz` for ever after; and beside them, under its content's address, every version of the flags
file that they speak of. What was appended is synced before anybody relies on it. How far the record goes is read from
its own lines and kept nowhere else, so that a crash at any moment neither loses an entry nor writes one twice.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rollout.core.audit import read_line
from rollout.core.chain import Chain, follow
from rollout.core.members import digest_of
from rollout.stores.disk import cut_half_a_line, sync_folder, write_whole

_OPEN = re.compile(r"audit-\d{4}-\d{2}-\d{2}\.jsonl")
_CLOSED = re.compile(r"audit-\d{4}-\d{2}-\d{2}\.jsonl\.gz")
RECORD_FOLDER = "audit"  # in the data folder
FILES = "files"
FINISHED = 0o400  # the mode of a file that is never touched again


class Segments:
    """Written by one process. `chain` is how the record ends. Raises BrokenChain when opened on a record that was
    tampered with, and OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _tidy(folder)
        self._open = _newest_open(folder)
        if self._open:
            cut_half_a_line(self._open)
        self.chain: Chain = follow(read_segments(folder))

    def append(self, lines: Sequence[bytes]) -> None:
        """Entries that follow those that are here. When this returns, they survive a power cut; when it raises OSError,
        some may be there: open the record anew. Raises BrokenChain, before anything is written."""
        chain = follow(lines, self.chain)
        for day, of_day in groupby(lines, lambda line: read_line(line)["at"][:10]):
            self._append(self._folder / f"audit-{day}.jsonl", b"".join(line + b"\n" for line in of_day))
        self.chain = chain

    def keep(self, digest: str, content: bytes) -> None:
        """Under its address; what is there already is left as it is."""
        path = self._folder / FILES / digest
        if path.exists():
            return
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(path, content)

    def blob(self, digest: str) -> bytes | None:
        return read_kept(self._folder, digest)

    def _append(self, path: Path, content: bytes) -> None:
        if self._open and self._open != path:
            _close(self._open)
        new = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            _write_all(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)
        if new:
            sync_folder(self._folder)
        self._open = path


def read_segments(folder: Path) -> Iterator[bytes]:
    """The lines of every day, oldest first. Raises OSError, also for a compressed file that is damaged."""
    for path in segment_files(folder):
        yield from read_segment(path)


def segment_files(folder: Path) -> list[Path]:
    """By day. A day that is being compressed counts once."""
    found = {path.name: path for path in folder.iterdir() if _OPEN.fullmatch(path.name) or _CLOSED.fullmatch(path.name)}
    return [found[name] for name in sorted(found) if not (_OPEN.fullmatch(name) and f"{name}.gz" in found)]


def read_segment(path: Path) -> list[bytes]:
    """Raises OSError."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise OSError(f"{path.name} is damaged: {error}") from error
    return content.split(b"\n")[:-1]  # without a line that is being written at this moment


def read_kept(folder: Path, digest: str) -> bytes | None:
    """None where it is missing or damaged."""
    try:
        content = (folder / FILES / digest).read_bytes()
    except OSError:
        return None
    return content if digest_of(content) == digest else None


def _tidy(folder: Path) -> None:
    """Finishes what a crash interrupted."""
    for path in folder.glob("*.new"):
        path.unlink()
    opened = sorted(path for path in folder.iterdir() if _OPEN.fullmatch(path.name))
    for path in opened:
        if path.with_name(f"{path.name}.gz").exists():  # it was renamed when it was whole
            path.unlink()
        elif path != opened[-1]:
            _close(path)


def _newest_open(folder: Path) -> Path | None:
    return next((path for path in folder.iterdir() if _OPEN.fullmatch(path.name)), None)


def _close(path: Path) -> None:
    """Compressed, with the same bytes for the same lines, and never touched again."""
    closed = path.with_name(f"{path.name}.gz")
    write_whole(closed, gzip.compress(path.read_bytes(), mtime=0), mode=FINISHED)
    path.unlink()
    sync_folder(path.parent)


def _write_all(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]
