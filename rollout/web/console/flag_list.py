"""All flags at a glance: what most needs looking at first, and which button stops it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from rollout.core.keys import Permission
from rollout.service import reports
from rollout.service.servers import troubles
from rollout.service.words import Document
from rollout.web.asking import from_store_or_snapshot
from rollout.web.authorisation import needs
from rollout.web.console.pages import Console
from rollout.web.console.words import STATES, is_failing
from rollout.web.evaluate import read_query

FAILING = "failing"
"""What one may look for besides a state."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which flags; an empty word leaves it open."""

    state: str = ""
    owner: str = ""
    tag: str = ""
    text: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        return cls(*(query.get(name, "").strip() for name in ("state", "owner", "tag", "q")))

    def has(self, flag: Document) -> bool:
        return (
            self._has_state(flag)
            and self.owner in ("", flag["owner"])
            and (not self.tag or self.tag in flag["tags"])
            and self.text.lower() in f"{flag['flag']} {flag['owner']}".lower()
        )

    def _has_state(self, flag: Document) -> bool:
        return is_failing(flag) if self.state == FAILING else self.state in ("", flag["state"])


def add(blueprint: Blueprint, console: Console) -> None:
    follower = console.parts.follower

    @blueprint.get("/")
    @needs(Permission.STATUS)
    def flags_page() -> Response:
        document = from_store_or_snapshot(
            follower, console.parts.desk.status, lambda: reports.status_report(follower.current, {})
        )
        wanted, flags = Wanted.of(read_query(request.query_string)), document["flags"]
        return console.page(
            "flags.html",
            document=document,
            wanted=wanted,
            flags=sorted(filter(wanted.has, flags), key=urgency),
            counts=counts(flags),
            owners=sorted({flag["owner"] for flag in flags}),
            tags=sorted({tag for flag in flags for tag in flag["tags"]}),
            troubles=list(troubles(document)),
        )


def urgency(flag: Document) -> tuple[bool, bool, str]:
    """What is stopped, then what fails, then all others in the order of the document."""
    return flag["state"] not in ("killed", "halted"), not is_failing(flag), _rank(flag["state"])


def _rank(state: str) -> str:
    return str(STATES.index(state))


def counts(flags: Iterable[Document]) -> list[tuple[str, int]]:
    """How many there are in which state, and how many fail."""
    flags = list(flags)
    found: Counter[Any] = Counter(flag["state"] for flag in flags)
    failing = sum(map(is_failing, flags))
    first = [(FAILING, failing)] if failing else []
    return first + [(state, found[state]) for state in STATES if found[state]]
