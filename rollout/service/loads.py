"""A flags file that is too large for one request: what is known of it from its first byte to its answer. Workers take
it in, a process of its own carries it out, and whoever sent it asks for what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

Document: TypeAlias = dict[str, Any]

MOST_BYTES = 50_000_000
"""Of one body."""


class LoadState(StrEnum):
    RECEIVING = "receiving"
    WAITING = "waiting"  # it is whole, and others are before it
    LOADING = "loading"
    DONE = "done"
    FAILED = "failed"  # nothing was changed, unless the error says that this is not known


@dataclass(frozen=True, slots=True)
class Asker:
    """Who sends a request, as far as the request shows it. `key`: the id of the key that was shown, `name` its
    owner's; both are empty where no key was."""

    address: str
    tool: str
    key: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What was said before the first byte. `request_id` counts where the body says none, so that a load is carried out
    once whoever begins it again."""

    action: str  # "apply" | "plan"
    asker: Asker
    size: int  # bytes
    yaml: bool  # the body is a flags file; else JSON, with the file in it
    query: str  # of the address: a bare file's options
    request_id: str
    at: str  # RFC 3339

    def document(self) -> Document:
        asker = self.asker
        return {
            "action": self.action,
            "asker": {"address": asker.address, "tool": asker.tool, "key": asker.key, "name": asker.name},
            "size": self.size,
            "yaml": self.yaml,
            "query": self.query,
            "request_id": self.request_id,
            "at": self.at,
        }

    @classmethod
    def read(cls, document: Document) -> About:
        return cls(**document | {"asker": Asker(**document["asker"])})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: the `status` that a small file would have been answered with, and either of the others."""

    status: int
    answer: Document | None = None
    error: Document | None = None


def broken_off() -> Outcome:
    """Of a body whose rest did not come."""
    return _failed(400, "invalid", "the rest of this file did not come")


def interrupted(why: str) -> Outcome:
    """Of one that nobody loads any more, where the store says that it was not done."""
    return _failed(503, "interrupted", f"{why}; nothing was changed")


def _failed(status: int, code: str, message: str) -> Outcome:
    return Outcome(status, error={"code": code, "message": message, "hint": "send it again"})


class Intake(Protocol):
    """Takes large bodies in, part by part, for whoever carries them out."""

    def begin(self, about: About) -> str:
        """Names a load. Raises TooManyRequests, StoreUnavailable."""

    def append(self, load: str, offset: int, part: bytes) -> int | None:
        """How many bytes have come; None for a load that nobody knows. Raises RevisionConflict where this part is not
        the next, TooManyRequests, StoreUnavailable."""

    def drop(self, load: str) -> None:
        """Of which no more will come."""

    def about(self, load: str) -> About | None: ...

    def read(self, load: str) -> bytes | None:
        """What is to be said of it, as JSON."""


def load_document(load: str, about: About, state: LoadState, received: int, outcome: Outcome | None = None) -> Document:
    """What whoever asks for it is told."""
    return {
        "load": load,
        "action": about.action,
        "state": state.value,
        "at": about.at,
        "size": about.size,
        "received": received,
        "status": outcome.status if outcome else None,
        "answer": outcome.answer if outcome else None,
        "error": outcome.error if outcome else None,
    }


def ended_document(load: str, about: About, outcome: Outcome) -> Document:
    state = LoadState.FAILED if outcome.error else LoadState.DONE
    return load_document(load, about, state, about.size, outcome)
