"""Answers as they leave, written once: a flag has few answers, and millions of people get them. They are written by the
functions that the Flask views use, and hold for one snapshot that is fresh or stale.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Generic, TypeVar

from rollout.core.evaluation import Answer
from rollout.service.gate import Caller
from rollout.service.snapshot import Snapshot
from rollout.web.evaluate import as_told_to, check_body, is_for_apps
from rollout.web.ofrep import (
    WrittenItems,
    after_items,
    bulk_body,
    etag_of,
    evaluation_body,
    evaluation_status,
    event_streams,
)
from rollout.web.responses import HEADERS, JsonResponse

LIMIT = 4 * 1024 * 1024
"""Bytes that are kept of each of the three kinds of answers."""

OVERHEAD = 1000  # bytes that an answer takes besides its body, which is there twice, about
MOST_MARKS = 16_384  # of pages that were written once

Headers = list[tuple[str, str]]
Trailing = tuple[tuple[str, str], ...]
What = TypeVar("What")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a WSGI server is given; and the same as bytes, in two parts, between which the date belongs."""

    status: int
    line: str
    headers: Headers
    body: bytes
    start: bytes
    rest: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """All flags' answers."""

    etag: str
    whole: Prepared
    trailing: Trailing

    @property
    def unchanged(self) -> Prepared:
        """What those are told who have it already."""
        return prepare(b"", 304, _quoted(self.etag), self.trailing)


class Kept(Generic[What]):
    """Up to so many bytes; when there are more, all are forgotten: what is asked for often is soon back."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.found: dict[Hashable, What] = {}
        self._limit = limit
        self._size = 0

    def keep(self, key: Hashable, what: What, size: int) -> What:
        if self._size + 2 * size > self._limit:
            self.found.clear()
            self._size = 0
        self.found[key] = what
        self._size += 2 * size + OVERHEAD
        return what


class PreparedAnswers:
    """For callers of one kind, such as all apps: `caller` is one of them. `stream`: the public address of the stream of
    changes, if there is one. `items`: those of such callers. `trailing`: headers that all answers have besides."""

    def __init__(
        self,
        snapshot: Snapshot,
        stale: bool,
        stream: str | None,
        *,
        caller: Caller,
        items: WrittenItems,
        trailing: Trailing = (),
    ) -> None:
        self.snapshot = snapshot
        self.stale = stale
        self.stream = stream
        self.hidden = frozenset(
            key for key in snapshot.evaluator.flags if caller.is_app and not is_for_apps(key, snapshot)
        )
        self.visible = tuple(key not in self.hidden for key in snapshot.evaluator.flags)
        self._caller = caller
        self._trailing = trailing
        self._checks: Kept[Prepared] = Kept()
        self._evaluations: Kept[Prepared] = Kept()
        self._pages: Kept[Page] = Kept()
        self._written_once: set[int] = set()
        self._rest: tuple[str | None, bytes] | None = None
        self._items = items

    def check(self, answer: Answer) -> Prepared:
        """The answer to `GET /v1/flags/{key}`."""
        found = self._checks.found.get(answer)
        if found is not None:
            return found
        body = check_body(as_told_to(self._caller, answer), self.snapshot.revision, self.stale)
        return self._checks.keep(answer, self._prepare(body), len(body))

    def evaluation(self, answer: Answer) -> Prepared:
        """The answer to `POST /ofrep/v1/evaluate/flags/{key}`."""
        found = self._evaluations.found.get(answer)
        if found is not None:
            return found
        body = evaluation_body(as_told_to(self._caller, answer), self.snapshot.revision, self.stale)
        return self._evaluations.keep(answer, self._prepare(body, evaluation_status(answer)), len(body))

    def page(self, answers: tuple[Answer, ...], ticket: str | None = None) -> Page:
        """The answer to `POST /ofrep/v1/evaluate/flags`. Those whom shares do not part get the same page, with
        `ticket`, which opens the stream, where they need one."""
        found = self._pages.found.get((answers, ticket))
        if found is not None:
            return found
        body = bulk_body(self._items.of(answers), self._after_items(ticket))
        etag = etag_of(body)
        page = Page(etag, self._prepare(body, more=_quoted(etag)), self._trailing)
        if self._comes_again(answers):
            self._pages.keep((answers, ticket), page, len(body) + OVERHEAD + 8 * len(answers))
        return page

    def _after_items(self, ticket: str | None) -> bytes:
        if self._rest is None or self._rest[0] != ticket:
            streams = event_streams(self.stream, ticket)
            self._rest = ticket, after_items(self.snapshot.revision, self.stale, streams)
        return self._rest[1]

    def _comes_again(self, answers: tuple[Answer, ...]) -> bool:
        """Where many shares part people, nearly each has a page of its own: keeping those costs more than writing them,
        since every one of them goes through the processor's caches once more."""
        mark = hash(answers)
        if mark in self._written_once:
            return True
        if len(self._written_once) >= MOST_MARKS:
            self._written_once.clear()
        self._written_once.add(mark)
        return False

    def _prepare(self, body: bytes, status: int = 200, more: Trailing = ()) -> Prepared:
        return prepare(body, status, more, self._trailing)


def prepare(body: bytes, status: int = 200, more: Trailing = (), trailing: Trailing = ()) -> Prepared:
    """With the headers that Flask gives it, in their order."""
    headers: Headers = [] if status == 304 else [_CONTENT_TYPE, ("Content-Length", str(len(body)))]
    headers += more
    headers += HEADERS
    headers += trailing
    line = _line(status)
    start = f"HTTP/1.1 {line}\r\nDate: "
    rest = "\r\n" + "".join([f"{name}: {value}\r\n" for name, value in headers]) + "\r\n"
    return Prepared(status, line, headers, body, start.encode("latin-1"), rest.encode("latin-1") + body)


_CONTENT_TYPE = ("Content-Type", JsonResponse.default_mimetype)


@cache
def _line(status: int) -> str:
    phrase = "OK" if status == 200 else HTTPStatus(status).phrase.upper()
    return f"{status} {phrase}"


def _quoted(etag: str) -> Trailing:
    return (("ETag", f'"{etag}"'),)
