"""`status -w`: on a terminal the picture is drawn anew, in a pipe there is a line for each change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from rollout.cli.looking import Look
from rollout.cli.overview import COLUMNS, fields
from rollout.cli.screen import Screen, can_redraw, rendered
from rollout.cli.terminal import Styled, Terminal, stderr, stdout
from rollout.cli.times import instant_words, now_of
from rollout.service.words import Document

Tell: TypeAlias = Callable[[Terminal, Document], None]

PIPE_COLUMNS = ("time", *COLUMNS)
"""`time`: when the flag was seen so, the first of them at the beginning."""


class Changes:
    """What is new in each look. Outages are told on stderr, when they begin and when they end."""

    def __init__(self) -> None:
        self._known: dict[str, object] = {}
        self._away = False

    def of(self, look: Look) -> list[dict[str, Any]]:
        """The lines of the flags that changed; at first of all."""
        if self._away != bool(look.trouble):
            self._away = bool(look.trouble)
            stderr().line(Styled("warning: ", "yellow"), look.trouble or "there are answers again")
        lines: list[dict[str, Any]] = look.document.get("flags", [look.document])
        new = [line for line in lines if self._known.get(line["flag"]) != _told(line)]
        self._known.update((line["flag"], _told(line)) for line in new)
        return new


def watch(seen: Iterable[Look], tell: Tell, *, as_json: bool) -> None:
    """Until Ctrl-C, which is how one ends it and so no failure. `tell` draws a document for people."""
    if can_redraw() and not as_json:
        _redraw(seen, tell)
        return
    try:
        _tell_changes(seen, as_json=as_json)
    except KeyboardInterrupt:
        return


def _redraw(seen: Iterable[Look], tell: Tell) -> None:
    last: Look | None = None
    with Screen() as screen:
        try:
            for last in seen:
                screen.draw(_picture(last, tell))
        except KeyboardInterrupt:
            pass
    if last:
        stdout().raw(rendered(_picture(last, tell)))


def _picture(look: Look, tell: Tell) -> Callable[[Terminal], None]:
    def draw(terminal: Terminal) -> None:
        tell(terminal, look.document)
        at = instant_words(now_of(look.document).isoformat())
        if look.trouble:
            terminal.line(Styled(f"as it was at {at}; now {look.trouble}", "strong red"))
        else:
            terminal.line(Styled(f"{at}, Ctrl-C ends", "dim"))

    return draw


def _tell_changes(seen: Iterable[Look], *, as_json: bool) -> None:
    terminal, changes = stdout(), Changes()
    if not as_json:
        terminal.fields(PIPE_COLUMNS)
    for look in seen:
        time = look.document.get("at") or now_of(look.document).isoformat()
        for line in changes.of(look):
            if as_json:
                terminal.json_line({"schema_version": 1, "time": time, **line})
            else:
                terminal.fields((time, *fields(line)))
        terminal.flush()


def _told(line: Document) -> list[str]:
    """Without when the next stage comes, which is estimated anew at each look."""
    said = fields(line)
    said[COLUMNS.index("at")] = ""
    return said
