"""The small parts that the server process and the workers are made of."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from rollout.bootstrap.file_keeper import FileKeeper
from rollout.bootstrap.file_reports import FileReports
from rollout.bootstrap.heartbeat import Heartbeat
from rollout.bootstrap.memory import Residents
from rollout.bootstrap.ready import all_workers_have
from rollout.bootstrap.signals import Interrupted, Signals
from rollout.bootstrap.snapshots import SnapshotKeeper, start_from_disk
from rollout.bootstrap.stream_address import StreamAddress
from rollout.bootstrap.supervised import Supervised
from rollout.bootstrap.threads import Repeated
from rollout.core.audit import Actor
from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidFile, Problem, StoreUnavailable
from rollout.service.file_loader import FileLoader
from rollout.service.follower import Follower
from rollout.service.operations import Operations, Request
from rollout.stores.disk import DiskSnapshot, HandledFile
from rollout.stores.memory import MemoryFlagStore
from rollout.yaml_files.reader import read_file, read_text

FOUNDING = Path(__file__).parents[2] / "flags.yaml"


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@pytest.fixture
def store() -> MemoryFlagStore:
    store = MemoryFlagStore()
    Operations(store).load(read_file(FOUNDING), Request(Actor("test")))
    return store


@pytest.fixture
def follower(store: MemoryFlagStore) -> Follower:
    follower = Follower(store)
    follower.follow(timedelta(0))
    return follower


class TestRepeated:
    def test_goes_on_after_an_error_and_says_the_same_one_once(self, caplog: pytest.LogCaptureFixture):
        rounds: list[int] = []

        def fail_thrice() -> None:
            rounds.append(1)
            if len(rounds) <= 3:
                raise OSError("the disk is full")

        repeated = Repeated("writer", fail_thrice, every=0.001)
        repeated.start()
        eventually(lambda: len(rounds) > 4)
        repeated.stop()
        assert [record.message for record in caplog.records] == ["writer failed; it is tried again"]

    def test_a_wake_is_not_waited_for(self):
        rounds: list[int] = []
        repeated = Repeated("waker", lambda: rounds.append(1), every=3600)
        repeated.start()
        eventually(lambda: len(rounds) == 1)
        repeated.wake()
        eventually(lambda: len(rounds) == 2)
        repeated.stop()

    def test_those_who_wake_it_while_it_gives_way_are_served_by_one_round(self):
        rounds: list[int] = []
        repeated = Repeated("polite", lambda: rounds.append(1), every=3600, after=1.0)
        repeated.start()
        eventually(lambda: len(rounds) == 1)
        for _ in range(1000):
            repeated.wake()
        eventually(lambda: len(rounds) >= 2)
        repeated.stop()
        assert len(rounds) < 10

    def test_after_stop_nothing_runs(self):
        rounds: list[int] = []
        repeated = Repeated("stopper", lambda: rounds.append(1), every=0.001)
        repeated.start()
        repeated.stop()
        count = len(rounds)
        time.sleep(0.05)
        assert len(rounds) == count

    def test_stopping_what_never_started_is_fine(self):
        Repeated("nothing", lambda: None, every=1).stop()


class TestSignals:
    def test_while_it_starts_a_signal_interrupts(self):
        with Signals(), pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)

    def test_while_it_runs_signals_are_handed_over_one_by_one(self):
        with Signals() as signals:
            timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT])
            timer.start()
            assert signals.wait() == "SIGINT"
            timer.join()
            assert not signals.again()
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.again()

    def test_afterwards_all_is_as_before(self):
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        with Signals():
            pass
        assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    def test_nohup_is_respected(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with Signals():
                os.kill(os.getpid(), signal.SIGHUP)
        finally:
            signal.signal(signal.SIGHUP, before)


class TestSnapshotKeeper:
    def test_a_change_is_kept_and_served_from_disk_by_the_next(self, store, tmp_path):
        kept = DiskSnapshot(tmp_path, "memory")
        follower = Follower(store)
        keeper = SnapshotKeeper(follower, kept, store)
        keeper.keep()
        assert kept.read() is None  # nothing was followed yet
        follower.follow(timedelta(0))
        keeper.keep()
        other = Follower(MemoryFlagStore())
        start_from_disk(other, DiskSnapshot(tmp_path, "memory"))
        assert (other.current.revision, other.stale) == (1, True)
        employee = {"user_id": "u-employee-1", "country": "IN"}
        assert other.current.evaluator.segments["employees"](employee)

    def test_what_cannot_be_written_is_said_once_and_tried_again(
        self, store, tmp_path, caplog: pytest.LogCaptureFixture
    ):
        folder = tmp_path / "gone"
        follower = Follower(store)
        keeper = SnapshotKeeper(follower, DiskSnapshot(folder, "memory"), store)
        follower.follow(timedelta(0))
        folder.write_text("in the way")
        keeper.keep()
        keeper.keep()
        assert len(caplog.records) == 1
        folder.unlink()
        keeper.keep()
        assert (folder / "snapshot.json").exists()

    def test_a_snapshot_that_makes_no_sense_keeps_nobody_from_starting(self, store, tmp_path):
        kept = DiskSnapshot(tmp_path, "memory")
        follower = Follower(store)
        keeper = SnapshotKeeper(follower, kept, store)
        follower.follow(timedelta(0))
        keeper.keep()
        for members in (tmp_path / "members").iterdir():
            members.unlink()
        other = Follower(store)
        start_from_disk(other, kept)
        assert other.current.revision == 0
        assert other.follow(timedelta(0))


class TestHeartbeat:
    def test_says_which_revision_a_process_serves(self, store, follower):
        Heartbeat(store, follower, kind="worker", server_id="web-1:8080").beat()
        Heartbeat(store, follower, kind="server", server_id="web-1:8080", more=lambda: {"file": None}).beat()
        reports = {name: orjson.loads(heard.report) for name, heard in store.servers().items()}
        assert set(reports) == {"web-1:8080", f"web-1:8080/{os.getpid()}"}
        server = reports["web-1:8080"]
        assert (server["kind"], server["revision"], server["stale"], server["file"]) == ("server", 1, False, None)

    def test_workers_are_ready_when_as_many_as_there_are_have_the_revision(self, store, follower):
        assert not all_workers_have(store, "web-1:8080", 1, workers=1)
        Heartbeat(store, Follower(store), kind="worker", server_id="web-1:8080").beat()
        Heartbeat(store, follower, kind="worker", server_id="web-2:8080").beat()
        assert not all_workers_have(store, "web-1:8080", 1, workers=1)
        Heartbeat(store, follower, kind="worker", server_id="web-1:8080").beat()
        assert all_workers_have(store, "web-1:8080", 1, workers=1)

    def test_a_store_that_is_away_is_not_waited_for(self, follower):
        class Away(MemoryFlagStore):
            def servers(self):
                raise StoreUnavailable("away")

            def beat(self, *_: object) -> None:
                raise StoreUnavailable("away")

        Heartbeat(Away(), follower, kind="worker", server_id="web-1:8080").beat()
        assert all_workers_have(Away(), "web-1:8080", 1, workers=1)


class Scripted:
    """A watcher that tells what it is given."""

    def __init__(self) -> None:
        self.next: FlagFile | InvalidFile | None = None

    def poll(self) -> FlagFile | InvalidFile | None:
        told, self.next = self.next, None
        return told


class TestFileKeeper:
    @pytest.fixture
    def watcher(self) -> Scripted:
        return Scripted()

    @pytest.fixture
    def keeper(self, watcher: Scripted, tmp_path: Path) -> Iterator[FileKeeper]:
        store = MemoryFlagStore()
        follower = Follower(store)

        def known():
            follower.follow(timedelta(0))
            return follower.current.state

        loader = FileLoader(store, known, HandledFile(tmp_path, "memory"), Actor("file:flags.yaml", "file"))
        self.changes = 0

        def changed() -> None:
            self.changes += 1

        (tmp_path / "flags.yaml").touch()
        yield FileKeeper(tmp_path / "flags.yaml", watcher, loader, FileReports(tmp_path), changed)

    def test_before_the_first_look_workers_know_that_a_file_is_coming(self, keeper, tmp_path):
        assert FileReports(tmp_path).read()["state"] == "waiting"

    def test_each_new_report_is_told_once(self, keeper, watcher, tmp_path, caplog: pytest.LogCaptureFixture):
        reports = FileReports(tmp_path)
        problem = Problem("flags.yaml", 3, 7, "no key called 'ownr'", "did you mean 'owner'?")
        good = read_text("version: 1\nflags: {}\n", name="flags.yaml", load_members=lambda _: b"")
        for told, state in [
            (good, "in force"),
            (None, "in force"),
            (InvalidFile((problem,)), "broken"),
            (good, "in force"),
        ]:
            watcher.next = told
            keeper.look()
            assert reports.read()["state"] == state
        assert self.changes == 3
        warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
        assert warnings == [f"broken: {problem}"]

    def test_a_file_that_is_not_there_is_missing(self, keeper, watcher, tmp_path):
        (tmp_path / "flags.yaml").unlink()
        watcher.next = InvalidFile((Problem("flags.yaml", 1, 1, "cannot be read"),))
        keeper.look()
        assert FileReports(tmp_path).read()["state"] == "missing"

    def test_a_report_has_no_more_problems_than_people_read(self, keeper, watcher, tmp_path):
        watcher.next = InvalidFile(tuple(Problem("flags.yaml", line, 1, "wrong") for line in range(1, 1001)))
        keeper.look()
        report = FileReports(tmp_path).read()
        assert (report["problem_count"], len(report["problems"])) == (1000, 20)


class TestMemory:
    def test_neither_a_full_read_nor_a_change_makes_garbage_in_cycles(self, store):
        """Otherwise `gc.freeze` would keep it for ever."""
        follower = Follower(store)
        gc.collect()
        gc.disable()
        try:
            follower.follow(timedelta(0))
            assert gc.collect() == 0
            Operations(store).kill("payments", Request(Actor("test")))
            gc.collect()
            follower.follow(timedelta(0))
            assert gc.collect() == 0
        finally:
            gc.enable()

    def test_what_a_full_read_left_is_set_aside(self, store, monkeypatch: pytest.MonkeyPatch):
        settled: list[int] = []
        monkeypatch.setattr(gc, "freeze", lambda: settled.append(1))
        follower = Follower(store, Residents().settle)
        follower.follow(timedelta(0))
        assert len(settled) == 1
        Operations(store).kill("payments", Request(Actor("test")))
        follower.follow(timedelta(0))
        assert (follower.current.revision, len(settled)) == (2, 1)


def test_a_web_process_that_never_comes_up_is_given_up(capfd: pytest.CaptureFixture[str]):
    gave_up = threading.Event()
    environment = {"ROLLOUT_WEB": ""}  # it cannot know what to do
    web = Supervised("web server", "rollout.bootstrap.web_process", environment, gave_up=gave_up.set)
    web.start()
    assert gave_up.wait(60)
    web.stop(lambda: False)
    assert "JSONDecodeError" in capfd.readouterr().err


def test_a_process_that_ended_unasked_is_told_of_before_it_is_started_again(tmp_path: Path):
    address = StreamAddress(tmp_path)
    address.announce("http://127.0.0.1:1")
    process = Supervised("stream server", "rollout.no_such_module", {}, ended=address.withdraw)
    process.start()
    eventually(lambda: address.look() is None)
    process.stop(lambda: False)


def test_the_address_of_streams_is_known_while_it_is_announced(tmp_path: Path):
    ours, theirs = StreamAddress(tmp_path), StreamAddress(tmp_path)
    assert theirs.look() is None
    ours.announce("https://flags.example.com")
    assert (theirs.look(), theirs.current) == ("https://flags.example.com", "https://flags.example.com")
    ours.withdraw()
    ours.withdraw()
    assert (theirs.look(), theirs.current) == (None, None)


@pytest.mark.parametrize(("files", "streams"), [("2000", "1000"), ("600", "280"), ("100", "1")])
def test_where_the_system_allows_few_files_fewer_streams_are_promised_and_it_is_said(files: str, streams: str):
    ask = "from rollout.bootstrap.stream_process import cap_that_fits; print(cap_that_fits(1000))"
    limited = ["sh", "-c", 'ulimit -Sn 64 && ulimit -Hn "$1" && exec "$2" -c "$3"', "sh", files, sys.executable, ask]
    done = subprocess.run(limited, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == streams
    assert ("ulimit -n" in done.stderr) == (streams != "1000")
