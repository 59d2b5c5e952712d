"""What the server process tells its workers: how this server stands with its copy of the flags file, and with its copy
of the record. Each is a small JSON file in the data folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import orjson

RECORD_REPORT = "record.json"


class Report(Protocol):
    def document(self) -> dict[str, Any]: ...


class FileReports:
    """Written by one process, read by the others; a read costs a `stat` while nothing changes."""

    def __init__(self, folder: Path, name: str = "file.json") -> None:
        self._path = folder / name
        self._read: tuple[int, int] | None = None
        self._document: dict[str, Any] | None = None

    def write(self, report: Report) -> None:
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_bytes(orjson.dumps(report.document()))
        beside.replace(self._path)

    def read(self) -> dict[str, Any] | None:
        """The last report; None where there is none."""
        try:
            found = self._path.stat()
            if (found.st_ino, found.st_mtime_ns) != self._read:
                self._document = orjson.loads(self._path.read_bytes())
                self._read = (found.st_ino, found.st_mtime_ns)
        except FileNotFoundError:
            return None
        return self._document
