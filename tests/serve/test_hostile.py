"""What people, programs and machines do that nobody meant: real processes, attacked."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from servekit import EMPLOYEE, PATIENCE, Service, eventually

HEAD = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
KILL = HEAD % b"/v1/flags/payments/kill"
SET = HEAD % b"/v1/flags/payments/set"
OFREP = HEAD % b"/ofrep/v1/evaluate/flags/payments"


def exchange(service: Service, sent: bytes, *, hang_up: bool = False) -> int | None:
    """The status of the answer to these bytes, if any; `hang_up`: we send no more, and the server learns it."""
    with service.connect() as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read everything
            connection.sendall(sent)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
        return int(answer.split()[1]) if answer else None


def with_length(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def in_chunks(head: bytes, body: bytes) -> bytes:
    return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def get(target: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target


MEGABYTE = b"x" * 2**20
DEEP = b'{"context": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
REFUSED = {
    "a path that leads out": (get(b"/v1/flags/../../etc/passwd"), 404),
    "an encoded path that leads out": (get(b"/v1/flags/..%2f..%2fetc%2fpasswd"), 404),
    "a flag called NUL": (get(b"/v1/status/%00"), 404),
    "a very long flag": (get(b"/v1/explain/" + b"a" * 5000), 404),
    "a flag that is no UTF-8": (get(b"/v1/flags/%ff%fe"), 404),
    "10,000 parameters": (get(b"/v1/flags?" + b"&".join(b"%d=" % number for number in range(10_000))), 400),
    "10,000 times nothing": (get(b"/v1/flags/payments?user_id=" + b"a" * 10_000), 400),
    "an attribute twice": (get(b"/v1/flags/payments?user_id=1&user_id=2"), 400),
    "a control character": (get(b"/v1/flags/payments?user_id=%1b"), 400),
    "half a character": (get(b"/v1/flags/payments?user_id=%ed%a0%80"), 400),
    "no version": (get(b"/v1/flags/payments?user_id=1&app_version=NaN"), 400),
    "a megabyte": (with_length(SET, MEGABYTE), 413),
    "a megabyte in chunks": (in_chunks(SET, MEGABYTE), 413),
    "a megabyte for OpenFeature": (with_length(OFREP, MEGABYTE), 413),
    "deep JSON": (with_length(OFREP, DEEP), 400),
    "half a character in JSON": (with_length(OFREP, b'{"context": {"targetingKey": "\\ud800"}}'), 400),
    "NaN": (with_length(SET, b'{"share": NaN}'), 400),
    "a number of 5,000 digits": (with_length(SET, b'{"share": ' + b"9" * 5000 + b"}"), 400),
    "less than nothing": (with_length(SET, b'{"share": "-1%"}'), 400),
    "more than all": (with_length(SET, b'{"share": "101%"}'), 400),
    "a name twice": (with_length(KILL, b'{"dry_run": true, "dry_run": false}'), 400),
    "a dry run that is not true or false": (with_length(KILL, b'{"dry_run": 1}'), 400),
    "chunks that are none": (KILL + b'Transfer-Encoding: chunked\r\n\r\nzz\r\n{"dry_run": true}\r\n0\r\n\r\n', 400),
    "two lengths": (KILL + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "a form": (with_length(KILL, b"{}").replace(b"application/json", b"text/plain"), 415),
    "a name that is not ours": (with_length(KILL, b"{}").replace(b"localhost", b"evil.example"), 403),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
}


def test_whatever_is_sent_is_refused_in_words_and_changes_nothing(service: Service) -> None:
    service.start()
    before, workers = len(service.audit()), service.worker_pids()
    assert {name: exchange(service, sent) for name, (sent, _) in REFUSED.items()} == {
        name: status for name, (_, status) in REFUSED.items()
    }
    assert len(service.audit()) == before
    assert service.worker_pids() == workers
    assert "a request failed" not in service.said()


def test_a_dry_run_that_is_lost_on_the_way_is_not_carried_out(service: Service) -> None:
    service.start()
    before = len(service.audit())
    for announced in (b"Content-Length: 17\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
        for sent in (b"", b'{"dry'):
            assert exchange(service, KILL + announced + sent, hang_up=True) is None
    assert len(service.audit()) == before
    assert service.check(**EMPLOYEE)["on"]


def test_whatever_stands_where_the_file_was_the_last_good_version_is_served(service: Service) -> None:
    service.start()
    revision, good = service.check()["revision"], service.flags_file.read_text()
    bombs = {
        "a bomb": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "20,000 deep": "version: 1\nflags: " + "[" * 20_000,
        "twice": good + "\nflags: {}\n",
        "a comment": "# nothing\n",
        "not text": "\0\1\2",
    }
    places: dict[str, Callable[[Path], object]] = {
        **{name: lambda path, text=text: path.write_text(text) for name, text in bombs.items()},
        "a folder": Path.mkdir,
        "a pipe": os.mkfifo,
        "itself": lambda path: path.symlink_to(path.name),
        "a device": lambda path: path.symlink_to("/dev/zero"),
    }
    for place in places.values():
        service.flags_file.unlink()
        place(service.flags_file)
        eventually(lambda: service.file_report()["state"] == "broken")
        assert service.check(**EMPLOYEE)["on"]
        service.flags_file.rmdir() if service.flags_file.is_dir() else service.flags_file.unlink()
        service.flags_file.write_text(good)
        eventually(lambda: service.file_report()["state"] == "in force")
    assert service.check()["revision"] == revision


def test_nothing_acknowledged_is_lost_or_done_twice_while_every_process_is_killed(service: Service) -> None:
    service.start()
    service.options["bind"] = service.address  # where it comes back
    acknowledged: dict[str, int] = {}
    refused: set[str] = set()
    over = threading.Event()

    def keep_changing(seed: int) -> None:
        dice = random.Random(seed)
        while not over.is_set():
            verb = dice.choice(["kill", "revive", "halt", "resume", "advance", "rollback", "set"])
            body = {"request_id": uuid.uuid4().hex, **({"share": dice.choice(["1%", "5%"])} if verb == "set" else {})}
            status, answer = until_answered(service, f"/v1/flags/payments/{verb}", body)
            if status == 200 and answer["changed"]:
                acknowledged[body["request_id"]] = answer["revision"]
            elif status != 200:
                refused.add(body["request_id"])

    people = [threading.Thread(target=keep_changing, args=[seed]) for seed in range(8)]
    for person in people:
        person.start()
    for victim in (service.store_pid, lambda: service.worker_pids()[0], service.web_pid, service.store_pid, None):
        enough = len(acknowledged) + 20
        eventually(lambda enough=enough: len(acknowledged) >= enough)
        if victim is None:
            service.kill()
            service.start()
        else:
            os.kill(victim(), signal.SIGKILL)
    enough = len(acknowledged) + 20
    eventually(lambda: len(acknowledged) >= enough)
    over.set()
    for person in people:
        person.join(PATIENCE)

    entries = audit_from_the_start(service)
    assert [entry["revision"] for entry in entries] == list(range(1, len(entries) + 1))
    written = {entry["request_id"]: entry["revision"] for entry in entries}
    assert len(written) == len(entries)
    assert acknowledged.items() <= written.items()
    assert not refused & written.keys()
    with suppress(AssertionError):  # what is served then says more than that it did not come true
        eventually(lambda: revisions_served(service) == {len(entries)}, patience=60)
    assert revisions_served(service) == {len(audit_from_the_start(service))} == {len(entries)}


def revisions_served(service: Service) -> set[int]:
    """By every worker."""
    return {service.check()["revision"] for _ in range(24)}


def until_answered(service: Service, path: str, body: dict[str, str]) -> tuple[int, dict]:
    """As a careful program does it: the same request again and again until somebody says what came of it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
            reply = service.ask(path, body=body)
            if reply.status != 503:
                return reply.status, reply.document
        time.sleep(0.02)
    raise AssertionError("nobody answered in time")


