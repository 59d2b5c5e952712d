"""Keeps this server's copy of the flags file in force, and says how it stands with it. Asked again and again, it loads
a copy that is new, once; whatever else is the case (broken, refused, out of step with what another server brought in
force) it says so and changes nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePath
from typing import Any, Protocol

from rollout.core.audit import Actor
from rollout.core.definitions import FlagFile
from rollout.core.errors import OutdatedView, Problem, RevisionConflict, RolloutError, StoreUnavailable
from rollout.core.pending import is_void
from rollout.core.progress import State
from rollout.service.answers import Answer
from rollout.service.encoding import decode_state
from rollout.service.file_loading import Copy, compare_copy
from rollout.service.operations import Operations, Request
from rollout.service.ports import FlagStore

ATTEMPTS = 20
"""How often a load is tried while others change the state; then again when it is asked for the next time."""

MOST_PROBLEMS = 20
"""As many as a report's document has of each kind; `problem_count` says how many there are."""

WHY = "the file changed"


class FileState(StrEnum):
    IN_FORCE = "in force"
    OUT_OF_STEP = "out of step"  # something else is in force, and this copy is not newer
    REFUSED = "refused"  # by a rule
    BROKEN = "broken"  # it has errors
    MISSING = "missing"
    WAITING = "waiting"  # to be loaded when the store can be reached
    UNAPPROVED = "waits for approval"  # of its own as a whole: what was approved last stays in force


@dataclass(frozen=True, slots=True)
class FileReport:
    """How this server stands with its copy of the file. `problems` is empty when the copy is in force."""

    name: str
    state: FileState
    digest: str | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state.value,
            "digest": self.digest,
            "problem_count": len(self.problems),
            "problems": [_problem_document(problem) for problem in self.problems[:MOST_PROBLEMS]],
            "warnings": [_problem_document(problem) for problem in self.warnings[:MOST_PROBLEMS]],
        }


def failed_load_document(report: FileReport) -> dict[str, Any]:
    """For the audit: which copy, and what was wrong with it first."""
    said = [str(problem) for problem in report.problems if problem.severity == "error"]
    name, digest = PurePath(report.name).name, report.digest or ""
    return {"name": name, "file": digest, "problem_count": len(said), "problem": said[0][:300] if said else ""}


def broken(name: str, problems: tuple[Problem, ...]) -> FileReport:
    """A copy with errors: what is in force stays."""
    errors = tuple(problem for problem in problems if problem.severity == "error")
    return FileReport(name, FileState.BROKEN, problems=errors)


def missing(name: str) -> FileReport:
    """No copy at all: what is in force stays."""
    problem = Problem(name, 1, 1, "the file is not there", "put it back, or start with another --file")
    return FileReport(name, FileState.MISSING, problems=(problem,))


class Handled(Protocol):
    """Remembers, also over a restart, the content that this server dealt with last."""

    @property
    def digest(self) -> str | None: ...

    def remember(self, digest: str) -> None: ...


class FileLoader:
    """`known` is the state as this server knows it, at most a moment old while the store can be reached."""

    def __init__(
        self,
        store: FlagStore,
        known: Callable[[], State],
        handled: Handled,
        actor: Actor,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._operations = Operations(store)
        self._known = known
        self._handled = handled
        self._actor = actor
        self._now = now
        self._loaded: tuple[int, str] = (0, "")  # revision and content of our last load, which may not be known yet
        self._refusal: tuple[object, FileReport] | None = None
        self._proposal: tuple[int, str, FileReport] | None = None  # at which revision, its id, and what was said of it

    def bring_in_force(self, file: FlagFile) -> FileReport:
        """Loads the file where it is new. Cheap where there is nothing to do. Raises OSError when what was handled
        cannot be remembered."""
        state = self._known()
        revision, digest = self._loaded
        behind = state.revision < revision
        if behind and file.digest == digest:
            return self._in_force(file)
        relation = self._relation(file, state)
        if behind or relation is Copy.NEW:
            return self._proposed(file, state) or self._load(file, state)
        return self._settled(file, relation, state)

    def _proposed(self, file: FlagFile, state: State) -> FileReport | None:
        """What was said of this copy while it waits for people; None where it has to be asked for anew."""
        if self._proposal is None or self._proposal[2].digest != file.digest:
            return None
        revision, change_id, report = self._proposal
        if state.revision < revision:
            return report
        one = state.pending.get(change_id)
        waits = one is not None and one.rejected is None and not is_void(one, state)
        if waits and one and self._now() < one.expires_at:
            return report
        self._proposal = None
        return None

    def _relation(self, file: FlagFile, state: State) -> Copy:
        in_force = state.file.digest if state.file else None
        return compare_copy(file.digest, self._handled.digest, in_force, state.earlier_files)

    def _load(self, file: FlagFile, state: State) -> FileReport:
        question = (file.digest, state.file.revision if state.file else 0, bool(state.keys))
        if self._refusal and self._refusal[0] == question:
            return self._refusal[1]  # only another file, or the first key, can change what a rule says
        try:
            return self._load_seen(file, state.revision)
        except (StoreUnavailable, RevisionConflict) as error:
            return _report(file, FileState.WAITING, error.message, error.hint)
        except RolloutError as error:
            report = _report(file, FileState.REFUSED, error.message, error.hint)
            self._refusal = question, report
            return report

    def _load_seen(self, file: FlagFile, known_revision: int) -> FileReport:
        """Looks, and loads what is still new on the condition that nothing moved meanwhile."""
        for _ in range(ATTEMPTS):
            stored = self._store.read([])
            if stored.revision < known_revision:  # it lost what people were told: to write on would bury that
                raise StoreUnavailable(f"the store is behind: at revision {stored.revision}, not {known_revision}")
            state = decode_state(stored)
            relation = self._relation(file, state)
            if relation is not Copy.NEW:
                return self._settled(file, relation, state)
            try:
                answer = self._operations.load(file, Request(self._actor, WHY, seen_revision=stored.revision))
            except OutdatedView:
                time.sleep(random.uniform(0, 0.02))
                continue
            if "pending" in answer:
                return self._waits(file, answer)
            self._loaded = answer["revision"], file.digest
            return self._in_force(file)
        raise RevisionConflict("others keep changing the state")

    def _waits(self, file: FlagFile, answer: Answer) -> FileReport:
        change_id = answer["pending"]["id"]
        report = _report(
            file,
            FileState.UNAPPROVED,
            f"waits for approval {change_id}: {'; '.join(answer['pending']['raises'][:3])}",
            f"`rollout approve {change_id}` brings it in force; until then the file that was approved last is",
        )
        self._proposal = answer["revision"], change_id, report
        return report

    def _settled(self, file: FlagFile, relation: Copy, state: State) -> FileReport:
        if relation is Copy.IN_FORCE:
            return self._in_force(file)
        assert state.file is not None  # or this copy would be new
        self._handled.remember(file.digest)
        return _report(
            file,
            FileState.OUT_OF_STEP,
            f"this copy differs from {state.file.name}, in force since revision {state.file.revision}",
            "give all servers the same file; to bring this copy in force, edit it or `rollout apply` it",
        )

    def _in_force(self, file: FlagFile) -> FileReport:
        self._handled.remember(file.digest)
        return FileReport(file.name, FileState.IN_FORCE, file.digest, warnings=file.warnings)


def _report(file: FlagFile, state: FileState, message: str, hint: str | None) -> FileReport:
    problem = Problem(file.name, 1, 1, message, hint)
    return FileReport(file.name, state, file.digest, (problem,), file.warnings)


def _problem_document(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
    }
