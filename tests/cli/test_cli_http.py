"""The desk over HTTP: the same answers and errors as the desk itself, and nothing twice however the network behaves."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from clikit import EMPLOYEES, FLAGS, Cli, Result, answers, entries, hangs_up, read, run, says, scripted, service

from rollout.cli.exits import TimedOut, Unreachable
from rollout.cli.gateway import open_desk
from rollout.cli.http_desk import HttpDesk
from rollout.core.audit import Actor
from rollout.core.errors import (
    InvalidFile,
    InvalidInput,
    NotAllowed,
    OutdatedView,
    RefusedByRule,
    RevisionConflict,
    RolloutError,
    StoreUnavailable,
    UnknownFlag,
)
from rollout.service.desk import Document, StoreDesk
from rollout.service.operations import Request
from rollout.stores.memory import MemoryFlagStore

FILES = {"flags.yaml": FLAGS, "employees.txt": EMPLOYEES}
ANNA = Actor("anna", tool="rollout cli/test")


@pytest.fixture
def store() -> MemoryFlagStore:
    store = MemoryFlagStore()
    StoreDesk.straight(store, read).apply(FILES, Request(ANNA, "the first"))
    return store


@pytest.fixture
def url(store: MemoryFlagStore) -> Iterator[str]:
    with service(store) as url:
        yield url


def http_desk(url: str, timeout: float = 10) -> HttpDesk:
    return HttpDesk(url, timeout)


def test_every_method_answers_as_the_desk_itself_does(store: MemoryFlagStore, url: str) -> None:
    over_http, straight = http_desk(url), StoreDesk.straight(store, read)
    over_http.set("payments", "1%", Request(ANNA, "go"))
    over_http.kill("payments", Request(ANNA, "stop"))
    over_http.revive("payments", Request(ANNA, "go on"))
    over_http.resume("payments", Request(ANNA, "go on"))
    over_http.advance("payments", Request(ANNA, "go on"), to="100%")
    over_http.rollback("payments", Request(ANNA, "back"), to="1%")
    over_http.rollback("payments", Request(ANNA, "back"))
    over_http.halt("payments", Request(ANNA, "halted already"))
    wait_until_followed(over_http, revision=8)
    assert [entry["action"] for entry in straight.audit(limit=4)["entries"]] == [
        "rollback",
        "rollback",
        "advance",
        "resume",
    ]
    assert over_http.status()["flags"] == straight.status()["flags"]
    assert without_time(over_http.flag_status("payments")) == without_time(straight.flag_status("payments"))
    assert over_http.simulate("payments", {"1%": "breached"})["events"][-1]["stage"] is None
    context = {"user_id": "ü 1&x", "country": "IN"}
    assert over_http.explain("payments", context) == straight.explain("payments", context)
    assert over_http.audit(limit=2) == straight.audit(limit=2)
    assert over_http.audit(flag="payments", before=3) == straight.audit(flag="payments", before=3)
    assert over_http.plan(FILES)["flags"] == []
    other = FILES | {"flags.yaml": FLAGS.replace("Send", "Pay")}
    assert over_http.apply(other, Request(ANNA, "words"), prune=True)["revision"] == 9
    entry = straight.audit()["entries"][0]
    assert (entry["actor"]["id"], entry["reason"], entry["origin"]["tool"]) == ("anna", "words", "rollout cli/0.1.0")


def without_time(status: Document) -> Document:
    return {name: value for name, value in status.items() if name != "at"}


def wait_until_followed(desk: HttpDesk, revision: int) -> None:
    deadline = time.monotonic() + 10
    while desk.status()["revision"] < revision:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda desk: desk.kill("nope", Request(ANNA)), UnknownFlag),
        (lambda desk: desk.simulate("nope", {}), UnknownFlag),
        (lambda desk: desk.simulate("payments", {"1%": "bad"}), InvalidInput),
        (lambda desk: desk.advance("payments", Request(ANNA), to="2%"), InvalidInput),
        (lambda desk: desk.resume("payments", Request(ANNA)), RefusedByRule),
        (lambda desk: desk.flag_status("no/pe?x"), RolloutError),
        (lambda desk: desk.set("payments", "5", Request(ANNA)), InvalidInput),
        (lambda desk: desk.set("merchant-payments", "1%", Request(ANNA)), RefusedByRule),
        (lambda desk: desk.kill("payments", Request(ANNA, seen_revision=0)), RevisionConflict),
        (lambda desk: desk.plan({"flags.yaml": "version: 1\nflag: {}\n"}), InvalidFile),
        (lambda desk: desk.plan({"flags.yaml": "#" * 2_000_000}), InvalidInput),
    ],
)
def test_errors_are_raised_again_as_what_they_were(url: str, ask: object, error: type[RolloutError]) -> None:
    assert callable(ask)
    with pytest.raises(error) as raised:
        ask(http_desk(url))
    assert raised.value.message


def test_the_problems_of_a_file_arrive_with_their_places(url: str) -> None:
    with pytest.raises(InvalidFile) as raised:
        http_desk(url).plan({"flags.yaml": "version: 1\nflag: {}\n"})
    assert any(problem.line == 2 and problem.source == "flag: {}" for problem in raised.value.problems)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (409, "conflict", RevisionConflict),
        (403, "not_allowed", NotAllowed),
        (503, "store_unavailable", StoreUnavailable),
        (413, "a_code_of_a_later_release", InvalidInput),
        (504, "a_code_of_a_later_release", TimedOut),
        (418, "a_code_of_a_later_release", RolloutError),
    ],
)
def test_a_code_or_else_the_status_says_which_error_it_was(status: int, code: str, error: type[RolloutError]) -> None:
    said = {"error": {"code": code, "message": "no", "hint": "yes"}}
    with scripted(answers(said, status)) as (url, _), pytest.raises(error) as raised:
        http_desk(url).status()
    assert type(raised.value) is error
    assert (raised.value.message, raised.value.hint) == ("no", "yes")


@pytest.mark.parametrize("page", [b"<html>502 Bad Gateway</html>", b"", b"[1]", b'{"error": "no"}', b"\xff"])
def test_an_answer_that_is_not_ours_is_an_error_in_words(page: bytes) -> None:
    with scripted(says(page, 502)) as (url, _), pytest.raises(RolloutError, match="answered 502"):
        http_desk(url).status()


def test_a_lost_reply_is_asked_for_again_with_the_same_request_id() -> None:
    with scripted(hangs_up, answers({"changed": True})) as (url, asked):
        assert http_desk(url).kill("payments", Request(ANNA, "stop")) == {"changed": True}
    first, second = asked
    assert first == second
    assert first.body is not None
    assert first.body["request_id"]
    assert (first.method, first.path, first.agent) == ("POST", "/v1/flags/payments/kill", "rollout cli/0.1.0")


def test_a_change_whose_reply_is_lost_is_made_once(store: MemoryFlagStore) -> None:
    desk = StoreDesk.straight(store, read)
    request = Request(ANNA, "stop")

    def made_but_lost(handler: BaseHTTPRequestHandler) -> None:
        desk.kill("payments", Request(ANNA, "stop", request_id=request.request_id))
        hangs_up(handler)

    def made(handler: BaseHTTPRequestHandler) -> None:
        answers(desk.kill("payments", Request(ANNA, "stop", request_id=request.request_id)))(handler)

    with scripted(made_but_lost, made) as (url, _):
        assert http_desk(url).kill("payments", request)["revision"] == 2
    assert len(desk.audit()["entries"]) == 2


def test_replies_that_stay_lost_are_not_asked_for_for_ever() -> None:
    with scripted(hangs_up) as (url, asked):
        with pytest.raises(TimedOut, match="breaks the connection"):
            http_desk(url).kill("payments", Request(ANNA))
        assert len(asked) == 3


def test_no_answer_in_time_says_that_it_may_have_been_done() -> None:
    with scripted(lambda _: time.sleep(1)) as (url, asked):
        with pytest.raises(TimedOut, match=r"did not answer within 0.2 s") as raised:
            http_desk(url, timeout=0.2).kill("payments", Request(ANNA))
        assert len(asked) == 1
    assert "not known" in (raised.value.hint or "")


def test_nobody_there_is_said_with_what_to_do() -> None:
    with pytest.raises(Unreachable, match=r"no service answers at http://127\.0\.0\.1:") as raised:
        http_desk(f"http://127.0.0.1:{free_port()}").status()
    assert "make serve" in (raised.value.hint or "")
    assert "redis://" in (raised.value.hint or "")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_path_before_v1_is_kept() -> None:
    with scripted(answers({"flags": []})) as (url, asked):
        http_desk(url + "/flags-admin/").status()
    assert asked[0].path == "/flags-admin/v1/status"


@pytest.mark.parametrize("url", ["http://", "http://host:port", "http://[::1", "http://exämple.com"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        http_desk(url)


def test_a_whole_story_over_http(url: str, tmp_path: Path) -> None:
    cli = HttpCli(url)
    assert "payments\trolling" in cli("status").out
    assert "india: 0% → 1%" in cli("set", "payments", "1%", code=2).err
    assert "revision 2" in cli("set", "payments", "1%", "--yes", "-m", "go").out
    assert "payments is ON for u-1" in cli("explain", "payments", "--user", "u-1").out
    assert "off with it, since they require it: merchant-payments" in cli("kill", "payments").out
    assert "payments is OFF for u-1" in cli("explain", "payments", "--user", "u-1", "--test", code=3).out
    assert "did you mean payments?" in cli("revive", "paymets", "-y", code=2).err
    assert "payments is halted" in cli("revive", "payments", "-y").out
    (tmp_path / "employees.txt").write_text(EMPLOYEES)
    (tmp_path / "flags.yaml").write_text(FLAGS.replace("Send", "Pay"))
    file = str(tmp_path / "flags.yaml")
    assert "~ payments" in cli("plan", file, "--exit-code", code=3).out
    assert "1 changed" in cli("apply", file).out
    assert "no difference" in cli("plan", file, "--exit-code").out
    assert [entry["action"] for entry in cli("audit", "--json").json["entries"]][:3] == ["apply", "revive", "kill"]


class HttpCli:
    """`rollout` as processes of their own, against a service."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, *words: str, code: int = 0) -> Result:
        result = run(*words, env={"ROLLOUT_URL": self._url})
        assert result.code == code, result
        return result


def test_the_gateway_goes_where_the_address_says(cli: Cli, url: str) -> None:
    cli("status", "--url", url, "--timeout", "3")
    with open_desk(cli.addresses[-1]) as desk:
        assert isinstance(desk, HttpDesk)
        assert desk.status()["revision"] == 1


def test_a_conflict_stays_a_conflict_over_http(url: str) -> None:
    http_desk(url).kill("payments", Request(ANNA))
    with pytest.raises(RevisionConflict) as raised:
        http_desk(url).revive("payments", Request(ANNA, seen_revision=1))
    assert not isinstance(raised.value, OutdatedView)
    assert "revision 2" in raised.value.message


def test_entries_are_those_of_this_store_alone(cli: Cli) -> None:
    assert len(entries(cli)) == 1
