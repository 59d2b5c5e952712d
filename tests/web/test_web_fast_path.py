"""What answers in front of Flask is held to Flask: status, headers, body and counters, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from webkit import FLAGS, Site
from werkzeug.test import run_wsgi_app

from rollout.core.audit import Actor
from rollout.core.keys import Keys
from rollout.service.gate import Gate
from rollout.service.operations import Request
from rollout.telemetry import Counters
from rollout.web.app import create_app
from rollout.web.prepared import Kept, Prepared
from tests.core.promises import promise

ONE, ALL = "/ofrep/v1/evaluate/flags/", "/ofrep/v1/evaluate/flags"
JSON = "application/json"
Environ = dict[str, Any]


class Pair:
    """Two applications around the same flags: one answers in front of Flask where it can, the other never does."""

    def __init__(self, text: str = FLAGS, origins: frozenset[str] = frozenset()) -> None:
        self.site = Site.with_flags(text)
        self.counters = (Counters(), Counters())
        self.now = 1_800_000_000.0
        self.people: list[list[tuple[list[str], object]]] = [[], []]  # whom each served what
        fast, flask = (
            replace(
                self.site.parts,
                counters=counters,
                gate=self._gate(),
                origins=origins,
                served=lambda answers, who, people=people: people.append(([one.flag for one in answers], who)),
                served_one=lambda answer, who, people=people: people.append(([answer.flag], who)),
            )
            for counters, people in zip(self.counters, self.people, strict=True)
        )
        self.gates = fast.gate, flask.gate
        self.fast, self.flask = create_app(fast), create_app(replace(flask, fast=False))
        self.reached_flask = 0
        front: Any = self.fast.wsgi_app
        front._application = self._counting(front._application)

    def ask(self, environ: Environ, times: int = 1) -> tuple[str, list[tuple[str, str]], bytes]:
        """The answer, which is the same from both."""
        fast = answer(self.fast.wsgi_app, environ)
        assert fast == answer(self.flask.wsgi_app, environ)
        return fast

    def is_fast(self, environ: Environ) -> bool:
        """Whether it is answered without Flask; and the same, anyway."""
        before = self.reached_flask
        self.ask(environ)
        return self.reached_flask == before

    def make_keys(self) -> dict[str, str]:
        """One for each role, and some that do not work, or not often."""
        made = self.site.make_keys()
        desk, asked = self.site.parts.desk, Request(Actor("test"))
        for name, rate in (("seldom", 1), ("revoked", None)):
            made[name] = desk.create_key("client", name, replace(asked, request_id=name), rate=rate)["secret"]
        desk.revoke_key(made["revoked"].split("_")[2], replace(asked, request_id="end"))
        self.site.follow()
        return made

    def _gate(self) -> Gate:
        def keys() -> Keys:
            return self.site.follower.current.state.keys

        return Gate(keys, open_without_keys=True, clock=lambda: self.now, elapsed=lambda: self.now)

    def counted(self) -> str:
        """What both have counted, of answers and of people, and which keys they will not take any more."""
        assert self.people[0] == self.people[1]
        assert self.gates[0].leaked() == self.gates[1].leaked()
        fast, flask = (counters.scrape()[0].decode() for counters in self.counters)
        assert sorted(fast.splitlines()) == sorted(flask.splitlines())
        return fast

    def _counting(self, application: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any) -> Any:
            self.reached_flask += 1
            return application(*arguments)

        return counting


def answer(application: Any, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
    given = {**environ, "wsgi.input": BytesIO(environ["wsgi.input"])}
    body, status, headers = run_wsgi_app(application, given, buffered=True)
    return status, list(headers), b"".join(body)


def request(method: str, path: str, query: str = "", body: bytes = b"", **more: str) -> Environ:
    length = {"CONTENT_LENGTH": str(len(body))} if body else {}
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8080",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.input_terminated": True,  # as granian says
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **length,
        **more,
    }


def evaluate(path: str, context: object, **more: str) -> Environ:
    body = json.dumps({"context": context}).encode()
    return request("POST", path, body=body, **{"CONTENT_TYPE": JSON, **more})


def test_usual_checks_are_answered_without_flask() -> None:
    pair = Pair()
    for query in ("", "user_id=u-1&country=IN&app_version=3.0.0", "user_id=a%40b.org&age=12", "utm=1&x=2", "user_id=+"):
        for key in pair.site.follower.current.evaluator.flags:
            assert pair.is_fast(request("GET", f"/v1/flags/{key}", query)), (key, query)
    for context in ({}, {"targetingKey": "u-1"}, {"user_id": "a:b", "age": 1.5, "beta": True, "country": None}):
        assert pair.is_fast(evaluate(ONE + "payments", context))
        assert pair.is_fast(evaluate(ONE + "per-account", context))
        assert pair.is_fast(evaluate(ALL, context))
    pair.counted()


def test_whatever_is_unusual_is_left_to_flask() -> None:
    pair = Pair()
    check = request("GET", "/v1/flags/payments", "user_id=u-1")
    for unusual in (
        check | {"REQUEST_METHOD": "HEAD"},
        check | {"REQUEST_METHOD": "OPTIONS"},
        check | {"SCRIPT_NAME": "/inner"},
        check | {"HTTP_TRANSFER_ENCODING": "chunked"},
        check | {"HTTP_HOST": "x" * 64},
        check | {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "upgrade"},
        check | {"QUERY_STRING": "user_id=u-1&user_id=u-2"},
        check | {"QUERY_STRING": "utm=1&utm=2"},
        check | {"QUERY_STRING": "&".join(f"a{n}=" for n in range(101))},
        check | {"QUERY_STRING": "beta=perhaps"},
        check | {"QUERY_STRING": "user_id=%ff"},
        check | {"PATH_INFO": "/v1/flags/nope"},
        check | {"PATH_INFO": "/v1/flags/payments/"},
        evaluate(ALL, {}, CONTENT_TYPE="text/plain"),
        evaluate(ALL, {}, CONTENT_LENGTH="70000"),
        evaluate(ALL, {}, CONTENT_LENGTH="400"),
        evaluate(ALL, {}, HTTP_IF_NONE_MATCH='"a", "b"'),
        evaluate(ALL, {}, HTTP_IF_NONE_MATCH="*"),
        evaluate(ALL, {}, QUERY_STRING="flagConfigEtag=r1"),
        evaluate(ONE + "nope", {}),
        evaluate(ALL, []),
        request("POST", ALL, body=b'{"context": {"country": "IN", "country": "GB"}}', CONTENT_TYPE=JSON),
        request("POST", ALL, body=b"{", CONTENT_TYPE=JSON),
        request("POST", ALL, CONTENT_TYPE=JSON),
    ):
        assert not pair.is_fast(unusual), unusual
    pair.counted()


def test_whoever_has_the_page_is_told_so() -> None:
    pair = Pair()
    _, headers, _ = pair.ask(evaluate(ALL, {"targetingKey": "u-1"}))
    etag = dict(headers)["ETag"]
    for known, status in ((etag, "304"), (f"W/{etag}", "304"), ('"other"', "200"), ('""', "200")):
        asked = evaluate(ALL, {"targetingKey": "u-1"}, HTTP_IF_NONE_MATCH=known)
        assert pair.is_fast(asked)
        assert pair.ask(asked)[0].startswith(status)
    pair.counted()


def test_a_change_is_served_with_the_next_check() -> None:
    pair = Pair()
    asked = request("GET", "/v1/flags/everybody", "user_id=u-1"), evaluate(ALL, {"targetingKey": "u-1"})
    seen = [pair.ask(one) for one in asked]
    pair.site.change("/v1/flags/everybody/kill")
    killed = [pair.ask(one) for one in asked]
    pair.site.lose_store()
    stale = [pair.ask(one) for one in asked]
    for before, now, away in zip(seen, killed, stale, strict=True):
        assert len({before[2], now[2], away[2]}) == 3
    assert b'"on":false' in killed[0][2]
    assert b'"stale":true' in stale[0][2]


def test_a_page_tells_where_streams_are_as_soon_as_they_are_somewhere() -> None:
    pair = Pair()
    address: list[str | None] = [None]
    parts = replace(pair.site.parts, stream=lambda: address[0])
    fast, flask = create_app(parts), create_app(replace(parts, fast=False))
    asked = evaluate(ALL, {})
    for where in (None, "https://flags.example.com", "https://other.example.com", None):
        address[0] = where
        assert answer(fast.wsgi_app, asked) == answer(flask.wsgi_app, asked)
        assert (where or "eventStreams").encode() in answer(fast.wsgi_app, asked)[2] or where is None


def bearing(token: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def usual_calls(**more: str) -> list[Environ]:
    return [
        request("GET", "/v1/flags/payments", "user_id=u-1", **more),
        evaluate(ONE + "payments", {"targetingKey": "u-1"}, **more),
        evaluate(ALL, {"targetingKey": "u-1"}, **more),
    ]


def test_whoever_shows_a_key_that_works_is_answered_without_flask_and_nobody_else_is() -> None:
    pair = Pair()
    tokens = pair.make_keys()
    for name, token in tokens.items():
        for asked in usual_calls(**bearing(token)):
            assert pair.is_fast(asked) == (
                name not in ("auditor", "revoked", "seldom") or pair.ask(asked)[0] == "200 OK"
            )
    for asked in (*usual_calls(), *usual_calls(**bearing("nonsense")), *usual_calls(HTTP_AUTHORIZATION="Basic YTpi")):
        assert not pair.is_fast(asked)
        assert pair.ask(asked)[0].startswith("401")
    assert pair.is_fast(usual_calls(HTTP_X_API_KEY=tokens["client"])[0])
    pair.counted()


def test_an_app_sees_no_more_by_the_fast_path() -> None:
    pair = Pair()
    tokens = pair.make_keys()
    app, server = bearing(tokens["client"]), bearing(tokens["server"])
    assert pair.ask(request("GET", "/v1/flags/theme", "user_id=u-1", **server))[0] == "200 OK"
    assert pair.ask(request("GET", "/v1/flags/theme", "user_id=u-1", **app))[0] == "404 NOT FOUND"
    assert pair.ask(evaluate(ONE + "theme", {"targetingKey": "u-1"}, **app))[0] == "404 NOT FOUND"
    page = pair.ask(evaluate(ALL, {"targetingKey": "u-1"}, **app))[2]
    assert b"theme" not in page
    assert b"because" not in page
    assert b"theme" in pair.ask(evaluate(ALL, {"targetingKey": "u-1"}, **server))[2]
    pair.counted()


def test_a_key_in_a_url_is_refused_and_revoked_by_the_fast_path_as_well() -> None:
    pair = Pair()
    token = pair.make_keys()["server"]
    for query in (f"user_id=u-1&key={token}", "user_id=u-1&key=" + token.replace("_", "%5f")):
        assert pair.ask(request("GET", "/v1/flags/payments", query, **bearing(token)))[0].startswith("401")
    assert len(pair.gates[0].leaked()) == 1
    pair.counted()


def test_what_flask_answers_in_the_end_takes_of_a_keys_rate_once() -> None:
    pair = Pair()
    seldom = bearing(pair.make_keys()["seldom"])
    statuses = [pair.ask(request("GET", "/v1/flags/nope", "", **seldom))[0][:3] for _ in range(4)]
    assert statuses == ["404", "404", "429", "429"]
    pair.now += 1
    assert pair.ask(request("GET", "/v1/flags/payments", "", **seldom))[0] == "200 OK"
    assert pair.ask(request("GET", "/v1/flags/payments", "", **seldom))[0].startswith("429")


def test_trusted_attributes_count_as_little_from_an_app_by_the_fast_path() -> None:
    pair = Pair(FLAGS.replace("beta: { type: boolean }", "beta: { type: boolean, trusted: true }"))
    tokens = pair.make_keys()
    for role, on in (("server", b'"on":true'), ("client", b'"on":false')):
        asked = request("GET", "/v1/flags/beta-people", "user_id=u-1&beta=true", **bearing(tokens[role]))
        assert pair.is_fast(asked)
        assert on in pair.ask(asked)[2]
        assert pair.ask(asked | {"QUERY_STRING": "user_id=u-1&beta=true&beta=false"})[0].startswith("400")
        pair.ask(evaluate(ONE + "beta-people", {"targetingKey": "u-1", "beta": True}, **bearing(tokens[role])))
    pair.counted()


def test_pages_of_other_origins_are_flasks_and_caches_are_told_of_them() -> None:
    pair = Pair(origins=frozenset({"https://app.example.com"}))
    for asked in usual_calls():
        assert pair.is_fast(asked)
        assert ("Vary", "Origin") in pair.ask(asked)[1]
        for origin in ("https://app.example.com", "https://evil.example.com"):
            assert not pair.is_fast(asked | {"HTTP_ORIGIN": origin})


def test_a_signed_context_is_flasks() -> None:
    assert not Pair().is_fast(request("GET", "/v1/flags/payments", "user_id=u-1", HTTP_ROLLOUT_CONTEXT="a.b.c"))


def test_a_page_of_an_app_has_the_ticket_of_its_key() -> None:
    pair = Pair()
    tokens = pair.make_keys()
    parts = replace(pair.site.parts, stream=lambda: "https://flags.example.com", gate=pair.gates[0])
    fast, flask = create_app(parts), create_app(replace(parts, fast=False))
    pages = {}
    for role in ("client", "server"):
        asked = evaluate(ALL, {"targetingKey": "u-1"}, **bearing(tokens[role]))
        pages[role] = answer(fast.wsgi_app, asked)
        assert pages[role] == answer(flask.wsgi_app, asked)
    assert b"?ticket=" in pages["client"][2]
    assert b"?ticket=" not in pages["server"][2]
    pair.now += 60
    asked = evaluate(ALL, {"targetingKey": "u-1"}, **bearing(tokens["client"]))
    assert pages["client"] != answer(fast.wsgi_app, asked) == answer(flask.wsgi_app, asked)


def test_before_there_are_flags_flask_says_so() -> None:
    site = Site()
    for environ in (request("GET", "/v1/flags/payments"), evaluate(ALL, {}), evaluate(ONE + "payments", {})):
        assert answer(site.app.wsgi_app, environ)[0].startswith("503")


def test_what_is_kept_has_a_bound() -> None:
    kept: Kept[Prepared] = Kept(limit=10_000)
    for number in range(1000):
        kept.keep(number, Prepared(200, "", [], b"", b"", b""), 1000)
        assert len(kept.found) <= 10
    assert 999 in kept.found


def test_answers_are_counted_whenever_they_are_gathered() -> None:
    pair = Pair()
    for number in range(1, 8):
        pair.ask(request("GET", "/v1/flags/everybody"))
        pair.ask(evaluate(ALL, {}))
        if number % 3:
            assert f'flag="everybody",reason="STATIC",variant="on"}} {2 * number}.0' in pair.counted()


KEYS = ["payments", "everybody", "per-account", "beta-people", "theme", "merchant-payments", "nope", "", "a/b", "Ä"]
PAIRS = (
    *(
        "user_id=u-1",
        "user_id=u-9",
        "user_id=",
        "user_id=a+b",
        "user_id=%E0%A4%9C",
        "user_id=%ff",
        "user_id=%00",
        "user_id",
    ),
    *("country=IN", "country=GB", "country=%49N", "country=in", "country=IN=", "app_version=3.0.0", "app_version=new"),
    *(
        "age=12",
        "age=-1.5",
        "age=NaN",
        "age=1e400",
        "beta=true",
        "beta=1",
        "since=2024-01-31",
        "since=now",
        "account_id=7",
    ),
    *(
        "utm=1",
        "=",
        "=x",
        "",
        "a;b",
        "%",
        "%4",
        "ключ=1".encode().decode("latin-1"),
        "user_id=" + "u" * 1025,
        "on",
        "utm=%3D",
    ),
)
queries = st.lists(st.sampled_from(PAIRS), max_size=5).map("&".join) | st.text("abu=&%+;_id1 \xe9", max_size=12)
values = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        1.5,
        10**25,
        2**53 + 1,
        "IN",
        "GB",
        "u-1",
        "u-9",
        "a:b",
        "3.0.0",
        "true",
        "",
        "\n",
        [],
        {},
    ]
)
names = st.sampled_from(
    ["targetingKey", "user_id", "country", "age", "beta", "since", "app_version", "account_id", "other", "a:b", ""]
)
contexts = st.dictionaries(names, values, max_size=5)
documents = (
    contexts.map(lambda context: {"context": context})
    | st.builds(lambda context, more: {"context": context, "more": more}, contexts, values)
    | st.sampled_from([{}, {"context": None}, {"context": []}, [], None, 1, {"context": {}, "x": {"y": {}}}])
)
bodies = (
    documents.map(lambda document: json.dumps(document).encode())
    | documents.map(lambda document: json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
    | st.sampled_from(
        [
            b"",
            b"{}",
            b"[",
            b"\xff",
            b'{"context":{"country":"IN","country":"GB"}}',
            b'{"context" :{"beta":true,"beta" :true}}',
            b'{"context":{},"context":{}}',
            b'{"context":{"age":NaN}}',
            b'{"context":{"age":1e400}}',
            b'{"context":{"age":18446744073709551616}}',
            b'{"context":{"a":[1.0,{"b":1,"b":2}]}}',
            b'{"context":{"user_id":"\\ud800"}}',
            b" " * 70_000,
        ]
    )
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "HTTP_IF_NONE_MATCH": st.sampled_from(['"x"', 'W/"x"', "*", '"a","b"', "x", "", "KNOWN", "W/KNOWN"]),
        "HTTP_HOST": st.sampled_from(
            ["127.0.0.1", "", "a b", "[::1]:8080", "x" * 300, "a..b", "flags.example.com", "x:999999", ".", "Ü"]
        ),
        "HTTP_UPGRADE": st.sampled_from(["websocket", "h2c", ""]),
        "HTTP_CONNECTION": st.sampled_from(["keep-alive", "Upgrade", "close"]),
        "HTTP_ACCEPT": st.sampled_from(["*/*", "text/html"]),
        "HTTP_TRANSFER_ENCODING": st.just("chunked"),
        "CONTENT_TYPE": st.sampled_from([JSON, JSON + "; charset=utf-8", "application/ld+json", "text/plain", "", "x"]),
        "CONTENT_LENGTH": st.sampled_from(["0", "", "1", "5", "300", "-1", "x", "70000", "99999999999999999999", "٣"]),
        "SCRIPT_NAME": st.sampled_from(["", "/inner"]),
        "HTTP_ORIGIN": st.sampled_from(["https://app.example.com", "https://evil.example.com", "null"]),
        "HTTP_ROLLOUT_CONTEXT": st.sampled_from(["", "a.b.c"]),
    },
)
NAMES = ["client", "server", "support", "auditor", "seldom", "revoked", "nobody"]
keys = st.fixed_dictionaries(
    {},
    optional={
        "HTTP_AUTHORIZATION": st.sampled_from(
            [f"Bearer {name}" for name in NAMES] + ["bearer  server ", "Basic x", ""]
        ),
        "HTTP_X_API_KEY": st.sampled_from([*NAMES, ""]),
    },
)
METHODS = ["GET", "GET", "GET", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT", "get", ""]
PATHS = ["/v1/flags/", ONE]


@st.composite
def requests(draw: st.DrawFn) -> Environ:
    path = draw(
        st.sampled_from([*(start + key for start in PATHS for key in KEYS), ALL, ALL, ALL, "/v1/flags", "/nowhere"])
    )
    usual = draw(st.booleans())
    method = ("POST" if path.startswith(ALL) else "GET") if usual else draw(st.sampled_from(METHODS))
    body = draw(bodies) if method == "POST" or draw(st.booleans()) else b""
    query = draw(queries) if method == "GET" else draw(st.sampled_from(["", "", "flagConfigEtag=r1", "x"]))
    asked = request(method, path.encode().decode("latin-1"), query, body)
    if body:
        asked["CONTENT_TYPE"] = JSON
    return asked | ({} if usual else draw(headers))


@dataclass(frozen=True)
class Change:
    path: str
    body: dict[str, Any]


changes = st.sampled_from(
    [
        Change("/v1/flags/payments/set", {"share": "40%"}),
        Change("/v1/flags/payments/set", {"share": "0.5%"}),
        Change("/v1/flags/everybody/kill", {}),
        Change("/v1/flags/everybody/revive", {}),
    ]
)


def with_known(environ: Environ, pair: Pair) -> Environ:
    """KNOWN stands for the etag of the page that is asked for."""
    known = environ.get("HTTP_IF_NONE_MATCH", "")
    if "KNOWN" not in known:
        return environ
    plain = {name: value for name, value in environ.items() if name != "HTTP_IF_NONE_MATCH"}
    etag = dict(pair.ask(plain)[1]).get("ETag", "none")
    return environ | {"HTTP_IF_NONE_MATCH": known.replace("KNOWN", etag)}


def with_key(environ: Environ, tokens: dict[str, str]) -> Environ:
    """A key's name stands for the key."""
    sent = {}
    for header in ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY"):
        if header in environ:
            sent[header] = " ".join(tokens.get(word, word) for word in environ[header].split(" "))
    return environ | sent


