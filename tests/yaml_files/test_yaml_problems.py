"""Problems as people and tools see them."""

from __future__ import annotations

import pytest

from rollout.core.errors import Problem
from rollout.yaml_files.problems import as_github, as_text


def problem(source: str, column: int, message: str = "no", hint: str | None = None) -> Problem:
    return Problem("flags.yaml", 8, column, message, hint, source)


@pytest.mark.parametrize(
    ("source", "column", "shown", "caret"),
    [
        ("      contry: IN", 7, "      contry: IN", "      ^"),
        ("\tcountry: IN", 2, "\tcountry: IN", "\t^"),
        ("k: 東京, x", 7, "k: 東京, x", "        ^"),  # two columns each
        ("हिन्दी: x", 9, "हिन्दी: x", "       ^"),  # the virama takes no room
        ("a: \x1b[31mred", 4, "a: \ufffd[31mred", "   ^"),
        ("a: \u202egnorw", 4, "a: \ufffdgnorw", "   ^"),
        ("a:", 3, "a:", "  ^"),
    ],
)
def test_the_caret_stands_under_the_place(source: str, column: int, shown: str, caret: str) -> None:
    assert as_text([problem(source, column)]).split("\n")[1:] == [shown, caret]


def test_a_long_line_is_shown_around_the_place() -> None:
    _, shown, caret = as_text([problem("x" * 500 + "HERE" + "y" * 500, 501)]).split("\n")
    assert len(shown) == 161
    assert shown.startswith("…x")
    assert shown[caret.index("^") :].startswith("HERE")


def test_a_problem_without_its_line_is_told_on_one() -> None:
    assert as_text([problem("", 1, "gone", "put it back")]) == "flags.yaml:8:1: error: gone; put it back"
    assert "\n" not in as_text([problem("short", 2_000)])


def test_annotations_escape_what_github_would_read_as_its_own() -> None:
    told = as_github([Problem("a,b:c.yaml", 1, 2, "100% off\r\nnow", "50%", severity="warning"), problem("", 3)])
    assert told.split("\n") == [
        "::warning file=a%2Cb%3Ac.yaml,line=1,col=2::100%25 off%0D%0Anow; 50%25",
        "::error file=flags.yaml,line=8,col=3::no",
    ]
