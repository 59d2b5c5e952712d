"""The console's secret: made once, the same for all who ask, and for nobody else to read."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from rollout.core.errors import InvalidInput
from rollout.stores.console_secret import NAME, console_secret


def test_all_processes_get_the_same_secret_and_so_does_a_restart(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        found = set(pool.map(console_secret, [tmp_path] * 6))
    assert found == {console_secret(tmp_path)}
    assert [file.name for file in tmp_path.iterdir()] == [NAME]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    console_secret(tmp_path)
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def test_two_servers_sign_differently_until_they_are_given_the_same_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert console_secret(one) != console_secret(other)
    (other / NAME).write_bytes((one / NAME).read_bytes())
    assert console_secret(one) == console_secret(other)


@pytest.mark.parametrize("content", ["", "\n", "secret"])
def test_a_secret_that_could_be_guessed_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    with pytest.raises(InvalidInput, match="too short"):
        console_secret(tmp_path)