keyed_requests = st.builds(lambda asked, key: {**asked, **key}, requests(), keys)


def steps() -> st.SearchStrategy[list[Any]]:
    return st.lists(st.one_of(requests(), requests(), requests(), requests(), changes, st.just("away")), max_size=12)


PAIR: list[Pair] = []


def fresh_pair() -> Iterator[Pair]:
    """One for many examples, since making it takes longer than asking; a new one where the store went away."""
    if not PAIR or PAIR[0].site.store.away:
        PAIR[:] = [Pair()]
    yield PAIR[0]


@promise(300)
@given(steps())
def test_nothing_that_anybody_sends_is_answered_otherwise_than_by_flask(asked: list[Any]) -> None:
    pair = next(fresh_pair())
    for step in asked:
        if step == "away":
            pair.site.lose_store()
        elif isinstance(step, Change):
            if not pair.site.store.away:
                pair.site.post(step.path, {"reason": "a test", **step.body})
                pair.site.follow()
        else:
            pair.ask(with_known(step, pair))
    pair.counted()


KEYED: list[tuple[Pair, dict[str, str]]] = []


@promise(200)
@given(st.lists(st.one_of(keyed_requests, keyed_requests, keyed_requests, st.just("a second later")), max_size=12))
def test_whatever_key_anybody_shows_is_answered_otherwise_than_by_flask_for_nobody(asked: list[Any]) -> None:
    if not KEYED:
        pair = Pair(origins=frozenset({"https://app.example.com"}))
        KEYED.append((pair, pair.make_keys()))
    pair, tokens = KEYED[0]
    for step in asked:
        if step == "a second later":
            pair.now += 1
        else:
            pair.ask(with_known(with_key(step, tokens), pair))
    pair.counted()
