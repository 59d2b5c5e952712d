"""What people say to changes that wait for a second person: approve, reject, and what there is to decide on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rollout.core.documents import Document, instant_text
from rollout.core.errors import RefusedByRule
from rollout.core.pending import Pending, agreed, is_void
from rollout.core.progress import State, Stop
from rollout.service.answers import Answer, pending_line
from rollout.service.approving import agreement, approver, void
from rollout.service.encoding import decode_state
from rollout.service.operations import Operations, Request, moment_of
from rollout.service.ports import FlagStore


class ApprovalDesk:
    """All methods raise StoreUnavailable; those that change something also RevisionConflict."""

    def __init__(self, store: FlagStore, operations: Operations) -> None:
        self._store = store
        self._operations = operations

    def pending(self) -> Document:
        """All that wait, oldest first, and how each stands."""
        shared = decode_state(self._store.read([])).pending.values()
        concerned = sorted({key for one in shared for key in one.bound.flags})
        stored = self._store.read(concerned)
        state, now = decode_state(stored), moment_of(stored).at
        lines = [pending_line(one, state, now) for one in state.pending.values()]
        return {"schema_version": 1, "pending": lines, "revision": stored.revision, "at": instant_text(now)}

    def approve(self, change_id: str, request: Request) -> Answer:
        """Agrees to a change, and makes it where that was the last word needed; or says that one has seen what was done
        break-glass. Raises UnknownChange, NotAllowed, RefusedByRule."""

        def word(state: State, one: Pending, now: datetime) -> Pending | None:
            key = approver(state, request.actor, now)
            if is_void(one, state):
                raise void(one)
            after = agreed(one, agreement(key, now), key.created_at)
            return None if one.done_at else after

        return self._operations.decide("approve", change_id, word, request)

    def reject(self, change_id: str, request: Request) -> Answer:
        """Says no. Raises UnknownChange, RefusedByRule for what is done already."""

        def word(state: State, one: Pending, now: datetime) -> Pending:  # noqa: ARG001
            if one.done_at:
                raise RefusedByRule(
                    f"{change_id} is done, at revision {one.done_at}",
                    "take it back by `rollout rollback`, `set` or `kill`; `approve` says that you have seen it",
                )
            return replace(one, rejected=Stop(request.actor.id, now, request.reason))

        return self._operations.decide("reject", change_id, word, request)
