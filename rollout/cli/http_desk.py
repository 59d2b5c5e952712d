"""The operator's desk over HTTP: each method is one call, and an error that the service reports is raised again as the
class of `core.errors` that it was there. A reply that was lost on the way is asked for again with the same request id,
so nothing is done twice; without any reply in time, whether it was done is not known, and said so.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from rollout.cli.exits import TimedOut, Unreachable
from rollout.cli.identity import TOOL
from rollout.cli.large_files import IN_ONE_REQUEST, NotThere, Sender, encoded
from rollout.core.audit import Actor
from rollout.core.errors import (
    InvalidFile,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotYet,
    Problem,
    RefusedByRule,
    RevisionConflict,
    RolloutError,
    StoreUnavailable,
    TooManyRequests,
    UnknownChange,
    UnknownFlag,
    UnknownKey,
)
from rollout.service.answers import Answer
from rollout.service.desk import Document
from rollout.service.operations import Request

ATTEMPTS = 3
JSON = "application/json"
PAUSE = 0.3  # seconds between attempts: by then a worker that crashed has been replaced

_WAYS_ROUND = "--timeout waits longer, --url redis://… goes straight to the store"

_CLASSES = (
    InvalidInput,
    UnknownFlag,
    UnknownKey,
    UnknownChange,
    NotAllowed,
    NotAuthenticated,
    TooManyRequests,
    RevisionConflict,
    RefusedByRule,
    StoreUnavailable,
    NotYet,
    NotThere,
)
_BY_CODE = {kind.code: kind for kind in _CLASSES}
_BY_STATUS = {
    400: InvalidInput,
    401: NotAuthenticated,
    403: NotAllowed,
    409: RevisionConflict,
    413: InvalidInput,
    429: TooManyRequests,
    503: StoreUnavailable,
    504: TimedOut,
}
"""For codes that this version does not know."""


class _ReplyLost(Exception):
    """The service took the connection, and broke it before it had answered."""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    content: bytes


class HttpDesk:
    """The desk of the service at `url` (http:// or https://, with or without a path before /v1). `timeout`: seconds for
    one question, with all attempts. `key`: the caller's, sent in a header."""

    def __init__(self, url: str, timeout: float, key: str | None = None) -> None:
        self._address = _address(url)
        self._timeout = timeout
        self._authorisation = {"Authorization": f"Bearer {key}"} if key else {}

    def set(
        self, flag: str, share: str, request: Request, *, audience: str | None = None, beyond_plan: bool = False
    ) -> Answer:
        return self._change("set", flag, request, share=share, audience=audience, beyond_plan=beyond_plan)

    def kill(self, flag: str, request: Request) -> Answer:
        return self._change("kill", flag, request)

    def revive(self, flag: str, request: Request) -> Answer:
        return self._change("revive", flag, request)

    def advance(self, flag: str, request: Request, *, to: str | None = None) -> Answer:
        return self._change("advance", flag, request, to=to)

    def halt(self, flag: str, request: Request) -> Answer:
        return self._change("halt", flag, request)

    def resume(self, flag: str, request: Request, *, value: str | None = None) -> Answer:
        return self._change("resume", flag, request, value=value)

    def rollback(self, flag: str, request: Request, *, to: str | None = None) -> Answer:
        return self._change("rollback", flag, request, to=to)

    def simulate(self, flag: str, verdicts: Mapping[str, str]) -> Document:
        pairs = [("verdict", f"{stage}:{word}") for stage, word in verdicts.items()]
        return self._ask("GET", f"/v1/simulate/{quote(flag, safe='')}" + (f"?{urlencode(pairs)}" if pairs else ""))

    def plan(self, files: Mapping[str, str], *, prune: bool = False) -> Answer:
        return self._send("plan", {"files": dict(files), "prune": prune})

    def apply(self, files: Mapping[str, str], request: Request, *, prune: bool = False) -> Answer:
        return self._send("apply", {**_circumstances(request), "files": dict(files), "prune": prune})

    def report(self, outcomes: Sequence[Document]) -> Document:
        return self._ask("POST", "/v1/outcomes", {"outcomes": list(outcomes)})

    def status(self, *, at: str | None = None) -> Document:
        return self._look("/v1/status" + _query({"at": at}))

    def flag_status(self, flag: str, *, at: str | None = None) -> Document:
        return self._look(f"/v1/status/{quote(flag, safe='')}" + _query({"at": at}))

    def explain(
        self, flag: str, context: Mapping[str, object], *, at: str | None = None, words: str | None = None
    ) -> Document:
        asked = {"at": at, "words": words}
        given = {f"attribute.{name}" if name in asked else name: value for name, value in context.items()}
        return self._look(f"/v1/explain/{quote(flag, safe='')}{_query(given | asked)}")

    def diff(self, since: str, until: str, *, reader: Actor | None = None) -> Document:  # noqa: ARG002
        return self._look("/v1/diff" + _query({"since": since, "until": until}))

    def audit(
        self,
        *,
        flag: str | None = None,
        limit: int = 100,
        before: int | None = None,
        reader: Actor | None = None,  # noqa: ARG002  # the service knows who asks it
    ) -> Document:
        return self._ask("GET", "/v1/audit" + _query({"flag": flag, "limit": limit, "before": before}))

    def note_export(self, about: Document, request: Request) -> None:
        circumstances = {"reason": request.reason, "actor": request.actor.id}
        self._ask("POST", "/v1/audit/exports", {**about, **circumstances})

    def notes(
        self,
        *,
        limit: int = 100,
        before: str | None = None,
        reader: Actor | None = None,  # noqa: ARG002
    ) -> Document:
        return self._ask("GET", "/v1/audit/notes" + _query({"limit": limit, "before": before}))

    def doctor(self) -> Document:
        return self._ask("GET", "/v1/doctor")

    def pending(self) -> Document:
        return self._ask("GET", "/v1/pending")

    def approve(self, change: str, request: Request) -> Answer:
        return self._ask("POST", f"/v1/pending/{quote(change, safe='')}/approve", _circumstances(request))

    def reject(self, change: str, request: Request) -> Answer:
        return self._ask("POST", f"/v1/pending/{quote(change, safe='')}/reject", _circumstances(request))

    def list_keys(self) -> Document:
        return self._ask("GET", "/v1/keys")

    def create_key(
        self, role: str, name: str, request: Request, *, expires: str | None = None, rate: int | None = None
    ) -> Answer:
        particulars = {"role": role, "name": name, "expires": expires, "rate": rate}
        return self._ask("POST", "/v1/keys", _circumstances(request) | particulars)

    def rotate_key(
        self, key: str, request: Request, *, overlap: str | None = None, expires: str | None = None
    ) -> Answer:
        body = _circumstances(request) | {"overlap": overlap, "expires": expires}
        return self._ask("POST", f"/v1/keys/{quote(key, safe='')}/rotate", body)

    def revoke_key(self, key: str, request: Request) -> Answer:
        return self._ask("POST", f"/v1/keys/{quote(key, safe='')}/revoke", _circumstances(request))

    def file(self, *, revision: int | None = None) -> Document:
        return self._ask("GET", "/v1/file" + _query({"revision": revision}))

    def loads(self, *, before: int | None = None) -> Document:
        return self._ask("GET", "/v1/loads" + _query({"before": before}))

    def definitions(self) -> Document:
        return self._ask("GET", "/v1/definitions")

    def _change(self, verb: str, flag: str, request: Request, **particulars: object) -> Answer:
        body = _circumstances(request) | {name: value for name, value in particulars.items() if value is not None}
        return self._ask("POST", f"/v1/flags/{quote(flag, safe='')}/{verb}", body)

    def _send(self, action: str, body: Mapping[str, Any]) -> Answer:
        content = encoded(body)
        if len(content) <= IN_ONE_REQUEST:
            return self._question("POST", f"/v1/{action}", content)
        document = Sender(self._question, self._timeout).send(action, content)
        if document["error"] is not None:
            raise self._error(_Reply(document["status"], b""), {"error": document["error"]})
        answer: Answer = document["answer"]
        return answer

    def _look(self, path: str) -> Document:
        """Asks again while the service needs more time for the past than one answer may take: it goes on from there."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                return self._ask("GET", path)
            except NotYet:
                if time.monotonic() + PAUSE > deadline:
                    raise
            time.sleep(PAUSE)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Document:
        return self._question(method, path, None if body is None else json.dumps(body).encode())

    def _question(self, method: str, path: str, content: bytes | None = None, content_type: str = JSON) -> Document:
        reply = self._reply(method, path, content, content_type)
        document = _read(reply.content)
        if reply.status in (200, 202) and document is not None:
            return document
        raise self._error(reply, document or {})

    def _reply(self, method: str, path: str, content: bytes | None, content_type: str) -> _Reply:
        deadline = time.monotonic() + self._timeout
        lost = False
        for left in _attempts(deadline):
            try:
                return self._attempt(method, path, content, content_type, left)
            except _ReplyLost:
                lost = True
            except Unreachable:
                if not lost:  # what was asked before may have been done, so "nobody is there" is not the whole truth
                    raise
            time.sleep(PAUSE)
        raise TimedOut(
            f"{self._address} breaks the connection before it answers",
            "whether it was done is not known: see `rollout audit`, and the service's log",
        )

    def _attempt(self, method: str, path: str, content: bytes | None, content_type: str, timeout: float) -> _Reply:
        headers = {"Accept": "application/json", "User-Agent": TOOL, **self._authorisation}
        if content is not None:
            headers["Content-Type"] = content_type
        with closing(self._address.connection(timeout)) as connection:
            self._connect(connection)
            try:
                with suppress(BrokenPipeError, ConnectionResetError):  # it answered before it had read everything
                    connection.request(method, self._address.prefix + path, content, headers)
                response = connection.getresponse()
                return _Reply(response.status, response.read())
            except TimeoutError:
                raise self._too_late() from None
            except (http.client.HTTPException, OSError) as error:
                raise _ReplyLost from error

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except TimeoutError:
            raise TimedOut(f"no connection to {self._address} within {self._timeout:g} s", _WAYS_ROUND) from None
        except OSError as error:
            raise Unreachable(
                f"no service answers at {self._address}: {error.strerror or error}",
                "is it running? `make serve` starts it; --url redis://… goes straight to the store",
            ) from None

    def _too_late(self) -> TimedOut:
        return TimedOut(
            f"{self._address} did not answer within {self._timeout:g} s",
            f"whether a change was done is not known: see `rollout audit`; {_WAYS_ROUND}",
        )

    def _error(self, reply: _Reply, document: Document) -> RolloutError:
        said = document.get("error")
        if not isinstance(said, dict) or "message" not in said:
            kind = _BY_STATUS.get(reply.status, RolloutError)
            return kind(f"{self._address} answered {reply.status}", "is this the address of a rollout service?")
        if said.get("code") == InvalidFile.code and said.get("problems"):
            return InvalidFile(tuple(_problem(problem) for problem in said["problems"]))
        kind = _BY_CODE.get(said.get("code", "")) or _BY_STATUS.get(reply.status, RolloutError)
        return kind(str(said["message"]), said.get("hint"))


@dataclass(frozen=True, slots=True)
class _Address:
    secure: bool
    host: str
    port: int
    prefix: str

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=timeout)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.prefix}"


def _address(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        secure, host, port = parts.scheme == "https", parts.hostname, parts.port
    except ValueError:
        host, port, secure = None, None, False
    if not host or not host.isascii():
        raise InvalidInput("the address of the service cannot be read", "write http://127.0.0.1:8080")
    return _Address(secure, host, port or (443 if secure else 80), quote(parts.path.rstrip("/"), safe="/%"))


def _attempts(deadline: float) -> Iterator[float]:
    """For each attempt, the seconds that are left for it."""
    for number in range(ATTEMPTS):
        left = deadline - time.monotonic()
        if number and left <= 0:
            return
        yield left


def _circumstances(request: Request) -> dict[str, Any]:
    return {
        "reason": request.reason,
        **({"ticket": request.ticket} if request.ticket else {}),
        "revision": request.seen_revision,
        "request_id": request.request_id,
        "dry_run": request.dry_run,
        **({"break_glass": True} if request.break_glass else {}),
        "actor": request.actor.id,
    }


def _query(parameters: Mapping[str, object]) -> str:
    given = {name: value for name, value in parameters.items() if value is not None}
    return "?" + urlencode(given) if given else ""


def _read(content: bytes) -> Document | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _problem(document: Mapping[str, Any]) -> Problem:
    return Problem(
        file=document["file"],
        line=document["line"],
        column=document["column"],
        message=document["message"],
        hint=document.get("hint"),
        source=document.get("source", ""),
        severity=document.get("severity", "error"),
    )
