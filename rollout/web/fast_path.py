"""The calls that apps make a million times a minute, answered without Flask: one flag and all flags, asked for as
nearly everybody does. It reads, decides, writes and counts with the functions that the Flask views use, and hands
everything else, and whatever is unusual or wrong, to Flask untouched. tests/web/test_web_fast_path.py holds both to
the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

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


class FastPath:
    """A WSGI application in front of another, for the one thread that answers requests. `checker` and `gate` are those
    of the views. `origins`: web pages of these may ask, and are answered by Flask."""

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
        self._gate = gate
        self._stream = stream
        self._origins = bool(origins)
        self._trailing = (("Vary", "Origin"),) if origins else ()
        self._prepared: dict[bool, PreparedAnswers] = {}
        self._readers: dict[bool, UsualReader] = {}
        self._items: dict[bool, WrittenItems] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        prepared = self._answer(environ) if self._is_usual(environ) else None
        if prepared is None:
            return self._application(environ, start_response)
        start_response(prepared.line, prepared.headers)
        return [prepared.body]

    def _is_usual(self, environ: WSGIEnvironment) -> bool:
        if not environ["PATH_INFO"].startswith((CHECK, EVALUATE_ALL)):
            return False
        if not is_plain_host(environ.get("HTTP_HOST", "")) or environ.get("SCRIPT_NAME"):
            return False
        if "HTTP_UPGRADE" in environ or "HTTP_TRANSFER_ENCODING" in environ or "HTTP_ROLLOUT_CONTEXT" in environ:
            return False
        return not (self._origins and "HTTP_ORIGIN" in environ)

    def _answer(self, environ: WSGIEnvironment) -> Prepared | None:
        """None where Flask shall answer, and say what is wrong where something is. It lets the caller in again, so
        what was taken of the key's rate is given back."""
        path, token = (
            environ["PATH_INFO"],
            token_in(environ.get("HTTP_AUTHORIZATION", ""), environ.get("HTTP_X_API_KEY")),
        )
        try:
            self._refuse_keys_in(path, environ.get("QUERY_STRING", ""))
            caller = self._gate.caller(token)
        except RolloutError:
            return None
        try:
            caller.check(Permission.EVALUATE)
            prepared = self._answer_to(caller, path, environ)
        except (RolloutError, Unusual, ValueError, RecursionError):
            prepared = None
        if prepared is None:
            self._gate.give_back(token)
        return prepared

    def _refuse_keys_in(self, path: str, query: str) -> None:
        if "rk_" in path or "rk_" in query or "%" in query:
            self._gate.refuse_url(path, query.encode(errors="surrogatepass"))

    def _answer_to(self, caller: Caller, path: str, environ: WSGIEnvironment) -> Prepared | None:
        method = environ["REQUEST_METHOD"]
        if method == "GET" and path.startswith(CHECK):
            return self._check(caller, path[len(CHECK) :], environ)
        if method != "POST" or not path.startswith(EVALUATE_ALL) or environ.get("QUERY_STRING"):
            return None
        if path == EVALUATE_ALL:
            return self._evaluate_all(caller, environ)
        return self._evaluate(caller, path[len(EVALUATE) :], environ) if path.startswith(EVALUATE) else None

    def _check(self, caller: Caller, key: str, environ: WSGIEnvironment) -> Prepared | None:
        prepared = self._in_force(caller)
        flag = prepared.snapshot.evaluator.flags.get(key)
        if flag is None or key in prepared.hidden or environ.get("CONTENT_LENGTH"):
            return None
        context, ignored = self._readers[caller.is_app].query(environ.get("QUERY_STRING", ""))
        answer = flag(context)
        self._counters.checked(answer)
        self._served((answer,), context.get(TARGETING_ATTRIBUTE))
        return self._counted("check", prepared.check(answer), ignored)

    def _evaluate(self, caller: Caller, key: str, environ: WSGIEnvironment) -> Prepared | None:
        prepared = self._in_force(caller)
        flag = prepared.snapshot.evaluator.flags.get(key)
        if flag is None or key in prepared.hidden:
            return None
        context, ignored = self._readers[caller.is_app].body(body_of(environ))
        answer = flag(context)
        self._counters.checked(answer)
        self._served((answer,), context.get(TARGETING_ATTRIBUTE))
        return self._counted("evaluate_one", prepared.evaluation(answer), ignored)

    def _evaluate_all(self, caller: Caller, environ: WSGIEnvironment) -> Prepared | None:
        prepared = self._in_force(caller)
        if prepared.stale and not prepared.snapshot.revision:
            return None  # there is nothing to answer from
        context, ignored = self._readers[caller.is_app].body(body_of(environ))
        answers = prepared.snapshot.evaluator.all(context)
        if prepared.hidden:
            answers = tuple(answer for answer in answers if answer.flag not in prepared.hidden)
        page = prepared.page(answers, self._gate.ticket(caller) if prepared.stream else None)
        chosen = chosen_of(page, environ.get("HTTP_IF_NONE_MATCH"))
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


@lru_cache(maxsize=256)
def is_plain_host(host: str) -> bool:
    """Of names that cannot be, Flask says that the request is bad."""
    return PLAIN_HOST.fullmatch(host) is not None


def body_of(environ: WSGIEnvironment) -> bytes:
    """A small JSON body, which Flask can still read afterwards. Raises Unusual, with as good a body, for any other."""
    announced = environ.get("CONTENT_LENGTH", "")
    if environ.get("CONTENT_TYPE") not in JSON_TYPES or not LENGTH.fullmatch(announced) or int(announced) > SMALL_BODY:
        raise Unusual
    size, stream = int(announced), environ["wsgi.input"]
    body: bytes = stream.read(size)
    while len(body) < size and (more := stream.read(size - len(body))):
        body += more
    environ["wsgi.input"] = BytesIO(body)
    if len(body) < size:
        raise Unusual
    return body


def chosen_of(page: Page, known: str | None) -> Prepared:
    """The page, or that it is the same as the one that the caller knows. Raises Unusual for several etags, and those of
    others."""
    if known is None:
        return page.whole
    found = ONE_ETAG.fullmatch(known)
    if found is None:
        raise Unusual
    return page.unchanged if found[1] == page.etag else page.whole
