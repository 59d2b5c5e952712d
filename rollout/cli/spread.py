"""How far a change has come: how many of the servers that are alive have it, and after how long, or which do not. Only
told, never enforced: the change is made, whether or not this can be known.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollout.core.errors import RolloutError
from rollout.service.servers import Servers, servers_of
from rollout.service.words import plural

if TYPE_CHECKING:
    from rollout.service.desk import Desk

PATIENCE = 3.0  # seconds
FIRST_PAUSE = 0.02  # seconds: what takes a tenth of a second shall not be told as more
LONGEST_PAUSE = 0.25  # seconds: a status of many flags is not small


@dataclass(frozen=True, slots=True)
class Spread:
    have: int
    of: int  # servers that were heard lately
    seconds: float
    lagging: Mapping[str, int] = field(default_factory=dict)  # server -> the revision that it serves
    silent: tuple[str, ...] = ()  # not heard for so long that nobody knows what they serve

    def __str__(self) -> str:
        said = [self._counted()]
        said += [f"{name} lags, at revision {seen}" for name, seen in self.lagging.items()]
        said += [f"unconfirmed: {', '.join(self.silent)}"] if self.silent else []
        return "; ".join(said)

    def _counted(self) -> str:
        if not self.of:
            return f"the store has it; {'no server was heard lately' if self.silent else 'no server is running'}"
        when = "in" if self.have == self.of else "after"
        return f"{self.have} of {plural(self.of, 'server')} {when} {self.seconds:.1f} s"

    def document(self) -> dict[str, Any]:
        return {
            "have": self.have,
            "of": self.of,
            "seconds": round(self.seconds, 2),
            "lagging": dict(self.lagging),
            "unconfirmed": list(self.silent),
        }


def wait_for_servers(desk: Desk, revision: int, began: float, patience: float = PATIENCE) -> Spread | None:
    """Waits until every server that is alive has `revision`, at most for `patience` seconds. `began`: when the change
    was sent, of `time.monotonic`. None where nobody can say."""
    give_up = time.monotonic() + patience
    pause = FIRST_PAUSE
    while True:
        try:
            servers = servers_of(desk.status()["servers"])
        except RolloutError:
            return None
        now = time.monotonic()
        if not servers.lagging(revision) or now + pause > give_up:
            return _spread(servers, revision, now - began)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _spread(servers: Servers, revision: int, seconds: float) -> Spread:
    lagging, of = servers.lagging(revision), len(servers.live)
    return Spread(of - len(lagging), of, seconds, lagging, tuple(servers.silent))
