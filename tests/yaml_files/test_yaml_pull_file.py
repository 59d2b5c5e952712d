"""Pulling on disk: a file is replaced whole, or left as it is, and never written over what somebody just saved."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from yaml_corpus import CORPUS

from rollout.core.errors import InvalidFile, RevisionConflict, RolloutError
from rollout.core.plans import Exposure
from rollout.core.shares import EVERYBODY, Share
from rollout.yaml_files.disk import Seen, digest, signature
from rollout.yaml_files.pull import pull_file, pulls
from rollout.yaml_files.reader import read_file
from rollout.yaml_files.replacing import replace_file

LIVE: dict[str, Exposure] = {"payments": {"employees": EVERYBODY, "india": Share.parse("3%")}}


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    """The founding file in a folder of its own, with its member list."""
    shutil.copy(CORPUS / "good" / "founding.yaml", tmp_path / "flags.yaml")
    shutil.copy(CORPUS / "members" / "employees.txt", tmp_path)
    return tmp_path / "flags.yaml"


def seen(path: Path) -> Seen:
    return Seen(signature(path), digest(path))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_has_the_new_stage_and_what_was_written_is_told(flags: Path) -> None:
    before = flags.read_bytes()
    found = pull_file(flags, LIVE, {"payments"})
    assert [pull.said for pull in found] == ["3% of india is live, held between 1% and 5%: 3% becomes a stage"]
    assert flags.read_bytes() == before.replace(b"- 5%", b"- 3%\n        - 5%")
    assert pulls(read_file(flags), LIVE, {"payments"}) == []
    assert files(flags.parent) == ["employees.txt", "flags.yaml"]


def test_a_file_that_lags_nowhere_is_not_touched(flags: Path) -> None:
    before = seen(flags)
    assert pull_file(flags, {}, ()) == []
    assert seen(flags) == before


def test_a_file_into_which_nothing_can_be_pulled_is_not_touched(flags: Path) -> None:
    before = seen(flags)
    everyone: dict[str, Exposure] = {"payments": {"employees": EVERYBODY, "india": EVERYBODY}}
    assert [pull.change for pull in pull_file(flags, everyone, {"payments"})] == [None]
    assert seen(flags) == before


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755])
def test_the_mode_stays(flags: Path, mode: int) -> None:
    flags.chmod(mode)
    pull_file(flags, LIVE, {"payments"})
    assert flags.stat().st_mode & 0o777 == mode


def test_the_owner_stays(flags: Path) -> None:
    before = flags.stat()
    pull_file(flags, LIVE, {"payments"})
    assert (flags.stat().st_uid, flags.stat().st_gid) == (before.st_uid, before.st_gid)


def test_a_byte_order_mark_and_the_ends_of_lines_stay(flags: Path) -> None:
    windows = b"\xef\xbb\xbf" + flags.read_bytes().replace(b"\n", b"\r\n")
    flags.write_bytes(windows)
    pull_file(flags, LIVE, {"payments"})
    assert flags.read_bytes() == windows.replace(b"- 5%", b"- 3%\r\n        - 5%")


def test_behind_a_symbolic_link_the_file_changes_and_the_link_stays(flags: Path) -> None:
    elsewhere = flags.parent / "release-7"
    elsewhere.mkdir()
    flags.rename(elsewhere / "flags.yaml")
    flags.symlink_to(Path("release-7") / "flags.yaml")
    pull_file(flags, LIVE, {"payments"})
    assert flags.readlink() == Path("release-7") / "flags.yaml"
    assert "- 3%" in (elsewhere / "flags.yaml").read_text(encoding="utf-8")
    assert files(elsewhere) == ["flags.yaml"]


def another_text(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"# mine\n")


def as_long_as_before(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"14d", b"15d"))


def another_file_of_the_same_text(path: Path) -> None:
    shutil.copy(path, path.with_name("new"))
    path.with_name("new").replace(path)


def of_the_same_time(path: Path) -> None:
    times = path.stat()
    as_long_as_before(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def a_link_now(path: Path) -> None:
    path.rename(path.with_name("real.yaml"))
    path.symlink_to("real.yaml")


@pytest.mark.parametrize(
    "change", [another_text, as_long_as_before, another_file_of_the_same_text, of_the_same_time, a_link_now]
)
def test_a_file_that_somebody_changed_meanwhile_is_left_to_them(flags: Path, change: Callable[[Path], None]) -> None:
    before = seen(flags)
    change(flags)
    theirs, there = flags.read_bytes(), files(flags.parent)
    with pytest.raises(RevisionConflict, match=r"flags\.yaml changed while it was being edited, nothing was written"):
        replace_file(flags, b"ours", before)
    assert flags.read_bytes() == theirs
    assert files(flags.parent) == there


def test_a_text_that_differs_is_enough_where_a_file_system_notices_nothing(flags: Path) -> None:
    with pytest.raises(RevisionConflict):
        replace_file(flags, b"ours", Seen(signature(flags), "of another text"))


def test_a_file_that_is_gone_or_in_a_folder_that_takes_none_cannot_be_written(flags: Path) -> None:
    before = seen(flags)
    flags.unlink()
    for path in (flags, Path("/proc/version")):
        with pytest.raises(RolloutError, match="cannot be written"):
            replace_file(path, b"ours", before)
    assert files(flags.parent) == ["employees.txt"]


def test_a_file_with_a_problem_is_refused(flags: Path) -> None:
    flags.write_text("version: 2\nflags: {}\n", encoding="utf-8")
    with pytest.raises(InvalidFile, match="version '2' of the format is not known here"):
        pull_file(flags, LIVE, {"payments"})
    with pytest.raises(InvalidFile, match="No such file"):
        pull_file(flags.with_name("absent.yaml"), LIVE, {"payments"})
