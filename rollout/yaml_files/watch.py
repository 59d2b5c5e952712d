"""Notices when a flags file, or a member list that it names, says something new. Asked again and again, it looks at
what `stat` says of each file, and every few seconds at the content itself; files that are renamed, re-created, swapped
behind a symbolic link, half written or gone for a moment are all the same to it. It never raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidFile, Problem
from rollout.yaml_files.apart import PATIENCE, read_apart
from rollout.yaml_files.disk import Seen, TooMuch, digest, signature
from rollout.yaml_files.reader import Reading, read_seen

LARGE = 65_536  # bytes in all; more is read in a process of its own
SETTLING = 0.05  # seconds; a file that changes within them is still being written
SETTLING_LOOKS = 10
LOOK_INSIDE_SMALL = 5.0  # seconds between looks at the content when `stat` says that nothing changed
LOOK_INSIDE_LARGE = 60.0
SMALL = 1_000_000  # bytes in all
_NEVER_READ = ""  # no content has this digest


class FileWatcher:
    """Remembers how the files were when they were read last, and what was told."""

    def __init__(
        self, path: Path, *, patience: timedelta = PATIENCE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._patience = patience
        self._clock = clock
        self._seen: Mapping[Path, Seen] = {path: Seen(None, _NEVER_READ)}
        self._told: object = None
        self._looked_inside_at = clock()

    def poll(self) -> FlagFile | InvalidFile | None:
        """What the file says now, or what is wrong with it; None when that was told before.

        Takes microseconds when nothing changed; else about a tenth of a second, and longer for a large file.
        """
        try:
            return self._look()
        except Exception as error:  # whoever polls has other things to do than to die of a file
            return self._tell((Problem(str(self._path), 1, 1, f"reading it failed: {error!r}"),))

    def _look(self) -> FlagFile | InvalidFile | None:
        if self._told is None:
            return self._read()
        changed = not self._as_seen()
        if not changed and self._clock() - self._looked_inside_at < self._interval():
            return None
        self._looked_inside_at = self._clock()
        if changed:
            _settle(self._seen)
        same = {path: Seen(signature(path), digest(path)) for path in self._seen}
        if all(same[path].digest == seen.digest for path, seen in self._seen.items()):
            self._seen = same  # touched, or written anew with the same content
            return None
        return self._read()

    def _as_seen(self) -> bool:
        return all(signature(path) == seen.signature for path, seen in self._seen.items())

    def _interval(self) -> float:
        return LOOK_INSIDE_SMALL if _size(self._seen) <= SMALL else LOOK_INSIDE_LARGE

    def _read(self) -> FlagFile | InvalidFile | None:
        reading = self._reading()
        self._seen = reading.seen or {self._path: Seen(signature(self._path), _NEVER_READ)}
        return self._tell(reading.outcome)

    def _reading(self) -> Reading:
        try:
            return read_seen(self._path, budget=LARGE)
        except TooMuch:
            return read_apart(self._path, self._patience)

    def _tell(self, outcome: FlagFile | tuple[Problem, ...]) -> FlagFile | InvalidFile | None:
        news = outcome.digest if isinstance(outcome, FlagFile) else outcome
        if news == self._told:
            return None
        self._told = news
        return outcome if isinstance(outcome, FlagFile) else InvalidFile(outcome)


def _settle(paths: Iterable[Path]) -> None:
    """Waits until the files stop changing, but not for ever."""
    paths = tuple(paths)
    before = [signature(path) for path in paths]
    for _ in range(SETTLING_LOOKS):
        time.sleep(SETTLING)
        now = [signature(path) for path in paths]
        if now == before:
            return
        before = now


def _size(seen: Mapping[Path, Seen]) -> int:
    return sum(one.signature.size for one in seen.values() if one.signature)
