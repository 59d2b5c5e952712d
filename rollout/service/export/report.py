"""The page to read and print: what happened to each flag in the quarter, what was stopped, who did what, and how to see
that it is true. One file without scripts that loads nothing; light, dark and on paper.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from rollout.core.chain import place_of, place_text
from rollout.core.documents import Document
from rollout.service.export.charts import Mark, people_chart, share_chart
from rollout.service.export.history import History
from rollout.service.export.tables import approval_rows, standing_words, trip_rows
from rollout.service.exposed_days import ACTION as COUNTED
from rollout.service.exposed_days import DayCount

KINDS = {
    "entry": "place",
    "at": "time",
    "in force since": "time",
    "before → after": "wide",
    "stands then": "wide",
    "why": "words",
    "about": "words",
    "what it found": "words",
}
"""How the cells of a column are set."""

STOPS = ("kill", "halt", "rollback")
STYLE = """
:root { color-scheme: light dark; --ink: #1c1f23; --soft: #59626d; --paper: #ffffff; --band: #f3f5f7; --rule: #d5dae0;
  --stop: #b3261e; --file: #59626d; --l0: #0b57a4; --l1: #a4460b; --l2: #2b6b2f; --l3: #7a2e8a; --l4: #6b5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a5adb7; --paper: #15181c; --band: #1f2429;
  --rule: #3a424b; --stop: #ff8a80; --file: #a5adb7; --l0: #7cb7ff; --l1: #ffb070; --l2: #86d78b; --l3: #dda0ee;
  --l4: #e0cf6a; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --band: #fff; --rule: #bbb;
  --stop: #b3261e; --file: #444; --l0: #0b57a4; --l1: #a4460b; --l2: #2b6b2f; --l3: #7a2e8a; --l4: #6b5a00; }
  body { margin: 0; max-width: none; font-size: 9.5pt; padding: 0; }
  h2 { break-after: avoid; } .flag, tr { break-inside: avoid; }
  thead { display: table-header-group; } a { color: inherit; text-decoration: none; } }
@page { size: A4; margin: 15mm 12mm; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; color: var(--ink);
  background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1.02rem; margin: 0; } p { margin: .35rem 0 .8rem; } .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .88em; margin: .4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .32rem .55rem .32rem 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: break-word; }
td.words { overflow-wrap: anywhere; min-width: 9rem; } td.wide { min-width: 15rem; }
th { font-weight: 600; color: var(--soft); white-space: nowrap; } td.time, td.place { white-space: nowrap; }
td.time, td.place, code, .number { font-variant-numeric: tabular-nums; }
code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: .6rem 2.2rem; margin: 1rem 0; padding: 0; list-style: none; }
.figures b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.flag { border-top: 1px solid var(--rule); padding: 1rem 0 .6rem; } svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; } .stopped { color: var(--stop); font-weight: 600; }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { fill: var(--soft); font-size: 11px; }
.name { font-size: 12px; fill: var(--soft); } .line { fill: none; stroke-width: 2.2; } .bar { fill: var(--l0); }
.mark line { stroke-width: 1.2; stroke-dasharray: 3 3; } .mark.stop line { stroke: var(--stop); }
.mark.stop circle { fill: var(--stop); }
.mark.file line { stroke: var(--file); } .mark.file circle { fill: var(--file); }
@media print { table { font-size: 7.6pt; } td.words { min-width: 5.5rem; } td.wide { min-width: 9.5rem; }
  .scroll { overflow: visible; } }
