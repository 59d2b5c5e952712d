"""How every change is made: look first (a dry run says what would happen, at which revision), ask where more people
would get something, then do it on the condition that nothing moved meanwhile, and tell what came of it. Nobody is asked
about less exposure.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from rollout.cli.exits import Declined
from rollout.cli.identity import actor
from rollout.cli.options import Intent
from rollout.cli.spread import Spread, wait_for_servers
from rollout.cli.terminal import Styled, Terminal, stderr, stdout
from rollout.cli.words import BY_RULES, Document, move_words, raised, standing
from rollout.core.errors import InvalidInput, RolloutError
from rollout.service.operations import Request

if TYPE_CHECKING:
    from rollout.service.desk import Desk

Act: TypeAlias = Callable[[Request], dict[str, Any]]
"""One operation of the desk: with a dry run it only says what it would do."""


def change_flag(desk: Desk, flag: str, act: Act, intent: Intent, with_it: str | None = None) -> None:
    """Makes a change of one flag and tells it. `with_it` says what happens to the flags that require this one."""
    request = Request(actor(), intent.reason, dry_run=True)
    preview = act(request)
    if intent.dry_run:
        _tell(desk, flag, preview, intent, with_it)
        return
    if preview["raises"]:
        gaining = [move_words(move) for move in preview["moves"]] or [BY_RULES]
        make_sure(f"{flag}: more people get it", gaining, intent)
    answer = act(replace(request, dry_run=False, seen_revision=preview["revision"]))
    _tell(desk, flag, answer, intent, with_it)


def make_sure(what: str, details: Sequence[str], intent: Intent) -> None:
    """Asks whether to go on. Raises InvalidInput where nobody can be asked, Declined where the answer is not yes."""
    if intent.yes:
        return
    terminal = stderr()
    terminal.line(Styled(what, "bold"))
    for line in details:
        terminal.line("  ", line)
    if not sys.stdin.isatty():
        raise InvalidInput("more people would get something, and there is nobody to ask", "repeat it with --yes")
    terminal.prompt("Go on? [y/N] ")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Declined("not confirmed; nothing was changed")


def spread_of(desk: Desk, answer: Document, intent: Intent) -> Spread | None:
    return wait_for_servers(desk, answer["revision"]) if intent.wait and answer["changed"] else None


def _tell(desk: Desk, flag: str, answer: Document, intent: Intent, with_it: str | None) -> None:
    others = _required_by(desk, flag) if with_it else []
    if intent.as_json:
        stdout().json(with_spread(answer, spread_of(desk, answer, intent)) | {"required_by": others})
        return
    terminal = stdout()
    terminal.line(*_headline(answer))
    for move in answer["moves"]:
        terminal.line("  ", Styled(move_words(move), "yellow" if raised([move]) else "bold"))
    if others:
        terminal.line(f"  {with_it}: {', '.join(others)}")
    if answer["changed"]:
        terminal.flush()  # whoever stops something wants to know at once
        tell_spread(terminal, answer["revision"], spread_of(desk, answer, intent))
    if answer["changed"] and answer["undo"]:
        terminal.line("undo: ", Styled(answer["undo"], "bold"))


def _required_by(desk: Desk, flag: str) -> list[str]:
    try:
        return list(desk.flag_status(flag)["required_by"])
    except RolloutError:  # the change is made, whether or not this can be known
        return []


def tell_spread(terminal: Terminal, revision: int, spread: Spread | None) -> None:
    terminal.line(f"revision {revision}", f": {spread}" if spread else "")


def with_spread(answer: Document, spread: Spread | None) -> dict[str, Any]:
    servers = {"have": spread.have, "of": spread.of, "seconds": round(spread.seconds, 2)} if spread else None
    return {"schema_version": 1, **answer, "servers": servers}


def _headline(answer: Document) -> list[str | Styled]:
    said = standing(answer["flag"], answer["after"])
    if answer["dry_run"]:
        return [Styled("dry run, nothing was changed: ", "dim"), f"afterwards {said}"]
    if not answer["changed"]:
        return [f"nothing to change: {said}"]
    return [Styled(said, "bold")]
