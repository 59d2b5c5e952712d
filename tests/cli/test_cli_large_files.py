"""Large files over HTTP, seen from whoever sends them: all bytes arrive once and in order however the network behaves,
and what came of it is told as if it had been a small one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from clikit import answers, scripted

from rollout.cli.exits import Exit, TimedOut, Unreachable, exit_of
from rollout.cli.http_desk import HttpDesk
from rollout.cli.large_files import PART, NotThere, Sender, encoded
from rollout.core.errors import (
    InvalidInput,
    NotAuthenticated,
    RefusedByRule,
    RolloutError,
    StoreUnavailable,
    TooManyRequests,
)
from rollout.service.loads import About, Asker, Document, Outcome
from rollout.stores.spool import Spool

CONTENT = bytes(number % 251 for number in range(3 * PART + 7))


class Server:
    """Takes loads as the real one does, and fails first in these ways, one question after the other. `after`: what was
    asked is done, and only its answer is lost."""

    def __init__(self, folder: Path, *failures: RolloutError | None, after: bool = False) -> None:
        self.spool = Spool(folder)
        self.asked: list[str] = []
        self.got = b""
        self._failures = list(failures)
        self._after = after

    def __call__(self, method: str, path: str, content: bytes | None = None, content_type: str = "") -> Document:
        self.asked.append(f"{method} {path.partition('?')[0].rpartition('/')[2]}")
        failure = self._failures.pop(0) if self._failures else None
        if failure and not self._after:
            raise failure
        document = self._done(method, path, content or b"")
        if failure:
            raise failure
        return document

    def _done(self, method: str, path: str, content: bytes) -> Document:
        if path.endswith("/in-parts"):
            about = About("apply", Asker("", ""), json.loads(content)["size"], False, "", "r", "")
            return self._said(self.spool.begin(about))
        load = path.split("/")[3]
        if method == "POST":
            offset = int(path.partition("offset=")[2])
            if self.spool.append(load, offset, content) is None:
                raise NotThere("nothing here")
        elif self.spool.body(load).exists():
            self.got = self.spool.body(load).read_bytes()
            self.spool.end(load, Outcome(200, answer={"changed": True}))
        return self._said(load)

    def _said(self, load: str) -> Document:
        document: Document = orjson.loads(self.spool.read(load) or b"{}")
        return document


def check(server: Server, timeout: float = 30) -> None:
    document = Sender(server, timeout).send("apply", CONTENT)
    assert document["answer"] == {"changed": True}
    assert server.got == CONTENT


def test_all_of_it_arrives_part_by_part(tmp_path: Path) -> None:
    server = Server(tmp_path)
    check(server)
    assert server.asked[:5] == ["POST in-parts", *["POST parts"] * 4]


PASSING: list[Callable[[], RolloutError]] = [
    lambda: NotThere("another server"),
    lambda: Unreachable("it starts anew"),
    lambda: TimedOut("no answer in time"),
    lambda: TooManyRequests("too often"),
]


@pytest.mark.parametrize("after", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize("number", range(4))
def test_what_passes_is_waited_for_and_nothing_is_sent_twice(tmp_path: Path, number: int, after: bool) -> None:
    check(Server(tmp_path, None, None, PASSING[number](), after=after))
    check(Server(tmp_path / "again", *[None] * 5, PASSING[number](), after=after))


def test_what_does_not_pass_in_time_is_said(tmp_path: Path) -> None:
    for make in PASSING:
        with pytest.raises(type(make())):
            Sender(Server(tmp_path / "there", None, *[make() for _ in range(9)]), timeout=0.01).send("apply", CONTENT)


def test_nobody_waits_for_a_service_that_was_never_there(tmp_path: Path) -> None:
    server = Server(tmp_path, Unreachable("nobody"))
    with pytest.raises(Unreachable):
        Sender(server, 30).send("apply", CONTENT)
    assert len(server.asked) == 1


def test_what_cannot_pass_is_not_tried_again(tmp_path: Path) -> None:
    server = Server(tmp_path, None, NotAuthenticated("revoked meanwhile"))
    with pytest.raises(NotAuthenticated):
        Sender(server, 30).send("apply", CONTENT)
    assert len(server.asked) == 2


def test_more_than_the_service_takes_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at most 50 MB"):
        encoded({"files": {"flags.yaml": "x" * 50_000_000}})
    assert encoded({"files": {"flags.yaml": "é"}}) == '{"files": {"flags.yaml": "é"}}'.encode()


@pytest.mark.parametrize(
    ("status", "code", "kind", "ends"),
    [
        (422, "refused", RefusedByRule, Exit.REFUSED),
        (400, "invalid", InvalidInput, Exit.USAGE),
        (503, "interrupted", StoreUnavailable, Exit.FAILED),
    ],
)
def test_an_error_is_the_one_that_a_small_file_would_have_had(
    status: int, code: str, kind: type[RolloutError], ends: Exit
) -> None:
    error = {"code": code, "message": "no", "hint": "do this"}
    failed = {"state": "failed", "status": status, "answer": None, "error": error}
    begun, received = answers({"load": "a"}, 202), answers({"received": 3_000_000})
    with scripted(begun, received, answers(failed)) as (url, asked), pytest.raises(kind) as refused:
        HttpDesk(url, 30).plan({"flags.yaml": "x" * 2_000_000})
    assert [one.path for one in asked] == ["/v1/plan/in-parts", "/v1/loads/a/parts?offset=0", "/v1/loads/a"]
    assert (refused.value.message, refused.value.hint) == ("no", "do this")
    assert exit_of(refused.value) is ends
