"""The calls that apps make a million times a minute, answered without Flask: one flag and all flags, asked for as
nearly everybody does. It reads, decides, writes and counts with the functions that the Flask views use, and hands
everything else, and whatever is unusual or wrong, to Flask untouched. tests/web/test_web_fast_path.py holds both to
the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import compress
from typing import TYPE_CHECKING, Any

from rollout.core.errors import RolloutError
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.keys import Permission
from rollout.service.gate import Caller, Gate, token_in
from rollout.service.snapshot import Snapshot
from rollout.web.evaluate import Checker
from rollout.web.ofrep import WrittenItems
from rollout.web.prepared import Page, Prepared, PreparedAnswers
from rollout.web.reading import SMALL_BODY
from rollout.web.usual import Unusual, UsualReader

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHECK = "/v1/flags/"
EVALUATE_ALL = "/ofrep/v1/evaluate/flags"
EVALUATE = EVALUATE_ALL + "/"
USUAL_PATHS = (CHECK, EVALUATE_ALL)
UNUSUAL_HEADERS = frozenset({"HTTP_UPGRADE", "HTTP_TRANSFER_ENCODING", "HTTP_ROLLOUT_CONTEXT"})

JSON_TYPES = frozenset(
    {
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
    }
)
ONE_ETAG = re.compile(r'(?:W/)?"([0-9A-Za-z]*)"')
PLAIN_HOST = re.compile(
    r"(?:(?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}|\[[0-9a-f:]{2,45}\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)
LENGTH = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sender:
    """What a request's headers say: the key, whether the body is JSON, how long it is, the page that is known."""

    token: str | None
    is_json: bool
    length: str
    known: str | None