""" + "".join(f".line{n} {{ stroke: var(--l{n}); }} .name{n} {{ fill: var(--l{n}); }}\n" for n in range(5))


def report(history: History, manifest: Mapping[str, Any], exposed: Mapping[str, DayCount]) -> bytes:
    """`exposed`: by day."""
    title = f"Record of {history.quarter}"
    body = "".join(
        (
            _opening(history, title),
            _stops(history),
            _flags(history, exposed),
            _timeline(history),
            _approvals(history),
            _noted(history),
            _versions(history, manifest),
            _proof(manifest),
        )
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
    return page.encode()


def _opening(history: History, title: str) -> str:
    kinds = Counter(entry["actor"]["kind"] for entry in _changes(history))
    figures = [
        (len(history.entries), "entries"),
        (kinds["human"], "changes by people"),
        (kinds["controller"], "steps of plans"),
        (kinds["guard"], "acts of guards"),
        (kinds["file"], "files loaded"),
        (len(_stopped(history)), "stops"),
        (len(history.entries) - sum(kinds.values()), "notes"),
    ]
    listed = "".join(f"<li><b>{count:,}</b>{what}</li>" for count, what in figures)
    begins, ends = history.quarter.begins, history.quarter.ends
    when = f"From {begins:%-d %B %Y} to before {ends:%-d %B %Y}. All times are UTC."
    return f'<header><h1>{title}</h1><p class="soft">{when}</p></header><ul class="figures">{listed}</ul>'


def _flags(history: History, exposed: Mapping[str, DayCount]) -> str:
    people = {
        key: {day: one.people[key] for day, one in exposed.items() if key in one.people} for key in history.shares
    }
    shown = [key for key in sorted(history.shares) if people[key] or _was_on(history, key) or _has_rules(history, key)]
    others = sorted(set(history.shares) - set(shown))
    parts = [_flag(history, key, people[key]) for key in shown]
    rest = f'<p class="soft">On for nobody all the time: {escape(", ".join(others))}.</p>' if others else ""
    return f"<h2>Flags</h2>{''.join(parts) or '<p>No flag was on for anybody.</p>'}{rest}"


def _flag(history: History, key: str, people: Mapping[str, int]) -> str:
    record = history.records.get(key)
    about = f"{record.flag.description.rstrip('.')}. Owner: {record.flag.owner}" if record else "Archived."
    chart = '<p class="soft">On for nobody but by its rules.</p>'
    if _was_on(history, key):
        chart = share_chart(history.quarter, key, history.shares[key], _marks(history, key))
    bars = people_chart(history.quarter, key, people)
    return f'<section class="flag"><h3>{escape(key)}</h3><p class="soft">{escape(about)}</p>{chart}{bars}</section>'


def _was_on(history: History, key: str) -> bool:
    return any(points for _, points in history.shares[key])


def _has_rules(history: History, key: str) -> bool:
    """Whoever a rule serves has the flag whatever its share."""
    record = history.records.get(key)
    return record is not None and record.flag.enabled and bool(record.flag.rules)


def _marks(history: History, key: str) -> list[Mark]:
    return [
        Mark(entry["at"], "stop", f"{_time(entry)} {entry['action']} by {entry['actor']['id']}: {entry['reason']}")
        for entry in _stopped(history)
        if entry["flag"] == key
    ]


def _stops(history: History) -> str:
    trips = [
        [_clock(str(row[1])), row[2], row[3], row[5], row[6], f"{row[8]} of {row[9]}", row[12]]
        for row in trip_rows(history.entries)
    ]
    guards = _table(("at", "flag", "guard", "bound", "about", "failed, in the last minutes", "what it found"), trips)
    rows = [[_time(one), one["flag"], one["action"], one["actor"]["id"], one["reason"]] for one in _stopped(history)]
    stops = _table(("at", "flag", "what", "by", "why"), rows) if rows else "<p>Nothing was stopped.</p>"
    return f"<h2>What was stopped</h2>{stops}" + (f"<h2>What guards found</h2>{guards}" if trips else "")


def _timeline(history: History) -> str:
    rows = [
        [
            place_text(place_of(entry)),
            _time(entry),
            entry["actor"]["id"],
            f"{entry['action']} {entry['flag'] or entry['after'].get('name', '')}",
            f"{standing_words(entry, 'before')} → {standing_words(entry, 'after')}",
            _why(entry),
        ]
        for entry in _changes(history)
    ]
    columns = ("entry", "at", "by", "what", "before → after", "why")
    return f"<h2>Every change</h2>{_table(columns, rows) if rows else '<p>Nothing was changed.</p>'}"


def _approvals(history: History) -> str:
    rows = [[_clock(str(row[1])), row[2], row[4], row[5], row[7], row[8]] for row in approval_rows(history.entries)]
    columns = ("at", "flag", "who", "how", "stands then", "why")
    return f"<h2>Who let more people have it</h2>{_table(columns, rows) if rows else '<p>Nobody did in person.</p>'}"


def _noted(history: History) -> str:
    """But the counts of days, which are drawn."""
    notes = [entry for entry in history.entries if entry.get("note") and entry["action"] != COUNTED]
    rows = [[_time(one), one["actor"]["id"], one["action"], one["flag"], standing_words(one, "after")] for one in notes]
    if not rows:
        return ""
    return f"<h2>What changed nothing</h2>{_table(('at', 'by', 'what', 'flag', 'about'), rows)}"


def _versions(history: History, manifest: Mapping[str, Any]) -> str:
    names = {document["digest"]: document["file"] for document in manifest["versions"]}
    rows = [
        [
            _clock(version.since),
            str(version.revision),
            version.name,
            version.digest[:12],
            names.get(version.digest) or "not kept",
        ]
        for version in history.versions
    ]
    columns = ("in force since", "revision", "name", "digest", "in this folder")
    return f"<h2>Versions of the flags file</h2>{_table(columns, rows) if rows else '<p>None was in force.</p>'}"


def _proof(manifest: Mapping[str, Any]) -> str:
    previous = manifest["previous_export"]
    shown = [
        ("first entry", manifest["first"]["hash"] if manifest["first"] else "none"),
        ("last entry", manifest["last"]["hash"] or "none"),
        ("root of all entries so far", f"{manifest['last']['root']} ({manifest['last']['size']} entries)"),
        ("previous export", f"{previous['root']} ({previous['size']} entries)" if previous else "none"),
        ("public key", manifest["key"]),
    ]
    rows = "".join(f"<tr><th>{name}</th><td><code>{escape(value)}</code></td></tr>" for name, value in shown)
    gaps = "".join(f"<li>from {gap['from']} to {gap['to']}</li>" for gap in manifest["gaps"])
    told = f"<p>Spans of more than two hours in which no anchor was signed:</p><ul>{gaps}</ul>" if gaps else ""
    how = (
        "<p>Run <code>python3 verify.py --key HEX</code> in this folder; it needs nothing but Python. HEX is the public"
    )
    return f"<h2>How to see that this is true</h2>{how} key that you were given once.</p><table>{rows}</table>{told}"


def _changes(history: History) -> list[Document]:
    return [entry for entry in history.entries if not entry.get("note")]


def _stopped(history: History) -> list[Document]:
    return [
        one for one in _changes(history) if one["action"] in STOPS or (one["actor"]["kind"] == "guard" and one["flag"])
    ]


def _why(entry: Document) -> str:
    return " ".join(word for word in (entry["reason"], entry.get("ticket", "")) if word)


def _time(entry: Document) -> str:
    return _clock(entry["at"])


def _clock(at: str) -> str:
    """To the second, which is what people read; the lines have milliseconds."""
    return f"{at[:10]} {at[11:19]}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(_cell(name, cell) for name, cell in zip(columns, row, strict=True))}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(column: str, cell: object) -> str:
    return f'<td class="{KINDS.get(column, "")}">{escape(str(cell))}</td>'
