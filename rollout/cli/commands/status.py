"""`status` says where every flag stands, the most urgent first, and what is wrong with the servers' files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import click

from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import reaching
from rollout.cli.terminal import Cell, Styled, Terminal, stderr, stdout
from rollout.cli.words import (
    Document,
    file_words,
    instant_words,
    live_words,
    plural,
    share_words,
    state_cell,
    stop_words,
)
from rollout.core.durations import format_duration

NAME = 13  # columns on a terminal for the name of a fact

COLUMNS = ("flag", "state", "stage", "live", "next", "owner", "file")
"""Of the tab-separated form as well: only ever added to, at the end."""


@click.command()
@click.argument("flag", required=False)
@reaching
@click.pass_obj
def command(open_desk: OpenDesk, flag: str | None, address: Address, as_json: bool) -> None:
    """Where every flag stands, or one with its stages.

    Killed and halted flags come first. In a pipe the table is tab-separated with a header line.
    """
    with desk_for(open_desk, address, flag) as desk:
        document = desk.flag_status(flag) if flag else desk.status()
    if as_json:
        stdout().json(document)
    elif flag:
        _tell_flag(stdout(), document)
    else:
        _tell_all(stdout(), document)
        for trouble in (*_store_trouble(document), *_file_problems(document)):
            stderr().line(Styled("warning: ", "yellow"), trouble)


def _tell_all(terminal: Terminal, document: Document) -> None:
    if terminal.is_terminal and not document["flags"]:
        terminal.line("no flags yet; `rollout apply flags.yaml` brings a file in force")
        return
    terminal.table(COLUMNS, [_row(line, terminal.is_terminal) for line in document["flags"]], ("owner", "next"))
    if terminal.is_terminal:
        terminal.line(Styled(_footer(document), "dim"))


def _row(line: Document, symbols: bool) -> list[Cell]:
    stage = line["stage"]
    return [
        line["flag"],
        state_cell(line["state"]) if symbols else line["state"],
        f"{stage['done']}/{stage['of']}" if stage["of"] and line["state"] != "on" else "",
        live_words(line),
        (stage["next"] or "") if line["state"] != "on" else "",
        line["owner"],
        file_words(line),
    ]


def _footer(document: Document) -> str:
    file = document["file"]
    said = [f"revision {document['revision']}"]
    said += [f"{file['name']} in force since {instant_words(file['since'])}"] if file else ["no file in force"]
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


def _tell_flag(terminal: Terminal, flag: Document) -> None:
    """The same for people and for pipes: one fact a line, the first field says which."""
    facts = list(_facts(flag, terminal.is_terminal))
    stages = [_stage(stage, flag["stage"]["next"], terminal.is_terminal) for stage in flag["stages"]]
    if not terminal.is_terminal:
        for row in (*facts, *stages):
            terminal.fields(row)
        return
    for name, said in facts:
        terminal.line(Styled(f"{name:<{NAME}}", "bold"), said)
    if stages:
        terminal.aligned([(Styled(f"{name:<{NAME - 2}}", "bold"), *cells) for name, *cells in stages])


def _facts(flag: Document, symbols: bool) -> Iterator[tuple[str, Cell]]:
    yield "flag", flag["flag"]
    yield "state", state_cell(flag["state"]) if symbols else flag["state"]
    for word in ("killed", "halted"):
        if flag.get(word):
            yield word, stop_words(flag[word])
    yield "live", live_words(flag)
    yield "about", flag["description"]
    yield "owner", flag["owner"]
    yield "file", file_words(flag)
    if flag["locked"]:
        yield "locked", "nothing may raise it until `locked: true` goes from the file"
    if flag["requires"]:
        yield "requires", ", ".join(flag["requires"])
    if flag["required_by"]:
        yield "required by", ", ".join(flag["required_by"])


def _stage(stage: Document, coming: str | None, symbols: bool) -> tuple[str, Cell, str, str, str]:
    bake = timedelta(seconds=stage["bake_seconds"])
    particulars = [f"bakes {format_duration(bake)}"] if bake else []
    particulars += ["needs approval"] if stage["approval"] else []
    live = "live" if stage["live"] else "next" if stage["name"] == coming else ""
    mark = ("✓ " if stage["live"] else "– ") if symbols else ""
    return (
        "stage",
        Styled(f"{mark}{stage['name']}", "green" if stage["live"] else "dim"),
        share_words(stage["audience"], stage["share"]),
        ", ".join(particulars),
        live,
    )