class FastPath:
    """For one thread that answers requests: by `answer`, or as a WSGI application in front of another. `checker` and
    `gate` are those of the views. `origins`: web pages of these may ask, and are answered by Flask."""

    def __init__(
        self,
        application: WSGIApplication,
        checker: Checker,
        gate: Gate,
        stream: Callable[[], str | None],
        origins: Collection[str] = (),
    ) -> None:
        self._application = application
        self._follower = checker.follower
        self._counters = checker.counters
        self._served = checker.served
        self._served_one = checker.served_one
        self._gate = gate
        self._stream = stream
        self._origins = bool(origins)
        self._trailing = (("Vary", "Origin"),) if origins else ()
        self._prepared: dict[bool, PreparedAnswers] = {}
        self._readers: dict[bool, UsualReader] = {}
        self._items: dict[bool, WrittenItems] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        prepared = self._answer_to(environ)
        if prepared is None:
            return self._application(environ, start_response)
        start_response(prepared.line, prepared.headers)
        return [prepared.body]

    def sender(self, headers: Mapping[str, Any]) -> Sender | None:
        """What usual headers, as WSGI names them, say of who asks and how; None of others."""
        if not PLAIN_HOST.fullmatch(headers.get("HTTP_HOST", "")) or not UNUSUAL_HEADERS.isdisjoint(headers):
            return None
        if self._origins and "HTTP_ORIGIN" in headers:
            return None
        token = token_in(headers.get("HTTP_AUTHORIZATION", ""), headers.get("HTTP_X_API_KEY"))
        is_json = headers.get("CONTENT_TYPE") in JSON_TYPES
        return Sender(token, is_json, headers.get("CONTENT_LENGTH", ""), headers.get("HTTP_IF_NONE_MATCH"))

    def answer(self, method: str, path: str, query: str, sender: Sender, body: bytes) -> Prepared | None:
        """None where Flask shall answer, and say what is wrong where something is. It lets the caller in again, so
        what was taken of the key's rate is given back."""
        if not path.startswith(USUAL_PATHS):
            return None
        gate, token = self._gate, sender.token
        try:
            if "%" in query or "rk_" in query or "rk_" in path:
                gate.refuse_url(path, query.encode(errors="surrogatepass"))
            caller = gate.caller(token)
        except RolloutError:
            return None
        try:
            if Permission.EVALUATE not in caller.permissions:
                raise Unusual
            prepared = None
            if method == "GET":
                prepared = self._check(caller, path, query, sender)
            elif method == "POST" and sender.is_json and not query:
                prepared = self._evaluation(caller, path, body, sender.known)
        except (RolloutError, Unusual, ValueError, RecursionError):
            prepared = None
        if prepared is None:
            gate.give_back(token)
        return prepared

    def _answer_to(self, environ: WSGIEnvironment) -> Prepared | None:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if not path.startswith(USUAL_PATHS) or environ.get("SCRIPT_NAME"):
            return None
        sender = self.sender(environ)
        if sender is None or (body := body_of(environ, sender) if method == "POST" else b"") is None:
            return None
        return self.answer(method, path, environ.get("QUERY_STRING", ""), sender, body)

    def _evaluation(self, caller: Caller, path: str, body: bytes, known: str | None) -> Prepared | None:
        if path == EVALUATE_ALL:
            return self._evaluate_all(caller, body, known)
        return self._evaluate(caller, path[len(EVALUATE) :], body) if path.startswith(EVALUATE) else None

    def _check(self, caller: Caller, path: str, query: str, sender: Sender) -> Prepared | None:
        if sender.length or not path.startswith(CHECK):
            return None
        prepared, key = self._in_force(caller), path[len(CHECK) :]
        flag = prepared.snapshot.evaluator.flags.get(key)
        if flag is None or key in prepared.hidden:
            return None
        context, ignored = self._readers[caller.is_app].query(query)
        answer = flag(context)
        self._counters.checked(answer)
        self._served_one(answer, context.get(TARGETING_ATTRIBUTE))
        return self._counted("check", prepared.check(answer), ignored)

    def _evaluate(self, caller: Caller, key: str, body: bytes) -> Prepared | None:
        prepared = self._in_force(caller)
        flag = prepared.snapshot.evaluator.flags.get(key)
        if flag is None or key in prepared.hidden:
            return None
        context, ignored = self._readers[caller.is_app].body(body)
        answer = flag(context)
        self._counters.checked(answer)
        self._served_one(answer, context.get(TARGETING_ATTRIBUTE))
        return self._counted("evaluate_one", prepared.evaluation(answer), ignored)

    def _evaluate_all(self, caller: Caller, body: bytes, known: str | None) -> Prepared | None:
        prepared = self._in_force(caller)
        if prepared.stale and not prepared.snapshot.revision:
            return None  # there is nothing to answer from
        context, ignored = self._readers[caller.is_app].body(body)
        answers = prepared.snapshot.evaluator.all(context)
        if prepared.hidden:
            answers = tuple(compress(answers, prepared.visible))
        page = prepared.page(answers, self._gate.ticket(caller) if prepared.stream else None)
        chosen = chosen_of(page, known)
        self._counters.all_checked(answers)
        self._served(answers, context.get(TARGETING_ATTRIBUTE))
        return self._counted("evaluate_all", chosen, ignored)

    def _in_force(self, caller: Caller) -> PreparedAnswers:
        """What is prepared for such callers and the snapshot that this worker holds now."""
        snapshot, stale, stream = self._follower.current, self._follower.stale, self._stream()
        prepared = self._prepared.get(caller.is_app)
        if (
            prepared is None
            or prepared.snapshot is not snapshot
            or prepared.stale != stale
            or prepared.stream != stream
        ):
            items = self._items.setdefault(caller.is_app, WrittenItems(caller))
            prepared = PreparedAnswers(snapshot, stale, stream, caller=caller, items=items, trailing=self._trailing)
            self._prepared[caller.is_app] = prepared
            self._read_as_declared(caller, snapshot)
        return prepared

    def _read_as_declared(self, caller: Caller, snapshot: Snapshot) -> None:
        attributes, reader = snapshot.evaluator.ruleset.attributes, self._readers.get(caller.is_app)
        if reader is None or reader.attributes is not attributes:
            self._readers[caller.is_app] = UsualReader(attributes, believed=not caller.is_app)

    def _counted(self, call: str, prepared: Prepared, ignored: int) -> Prepared:
        """Counted as the view of this name is, once nothing can go wrong any more."""
        if ignored:
            self._counters.attributes_ignored(ignored)
        self._counters.responded(call, prepared.status)
        return prepared


def body_of(environ: WSGIEnvironment, sender: Sender) -> bytes | None:
    """A small JSON body, which Flask can still read afterwards; None, with as good a body, of any other."""
    if not sender.is_json or not LENGTH.fullmatch(sender.length) or int(sender.length) > SMALL_BODY:
        return None
    size, stream = int(sender.length), environ["wsgi.input"]
    body: bytes = stream.read(size)
    while len(body) < size and (more := stream.read(size - len(body))):
        body += more
    besides = stream.read(SMALL_BODY) if environ.get("wsgi.input_terminated") else b""
    environ["wsgi.input"] = BytesIO(body + besides)
    return body if len(body) == size and not besides else None


def chosen_of(page: Page, known: str | None) -> Prepared:
    """The page, or that it is the same as the one that the caller knows. Raises Unusual for several etags, and those of
    others."""
    if known is None:
        return page.whole
    found = ONE_ETAG.fullmatch(known)
    if found is None:
        raise Unusual
    return page.unchanged if found[1] == page.etag else page.whole
