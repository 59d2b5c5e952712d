"""The anchors of this server's record, one a line, in a file that only grows and can be mailed or put under object
lock: each hour, and at each export.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rollout.core.anchors import Anchor, anchor_of, read_anchor
from rollout.core.chain import Chain
from rollout.core.documents import instant_text, read_instant
from rollout.core.errors import InvalidInput
from rollout.stores.disk import cut_half_a_line
from rollout.stores.signing import SigningKey

ANCHORS_FILE = "anchors.jsonl"
EVERY = timedelta(hours=1)

log = logging.getLogger(__name__)


class Anchors:
    """Signed by one process. `clock` is this machine's: a signature says when it was made, the record when something
    happened."""

    def __init__(
        self, folder: Path, key: SigningKey, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = folder / ANCHORS_FILE
        self._key = key
        self._clock = clock
        self._last_at: datetime | None = None

    def keep(self, chain: Chain) -> None:
        """An anchor, where the last is an hour old. Raises OSError, and InvalidInput for a file that has something else
        in it."""
        self._last_at = self._last_at or self._last_in_file()
        if self._last_at is None or self._clock() - self._last_at >= EVERY:
            self.add(chain)

    def add(self, chain: Chain) -> Anchor:
        """An anchor, now. Raises OSError."""
        if self._path.exists():
            cut_half_a_line(self._path)
        now = self._clock()
        anchor = anchor_of(chain, instant_text(now), self._key.public, self._key.sign)
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, anchor.line() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        self._last_at = now
        return anchor

    def _last_in_file(self) -> datetime | None:
        anchors = read_anchors(self._path)
        return read_instant(anchors[-1].at) if anchors else None


def read_anchors(path: Path) -> list[Anchor]:
    """Oldest first; none where there is no file. A last line that a crash cut short is left out. Raises InvalidInput,
    OSError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    try:
        return [read_anchor(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]
    except ValueError as error:
        raise InvalidInput(f"{path.name}: {error}", "give the anchors as they were kept") from error
