"""What people are told of changes that take more than one person: that one waits, what there is to decide on, and what
was done alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from rollout.cli.exits import Exit
from rollout.cli.terminal import Styled, Terminal
from rollout.cli.times import instant_words
from rollout.service.words import Document, plural

MOST_REASONS = 5


def takes_more(answer: Document) -> list[str]:
    """Before it is done: how many persons it takes, and why."""
    approval = answer.get("approval")
    if not approval:
        return []
    return [f"this takes {approval['persons']} persons:", *(f"  {why}" for why in _few(approval["because"]))]


def waits(answer: Document) -> bool:
    """Nothing was done: others have to agree first."""
    return "approval" in answer and "pending" in answer


def end_waiting() -> None:
    """Ends the command as one that a rule keeps from being done."""
    click.get_current_context().exit(Exit.REFUSED)


def tell_waiting(terminal: Terminal, answer: Document) -> None:
    one = answer["pending"]
    left = one["needed"] - len(one.get("approved", ()))
    terminal.line(
        Styled(f"waits for approval {one['id']}", "bold"), f": {plural(left, 'person')} to agree; nothing was changed"
    )
    for why in _few(one["raises"]):
        terminal.line("  ", why)
    terminal.line("somebody else says: ", Styled(f"rollout approve {one['id']}", "bold"))


def tell_alone(terminal: Terminal, answer: Document) -> None:
    one = answer.get("break_glass")
    if one:
        terminal.line(
            Styled("done alone, break-glass", "strong red"),
            f": shown until another admin has seen it and says `rollout approve {one['id']}`",
        )


def pending_warnings(document: Document) -> Iterator[str]:
    """Of a status: what waits, and what was done alone."""
    for one in document.get("pending", ()):
        if one["state"] == "done alone":
            yield f"{title(one)} was done by {one['by']['name']} alone, break-glass ({one.get('reason', '')}); " + (
                f"another admin who has seen it says `rollout approve {one['id']}`"
            )
        elif one["state"] == "waits":
            yield f"{title(one)}, wanted by {one['by']['name']}, waits for `rollout approve {one['id']}`"


def approval_words(entry: Document) -> list[str]:
    """Of an entry of the audit: who else said yes, and what was proposed or decided."""
    said = [
        f"{one['by']} {'alone, break-glass' if 'break_glass' in one else 'approved it'}"
        for one in entry.get("approvals", ())
    ]
    changed = entry.get("pending", {}).get("changed", ())
    return said + [f"{one['id']}: {title(one)}" for one in changed]


def title(one: Document) -> str:
    """The command, as far as it says what is done."""
    content = one.get("content", {})
    word = content.get("share") or content.get("to") or content.get("value") or content.get("name") or ""
    return " ".join(filter(None, (one["action"], one.get("flag"), word)))


def when(text: str, terminal: Terminal) -> str:
    return instant_words(text) if terminal.is_terminal else text


def _few(reasons: list[str]) -> list[str]:
    more = len(reasons) - MOST_REASONS
    return [*reasons[:MOST_REASONS], *([f"and {more} more"] if more > 0 else [])]
