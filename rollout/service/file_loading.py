"""How a server brings its copy of flags.yaml in force. Several servers may share a store, each with a copy of its own:
the same content is loaded once, and different content is an error that everybody can see, never a see-saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Copy(StrEnum):
    """How a server's copy of the file relates to what is in force."""

    IN_FORCE = "in force"
    NEW = "new"  # to be loaded
    OUT_OF_STEP = "out of step"  # something else is in force, and this copy is not newer


def compare_copy(digest: str, handled: str | None, in_force: str | None, earlier: Sequence[str]) -> Copy:
    """What to do with a copy whose content is `digest`.

    `handled` is the content that this server dealt with last, None for one that never saw the file; `in_force` is what
    the store says, and `earlier` what was in force before that. A copy is new when it was edited here since; but a
    server that lags behind the others and receives an older version late must not bring that back.
    """
    if digest == in_force:
        return Copy.IN_FORCE
    if digest == handled:
        return Copy.OUT_OF_STEP
    if digest in earlier and handled != in_force:
        return Copy.OUT_OF_STEP
    return Copy.NEW
