"""All flags at a glance: a line each, what most needs looking at first, and what is wrong with the servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from rollout.cli.approvals import pending_warnings
from rollout.cli.terminal import Cell, Styled, Terminal
from rollout.cli.times import instant_words, now_of
from rollout.cli.words import coming_words, state_cell
from rollout.service.servers import open_streams, servers_of, troubles
from rollout.service.words import Document, file_words, live_words, plural

COLUMNS = ("flag", "state", "stage", "live", "next", "owner", "file", "health", "at", "why")
"""Of the tab-separated form: only ever added to, at the end. `at`: when what is next comes at the earliest."""

TITLES = ("flag", "state", "stage", "live", "health", "next", "owner", "file")
DISPENSABLE = ("owner", "health", "next")

HEALTH_STYLES = {"breached": "strong red", "too little data": "yellow", "source silent": "yellow"}


def tell_all(terminal: Terminal, document: Document) -> None:
    if not terminal.is_terminal:
        terminal.table(COLUMNS, [fields(line) for line in document["flags"]])
        return
    if not document["flags"]:
        terminal.line("no flags yet; `rollout apply flags.yaml` brings a file in force")
        return
    now = now_of(document)
    terminal.table(TITLES, [_row(line, now) for line in document["flags"]], DISPENSABLE)
    terminal.line(Styled(_footer(document), "dim"))


def warnings(document: Document) -> Iterator[str]:
    """What is wrong with the servers, and what waits for somebody's word; a sentence each."""
    yield from _store_trouble(document)
    yield from troubles(document)
    yield from _file_problems(document)
    yield from pending_warnings(document)


def fields(line: Document) -> list[str]:
    """A flag for programs."""
    coming = line.get("coming") or {}
    return [
        line["flag"],
        line["state"],
        _stage(line),
        live_words(line),
        _next_stage(line),
        line["owner"],
        file_words(line),
        _health(line),
        coming.get("at") or "",
        coming.get("why") or "",
    ]


def health_cell(line: Document) -> Cell:
    health = _health(line)
    style = HEALTH_STYLES.get(health)
    return Styled(health, style) if style else health


def _row(line: Document, now: datetime) -> list[Cell]:
    return [
        line["flag"],
        state_cell(line["state"]),
        _stage(line),
        live_words(line),
        health_cell(line),
        _next(line, now),
        line["owner"],
        file_words(line),
    ]


def _next(line: Document, now: datetime) -> str:
    """Of a rollout that moves also when it comes; why another does not, its state and its file's cell say."""
    coming = line.get("coming")
    return coming_words(coming, now) if coming and line["state"] == "rolling" else _next_stage(line)


def _stage(line: Document) -> str:
    stage = line["stage"]
    return f"{stage['done']}/{stage['of']}" if _has_rollout(line) else ""


def _health(line: Document) -> str:
    return line.get("health") or "" if _has_rollout(line) else ""


def _next_stage(line: Document) -> str:
    return line["stage"]["next"] or "" if _has_rollout(line) else ""


def _has_rollout(line: Document) -> bool:
    return bool(line["stage"]["of"]) and line["state"] != "on"


def _footer(document: Document) -> str:
    file, servers = document["file"], servers_of(document["servers"])
    said = [f"revision {document['revision']}"]
    said += [f"{file['name']} in force since {instant_words(file['since'])}"] if file else ["no file in force"]
    said += [plural(len(servers.live), "server")] if servers.live else []
    streams = open_streams(document["servers"])
    said += [] if streams is None else [plural(streams, "stream")]
    return ", ".join(said)


def _store_trouble(document: Document) -> Iterator[str]:
    """What the server that answered has to say against its own answer."""
    server = document.get("this_server") or {}
    if server.get("trouble"):
        yield f"this server cannot follow the store, and says what it knew last: {server['trouble']}"


def _file_problems(document: Document) -> Iterator[str]:
    """What is wrong with the servers' copies of the file, each said once, with how many servers say it."""
    answering = document.get("this_server") or {}
    reports = [server["file"] for server in document["servers"] if server.get("file")]
    reports = reports or [report for report in [answering.get("file")] if report]
    counts = Counter(said for report in reports for said in map(_problem_words, report["problems"]))
    for said, count in counts.items():
        yield f"{said} ({count} of {plural(len(reports), 'server')})"


def _problem_words(problem: Document) -> str:
    place = f"{problem['file']}:{problem['line']}:{problem['column']}"
    return f"{place}: {problem['message']}" + (f"; {problem['hint']}" if problem.get("hint") else "")
