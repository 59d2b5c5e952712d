"""Why somebody has a flag or not, for those who answer people: one sentence, the steps behind it, what would change it,
and text for a ticket. It changes nothing, so support may use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from rollout.core.context import MAX_ATTRIBUTES
from rollout.core.keys import Permission
from rollout.service import reports
from rollout.service.words import Document
from rollout.web.asking import from_store_or_snapshot
from rollout.web.authorisation import needs
from rollout.web.console.pages import Console
from rollout.web.console.words import headline
from rollout.web.evaluate import read_query

ATTRIBUTE = "a."
"""So begin the fields that are attributes, so that one may be called `flag`."""

MOST_AT_ONCE = 200
"""Flags that are explained on one page."""


def add(blueprint: Blueprint, console: Console) -> None:
    follower = console.parts.follower

    @blueprint.get("/explain")
    @needs(Permission.EXPLAIN)
    def explain_page() -> Response:
        query = read_query(request.query_string)
        given = given_in(query)
        state = follower.current.state
        keys = [query["flag"]] if query.get("flag") else sorted(state.records)[:MOST_AT_ONCE]
        explained = [_explain(console, key, given) for key in keys] if given else []
        return console.page(
            "explain.html",
            flags=sorted(state.records),
            chosen=query.get("flag", ""),
            attributes=list(state.definitions.attributes.values()),
            given=given,
            prefix=ATTRIBUTE,
            explained=explained,
            ticket="\n\n".join(ticket(given, one) for one in explained),
        )


def given_in(query: Mapping[str, str]) -> dict[str, str]:
    """The attributes that were filled in."""
    fields = {name.removeprefix(ATTRIBUTE): value.strip() for name, value in query.items() if _is_attribute(name)}
    return {name: value for name, value in list(fields.items())[:MAX_ATTRIBUTES] if value}


def _is_attribute(name: str) -> bool:
    return name.startswith(ATTRIBUTE)


def _explain(console: Console, key: str, given: Mapping[str, object]) -> dict[str, Any]:
    parts = console.parts
    return from_store_or_snapshot(
        parts.follower,
        lambda: parts.desk.explain(key, given),
        lambda: reports.explain_report(parts.follower.current, key, given, {}),
    )


def ticket(given: Mapping[str, str], one: Document) -> str:
    """What to paste where a person asked."""
    about = ", ".join(f"{name} {value}" for name, value in given.items())
    return "\n".join([headline(given, one), f"Asked with: {about}.", *_changes(one), f"Revision {one['revision']}."])


def _changes(one: Document) -> Iterable[str]:
    return [f"It would change: {said}." for said in one["would_change"]]
