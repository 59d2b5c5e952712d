"""How every change is made: look first (a dry run says what would happen, at which revision), ask where more people
would get something, then do it on the condition that nothing moved meanwhile, and tell what came of it. Nobody is asked
about less exposure.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from rollout.cli.approvals import end_waiting, takes_more, tell_alone, tell_waiting, waits
from rollout.cli.exits import Declined
from rollout.cli.identity import actor
from rollout.cli.options import Intent
from rollout.cli.spread import Spread, wait_for_servers
from rollout.cli.terminal import Styled, Terminal, stderr, stdout
from rollout.cli.times import now_of
from rollout.cli.words import coming_words
from rollout.core.errors import InvalidInput, RevisionConflict, RolloutError
from rollout.service.operations import Request
from rollout.service.words import BY_RULES, Document, move_words, raised, readmitted_words, standing

if TYPE_CHECKING:
    from rollout.service.desk import Desk

Act: TypeAlias = Callable[[Request], dict[str, Any]]
"""One operation of the desk: with a dry run it only says what it would do."""

ATTEMPTS = 5
"""How often a stop looks again. Stopping is right whatever the flag was changed to meanwhile."""

PATIENCE = 1.0  # seconds until the server that is asked has followed the change


@dataclass(frozen=True, slots=True)
class Done:
    """A change that was made, and when it was sent (of `time.monotonic`)."""

    answer: dict[str, Any]
    began: float


def change_flag(
    desk: Desk, flag: str, act: Act, intent: Intent, with_it: str | None = None, *, says_next: bool = False
) -> None:
    """Makes a change of one flag and tells it. `with_it` says what happens to the flags that require this one;
    `says_next`: also tells what the rollout does next."""
    _tell(desk, flag, make(act, intent), intent, with_it=with_it, says_next=says_next)


def stop_flag(desk: Desk, flag: str, act: Act, intent: Intent, with_it: str | None = None) -> None:
    """The same for a change that only ever takes away or holds: nobody who changes the flag at that moment is in its
    way."""
    _tell(desk, flag, stop(act, intent), intent, with_it=with_it, says_next=False)


def stop(act: Act, intent: Intent) -> Done:
    """Looks again where other changes are refused."""
    for _ in range(ATTEMPTS - 1):
        with suppress(RevisionConflict):
            return make(act, intent)
    return make(act, intent)


def make(act: Act, intent: Intent) -> Done:
    """Looks, asks if need be, and does it. A dry run only looks."""
    request = Request(actor(), intent.reason, dry_run=True, break_glass=intent.break_glass)
    preview = act(request)
    if intent.dry_run:
        return Done(preview, time.monotonic())
    if preview["raises"]:
        gaining = [move_words(move) for move in raised(preview["moves"])]
        gaining += map(readmitted_words, preview.get("readmitted", ()))
        gaining = [*(gaining or [BY_RULES]), *takes_more(preview)]
        make_sure(f"{preview['flag']}: more people get it", gaining, intent)
    began = time.monotonic()
    return Done(act(replace(request, dry_run=False, seen_revision=preview["revision"])), began)


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


def spread_of(desk: Desk, done: Done, intent: Intent) -> Spread | None:
    if not intent.wait or not done.answer["changed"]:
        return None
    return wait_for_servers(desk, done.answer["revision"], done.began)


def _tell(desk: Desk, flag: str, done: Done, intent: Intent, *, with_it: str | None, says_next: bool) -> None:
    answer = done.answer
    if waits(answer):
        tell_that_it_waits(answer, intent)
        return
    others = _required_by(desk, flag) if with_it else []
    if intent.as_json:
        stdout().json(with_spread(answer, spread_of(desk, done, intent)) | {"required_by": others})
        return
    terminal = stdout()
    tell_answer(terminal, answer)
    if others:
        terminal.line(f"  {with_it}: {', '.join(others)}")
    if answer["changed"]:
        terminal.flush()  # whoever stops something wants to know at once
        tell_spread(terminal, answer["revision"], spread_of(desk, done, intent))
    if says_next and answer["changed"]:
        _tell_next(terminal, desk, flag, answer["revision"])
    tell_undo(terminal, answer)


def tell_that_it_waits(answer: Document, intent: Intent) -> None:
    """And ends the command so."""
    if intent.as_json:
        stdout().json(with_spread(answer, None))
    else:
        tell_waiting(stdout(), answer)
    end_waiting()


def tell_answer(terminal: Terminal, answer: Document) -> None:
    """Where the flag stands, and who gained or lost."""
    terminal.line(*_headline(answer))
    for move in answer["moves"]:
        terminal.line("  ", Styled(move_words(move), "yellow" if raised([move]) else "bold"))
    for one in answer.get("readmitted", ()):
        terminal.line("  again: ", Styled(readmitted_words(one), "yellow"))
    for line in takes_more(answer) if answer["dry_run"] else ():
        terminal.line("  ", line)
    tell_alone(terminal, answer)


def tell_undo(terminal: Terminal, answer: Document) -> None:
    if answer["changed"] and answer["undo"]:
        terminal.line("undo: ", Styled(answer["undo"], "bold"))


def _tell_next(terminal: Terminal, desk: Desk, flag: str, revision: int) -> None:
    with suppress(RolloutError):  # the change is made, whether or not this can be known
        status = _flag_status(desk, flag, revision)
        coming = status["coming"]
        terminal.line("next: ", coming_words(coming, now_of(status)) if coming else "nothing, its plan is done")


def _flag_status(desk: Desk, flag: str, revision: int) -> Document:
    """Once the server that is asked has followed that far, or at last as it knows it."""
    give_up = time.monotonic() + PATIENCE
    while True:
        status = desk.flag_status(flag)
        if status["state_revision"] >= revision or time.monotonic() > give_up:
            return status
        time.sleep(0.02)


def _required_by(desk: Desk, flag: str) -> list[str]:
    try:
        return list(desk.flag_status(flag)["required_by"])
    except RolloutError:  # the change is made, whether or not this can be known
        return []


def tell_spread(terminal: Terminal, revision: int, spread: Spread | None) -> None:
    terminal.line(f"revision {revision}", f": {spread}" if spread else "")


def with_spread(answer: Document, spread: Spread | None) -> dict[str, Any]:
    return {"schema_version": 1, **answer, "servers": spread.document() if spread else None}


def _headline(answer: Document) -> list[str | Styled]:
    said = standing(answer["flag"], answer["after"])
    if answer["dry_run"]:
        return [Styled("dry run, nothing was changed: ", "dim"), f"afterwards {said}"]
    if not answer["changed"]:
        return [f"nothing to change: {said}"]
    return [Styled(said, "bold")]
