"""How a server brings its copy of the flags file in force: what is new once, and nothing else. Servers here are file
loaders with a follower each, on one store in memory; a restart is another loader on the same folder."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rollout.core.audit import Actor, read_line
from rollout.core.definitions import FlagFile
from rollout.core.errors import RefusedByRule, StoreUnavailable
from rollout.service.file_loader import FileLoader, FileReport
from rollout.service.follower import Follower
from rollout.service.operations import Operations, Request
from rollout.service.ports import Commit, Committed, Stored
from rollout.stores.disk import HandledFile
from rollout.stores.memory import MemoryFlagStore
from rollout.yaml_files.reader import read_text

HUMAN = Actor("somebody")


def a_file(*flags: str, note: str = "") -> FlagFile:
    lines = [f"  {flag}: {{ description: d, owner: o, enabled: true }}" for flag in flags]
    text = "\n".join([f"# {note}", "version: 1", "flags:", *lines])
    return read_text(text, name="flags.yaml", load_members=lambda name: b"")


A, B, C = (a_file("payments", note=note) for note in "abc")


class Store(MemoryFlagStore):
    """Goes away, or lets somebody else write right before a commit, when it is told to."""

    away = False
    meddler: Commit | None = None

    def read(self, keys: object = None) -> Stored:
        if self.away:
            raise StoreUnavailable("away")
        return super().read(keys)  # type: ignore[arg-type]

    def commit(self, commit: Commit) -> Committed:
        meddler, self.meddler = self.meddler, None
        if meddler:
            super().commit(meddler)
        return super().commit(commit)


class Server:
    def __init__(self, store: MemoryFlagStore, folder: Path) -> None:
        self.store = store
        self.follower = Follower(store)
        handled = HandledFile(folder, "one store")
        self.loader = FileLoader(store, lambda: self.follower.current.state, handled, Actor("file:flags.yaml", "file"))

    def sees(self, file: FlagFile) -> FileReport:
        """Its copy is `file` now, and the store's changes have reached it."""
        self.follower.follow(timedelta(0))
        return self.loader.bring_in_force(file)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def server(store, tmp_path) -> Server:
    return Server(store, tmp_path)


@pytest.fixture
def other(store, tmp_path) -> Server:
    folder = tmp_path / "other"
    folder.mkdir()
    return Server(store, folder)


def in_force(store: MemoryFlagStore) -> list[str]:
    """What was brought in force, in order."""
    names = {file.digest: name for name, file in {"A": A, "B": B, "C": C}.items()}
    return [names.get(read_line(line)["after"].get("file", ""), "?") for line in store.audit()]


def test_a_file_is_loaded_once(server, store):
    assert [server.sees(A).state for _ in range(3)] == ["in force"] * 3
    assert in_force(store) == ["A"]


def test_an_edit_is_loaded_and_so_is_its_being_taken_back(server, store):
    for file in (A, B, A):
        server.sees(file)
    assert in_force(store) == ["A", "B", "A"]


def test_the_audit_says_that_it_was_the_file(server, store):
    server.sees(A)
    entry = read_line(store.audit()[0])
    assert entry["actor"] == {"id": "file:flags.yaml", "kind": "file", "authenticated": ""}
    assert entry["reason"]


def test_two_servers_with_the_same_copy_load_it_once(server, other, store):
    assert [server.sees(A).state, other.sees(A).state] == ["in force", "in force"]
    assert in_force(store) == ["A"]


def test_two_servers_that_load_the_same_copy_at_the_same_moment_load_it_once(server, other, store):
    other.follower.follow(timedelta(0))
    server.sees(A)
    assert other.loader.bring_in_force(A).state == "in force"  # it had not heard of the other's load
    assert in_force(store) == ["A"]


def test_servers_with_different_copies_do_not_fight(server, other, store):
    server.sees(A)
    other.sees(B)
    reports = [(server.sees(A), other.sees(B)) for _ in range(5)]
    assert {(ours.state.value, theirs.state.value) for ours, theirs in reports} == {("out of step", "in force")}
    assert "in force since revision 2" in reports[0][0].problems[0].message
    assert in_force(store) == ["A", "B"]


