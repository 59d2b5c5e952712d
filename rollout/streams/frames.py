"""What goes over a stream, as bytes: blocks of lines, each ended by an empty one (the HTML standard's section on
server-sent events). A block without data is no event: it only sets the id to resume from, and how long to wait before
that."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

HEARTBEAT = b":\n\n"
"""A comment: keeps proxies from closing what is silent, and shows us who is gone."""

NO_REVISION = -1
"""What somebody resumes from whose id is not one of ours: it is like no revision, so they are told at once."""

MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Head:
    """The revision that was written last, and when: seconds since 1970, or 0 where nobody can say."""

    revision: int
    written_at: int


def refetch(head: Head) -> bytes:
    """The event: ask again, there is something new. Its etag is the revision, which an SDK hands back in
    `flagConfigEtag`; the ETag of an answer is another one, since an answer depends on who asks."""
    written = {"lastModified": head.written_at} if head.written_at else {}
    data = {"type": "refetchEvaluation", "etag": f'"r{head.revision}"', **written}
    return b"id: %d\nevent: message\ndata: %b\n\n" % (head.revision, orjson.dumps(data))


def opening(retry_ms: int, revision: int | None) -> bytes:
    """The first block: when to come back after a loss, and from where; None where a refetch is to follow, since whoever
    is lost before it came must be told next time."""
    resume = b"" if revision is None else b"id: %d\n" % revision
    return b"retry: %d\n%b\n" % (retry_ms, resume)


def revision_in(last_event_id: bytes) -> int:
    """The revision that the client was told last, from its header Last-Event-ID."""
    ours = last_event_id.isdigit() and len(last_event_id) <= MOST_DIGITS
    return int(last_event_id) if ours else NO_REVISION
