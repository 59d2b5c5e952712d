"""Which moment an answer about the past is from, and what was in force then."""

from __future__ import annotations

from rollout.cli.terminal import Terminal
from rollout.cli.times import instant_words
from rollout.service.words import Document


def tell_then(terminal: Terminal, document: Document) -> None:
    """Nothing where the answer is from now."""
    force = document.get("in_force")
    if force is None:
        return
    terminal.line(f"as of {instant_words(document['at'])}: revision {force['revision']}", _since(force))
    file = force["file"]
    if file:
        terminal.line(f"by {file['name']} ({file['digest'][:12]}, revision {file['revision']})", _since(file))
    if "attributes" in document:
        terminal.line(document["attributes"])


def _since(what: Document) -> str:
    return f", in force since {instant_words(what['since'])}"