def test_a_server_that_receives_an_older_version_late_does_not_bring_it_back(server, other, store):
    server.sees(A)
    other.sees(A)
    for newer in (B, C):
        server.sees(newer)
    assert other.sees(B).state == "out of step"
    assert other.sees(C).state == "in force"
    assert in_force(store) == ["A", "B", "C"]


def test_a_restart_loads_an_edit_that_was_made_meanwhile(server, store, tmp_path):
    server.sees(A)
    assert Server(store, tmp_path).sees(B).state == "in force"
    assert in_force(store) == ["A", "B"]


def test_a_restart_without_an_edit_does_not_bring_its_copy_back(server, store, tmp_path):
    server.sees(A)
    Operations(store).load(B, Request(HUMAN), action="apply")
    assert Server(store, tmp_path).sees(A).state == "out of step"
    assert in_force(store) == ["A", "B"]


def test_a_server_that_lost_its_memory_does_not_bring_an_older_version_back(server, other, store):
    server.sees(A)
    server.sees(B)
    assert other.sees(A).state == "out of step"


def test_a_file_that_a_rule_refuses_is_told_and_not_tried_until_another_one_is_in_force(server, store):
    server.sees(a_file("a", "b", "c"))
    dropping = a_file("a")
    report = server.sees(dropping)
    assert report.state == "refused"
    assert "drops 2 of 3 flags" in report.problems[0].message

    before = len(store.audit())
    store.away = True  # asking would now fail
    assert server.loader.bring_in_force(dropping) == report
    store.away = False
    with pytest.raises(RefusedByRule):
        Operations(store).load(dropping, Request(HUMAN))
    assert len(store.audit()) == before

    Operations(store).load(a_file("a", "b"), Request(HUMAN))
    Operations(store).load(a_file("a", "b"), Request(HUMAN), prune=True)
    assert server.sees(dropping).state == "in force"


def test_without_the_store_it_waits_and_then_loads(server, store):
    store.away = True
    assert server.loader.bring_in_force(A).state == "waiting"
    store.away = False
    assert server.sees(A).state == "in force"


def test_what_is_in_force_stays_so_while_the_store_is_away(server, store):
    server.sees(A)
    store.away = True
    assert server.sees(A).state == "in force"


def test_its_own_load_is_known_before_the_store_tells(server, store):
    server.sees(A)
    server.follower.follow(timedelta(0))
    server.loader.bring_in_force(B)
    assert server.loader.bring_in_force(B).state == "in force"  # the follower still knows A alone


def test_an_edit_right_after_its_own_load_is_loaded_too(server, store):
    server.sees(A)
    for file in (B, C, B):
        server.loader.bring_in_force(file)  # the follower still knows A alone
    assert in_force(store) == ["A", "B", "C", "B"]


def test_a_change_by_somebody_else_meanwhile_does_not_keep_it_from_loading(server, store):
    server.sees(A)
    store.meddler = Commit(1, "meddler", store.read().written_at_ms, b'{"revision":2,"after":{}}')
    assert server.sees(B).state == "in force"
    assert in_force(store) == ["A", "?", "B"]


def test_a_file_is_not_loaded_into_a_store_that_lost_its_data(server, tmp_path):
    server.sees(A)
    server.sees(B)
    server.store = emptied = Store()
    server.loader = FileLoader(
        emptied, lambda: server.follower.current.state, HandledFile(tmp_path, "one store"), HUMAN
    )
    report = server.loader.bring_in_force(C)
    assert (report.state, emptied.revision()) == ("waiting", 0)
    assert "the store is behind" in report.problems[0].message


def test_a_store_that_steps_back_after_our_load_is_no_reason_to_load_again(server, store):
    server.sees(A)
    assert server.loader.bring_in_force(A).state == "in force"
    assert in_force(store) == ["A"]
