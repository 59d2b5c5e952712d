"""The use case of sessions: logging out ends one on every server, and is in the record."""

from __future__ import annotations

from datetime import datetime, timedelta

from rollout.core.sessions import Ended, with_ended
from rollout.service.answers import Answer
from rollout.service.operations import Operations, Request

CLOCKS_DIFFER = timedelta(hours=1)
"""At most: a server's, by which a session is over, and the store's, by which it is forgotten."""


class SessionDesk:
    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def end(self, session: str, until: datetime, request: Request) -> Answer:
        """It opens nothing any more. `until`: when it would have been over by itself, by the server's clock. Raises
        RefusedByRule, RevisionConflict, StoreUnavailable."""

        def transition(ended: Ended, now: datetime) -> Ended:
            return with_ended(ended, session, until + CLOCKS_DIFFER, now)

        return self._operations.end_sessions("log_out", transition, request)
