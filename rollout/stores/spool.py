"""Bodies that are too large for one request, on this server's disk until they were loaded. Each has a folder that its
owner alone may read:

    about.json   what was said before the first byte
    part         what came so far; renamed to `body` when it is whole
    begun        the request id under which the store would know that it was done; from then on it may have been
    lock         held by the process that loads it, for as long as that lives
    report.json  what came of it; the body is gone then

So what is the case after a crash, of whichever process, can be read from what is there. How many there may be, and of
how many bytes, is bounded; what nobody goes on with ends by age.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import orjson

from rollout.core.errors import RevisionConflict, StoreUnavailable, TooManyRequests
from rollout.service.loads import About, LoadState, Outcome, ended_document, load_document
from rollout.stores.disk import write_whole

SPOOL_FOLDER = "spool"
MOST_UNDER_WAY = 8
MOST_BYTES_UNDER_WAY = 200_000_000
MOST_REPORTS = 50
SILENT_FOR = 120.0  # seconds without another part, after which no more is waited for
REPORT_KEPT = 3600.0  # seconds
SPARE = 100_000_000  # bytes that stay free on the disk
RETRY_AFTER = 5  # seconds

_ID = re.compile(r"[0-9a-f]{32}")


class Spool:
    """Any process of the server may have one on the same folder, which is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepared(self) -> Path:
        """The folder, which is there now."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder

    def begin(self, about: About) -> str:
        """Makes room for a body and names it. Raises TooManyRequests, and StoreUnavailable where the disk is full."""
        with self._alone():
            self._check_room(about.size)
            load = secrets.token_hex(16)
            folder = self._folder / load
            try:
                folder.mkdir(mode=0o700)
                os.close(os.open(folder / "part", os.O_CREAT | os.O_WRONLY, 0o600))
                write_whole(folder / "about.json", orjson.dumps(about.document()), mode=0o600)
            except OSError as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise _no_room(error) from error
        return load

    def append(self, load: str, offset: int, part: bytes) -> int | None:
        """The next part; says how much has come, and None for a load that nobody knows. A part that came before is not
        taken twice. Raises RevisionConflict where another one is the next, or the load ended."""
        about = self.about(load)
        if about is None:
            return None
        path = self._path(load) / "part"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return self._whole_already(load, about, offset + len(part))
        with os.fdopen(handle, "ab") as file:
            _lock(file.fileno())
            received = os.fstat(file.fileno()).st_size
            if offset + len(part) <= received:
                return received
            if offset != received or offset + len(part) > about.size:
                raise RevisionConflict(
                    f"{received} of {about.size} bytes have come, and this part is those from {offset} on",
                    f"send those from {received} on",
                )
            _write(file, received, part)
            if received + len(part) == about.size:
                _rename(path, self.body(load))
            return received + len(part)

    def _whole_already(self, load: str, about: About, until: int) -> int | None:
        if not self._path(load).exists():
            return None
        if self._has_ended(load):
            raise RevisionConflict("this load has ended", f"ask /v1/loads/{load} what came of it")
        if until > about.size:
            raise RevisionConflict(f"all {about.size} bytes have come", "send no more")
        return about.size

    def drop(self, load: str) -> None:
        shutil.rmtree(self._path(load), ignore_errors=True)

    def about(self, load: str) -> About | None:
        try:
            return About.read(orjson.loads((self._path(load) / "about.json").read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, load: str) -> bytes | None:
        """What is to be said of it, as JSON; None where there is none of this id."""
        about = self.about(load)
        if about is None:
            return None
        folder = self._path(load)
        with suppress(FileNotFoundError):
            return (folder / "report.json").read_bytes()
        with suppress(FileNotFoundError):
            received = (folder / "part").stat().st_size
            return orjson.dumps(load_document(load, about, LoadState.RECEIVING, received))
        state = LoadState.LOADING if (folder / "lock").exists() else LoadState.WAITING
        return orjson.dumps(load_document(load, about, state, about.size))

    def whole(self) -> list[str]:
        """Those that wait to be loaded, or were when something crashed: the oldest first."""
        return [load for load in self._by_age() if self.body(load).exists() and not self._has_ended(load)]

    def waited(self, load: str, now: float) -> float:
        """Seconds since it was whole."""
        try:
            return now - self.body(load).stat().st_mtime
        except OSError:
            return 0.0

    def body(self, load: str) -> Path:
        return self._path(load) / "body"

    @contextmanager
    def held(self, load: str) -> Iterator[bool]:
        """While this process loads it; False where it is gone, or another process holds it."""
        try:
            handle = os.open(self._path(load) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            yield False
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield self.body(load).exists() and not self._has_ended(load)
        finally:
            os.close(handle)

    def say_begun(self, load: str, request_id: str) -> None:
        write_whole(self._path(load) / "begun", request_id.encode(), mode=0o600)

    def begun(self, load: str) -> str | None:
        """The request id under which it was begun."""
        try:
            return (self._path(load) / "begun").read_text()
        except FileNotFoundError:
            return None

    def end(self, load: str, outcome: Outcome) -> None:
        """Leaves the report, and removes the body."""
        about = self.about(load)
        if about is None:
            return
        folder = self._path(load)
        write_whole(folder / "report.json", orjson.dumps(ended_document(load, about, outcome)), mode=0o600)
        for name in ("body", "part", "begun"):
            (folder / name).unlink(missing_ok=True)

    def silent(self, now: float) -> list[str]:
        """Those of which no part came for a while. `now`: seconds since 1970."""
        return [load for load in self._by_age() if _older(self._path(load) / "part", now - SILENT_FOR)]

    def sweep(self, now: float) -> None:
        """Forgets reports that are old, or too many, and what a crash left without a beginning."""
        reported = [load for load in self._by_age() if self._has_ended(load)]
        too_many = set(reported[: max(0, len(reported) - MOST_REPORTS)])
        for load in self._by_age():
            folder = self._path(load)
            old = load in too_many or _older(folder / "report.json", now - REPORT_KEPT)
            never_begun = not (folder / "about.json").exists() and _older(folder, now - SILENT_FOR)
            if old or never_begun:
                shutil.rmtree(folder, ignore_errors=True)

    def _has_ended(self, load: str) -> bool:
        return (self._path(load) / "report.json").exists()

    def _path(self, load: str) -> Path:
        return self._folder / (load if _ID.fullmatch(load) else "none")

    def _by_age(self) -> list[str]:
        with suppress(FileNotFoundError):
            found = [(entry.stat().st_ctime_ns, entry.name) for entry in _folders(self._folder)]
            made = {name: _made_at(self._folder / name, at) for at, name in found}
            return sorted(made, key=lambda name: (made[name], name))
        return []

    def _check_room(self, size: int) -> None:
        under_way = [self.about(load) for load in self._by_age() if not self._has_ended(load)]
        coming = sum(about.size for about in under_way if about)
        if len(under_way) >= MOST_UNDER_WAY or coming + size > MOST_BYTES_UNDER_WAY:
            raise TooManyRequests(
                f"{len(under_way)} large files of {coming // 1_000_000} MB are under way here already",
                "wait until some of them are loaded",
                RETRY_AFTER,
            )
        if shutil.disk_usage(self._folder).free < size + SPARE:
            raise StoreUnavailable("the disk of the data folder is nearly full", "make room on it")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Of all processes, one at a time counts what there is and adds to it. None waits for it."""
        try:
            handle = os.open(self.prepared() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _no_room(error) from error
        try:
            _lock(handle)
            yield
        finally:
            os.close(handle)


def _folders(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if _ID.fullmatch(entry.name))


def _made_at(folder: Path, otherwise: int) -> int:
    try:
        return (folder / "about.json").stat().st_mtime_ns
    except OSError:
        return otherwise


def _older(path: Path, than: float) -> bool:
    try:
        return path.stat().st_mtime < than
    except OSError:
        return False


def _lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TooManyRequests("another large file is being taken in at this very moment", "send it again") from None


def _write(file: IO[bytes], received: int, part: bytes) -> None:
    """All of it or nothing."""
    try:
        file.write(part)
        file.flush()
    except OSError as error:
        os.ftruncate(file.fileno(), received)
        raise _no_room(error) from error


def _rename(part: Path, body: Path) -> None:
    try:
        part.rename(body)
    except FileNotFoundError:
        raise RevisionConflict("no more was waited for just now", "begin again") from None


def _no_room(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"the data folder of this server takes no large files: {error.strerror}", "see its disk, and whose it is"
    )