def audit_from_the_start(service: Service) -> list[dict]:
    entries: list[dict] = []
    query = {"limit": "1000"}
    while page := service.ask("/v1/audit", query).document:
        entries += page["entries"]
        if page["next_before"] is None:
            return entries[::-1]
        query["before"] = str(page["next_before"])
    raise AssertionError


def audit_of_payments(service: Service) -> list[dict]:
    """The newest first."""
    return service.ask("/v1/audit", {"flag": "payments"}).document["entries"]


def test_a_stage_that_a_person_let_go_on_still_bakes_in_full(service: Service) -> None:
    text = service.flags_file.read_text().replace("guards: [upi-failures, upi-failures-overall]", "")
    service.flags_file.write_text(text.replace("bake: 7d", "bake: 2s").replace(", bake: 14d", ""))
    service.start()
    service.change("payments", "set", share="0.5%")  # no stage has it, so what is live changes however late it is
    long_after_a_tick = time.monotonic() + 0.8  # they come each second, and after every change
    eventually(lambda: time.monotonic() > long_after_a_tick)
    service.change("payments", "resume")

    def entered() -> bool:
        for verb in ("kill", "revive"):
            service.change("business-app", verb)  # makes every server tick
        return audit_of_payments(service)[0]["action"] == "enter"

    eventually(entered)
    enter, resume = (datetime.fromisoformat(entry["at"]) for entry in audit_of_payments(service)[:2])
    assert enter - resume >= timedelta(seconds=2)
