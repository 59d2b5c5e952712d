"""The record as tables for people. A cell that a spreadsheet would take for a formula is made harmless by an apostrophe
before it; the lines of `entries.jsonl` are what is proved.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from rollout.core.chain import place_of, place_text
from rollout.core.documents import Document
from rollout.core.shares import Share
from rollout.service.exposed_days import DayCount

FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")

ENTRY_COLUMNS = (
    "place", "at", "actor", "kind", "authenticated", "host", "address", "tool", "action", "flag", "before", "after",
    "reason", "ticket", "approved by", "request id", "previous hash",
)  # fmt: skip
APPROVAL_COLUMNS = ("place", "at", "flag", "action", "approved by", "how", "when", "stands then", "reason", "ticket")
TRIP_COLUMNS = (
    "place", "at", "flag", "guard", "metric", "bound", "about", "samples", "failures", "of", "drill", "stands then",
    "reason",
)  # fmt: skip
EXPOSURE_COLUMNS = ("day", "flag", "people, about", "hashed with so many keys")


def harmless(cell: object) -> str:
    text = str(cell)
    return f"'{text}" if text.startswith(FORMULA) else text


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """UTF-8 with a byte order mark, without which spreadsheets take it for something else."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def entry_rows(entries: Iterable[Document]) -> list[list[object]]:
    return [
        [
            place_text(place_of(entry)),
            entry["at"],
            entry["actor"]["id"],
            entry["actor"]["kind"],
            entry["actor"].get("authenticated", ""),
            entry["origin"]["host"],
            entry["origin"].get("address", ""),
            entry["origin"]["tool"],
            entry["action"],
            entry["flag"],
            standing_words(entry, "before"),
            standing_words(entry, "after"),
            entry["reason"],
            entry.get("ticket", ""),
            ", ".join(one.get("by", "") for one in entry.get("approvals", ())),
            entry["request_id"],
            entry.get("previous", ""),
        ]
        for entry in entries
    ]


def approval_rows(entries: Iterable[Document]) -> list[list[object]]:
    """Who let more people have something: by approving it, or by taking the step in person."""
    rows: list[list[object]] = []
    for entry in entries:
        told = [place_text(place_of(entry)), entry["at"], entry["flag"], entry["action"]]
        rest = [standing_words(entry, "after"), entry["reason"], entry.get("ticket", "")]
        approvals = entry.get("approvals", ())
        rows += [[*told, one.get("by", ""), _how(one), one.get("at", ""), *rest] for one in approvals]
        if entry["actor"]["kind"] == "human" and raised(entry):
            rows.append([*told, entry["actor"]["id"], "in person", entry["at"], *rest])
    return rows


def _how(approval: Document) -> str:
    return "alone, break-glass" if "break_glass" in approval else "approval"


def raised(entry: Document) -> bool:
    """Whether an entry of one flag gave it to more of some audience."""
    if not entry["flag"] or entry.get("note"):
        return False
    before = {} if "killed" in entry["before"] else entry["before"].get("exposure", {})
    after = {} if "killed" in entry["after"] else entry["after"].get("exposure", {})
    return any(Share.parse(share) > Share.parse(before.get(audience, "0%")) for audience, share in after.items())


def trip_rows(entries: Iterable[Document]) -> list[list[object]]:
    """What guards did, with the numbers that it rests upon; all of the evidence is in `entries.jsonl`."""
    return [_trip(entry, entry["evidence"]) for entry in entries if entry.get("evidence")]


def _trip(entry: Document, evidence: Document) -> list[object]:
    guard, minutes = evidence.get("guard", {}), evidence.get("minutes", ())
    bound = f"max {guard['max']}" if "max" in guard else guard.get("max_ratio") or guard.get("min") or ""
    return [
        place_text(place_of(entry)),
        entry["at"],
        entry["flag"],
        guard.get("name", ""),
        guard.get("metric", ""),
        bound,
        evidence.get("value", ""),
        evidence.get("samples", ""),
        sum(minute[1] for minute in minutes),
        sum(minute[2] for minute in minutes),
        "yes" if evidence.get("drill") else "",
        standing_words(entry, "after"),
        entry["reason"],
    ]


def exposure_rows(exposed: Mapping[str, DayCount]) -> list[list[object]]:
    """`exposed`: by day."""
    return [
        [day, flag, people, counted.keys]
        for day, counted in sorted(exposed.items())
        for flag, people in sorted(counted.people.items())
    ]


def standing_words(entry: Document, side: str) -> str:
    """Where the flag stood or stands, which file it was, or what was noted."""
    document = entry[side]
    if entry.get("note"):
        return " ".join(f"{name}: {value}" for name, value in document.items() if value != "")
    if not entry["flag"]:
        digest = document.get("file", "")
        moved = ", ".join(sorted(document.get("progress", ())))
        return (f"file {digest[:12]}" + (f", which changed {moved}" if moved else "")) if digest else "no file"
    said = [word for word in ("killed", "halted") if word in document]
    said += [f"{share} of {audience}" for audience, share in document.get("exposure", {}).items()]
    said += [f"without {one['attribute']} {one['value']}" for one in document.get("excluded", ())]
    return ", ".join(said) or "nobody"
