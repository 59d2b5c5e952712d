"""What of the service's documents a terminal says in its own way: with colour, and with times in the reader's zone.
All other words are in `service.words`; what is written is made safe by `terminal`.
"""

from __future__ import annotations

from datetime import datetime

from rollout.cli.terminal import Styled
from rollout.cli.times import day_words, instant_words
from rollout.service.spans import coming_in
from rollout.service.words import Document

_STATES = {
    "killed": ("✗", "strong red"),
    "halted": ("‖", "yellow"),
    "rolling": ("▶", "green"),
    "on": ("●", "green"),
    "done": ("✓", "green"),
    "disabled": ("○", "dim"),
}
DUE, BAKING = "due", "baking"
"""Why a stage comes when it does: what is the rule and need not be said."""


def state_cell(word: str) -> Styled:
    """On a terminal: a symbol, a word and a colour, none of which is needed to understand the others."""
    symbol, style = _STATES.get(word, ("–", "dim"))
    return Styled(f"{symbol} {word}", style)


def stop_words(stop: Document) -> str:
    """ "by anna on 2026-03-01 12:03:04 UTC: the reason"."""
    said = f"by {stop['by']} on {instant_words(stop['at'])}"
    return f"{said}: {stop['reason']}" if stop.get("reason") else said


def coming_words(coming: Document, now: datetime) -> str:
    """ "5% in 3d 4h, Mon 30 Nov 09:00 IST"; "5%: halted by anna"; "5% now"."""
    stage, at, why = coming["stage"], coming["at"], coming["why"]
    if at is None:
        return f"{stage}: {why}"
    if why == DUE:
        return f"{stage} now"
    said = f"{stage} {coming_in(at, now)}, {day_words(at, now)}"
    return said if why == BAKING else f"{said}: {why}"
