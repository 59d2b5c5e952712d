"""Who changed what, when and why: the audit as a feed with an address for each entry, and as CSV that no spreadsheet
takes for a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from rollout.core.keys import Permission
from rollout.service.words import Document
from rollout.web.asking import actor_of, check_store
from rollout.web.authorisation import needs
from rollout.web.bodies import AuditQuery, read_model
from rollout.web.console.pages import Console
from rollout.web.console.words import what_moved
from rollout.web.errors import NotFound
from rollout.web.evaluate import read_query

ON_A_PAGE = 100
SCANNED = 1000
"""Entries that are looked through for those of one person or kind."""

COLUMNS = ("revision", "at", "by", "kind", "host", "tool", "action", "flag", "change", "reason", "request_id")


@dataclass(frozen=True, slots=True)
class Filters:
    flag: str = ""
    by: str = ""
    action: str = ""
    before: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filters:
        return cls(*(query.get(name, "").strip() for name in ("flag", "by", "action", "before")))

    def has(self, entry: Document) -> bool:
        return self.by in ("", entry["actor"]["id"]) and self.action in ("", entry["action"])

    def query(self, limit: int) -> AuditQuery:
        """Raises InvalidInput."""
        return read_model(
            AuditQuery,
            {"flag": self.flag or None, "limit": limit, "before": _number(self.before) if self.before else None},
        )


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/activity")
    @needs(Permission.AUDIT)
    def activity_page() -> Response:
        filters = Filters.of(read_query(request.query_string))
        document = _audit(console, filters, SCANNED if filters.by or filters.action else ON_A_PAGE)
        found = [entry for entry in document["entries"] if filters.has(entry)]
        next_before = found[ON_A_PAGE - 1]["revision"] if len(found) > ON_A_PAGE else document["next_before"]
        return console.page(
            "activity.html", filters=filters, entries=found[:ON_A_PAGE], next_before=next_before, entry=None
        )

    @blueprint.get("/activity/<int:revision>")
    @needs(Permission.AUDIT)
    def entry_page(revision: int) -> Response:
        document = _audit(console, Filters(before=str(revision + 1)), 1)
        entries = [entry for entry in document["entries"] if entry["revision"] == revision]
        if not entries:
            raise NotFound(f"there is no revision {revision}", "/activity has all that there are")
        return console.page("activity.html", filters=Filters(), entries=entries, next_before=None, entry=entries[0])

    @blueprint.get("/activity.csv")
    @needs(Permission.AUDIT)
    def activity_csv() -> Response:
        filters = Filters.of(read_query(request.query_string))
        document = _audit(console, filters, SCANNED)
        response = Response(as_csv(filter(filters.has, document["entries"])), content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="rollout-activity.csv"'
        return response


def _audit(console: Console, filters: Filters, limit: int) -> dict[str, Any]:
    query = filters.query(limit)
    check_store(console.parts.follower)
    reader = actor_of(console.me(request))
    return console.parts.desk.audit(flag=query.flag, limit=query.limit, before=query.before, reader=reader)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 17 else 0


def as_csv(entries: Iterable[Document]) -> str:
    """With the mark by which spreadsheets know UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(_row, entries))
    return f"\ufeff{out.getvalue()}"


def _row(entry: Document) -> Sequence[object]:
    actor, origin = entry["actor"], entry["origin"]
    texts = (
        entry["at"],
        actor["id"],
        actor["kind"],
        origin["host"],
        origin["tool"],
        entry["action"],
        entry["flag"],
        what_moved(entry),
        entry["reason"],
        entry["request_id"],
    )
    return entry["revision"], *map(harmless, texts)


def harmless(text: str) -> str:
    """As text, where a spreadsheet would compute it (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text
