"""The audit: one line for each revision, with who changed what, when, from what to what, and why. A line is canonical
JSON (sorted keys, no spaces, text and whole numbers), so that the same entry is the same bytes everywhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollout.core.documents import Document, instant_text
from rollout.core.keys import Key

VERSION = 1


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and from where. `kind` is human, controller, guard or file; `authenticated` says by what that
    is known ("key:k2j9x0a7b1cd", "oidc:0f3a5d7e9b1c") and is empty where somebody just said so, `claimed` who the
    caller says to be beside that, `person` who stands behind "oidc:", whom no store knows."""

    id: str
    kind: str = "human"
    host: str = ""
    tool: str = ""
    address: str = ""  # on the network
    authenticated: str = ""
    claimed: str = ""
    person: Key | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    revision: int
    at: datetime
    actor: Actor
    action: str
    reason: str
    request_id: str
    flag: str | None  # None for what concerns a whole file
    before: Document
    after: Document
    evidence: Document | None = None  # of what a guard did: all that its judgement rests upon
    note: int = 0  # its number among those at this revision that changed nothing; 0: this is the change
    previous: str = ""  # hash of the entry before: see `core.chain`
    ticket: str = ""
    approvals: tuple[Document, ...] = ()  # who else said yes, and when
    pending: Document | None = None  # what waits for approval since, anew or otherwise, and what no longer does

    def document(self) -> Document:
        return {
            "version": VERSION,
            "revision": self.revision,
            **({"note": self.note} if self.note else {}),
            "at": instant_text(self.at),
            "actor": {"id": self.actor.id, "kind": self.actor.kind, "authenticated": self.actor.authenticated},
            "origin": {"host": self.actor.host, "address": self.actor.address, "tool": self.actor.tool}
            | _known(claimed=self.actor.claimed),
            "action": self.action,
            "flag": self.flag or "",
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "ticket": self.ticket,
            "approvals": list(self.approvals),
            "previous": self.previous,
            "request_id": self.request_id,
            **({} if self.evidence is None else {"evidence": self.evidence}),
            **({} if self.pending is None else {"pending": self.pending}),
        }


def _known(**words: str) -> Document:
    return {name: word for name, word in words.items() if word}


def canonical_line(document: Document) -> bytes:
    """The bytes of an entry. Raises TypeError for anything that is not JSON, and for numbers that are not whole: those
    are written in more than one way."""
    _refuse_fractions(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _refuse_fractions(value: object) -> None:
    if isinstance(value, float):
        raise TypeError(f"{value} is not a whole number; the audit keeps others as text, and JSON has no infinities")
    if isinstance(value, dict):
        for inner in value.values():
            _refuse_fractions(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_fractions(inner)


def read_line(line: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(line)
    return document
