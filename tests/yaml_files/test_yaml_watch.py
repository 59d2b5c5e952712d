"""Watching real files change, in the ways in which editors, machines and accidents change them."""

from __future__ import annotations

import mmap
import os
import pwd
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidFile
from rollout.yaml_files.apart import read_in_subprocess
from rollout.yaml_files.reader import read_file
from rollout.yaml_files.watch import LARGE, FileWatcher

HEAD = "version: 1\nflags:\n"


def flags(*keys: str) -> str:
    return HEAD + "".join(f"  {key}: {{ description: A flag, owner: x@example.com }}\n" for key in keys)


LISTED = (
    "version: 1\nsegments:\n  people: { description: Listed, members: { file: people.txt } }\n"
    "flags:\n  a: { description: A flag, owner: x@example.com }\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "flags.yaml"
    file.write_text(flags("a"))
    return file


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def keys(news: FlagFile | InvalidFile | None) -> list[str]:
    assert isinstance(news, FlagFile), news
    return list(news.definitions.flags)


def message(news: FlagFile | InvalidFile | None) -> str:
    assert isinstance(news, InvalidFile), news
    return news.problems[0].message


def test_what_the_file_says_is_told_once(path: Path) -> None:
    watcher = FileWatcher(path)
    assert keys(watcher.poll()) == ["a"]
    assert watcher.poll() is None


def test_a_file_written_in_place_is_told(path: Path) -> None:
    watcher = FileWatcher(path)
    watcher.poll()
    path.write_text(flags("a", "b"))
    assert keys(watcher.poll()) == ["a", "b"]
    assert watcher.poll() is None


def test_a_file_renamed_into_its_place_is_told(path: Path) -> None:
    watcher = FileWatcher(path)
    watcher.poll()
    fresh = path.with_suffix(".tmp")
    fresh.write_text(flags("b"))
    os.utime(fresh, (0, 0))  # older than the one it replaces
    fresh.replace(path)
    assert keys(watcher.poll()) == ["b"]


def test_a_file_of_the_same_size_and_time_is_told(path: Path) -> None:
    watcher = FileWatcher(path)
    watcher.poll()
    times = path.stat()
    path.write_text(flags("b"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert keys(watcher.poll()) == ["b"]


def test_content_that_changed_unseen_by_stat_is_found_within_seconds(path: Path) -> None:
    """Linux stamps a file when a mapped page of it is written first, and not again until that page goes to the disk."""
    clock = Clock()
    watcher = FileWatcher(path, clock=clock)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[len(HEAD) + 2] = ord("b")
        assert keys(watcher.poll()) == ["b"]
        mapped[len(HEAD) + 2] = ord("c")
        clock.now += 6
        assert keys(watcher.poll()) == ["c"]


def test_a_touch_and_the_same_content_written_again_tell_nothing(path: Path) -> None:
    watcher = FileWatcher(path)
    watcher.poll()
    path.touch()
    assert watcher.poll() is None
    path.write_text(flags("a"))
    assert watcher.poll() is None


def test_an_editor_that_deletes_and_writes_anew_is_no_news_of_a_missing_file(path: Path) -> None:
    def rewritten(key: str) -> bool:
        watcher = FileWatcher(path)
        watcher.poll()
        path.unlink()
        again = threading.Timer(0.01, path.write_text, [flags(key)])
        again.start()
        news = watcher.poll()
        again.join()
        return isinstance(news, FlagFile) and keys(news) == [key]

    assert any(rewritten(key) for key in "bcdef")  # a busy machine may hold the editor up


def test_a_file_that_goes_and_comes_back_is_told_each_time(path: Path) -> None:
    watcher = FileWatcher(path)
    watcher.poll()
    path.unlink()
    assert message(watcher.poll()) == "the file cannot be read: No such file or directory"
    assert watcher.poll() is None
    path.write_text(flags("a"))
    assert keys(watcher.poll()) == ["a"]


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    watcher = FileWatcher(tmp_path / "later" / "flags.yaml")
    assert "No such file" in message(watcher.poll())
    assert watcher.poll() is None
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "flags.yaml").write_text(flags("a"))
    assert keys(watcher.poll()) == ["a"]


@pytest.mark.parametrize("broken", ["", HEAD, flags("a") + "  b: { desc", flags("A")])
def test_an_empty_or_half_written_file_is_told_and_then_the_next_good_one(path: Path, broken: str) -> None:
    watcher = FileWatcher(path)
    watcher.poll()
    path.write_text(broken)
    assert message(watcher.poll())
    assert watcher.poll() is None
    path.write_text(flags("a"))  # as it was: the same content is told again after a broken one
    assert keys(watcher.poll()) == ["a"]


def test_a_file_that_is_being_written_is_read_when_it_is_whole(path: Path) -> None:
    def written(key: str) -> bool:
        watcher = FileWatcher(path)
        watcher.poll()
        writer = threading.Thread(target=write_slowly, args=[path, flags("a", "b", key)])
        writer.start()
        time.sleep(0.015)
        news = watcher.poll()
        writer.join()
        return isinstance(news, FlagFile) and keys(news) == ["a", "b", key]

    assert any(written(key) for key in "cdefg")  # a busy machine may hold the writer up


def write_slowly(path: Path, text: str) -> None:
    with path.open("w") as file:
        for start in range(0, len(text), 40):
            file.write(text[start : start + 40])
            file.flush()
            time.sleep(0.005)


def test_a_symbolic_link_that_kubernetes_swaps_is_followed(tmp_path: Path) -> None:
    for version, listed in (("v1", "u-1\n"), ("v2", "u-1\nu-2\n")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "flags.yaml").write_text(LISTED)
        (tmp_path / version / "people.txt").write_text(listed)
    (tmp_path / "..data").symlink_to("v1")
    for name in ("flags.yaml", "people.txt"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    watcher = FileWatcher(tmp_path / "flags.yaml")
    first = watcher.poll()
    assert isinstance(first, FlagFile)
    assert first.definitions.segments["people"].members.count == 1
    (tmp_path / "..data_tmp").symlink_to("v2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    shutil.rmtree(tmp_path / "v1")
    second = watcher.poll()
    assert isinstance(second, FlagFile)
    assert second.definitions.segments["people"].members.count == 2


def test_a_member_list_that_changes_alone_is_told(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text(LISTED)
    people = tmp_path / "people.txt"
    people.write_text("u-1\n")
    watcher = FileWatcher(tmp_path / "flags.yaml")
    watcher.poll()
    people.write_text("u-1\nu-2\n")
    news = watcher.poll()
    assert isinstance(news, FlagFile)
    assert news.definitions.segments["people"].members.count == 2
    assert watcher.poll() is None


def test_a_member_list_that_is_missing_at_first_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text(LISTED)
    watcher = FileWatcher(tmp_path / "flags.yaml")
    assert message(watcher.poll()) == "cannot read 'people.txt': No such file or directory"
    assert watcher.poll() is None
    (tmp_path / "people.txt").write_text("u-1\n")
    assert keys(watcher.poll()) == ["a"]


def test_a_member_list_that_goes_is_told_and_the_next_good_one_too(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text(LISTED)
    (tmp_path / "people.txt").write_text("u-1\n")
    watcher = FileWatcher(tmp_path / "flags.yaml")
    watcher.poll()
    (tmp_path / "people.txt").unlink()
    assert "people.txt" in message(watcher.poll())
    (tmp_path / "people.txt").write_text("u-1\n")
    assert keys(watcher.poll()) == ["a"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_what_is_no_file_is_told_and_never_waited_on(path: Path, kind: str) -> None:
    watcher = FileWatcher(path)
    watcher.poll()
    path.unlink()
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "loop": lambda: path.symlink_to(path.name)}[kind]()
    assert message(watcher.poll()).startswith("the file cannot be read")
    assert watcher.poll() is None


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """One that other users may look into; pytest's own is for its user alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_file_without_permission_is_told_as_such(readable_folder: Path) -> None:
    path = readable_folder / "flags.yaml"
    path.write_text(flags("a"))
    path.chmod(0o000)
    watcher = FileWatcher(path)
    with somebody_else():
        assert message(watcher.poll()) == "the file cannot be read: Permission denied"
        assert watcher.poll() is None
    path.chmod(0o644)
    with somebody_else():
        assert keys(watcher.poll()) == ["a"]


@contextmanager
def somebody_else() -> Iterator[None]:
    """Root may read everything, so root is nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(user)


def test_flags_and_members_are_never_of_two_versions(tmp_path: Path) -> None:
    """Two versions are swapped all the while, as Kubernetes does it; what is read is always one of them."""
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "flags.yaml").write_text(LISTED.replace("Listed", version))
        (tmp_path / version / "people.txt").write_text(f"{version}\n" * 200)
    (tmp_path / "..data").symlink_to("v1")
    for name in ("flags.yaml", "people.txt"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    stop = threading.Event()

    def swap() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (tmp_path / "..tmp").symlink_to("v1" if number % 2 else "v2")
            (tmp_path / "..tmp").replace(tmp_path / "..data")
            time.sleep(0.004)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        seen = {version_of(tmp_path / "flags.yaml") for _ in range(100)}
    finally:
        stop.set()
        swapper.join()
    assert seen <= {"v1", "v2", "the file keeps changing while it is read"}
    assert {"v1", "v2"} & seen


def version_of(path: Path) -> str:
    try:
        file = read_file(path)
    except InvalidFile as invalid:
        return invalid.problems[0].message
    (packed,) = file.members.values()
    version = file.definitions.segments["people"].description
    assert f"\n{version}\n".encode() in packed
    return version


def large(*keys: str) -> str:
    return flags(*keys) + "# " + "x" * LARGE + "\n"


def test_a_large_file_is_read_in_a_process_of_its_own(path: Path) -> None:
    path.write_text(large("a", "b"))
    watcher = FileWatcher(path)
    told = watcher.poll()
    assert keys(told) == ["a", "b"]
    assert isinstance(told, FlagFile)
    assert told == read_file(path)
    path.write_text(large("A"))
    assert message(watcher.poll()) == "'A' is not a flag's key"
    assert watcher.poll() is None


def test_a_large_member_list_of_a_small_file_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text(LISTED)
    (tmp_path / "people.txt").write_text("".join(f"u-{number}\n" for number in range(20_000)))
    watcher = FileWatcher(tmp_path / "flags.yaml")
    told = watcher.poll()
    assert isinstance(told, FlagFile)
    assert told.definitions.segments["people"].members.count == 20_000
    with (tmp_path / "people.txt").open("a") as people:
        people.write("u-20000\n")
    told = watcher.poll()
    assert isinstance(told, FlagFile)
    assert told.definitions.segments["people"].members.count == 20_001


def test_a_reader_that_does_not_end_is_a_problem_and_is_tried_again(path: Path) -> None:
    path.write_text(large("a"))
    clock = Clock()
    watcher = FileWatcher(path, patience=timedelta(milliseconds=1), clock=clock)
    assert message(watcher.poll()) == "reading it took more than 0.001 s"
    assert watcher.poll() is None
    watcher._patience = timedelta(seconds=60)
    assert watcher.poll() is None
    clock.now += 61
    assert keys(watcher.poll()) == ["a"]


def test_a_reader_that_crashes_is_a_problem(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(InvalidFile) as refusal:
        read_in_subprocess(path)
    assert refusal.value.problems[0].message == "reading it ended with code 1"
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    with pytest.raises(InvalidFile) as refusal:
        read_in_subprocess(path)
    assert refusal.value.problems[0].message == "reading it failed: Ran out of input"


def test_a_path_that_fails_in_a_way_nobody_thought_of_is_a_problem_and_is_tried_again(path: Path) -> None:
    fails = [True]

    class Moody(type(path)):  # type: ignore[misc]
        def read_bytes(self) -> bytes:
            if fails[0]:
                raise RuntimeError("not today")
            return super().read_bytes()

    watcher = FileWatcher(Moody(path))
    assert message(watcher.poll()) == "reading it failed: RuntimeError('not today')"
    assert watcher.poll() is None
    fails[0] = False
    assert keys(watcher.poll()) == ["a"]


def test_a_read_elsewhere_raises_the_same_problems(path: Path) -> None:
    path.write_text(flags("A", "B"))
    with pytest.raises(InvalidFile) as elsewhere:
        read_in_subprocess(path)
    with pytest.raises(InvalidFile) as here:
        read_file(path)
    assert elsewhere.value.problems == here.value.problems
