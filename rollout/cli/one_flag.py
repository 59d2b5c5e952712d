"""One flag with its stages, when each began and when the next may, and who did what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from rollout.cli.guard_rows import guard_fields, guard_rows
from rollout.cli.overview import health_cell
from rollout.cli.terminal import Cell, Styled, Terminal
from rollout.cli.times import day_words, now_of
from rollout.cli.words import coming_words, state_cell, stop_words
from rollout.core.durations import format_duration
from rollout.service.spans import ago
from rollout.service.words import Document, file_words, live_words, served_words, share_words

NAME = 13  # columns on a terminal for the name of a fact


def tell_flag(terminal: Terminal, flag: Document) -> None:
    """For pipes one fact a line, whose first field says which; for people the same, in words."""
    if terminal.is_terminal:
        _tell_people(terminal, flag)
        return
    rows = [*_facts(flag), *(_stage_fields(flag, stage) for stage in flag["stages"])]
    rows += [row for guard in flag.get("guards", ()) for row in guard_fields(guard)]
    for row in [*rows, *(_history_fields(entry) for entry in flag.get("history", ()))]:
        terminal.fields(row)


def _tell_people(terminal: Terminal, flag: Document) -> None:
    now = now_of(flag)
    for name, said in _facts(flag):
        terminal.line(Styled(f"{name:<{NAME}}", "bold"), _cell(flag, name, said))
    _tell_rows(terminal, "stages", [_stage(flag, stage, now) for stage in flag["stages"]])
    _tell_rows(terminal, "guards", [row for guard in flag.get("guards", ()) for row in guard_rows(guard)])
    _tell_rows(terminal, "history", [_done(entry, now) for entry in flag.get("history", ())])


def _tell_rows(terminal: Terminal, title: str, rows: list[list[Cell]]) -> None:
    if rows:
        terminal.line(Styled(title, "bold"))
        terminal.aligned([["", *row] for row in rows], whole=True)


def _cell(flag: Document, name: str, said: str) -> Cell:
    if name == "state":
        return state_cell(said)
    if name == "warning":
        return Styled(said, "yellow")
    return health_cell(flag) if name == "health" else said


def _facts(flag: Document) -> Iterator[tuple[str, str]]:
    yield "flag", flag["flag"]
    yield "state", flag["state"]
    for word in ("killed", "halted"):
        if flag.get(word):
            yield word, stop_words(flag[word])
    yield "live", live_words(flag)
    if flag.get("served"):
        yield "served", served_words(flag["served"])
        yield from (("warning", said) for said in flag["served"]["warnings"])
    for one in flag.get("excluded", ()):
        yield "excluded", f"{one['attribute']} {one['value']} by guard {one['guard']}, {stop_words(one)}"
    if flag.get("health") and flag["state"] != "on":
        yield "health", flag["health"]
    yield "about", flag["description"]
    yield "owner", flag["owner"]
    yield "file", file_words(flag)
    if flag["locked"]:
        yield "locked", "nothing may raise it until `locked: true` goes from the file"
    if flag["requires"]:
        yield "requires", ", ".join(flag["requires"])
    if flag["required_by"]:
        yield "required by", ", ".join(flag["required_by"])


def _stage(flag: Document, stage: Document, now: datetime) -> list[Cell]:
    mark, style = _mark(flag, stage)
    entered = stage.get("entered")
    if entered:
        when = f"{ago(entered['at'], now)} by {entered['by']}, {day_words(entered['at'], now)}"
    else:
        when = _when(flag, now) if _is_next(flag, stage) else ""
    name = Styled(f"{mark} {stage['name']}", style)
    return [name, share_words(stage["audience"], stage["share"]), _particulars(stage), when]


def _mark(flag: Document, stage: Document) -> tuple[str, str]:
    if stage["live"]:
        return "✓", "green"
    return ("→", "bold") if _is_next(flag, stage) else ("–", "dim")


def _is_next(flag: Document, stage: Document) -> bool:
    return bool(stage["name"] == flag["stage"]["next"])


def _when(flag: Document, now: datetime) -> str:
    """When the next stage may begin, or why not yet."""
    coming = flag.get("coming")
    if not coming:
        return "next"
    said = coming_words(coming, now).removeprefix(coming["stage"]).removeprefix(":").strip()
    return f"next, {said}"


def _particulars(stage: Document) -> str:
    bake = timedelta(seconds=stage["bake_seconds"])
    said = [f"bakes {format_duration(bake)}"] if bake else []
    return ", ".join([*said, "needs approval"] if stage["approval"] else said)


def _done(entry: Document, now: datetime) -> list[Cell]:
    who = f"{entry['action']} by {entry['by']}"
    revision = Styled(str(entry["revision"]), "dim")
    return [revision, day_words(entry["at"], now), ago(entry["at"], now), who, entry["reason"]]


def _stage_fields(flag: Document, stage: Document) -> tuple[str, ...]:
    """Only ever added to, at the end: name, share, particulars, live or next, since or not before, by whom or why."""
    coming = flag.get("coming") or {}
    entered = stage.get("entered") or {}
    is_next = _is_next(flag, stage) and not stage["live"]
    return (
        "stage",
        stage["name"],
        share_words(stage["audience"], stage["share"]),
        _particulars(stage),
        "live" if stage["live"] else "next" if is_next else "",
        entered.get("at") or (coming.get("at") if is_next else None) or "",
        entered.get("by") or (coming.get("why") if is_next else None) or "",
    )


def _history_fields(entry: Document) -> tuple[str, ...]:
    return "history", str(entry["revision"]), entry["at"], entry["by"], entry["action"], entry["reason"]
