"""Watches the flags file and keeps it in force: looks at it twice a second, and tells everybody how it stands."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rollout.bootstrap.file_reports import FileReports
from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidFile
from rollout.service.file_loader import MOST_PROBLEMS, FileLoader, FileReport, FileState, broken, missing

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5  # seconds


class Watcher(Protocol):
    """What is known of a file that changes now and then."""

    def poll(self) -> FlagFile | InvalidFile | None:
        """What the file says, or its problems; None while it is what it was."""


class FileKeeper:
    """`changed` is called after every new report, `failed` with each of a copy that cannot come in force."""

    def __init__(
        self,
        path: Path,
        watcher: Watcher,
        loader: FileLoader,
        reports: FileReports,
        changed: Callable[[], None],
        *,
        failed: Callable[[FileReport], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._watcher = watcher
        self._loader = loader
        self._reports = reports
        self._changed = changed
        self._failed = failed
        self._copy: FlagFile | InvalidFile | None = None
        self.report: FileReport | None = None  # None before the first look
        reports.write(FileReport(str(path), FileState.WAITING))

    def look(self) -> None:
        self._copy = self._watcher.poll() or self._copy
        report = self._report()
        if report is None or report == self.report:
            return
        self._log(report)
        self._reports.write(report)
        self.report = report
        self._changed()
        if report.state in (FileState.BROKEN, FileState.REFUSED):
            self._failed(report)

    def _report(self) -> FileReport | None:
        if isinstance(self._copy, FlagFile):
            return self._loader.bring_in_force(self._copy)
        if not _is_there(self._path):
            return missing(str(self._path))
        return broken(str(self._path), self._copy.problems) if self._copy else None

    def _log(self, report: FileReport) -> None:
        if report.state is FileState.IN_FORCE:
            log.info("%s is in force", report.name)
        for problem in report.problems[:MOST_PROBLEMS]:
            log.warning("%s: %s", report.state, problem)


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:  # there, or hidden from us, which its problems tell
        return True
    return True
