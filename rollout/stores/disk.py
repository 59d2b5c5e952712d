"""What a server keeps in its own data folder: the last good snapshot, served when the store is away at start, and the
version of the flags file that it handled last. Each file is replaced whole (written beside, synced, renamed), so that a
crash leaves the old one or the new one and never a half. Only one service at a time has a folder.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from rollout.core.errors import StoreUnavailable
from rollout.core.members import digest_of
from rollout.service.ports import Stored
from rollout.service.snapshot import FetchBlob

FORMAT = 1

log = logging.getLogger(__name__)


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Makes the folder where needed and has it alone meanwhile; our end, however it comes, gives it free. Raises
    StoreUnavailable where another service has it, or it cannot be used."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"the data folder {folder} cannot be used: {error.strerror}", hint="give the service another --data-dir"
        ) from error
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes, mode: int | None = None) -> None:
    """Replaces the file; when this returns, the new content survives a power cut."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def write_once(path: Path, content: bytes) -> None:
    """Makes a file that its owner alone may read, whole, unless there is one: that is never replaced."""
    if path.exists():
        return
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):  # another process was quicker
            os.link(beside, path)
    finally:
        beside.unlink()
    sync_folder(path.parent)


def cut_half_a_line(path: Path) -> None:
    """An append that a crash cut short was not relied on by anybody."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
        with path.open("rb") as file:
            os.fsync(file.fileno())


class DiskSnapshot:
    """The last good snapshot of what the store `origin` holds. A snapshot of another store is never read: its revisions
    mean nothing here."""

    def __init__(self, folder: Path, origin: str) -> None:
        self._file = folder / "snapshot.json"
        self._members = folder / "members"
        self._origin = origin

    def write(self, stored: Stored, members: Iterable[str], blob: FetchBlob) -> None:
        """Replaces what was kept, with these member lists beside it, asking `blob` for those not kept yet. Raises
        StoreUnavailable when one cannot be had, and OSError; then all is as it was."""
        wanted = set(members)
        self._members.mkdir(mode=0o700, parents=True, exist_ok=True)
        for digest in wanted:
            self._keep(digest, blob)
        write_whole(self._file, _sealed(_document(stored, self._origin)))
        for path in self._members.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def read(self) -> Stored | None:
        """What was kept; None where there is nothing, or nothing whole, of this store."""
        return _read_stored(self._file, self._origin)

    def blob(self, digest: str) -> bytes | None:
        """A member list that was kept; None where it is missing or damaged."""
        try:
            content = (self._members / digest).read_bytes()
        except OSError:
            return None
        return content if digest_of(content) == digest else None

    def _keep(self, digest: str, blob: FetchBlob) -> None:
        if (self._members / digest).exists():
            return
        content = blob(digest)
        if content is None:
            raise StoreUnavailable(f"the store has no member list {digest[:12]}", "apply the file again")
        write_whole(self._members / digest, content)


def last_snapshot(folder: Path) -> Stored | None:
    """What was kept in the data folder last, of whichever store."""
    return _read_stored(folder / "snapshot.json", None)


def _read_stored(path: Path, origin: str | None) -> Stored | None:
    document = _read_sealed(path, origin)
    if document is None:
        return None
    flags = {key: text.encode() for key, text in document["flags"].items()}
    shared = None if document["shared"] is None else document["shared"].encode()
    at_ms = document["written_at_ms"]
    return Stored(document["revision"], at_ms, at_ms, shared, flags)


class HandledFile:
    """Which version of the flags file this server dealt with last, on the store `origin`; it outlives a restart."""

    def __init__(self, folder: Path, origin: str) -> None:
        self._file = folder / "handled.json"
        self._origin = origin
        document = _read_sealed(self._file, origin)
        self._digest: str | None = document["digest"] if document else None

    @property
    def digest(self) -> str | None:
        return self._digest

    def remember(self, digest: str) -> None:
        """Raises OSError when it cannot be written."""
        if digest == self._digest:
            return
        write_whole(self._file, _sealed({"format": FORMAT, "origin": self._origin, "digest": digest}))
        self._digest = digest


def _lock(handle: int, folder: Path) -> None:
    import fcntl  # noqa: PLC0415  # there is none on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 1000, 0).decode(errors="replace").strip()
        raise StoreUnavailable(
            f"the data folder {folder} is in use by {holder or 'another service'}",
            hint="stop that service, or give this one another --data-dir",
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)


def _document(stored: Stored, origin: str) -> dict[str, Any]:
    """Documents stay the text that they are: read as JSON and written again they might be other bytes."""
    return {
        "format": FORMAT,
        "origin": origin,
        "revision": stored.revision,
        "written_at_ms": stored.written_at_ms,
        "shared": None if stored.shared is None else stored.shared.decode(),
        "flags": {key: document.decode() for key, document in stored.flags.items()},
    }


def _sealed(document: dict[str, Any]) -> bytes:
    content = orjson.dumps(document)
    return digest_of(content).encode() + b"\n" + content


def _read_sealed(path: Path, origin: str | None) -> dict[str, Any] | None:
    """None where there is nothing, where it is damaged, and where it is not of this format and this store; where
    `origin` is None, of whichever store."""
    try:
        seal, _, content = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s cannot be read, so the server does without: %s", path, error)
        return None
    if seal != digest_of(content).encode():
        log.warning("%s is damaged, so the server does without", path)
        return None
    document: dict[str, Any] = orjson.loads(content)
    ours = document.get("format") == FORMAT and origin in (None, document.get("origin"))
    return document if ours else None


def sync_folder(folder: Path) -> None:
    """What was created, renamed or removed in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
