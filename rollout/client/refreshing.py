"""Keeps the ruleset up to date: asks by the edition's name, takes what changed, and goes on with the last good one
whatever happens. One thread; it asks again after a pause with jitter, longer after each failure, or as soon as the
stream says that something changed.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from rollout.client.editions import Edition, next_edition
from rollout.client.kept import Kept
from rollout.client.transport import Reply, Transport, Unavailable, retry_after
from rollout.core.errors import InvalidInput
from rollout.core.members import Membership, digest_of, open_members

log = logging.getLogger("rollout.client")

FACTOR = 6  # failures make the pause up to so many times as long
WHILE_PUSHED = 60.0  # seconds between questions while the stream is there to say when to ask
SOON, MOST_EARLY = 0.05, 8  # seconds, doubled each time; how often
SPREAD = 0.1  # seconds, over which clients that were told at once ask
LISTS_WITHIN = 30.0  # seconds, for a member list that the service is still compressing


@dataclass(frozen=True, slots=True)
class Pace:
    poll: float  # seconds between questions
    restored_after: float  # seconds; see `_stepping_back`


@dataclass(frozen=True, slots=True)
class Holder:
    """Who answers from what is fetched, and is told how it went."""

    current: Callable[[], Edition]
    accept: Callable[[Edition], None]
    confirmed: Callable[[], None]  # this is what the service says now
    troubled: Callable[[str | None], None]


class Refresher:
    def __init__(self, transport: Transport, holder: Holder, kept: Kept | None, pace: Pace) -> None:
        self.stream_url: str | None = None
        self.pushed = False  # the stream is connected
        self.told = 0  # the revision that the stream spoke of last
        self.wake = threading.Event()
        self._transport = transport
        self._holder = holder
        self._kept = kept
        self._pace = pace
        self._failures = 0
        self._early = 0  # answers in a row from before what the stream spoke of
        self._whole = False  # ask for everything, since news could not be used
        self._lower_since: float | None = None
        self._stop = threading.Event()

    def run(self) -> None:
        while not self._stop.is_set():
            self._pause(self._round())
        self._transport.close()

    def tell(self, revision: int) -> None:
        """The stream says that there is this revision."""
        self.told, self._early = revision, 0

    def stop(self) -> None:
        self._stop.set()
        self.wake.set()

    def _pause(self, seconds: float) -> None:
        if self.wake.wait(seconds) and not self._stop.is_set():
            self._stop.wait(random.uniform(0, SPREAD))
        self.wake.clear()

    def _round(self) -> float:
        """Asks once. Gives the seconds until the next time."""
        try:
            self._refresh()
        except Exception as error:  # of whatever kind: the last good ruleset stays, and the next round may do better
            return self._failed(error)
        self._failures = 0
        return self._jittered(self._until_next())

    def _until_next(self) -> float:
        if not self.pushed:
            return self._pace.poll
        if self.told <= self._holder.current().revision:
            self._early = 0
        elif (
            self._early < MOST_EARLY
        ):  # a worker that is some milliseconds behind the stream, and nobody tells us again
            self._early += 1
            return min(SOON * 2.0**self._early, self._pace.poll)
        return max(self._pace.poll, WHILE_PUSHED)

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        self._whole = self._whole or isinstance(error, InvalidInput)
        self._holder.troubled(str(error) if isinstance(error, Unavailable | InvalidInput) else repr(error))
        pause = min(self._pace.poll * 2 ** min(self._failures - 1, 10), self._pace.poll * FACTOR)
        asked_for = error.retry_after if isinstance(error, Unavailable) else None
        return max(self._jittered(pause), asked_for or 0.0)

    def _jittered(self, seconds: float) -> float:
        return seconds * random.uniform(0.75, 1.25)

    def _refresh(self) -> None:
        before = self._holder.current()
        reply = self._asked(before)
        stale = reply.headers.get("rollout-stale") == "true"
        if reply.status == 304:
            self._lower_since = None
        elif not self._take(_document(reply), before, stale):
            return
        self.stream_url = reply.headers.get("rollout-stream")
        if stale:
            self._holder.troubled("the service cannot reach its store, so this may be out of date")
        else:
            self._confirmed()

    def _asked(self, before: Edition) -> Reply:
        if not before.etag:
            reply = self._transport.get("/v1/ruleset")
        else:
            query = "" if self._whole else f"?have={quote(before.etag)}"
            reply = self._transport.get(f"/v1/ruleset{query}", {"If-None-Match": f'"{before.etag}"'})
        if reply.status == 200 or (reply.status == 304 and before.etag):
            return reply
        raise _unusable(reply)

    def _take(self, document: dict[str, object], before: Edition, stale: bool) -> bool:
        """Whether the answer is one to go by."""
        if self._stepping_back(document, before, stale):
            self._holder.troubled(f"a server is at revision {document['revision']}, behind {before.revision} here")
            return False
        edition = next_edition(document, before, self._members)
        if edition.left_out:
            log.warning("these cannot be read, a newer client may: %s", ", ".join(edition.left_out))
        self._whole = False
        self._holder.accept(edition)
        self._keep(edition)
        return True

    def _stepping_back(self, document: dict[str, object], before: Edition, stale: bool) -> bool:
        """A server that lags behind must not bring back what was, such as a flag that was killed meanwhile. But where
        no server has said anything else for a minute, and none of them says that it has lost its store, then the store
        was put back to an earlier state, and that is the truth now."""
        revision = document.get("revision")
        if not isinstance(revision, int) or revision >= before.revision:
            self._lower_since = None
            return False
        if stale:
            return True
        now = time.monotonic()
        self._lower_since = self._lower_since or now
        return now - self._lower_since < self._pace.restored_after

    def _members(self, digest: str) -> Membership:
        if self._kept is not None:
            try:
                return self._kept.members(digest)
            except (OSError, InvalidInput):
                pass
        packed = self._fetched_list(digest)
        if digest_of(packed) != digest:
            raise Unavailable(f"the member list {digest[:12]} did not arrive whole")
        return open_members(packed)

    def _fetched_list(self, digest: str) -> bytes:
        deadline = time.monotonic() + LISTS_WITHIN
        while True:
            reply = self._transport.get(f"/v1/ruleset/members/{quote(digest)}")
            if reply.status == 200:
                return reply.body
            pause = retry_after(reply)
            if reply.status != 503 or pause is None or time.monotonic() + pause > deadline or self._stop.wait(pause):
                raise _unusable(reply)

    def _keep(self, edition: Edition) -> None:
        if self._kept is None:
            return
        try:
            self._kept.write(edition)
        except Exception as error:  # a full disk is no reason not to answer from memory
            log.warning("the ruleset was not kept on disk: %s", error)

    def _confirmed(self) -> None:
        self._holder.confirmed()
        self._holder.troubled(None)
        if self._kept is not None:
            with suppress(OSError):
                self._kept.confirm()


def _document(reply: Reply) -> dict[str, object]:
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise Unavailable("the service's answer is not JSON; is it the right address?") from None
    if not isinstance(document, dict):
        raise Unavailable("the service's answer is not a ruleset; is it the right address?")
    return document


def _unusable(reply: Reply) -> Unavailable:
    if reply.status in (401, 403):
        return Unavailable(f"the service does not accept the key ({reply.status})", status=reply.status)
    return Unavailable(f"the service answered {reply.status}", status=reply.status, retry_after=retry_after(reply))
