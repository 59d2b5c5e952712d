"""One flag: where it stands, how it came there and what comes next, what its guards see, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

from rollout.core.errors import RolloutError
from rollout.core.keys import Permission
from rollout.service import reports
from rollout.service.words import Document
from rollout.web.asking import check_store, from_store_or_snapshot
from rollout.web.authorisation import needs
from rollout.web.console.pages import Console
from rollout.web.console.verbs import offered

MOST_LINES = 200
"""Of the file, that are shown of one flag."""


def add(blueprint: Blueprint, console: Console) -> None:
    follower, desk = console.parts.follower, console.parts.desk

    @blueprint.get("/flags/<flag>")
    @needs(Permission.STATUS)
    def flag_page(flag: str) -> Response:
        document = from_store_or_snapshot(
            follower, lambda: desk.flag_status(flag), lambda: reports.flag_status_report(follower.current, flag)
        )
        lines = lines_of(_file(console), f"flags.{flag}")
        return console.page("flag.html", flag=document, verbs=offered(document), lines=lines)


def _file(console: Console) -> Mapping[str, Any]:
    """Nothing where the store is away: the page is about the flag, and what is known of that is shown."""
    try:
        check_store(console.parts.follower)
        return console.parts.desk.file()
    except RolloutError:
        return {"text": "", "lines": {}}


def lines_of(file: Document, path: str) -> list[tuple[int, str]]:
    """What stands in the file at this path, with line numbers: until something begins that does not belong to it."""
    first = file["lines"].get(path)
    if first is None:
        return []
    text = file["text"].splitlines()
    indent = _indent(text[first - 1])
    found = [(first, text[first - 1])]
    for number, line in enumerate(text[first : first + MOST_LINES], first + 1):
        if line.strip() and _indent(line) <= indent:
            break
        found.append((number, line))
    while found and not found[-1][1].strip():
        found.pop()
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
