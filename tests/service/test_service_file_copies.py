"""Several servers, each with a copy of the file: the same content once, and different content is no see-saw."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.core.audit import Actor
from rollout.core.definitions import FlagFile
from rollout.service.file_loader import FileLoader, FileState
from rollout.service.file_loading import Copy, compare_copy
from tests.service.servicekit import FLAGS, Place, file_of, flag, request


def check_copy(digest: str, handled: str | None, in_force: str | None, earlier: str, copy: Copy) -> None:
    assert compare_copy(digest, handled, in_force, tuple(earlier)) is copy


def test_a_copy_is_new_when_it_was_edited_here_since() -> None:
    check_copy("A", None, None, "", Copy.NEW)
    check_copy("A", None, "A", "", Copy.IN_FORCE)
    check_copy("A", "A", "A", "", Copy.IN_FORCE)
    check_copy("A", "B", "A", "B", Copy.IN_FORCE)
    check_copy("B", "A", "A", "", Copy.NEW)
    check_copy("B", "A", "A", "BC", Copy.NEW)  # edited back to what it was, on a server that is up to date
    check_copy("B", None, "A", "", Copy.NEW)  # a first start with a file that nobody knows
    check_copy("A", "A", None, "", Copy.OUT_OF_STEP)


def test_a_copy_that_lags_behind_is_not_brought_back() -> None:
    check_copy("A", "A", "B", "A", Copy.OUT_OF_STEP)  # another server was edited; this one not yet
    check_copy("A", None, "B", "A", Copy.OUT_OF_STEP)  # a new server with the file of last week
    check_copy("A", "Z", "B", "AZ", Copy.OUT_OF_STEP)  # it receives an older version late
    check_copy("C", "A", "B", "A", Copy.NEW)  # it was edited here to what nobody had
    check_copy("A", "A", "B", "", Copy.OUT_OF_STEP)
    check_copy("C", "A", "B", "AC", Copy.OUT_OF_STEP)


@dataclass
class Remembered:
    digest: str | None = None

    def remember(self, digest: str) -> None:
        self.digest = digest


class Server:
    def __init__(self, place: Place, name: str) -> None:
        self.handled = Remembered()
        self.loader = FileLoader(place.store, place.state, self.handled, Actor(name, "file"))

    def has(self, file: FlagFile) -> FileState:
        return self.loader.bring_in_force(file).state


ONE = file_of(*FLAGS)
TWO = file_of(*FLAGS, flag("two"))
THREE = file_of(*FLAGS, flag("two"), flag("three"))
IN_FORCE, OUT = FileState.IN_FORCE, FileState.OUT_OF_STEP


def test_the_same_content_on_every_server_is_loaded_once() -> None:
    place = Place(flags=())
    servers = [Server(place, f"server-{number}") for number in range(4)]
    assert [server.has(ONE) for server in servers] == [IN_FORCE] * 4
    assert [server.has(TWO) for server in servers] == [IN_FORCE] * 4
    assert [entry["actor"]["id"] for entry in place.entries()] == ["server-0", "server-0"]


def test_different_content_is_an_error_that_stays_and_no_see_saw() -> None:
    place = Place(flags=())
    one, other = Server(place, "one"), Server(place, "other")
    assert one.has(ONE) is IN_FORCE
    assert other.has(TWO) is IN_FORCE
    for _ in range(5):
        assert one.has(ONE) is OUT
        assert other.has(TWO) is IN_FORCE
    assert place.store.revision() == 2
    assert one.has(THREE) is IN_FORCE  # an edit here
    assert other.has(TWO) is OUT
    assert other.has(THREE) is IN_FORCE
    assert place.store.revision() == 3


def test_a_file_may_go_back_to_what_it_was() -> None:
    place = Place(flags=())
    server = Server(place, "one")
    assert [server.has(file) for file in (ONE, TWO, ONE, TWO)] == [IN_FORCE] * 4
    assert place.store.revision() == 4


def test_a_refused_file_is_asked_about_once_and_changes_nothing() -> None:
    place = Place()
    server = Server(place, "one")
    before = place.contents()
    short = file_of(flag("only"))
    report = server.loader.bring_in_force(short)
    assert report.state is FileState.REFUSED
    assert "drops 4 of 4 flags" in report.problems[0].message
    assert server.loader.bring_in_force(short) is report
    assert place.contents() == before


def test_a_server_that_saw_a_change_by_hand_loads_its_file_after_it() -> None:
    place = Place()
    server = Server(place, "one")
    place.operations.kill("payments", request())
    assert server.has(TWO) is IN_FORCE
    assert place.record().progress.killed is not None
