"""How far a change has come: how many of the servers that are alive have it, and after how long. Only told, never
enforced: the change is made, whether or not this can be known.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollout.cli.words import plural
from rollout.core.errors import RolloutError

if TYPE_CHECKING:
    from rollout.service.desk import Desk

PATIENCE = 3.0  # seconds
FIRST_PAUSE = 0.05  # seconds; each is twice the one before, as a status of many flags is not small


@dataclass(frozen=True, slots=True)
class Spread:
    have: int
    of: int
    seconds: float

    def __str__(self) -> str:
        if not self.of:
            return "the store has it; no server is running"
        servers = plural(self.of, "server")
        if self.have == self.of:
            return f"{self.have} of {servers} in {self.seconds:.1f} s"
        return f"{self.have} of {servers} after {self.seconds:.1f} s; `rollout status` shows whether the others follow"


def wait_for_servers(desk: Desk, revision: int, patience: float = PATIENCE) -> Spread | None:
    """Waits until every server that is alive has `revision`, at most for `patience` seconds. None where nobody can
    say."""
    began = time.monotonic()
    pause = FIRST_PAUSE
    while True:
        try:
            servers = desk.status()["servers"]
        except RolloutError:
            return None
        seconds = time.monotonic() - began
        lowest = _lowest_revisions(servers)
        have = sum(seen >= revision for seen in lowest.values())
        if have == len(lowest) or seconds + pause > patience:
            return Spread(have, len(lowest), seconds)
        time.sleep(pause)
        pause *= 2


def _lowest_revisions(reports: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Server -> the revision that all of its workers have. Its own process answers no checks, so it does not count."""
    lowest: dict[str, int] = {}
    for report in reports:
        if report.get("kind", "worker") == "worker":
            server, revision = str(report.get("server", report["id"])), int(report.get("revision") or 0)
            lowest[server] = min(lowest.get(server, revision), revision)
    return lowest
