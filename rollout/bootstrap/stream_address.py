"""Where streams are, as the server's processes tell each other: a small file in the data folder, which the stream
process writes once it listens, and the server process takes away when that ended. So nobody is sent to a door that is
not there.
"""

from __future__ import annotations

import os
from pathlib import Path

LOOK_FOR_STREAMS_EVERY = 0.25  # seconds


class StreamAddress:
    """`current` is what the last `look` found; None where there is nothing."""

    def __init__(self, folder: Path) -> None:
        self.current: str | None = None
        self._path = folder / "stream"

    def announce(self, url: str) -> None:
        beside = self._path.with_name(f"stream.{os.getpid()}")
        beside.write_text(url, encoding="utf-8")
        beside.replace(self._path)

    def withdraw(self) -> None:
        self._path.unlink(missing_ok=True)

    def look(self) -> str | None:
        try:
            self.current = self._path.read_text(encoding="utf-8") or None
        except FileNotFoundError:
            self.current = None
        return self.current
