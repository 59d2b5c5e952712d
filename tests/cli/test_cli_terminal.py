"""What reaches a terminal: tables that fit, colour only where it is wanted, and nothing that steers the terminal."""

from __future__ import annotations

import json
import re

import pytest
from clikit import Cli, Screen
from hypothesis import given
from hypothesis import strategies as st

from rollout.cli.terminal import Styled, Terminal, safe


@pytest.fixture(autouse=True)
def a_good_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)


@given(st.text())
def test_nothing_that_is_written_can_steer_a_terminal(text: str) -> None:
    screen = Screen()
    Terminal(screen).line(text)
    assert screen.shown.endswith("\n")
    assert re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", screen.shown[:-1]) is None


@given(st.text())
def test_json_is_the_same_text_in_printable_ascii(text: str) -> None:
    screen = Screen()
    Terminal(screen).json({"reason": text})
    assert re.fullmatch(r"[ -~\n]*", screen.shown)
    assert json.loads(screen.shown) == {"reason": text}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udcff", r"\udcff"),
        ("बैंक क्‍ष", "बैंक क्‍ष"),
        ("C:\\temp", "C:\\temp"),
    ],
)
def test_what_is_not_plainly_visible_is_written_out(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_reason_cannot_forge_a_row(cli: Cli) -> None:
    cli("kill", "payments", "-m", "x\n9\tnow\troot\tset")
    rows = cli("audit").rows
    assert len(rows) == 3
    assert rows[1][7] == r"x\n9\tnow\troot\tset"


def test_columns_are_aligned_also_with_wide_characters() -> None:
    screen = Screen()
    Terminal(screen).table(["flag", "owner", "x"], [["a", "日本", "1"], ["bb", "x", "2"], ["c", "", "3"]])
    lines = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in screen.shown.splitlines()]
    assert lines == ["FLAG  OWNER  X", "a     日本   1", "bb    x      2", "c     -      3"]


def test_on_a_narrow_terminal_columns_are_left_out_before_text_is_cut() -> None:
    screen = Screen()
    Terminal(screen).table(["flag", "owner", "next"], [["f" * 20, "o" * 40, "n" * 20]], ["owner", "next"])
    assert screen.shown.splitlines()[1] == "f" * 20 + "  " + "n" * 20


def test_a_table_that_is_too_wide_loses_text_but_never_the_name() -> None:
    screen = Screen()
    Terminal(screen).table(["flag", "owner"], [["f" * 40, "o" * 40]])
    row = screen.shown.splitlines()[1]
    assert row.startswith("f" * 40 + "  o")
    assert row.endswith("…")
    assert len(row) <= 60


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_nobody_gets_colour_who_does_not_want_it(monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]) -> None:
    monkeypatch.setenv(*variable)
    screen = Screen()
    Terminal(screen).line(Styled("killed", "red"))
    assert screen.shown == "killed\n"


def test_an_empty_no_color_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    screen = Screen()
    Terminal(screen).line(Styled("killed", "red"))
    assert screen.shown == "\x1b[31mkilled\x1b[0m\n"


def test_symbols_become_ascii_where_they_cannot_be_shown() -> None:
    screen = Screen("ascii")
    Terminal(screen).line("✓ 1% → 5% … é")
    assert screen.shown == "+ 1% -> 5% ... \\xe9\n"
