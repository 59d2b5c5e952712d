"""Watching, and waiting until a rollout is where a script wants it, through short outages."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clikit import PATIENCE, Cli, environment, read, service

from rollout.cli.awaiting import awaited, wait_for
from rollout.cli.exits import CannotCome, TimedOut
from rollout.cli.looking import Look, looks
from rollout.cli.watching import Changes
from rollout.core.audit import Actor
from rollout.core.errors import InvalidInput, StoreUnavailable, UnknownFlag
from rollout.service.desk import StoreDesk
from rollout.service.operations import Request
from rollout.stores.memory import MemoryFlagStore


def status(cli: Cli, *words: str, flag: str = "payments") -> dict[str, Any]:
    """Of the flag after a change."""
    if words:
        cli(*words, "--yes")
    return cli.standing(flag)


ADVANCED, ENDED, SET = ("advance", "payments"), ("advance", "payments", "--to", "100%"), ("set", "payments", "5%")


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ("done", [ADVANCED, ENDED]),
        ("halted", [ADVANCED, ("halt", "payments")]),
        ("killed", [ADVANCED, ("kill", "payments")]),
        ("stage=1", [ADVANCED]),
        ("stage=employees", [ADVANCED]),
        ("stage=2", [ADVANCED, ("advance", "payments")]),
        ("stage=1%", [ADVANCED, ENDED]),
        ("share=1%", [ADVANCED, ("advance", "payments")]),
        ("share=0.5%", [SET]),
        ("done", [("set", "payments", "100%")]),
    ],
)
def test_what_is_waited_for_is_reached(cli: Cli, wanted: str, changes: list[tuple[str, ...]]) -> None:
    seen = [status(cli), *(status(cli, *words) for words in changes)]
    goal = awaited(wanted)
    assert [goal.reached(flag) for flag in seen] == [False] * len(changes) + [True]


@pytest.mark.parametrize(
    ("wanted", "change", "why"),
    [
        ("done", ("kill", "payments"), "payments is killed"),
        ("halted", ("kill", "payments"), "payments is killed"),
        ("stage=3", ("kill", "payments"), "payments is killed"),
        ("share=5%", ("kill", "payments"), "payments is killed"),
        ("halted", ENDED, "payments is done"),
    ],
)
def test_what_cannot_come_any_more_is_said_at_once(cli: Cli, wanted: str, change: tuple[str, ...], why: str) -> None:
    with pytest.raises(CannotCome, match=why):
        awaited(wanted).reached(status(cli, *change))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("payments", "--wait-for", "stage=employees"), 0, ""),
        (("payments", "--wait-for", "done", "--timeout", "0.2"), 6, "did not come to done within"),
        (("payments", "--wait-for", "stage=9"), 2, "its stages are employees, 1%, 50%, 100%"),
        (("payments", "--wait-for", "stage=5%"), 2, "or say which by number, from 1 to 4"),
        (("payments", "--wait-for", "share=5"), 2, "write 5%"),
        (("payments", "--wait-for", "finished"), 2, "write done, halted, killed"),
        (("payments", "--wait-for", "stage"), 2, "write done, halted, killed"),
        (("payments", "--wait-for", "done", "--timeout", "2"), 8, ""),
        (("--wait-for", "done"), 2, "waits for one flag"),
        (("paymets", "--wait-for", "done"), 2, "did you mean payments?"),
        (("merchant-payments", "--wait-for", "done"), 8, "merchant-payments is disabled"),
        (("business-app", "--wait-for", "done"), 8, "has no rollout"),
    ],
)
def test_waiting_ends_with_the_exit_code_of_the_table(cli: Cli, words: tuple[str, ...], code: int, said: str) -> None:
    cli("advance", "payments", "-y")
    if code == 8:
        cli("kill", "payments")
    assert said in cli("status", *words, code=code).err


def test_a_share_that_the_plan_never_gives_cannot_come(cli: Cli) -> None:
    flag = status(cli)
    flag["stages"] = flag["stages"][:2]
    with pytest.raises(CannotCome, match="ends at 1% of india"):
        awaited("share=5%").reached(flag)


def test_waiting_tells_every_change_on_stderr_and_the_end_on_stdout(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = [Look(status(cli)), Look(status(cli, *ADVANCED)), Look(status(cli)), Look(status(cli, *ENDED))]
    assert wait_for(awaited("done"), "payments", seen, "2h")["state"] == "done"
    told = capsys.readouterr().err.splitlines()
    assert [re.sub(r"^.*UTC  ", "", line).split(";")[0] for line in told] == [
        "payments is rolling, stage 0/4, at nobody",
        "payments is rolling, stage 1/4, at 100% of employees",
        "payments is done, stage 4/4, at 100% of employees, 100% of india",
    ]
    assert "payments is done, stage 4/4" in cli("status", "payments", "--wait-for", "done").out
    assert cli("status", "payments", "--wait-for", "done", "--json").json["state"] == "done"


def test_a_flag_that_goes_while_one_waits_cannot_come(cli: Cli) -> None:
    def seen() -> Iterator[Look]:
        yield Look(status(cli))
        raise UnknownFlag("no flag called 'payments'")

    with pytest.raises(CannotCome, match="was archived"):
        wait_for(awaited("done"), "payments", seen(), "2h")


def test_a_stage_that_goes_while_one_waits_cannot_come(cli: Cli) -> None:
    before, after = status(cli), status(cli)
    after["stages"] = after["stages"][:2]
    with pytest.raises(CannotCome, match="no stage 50% any more"):
        wait_for(awaited("stage=50%"), "payments", [Look(before), Look(after)], "2h")


def asking(*outcomes: dict[str, Any] | Exception) -> Callable[[], dict[str, Any]]:
    left = list(outcomes)

    def ask() -> dict[str, Any]:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return ask


AWAY = StoreUnavailable("the store is away")


def test_outages_are_looked_through_and_told_once(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    first, last = status(cli), status(cli, *ADVANCED)
    ask = asking(AWAY, first, AWAY, TimedOut("no answer"), last, UnknownFlag("it is over"))
    changes, told = Changes(), []
    with pytest.raises(UnknownFlag):
        for look in looks(ask, first_patience=1, every=0.001):
            told += changes.of(look)
    assert [line["stage"]["done"] for line in told] == [0, 1]
    assert capsys.readouterr().err.splitlines() == ["warning: the store is away", "warning: there are answers again"]


def test_an_address_where_nobody_ever_answers_is_an_error_and_no_outage() -> None:
    with pytest.raises(StoreUnavailable):
        next(looks(asking(*[AWAY] * 1000), first_patience=0.02, every=0.01))


def test_looking_ends_at_its_deadline_having_looked_once_more() -> None:
    seen = list(looks(lambda: {}, first_patience=1, deadline=time.monotonic() + 0.05, every=10))
    assert len(seen) == 2


@pytest.mark.parametrize("text", ["stage=", "share=", "share=0.5", "", "stage", "Done", "done=1"])
def test_what_cannot_be_waited_for_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        awaited(text)


@pytest.fixture
def store(cli: Cli) -> MemoryFlagStore:
    assert isinstance(cli.store, MemoryFlagStore)
    return cli.store


def start(*words: str, stdin: int | None = None, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "rollout.cli", *words],
        env=environment(),
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=stdout,
        stderr=subprocess.PIPE if stdout == subprocess.PIPE else stdout,
    )


def kill_payments(store: MemoryFlagStore) -> None:
    StoreDesk.straight(store, read).kill("payments", Request(Actor("anna"), "banks fail"))


def test_watching_in_a_pipe_prints_a_line_for_each_change_and_ends_quietly(store: MemoryFlagStore) -> None:
    with service(store) as url:
        process = start("status", "-w", "--url", url)
        assert process.stdout is not None
        first = [process.stdout.readline().decode().split("\t") for _ in range(4)]
        assert first[0][:3] == ["time", "flag", "state"]
        assert {row[1] for row in first[1:]} == {"payments", "business-app", "merchant-payments"}
        kill_payments(store)
        changed = [process.stdout.readline().decode().split("\t") for _ in range(2)]
        assert {row[1] for row in changed} == {"payments", "merchant-payments"}  # which requires payments
        assert changed[0][1:3] == ["payments", "killed"]
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == (b"", b"")
        assert process.returncode == 0


def test_watching_at_a_terminal_draws_over_the_last_picture_and_gives_the_screen_back(store: MemoryFlagStore) -> None:
    ours, its = pty.openpty()
    with service(store) as url:
        process = start("status", "payments", "--watch", "--url", url, stdin=its, stdout=its)
        os.close(its)
        read_until(ours, b"rolling")
        kill_payments(store)
        picture = read_until(ours, b"killed")
        assert b"\x1b[H" in picture
        assert b"\x1b[2J" not in picture  # which would flicker
        process.send_signal(signal.SIGINT)
        end = read_until(ours, None)
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    restored, after = end.split(b"\x1b[?1049l")
    assert b"\x1b[?25h" in restored
    assert b"payments" in after


def read_until(ours: int, what: bytes | None) -> bytes:
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            new = os.read(ours, 65536)
        except OSError:
            return shown
        shown += new
        if not new or (what is not None and what in shown):
            return shown
    raise AssertionError(shown)


def test_waiting_survives_a_restart_of_the_service(store: MemoryFlagStore) -> None:
    with service(store) as url:
        process = start("status", "payments", "--wait-for", "killed", "--url", url)
        assert process.stderr is not None
        assert b"payments is rolling" in process.stderr.readline()
    told = threading.Thread(target=kill_payments, args=[store])
    assert b"warning: no service answers" in process.stderr.readline()
    told.start()
    told.join()
    with service(store, int(url.rpartition(":")[2])):
        assert process.wait(PATIENCE) == 0
    process.communicate()


def test_whoever_interrupts_waiting_is_told_so(store: MemoryFlagStore) -> None:
    with service(store) as url:
        process = start("status", "payments", "--wait-for", "done", "--url", url)
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert b"interrupted" in process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 130
