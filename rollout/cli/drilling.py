"""A drill: failures that are marked as such go the whole way that real ones go, to a shadow that nobody belongs to, and
what is measured is how long the guards take to act on it. The record says so; nobody gains or loses anything.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollout.cli.exits import TimedOut
from rollout.cli.looking import Look
from rollout.core.errors import RefusedByRule, RolloutError
from rollout.service.words import Document

if TYPE_CHECKING:
    from rollout.service.desk import Desk

AT_LEAST = 200  # outcomes, all of which fail
BATCH = 500  # at most in one call


@dataclass(slots=True)
class Drill:
    """Of one flag, after the revision `since`. `acted`: guard -> (seconds since the failures were sent, the audit's
    entry)."""

    flag: str
    guards: list[str]
    since: int
    outcomes: int = 0
    began: float = 0.0
    acted: dict[str, tuple[float, Document]] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return set(self.acted) >= set(self.guards)


def drill_of(status: Document) -> Drill:
    """Of the guards that watch this flag. Raises RefusedByRule where there is none to drill."""
    names = [guard["name"] for guard in status["guards"] if _can_be_drilled(guard)]
    if not names:
        raise RefusedByRule(
            f"no guard that could be drilled watches {status['flag']}",
            "a guard with `max` or `against` watches a rollout once its first stage began; `min` is not drilled",
        )
    return Drill(status["flag"], names, status["state_revision"])


def send_failures(desk: Desk, drill: Drill, status: Document) -> None:
    """As many as the most demanding guard of each metric asks for, and half as many more. Raises RolloutError where
    they are not taken."""
    drill.began = time.monotonic()
    guards = [guard for guard in status["guards"] if guard["name"] in drill.guards]
    for metric, failure in dict.fromkeys((guard["metric"], (guard["counts"] or [None])[0]) for guard in guards):
        wanted = [guard["min_samples"] for guard in guards if guard["metric"] == metric]
        outcomes = [_failure(drill.flag, metric, failure) for _ in range(max(AT_LEAST, max(wanted) * 3 // 2))]
        for start in range(0, len(outcomes), BATCH):
            _send(desk, outcomes[start : start + BATCH])
        drill.outcomes += len(outcomes)


def await_guards(drill: Drill, looks: Iterable[Look], tell: Callable[[str, float, Document], None]) -> None:
    """Until each of them has acted. `looks`: of the flag's audit. Raises TimedOut."""
    for look in looks:
        for entry in look.document["entries"]:
            name = entry.get("evidence", {}).get("guard", {}).get("name")
            new = entry["action"] == "drill" and entry["revision"] > drill.since
            if new and name in drill.guards and name not in drill.acted:
                drill.acted[name] = (time.monotonic() - drill.began, entry)
                tell(name, *drill.acted[name])
        if drill.over:
            return
    missing = ", ".join(name for name in drill.guards if name not in drill.acted)
    raise TimedOut(f"{missing} did not act on the drill in time", "are servers ticking? `rollout status` shows them")


def _can_be_drilled(guard: Document) -> bool:
    return "metric" in guard and guard["kind"] != "min"


def _failure(flag: str, metric: str, failure: str | None) -> dict[str, Any]:
    said = {"flag": flag, "metric": metric, "ok": False, "id": f"drill-{uuid.uuid4().hex}", "drill": True}
    return said if failure is None else {**said, "class": failure}


def _send(desk: Desk, outcomes: list[dict[str, Any]]) -> None:
    answer = desk.report(outcomes)
    for refused in answer["refused"]:
        raise RolloutError(f"the service refused a failure of the drill: {refused['message']}", refused["hint"])
