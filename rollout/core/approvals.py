"""Who has to agree before exposure is raised far: the file's `approvals:`. Whether a change needs it is computed from
the change itself by `direction`, never declared by whoever makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollout.core.shares import Share

FEWEST_PERSONS = 2
MOST_PERSONS = 10


@dataclass(frozen=True, slots=True)
class Approvals:
    persons: int  # in all, the one who wants it among them; `raise` in the file
    above: Share  # of an audience: up to here one person is enough
