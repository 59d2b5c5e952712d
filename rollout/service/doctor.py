"""What is wrong with an installation, or soon will be, and what to do about it. Each check looks at one thing and says
what it found, also where that is fine; what a store does not tell is no problem, but said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import orjson

from rollout.core.keys import Key, condition
from rollout.core.progression import Moment, Verdict
from rollout.service.file_loader import FileState
from rollout.service.guarding import Watched, verdicts
from rollout.service.ports import Heard, Vitals
from rollout.service.roll_call import CONFIRMED
from rollout.service.snapshot import Snapshot

Document: TypeAlias = dict[str, Any]

OLDEST = {"redis": (6, 2), "valkey": (7, 2)}
MOST_MEMORY = 80  # percent of what the store may use
NEAR = timedelta(days=14)
CLOCKS = timedelta(seconds=30)  # by which they may differ
LATE = timedelta(seconds=10)  # after a change, until which a server may be behind

_IN_FORCE = (FileState.IN_FORCE, FileState.WAITING)


@dataclass(frozen=True, slots=True)
class Finding:
    """`state` is ok, unknown or problem."""

    check: str
    state: str
    says: str
    hint: str | None = None


def doctor_report(
    snapshot: Snapshot,
    vitals: Vitals,
    servers: Mapping[str, Heard],
    watches: Mapping[str, Watched],
    moment: Moment,
) -> Document:
    reports = {name: (orjson.loads(heard.report), heard.age) for name, heard in sorted(servers.items())}
    return _document(
        [
            *_store(vitals),
            *_each("servers", _out_of_step(reports, snapshot, moment), _counted(len(reports), "server process")),
            *_each("clocks", _clocks(reports, moment), "they agree with the store's"),
            *_each("file", _files(reports), "in force"),
            *_each("keys", _keys(snapshot, moment), _keys_said(snapshot)),
            *_each("people", _counted_apart(reports), "all servers count them by the same key"),
            *_each("overrides", _unseen(snapshot), "none that a second admin has not seen"),
            *_each("guards", _silent(snapshot, watches, moment), "all that watch have outcomes to judge"),
        ]
    )


def without_store(trouble: str) -> Document:
    """While the store is out of reach nothing else can be known."""
    return _document([_problem("store", trouble, "checks go on, stale; see whether the store runs and can be reached")])


def _document(findings: list[Finding]) -> Document:
    checks = [{"check": one.check, "state": one.state, "says": one.says, "hint": one.hint} for one in findings]
    return {"schema_version": 1, "healthy": not any(one.state == "problem" for one in findings), "checks": checks}


def _each(check: str, problems: Iterator[Finding], fine: str) -> list[Finding]:
    return list(problems) or [Finding(check, "ok", fine)]


def _problem(check: str, says: str, hint: str) -> Finding:
    return Finding(check, "problem", says, hint)


def _store(vitals: Vitals) -> Iterator[Finding]:
    if vitals.software == "memory":
        yield Finding("store", "unknown", "it is kept in memory, and ends with the process")
        return
    if vitals.software is None:
        yield Finding("store", "unknown", "its user may not ask INFO", "give it +info, and this says more")
        return
    yield _version(vitals)
    yield _role(vitals)
    yield _authentication(vitals)
    yield _eviction(vitals)
    yield _append_only(vitals)
    yield _memory(vitals)


def _version(vitals: Vitals) -> Finding:
    oldest = OLDEST.get(vitals.software or "", (0,))
    said = f"{vitals.software} {'.'.join(map(str, vitals.version))}"
    if vitals.version < oldest:
        wanted = ".".join(map(str, oldest))
        return _problem("store version", f"{said} is too old", f"use Redis 6.2, Valkey 7.2 or newer ({wanted})")
    return Finding("store version", "ok", said)


def _role(vitals: Vitals) -> Finding:
    if vitals.is_replica:
        return _problem(
            "store role", "it is a replica, which takes no writes", "point ROLLOUT_REDIS_URL at the primary"
        )
    return Finding("store role", "ok", "primary")


def _authentication(vitals: Vitals) -> Finding:
    if vitals.is_local:
        return Finding("store access", "ok", "a socket on this machine")
    if not vitals.authenticated:
        return _problem(
            "store access",
            "it asks for no password, so whoever reaches it can change every flag",
            "give the service a user of its own: docs/security.md has one",
        )
    return Finding("store access", "ok", "by password")


def _eviction(vitals: Vitals) -> Finding:
    if vitals.eviction_policy != "noeviction":
        return _problem(
            "store eviction",
            f"maxmemory-policy is {vitals.eviction_policy}: when memory runs short, flags would vanish",
            "CONFIG SET maxmemory-policy noeviction, and in its file",
        )
    return Finding("store eviction", "ok", "noeviction")


def _append_only(vitals: Vitals) -> Finding:
    if not vitals.append_only:
        return _problem(
            "store persistence",
            "its append-only file is off: a restart would lose changes that were acknowledged",
            "CONFIG SET appendonly yes, and in its file",
        )
    if not vitals.persists:
        return _problem("store persistence", "its last write to disk failed", "see its log and its disk")
    return Finding("store persistence", "ok", "append-only file")


def _memory(vitals: Vitals) -> Finding:
    used = f"{vitals.memory_used / 2**20:.0f} MiB"
    if not vitals.memory_limit:
        return Finding("store memory", "ok", f"{used} used, without a limit")
    percent = 100 * vitals.memory_used // vitals.memory_limit
    said = f"{used} used, {percent}% of what it may"
    if percent >= MOST_MEMORY:
        return _problem("store memory", said, "raise its maxmemory: when that is used up, no change can be written")
    return Finding("store memory", "ok", said)


Reports: TypeAlias = Mapping[str, tuple[Document, timedelta]]
"""What each server process said last, and how long ago."""


def _out_of_step(reports: Reports, snapshot: Snapshot, moment: Moment) -> Iterator[Finding]:
    settled = moment.at.timestamp() * 1000 - snapshot.written_at_ms > LATE / timedelta(milliseconds=1)
    for name, (report, age) in reports.items():
        if age > CONFIRMED:
            yield _problem(
                "servers",
                f"{name} was not heard of for {age.total_seconds():.0f} s",
                "see whether it runs and reaches the store",
            )
        elif report.get("trouble"):
            yield _problem("servers", f"{name}: {report['trouble']}", "see its log")
        elif settled and report.get("revision", snapshot.revision) < snapshot.revision:
            yield _problem(
                "servers",
                f"{name} serves revision {report['revision']}, and the store is at {snapshot.revision}",
                "see its log",
            )


def _clocks(reports: Reports, moment: Moment) -> Iterator[Finding]:
    """Keys expire by a server's clock, stages bake by the store's."""
    for name, (report, age) in reports.items():
        if "at_ms" not in report or age > CONFIRMED:
            continue
        heard_ms = (moment.at - age).timestamp() * 1000
        apart = timedelta(milliseconds=abs(report["at_ms"] - heard_ms))
        if apart > CLOCKS:
            yield _problem(
                "clocks", f"{name}'s clock and the store's are {apart.total_seconds():.0f} s apart", "set them by NTP"
            )


def _files(reports: Reports) -> Iterator[Finding]:
    for name, (report, _) in reports.items():
        file = report.get("file")
        if not file or file["state"] in _IN_FORCE or (file["state"] == FileState.MISSING and not file.get("digest")):
            continue
        said = file["problems"][0]["message"] if file.get("problems") else ""
        yield _problem(
            "file", f"{name}: {file['name']} is {file['state']}: {said}", "`rollout validate` says all of it"
        )


def _keys(snapshot: Snapshot, moment: Moment) -> Iterator[Finding]:
    for key in snapshot.state.keys.values():
        if condition(key, moment.at) == "live" and _ends_soon(key, moment):
            days = (key.expires_at - moment.at).days if key.expires_at else 0
            yield _problem(
                "keys",
                f"{key.role} key {key.id} of {key.name} expires within {_counted(days + 1, 'day')}",
                f"rollout keys rotate {key.id}",
            )


def _ends_soon(key: Key, moment: Moment) -> bool:
    return key.expires_at is not None and not key.replaced_by and key.expires_at - moment.at < NEAR


def _keys_said(snapshot: Snapshot) -> str:
    if not snapshot.state.keys:
        return "none: the service answers its own machine alone"
    return "none expires within two weeks"


def _counted_apart(reports: Reports) -> Iterator[Finding]:
    """Hashes of the same person are the same only under the same key; servers tell of theirs by a fingerprint."""
    keys: dict[str, list[str]] = {}
    for name, (report, age) in reports.items():
        if report.get("subjects") and age <= CONFIRMED:
            keys.setdefault(report["subjects"], []).append(name)
    if len(keys) > 1:
        apart = " and ".join(", ".join(names) for names in keys.values())
        yield _problem(
            "people",
            f"{apart} hash people by different keys, so whoever several of them serve is counted several times a day",
            "give all data folders the subjects.key of one of them, and restart the others",
        )


def _unseen(snapshot: Snapshot) -> Iterator[Finding]:
    """Of what was done alone, break-glass."""
    for one in snapshot.state.pending.values():
        if one.done_at:
            what = f"{one.action} of {one.flag}" if one.flag else one.action
            yield _problem(
                "overrides",
                f"{one.by.name} did {what} alone at revision {one.done_at} ({one.reason}), and no second admin saw it",
                f"another admin looks at it, and says so: rollout approve {one.id}",
            )


def _silent(snapshot: Snapshot, watches: Mapping[str, Watched], moment: Moment) -> Iterator[Finding]:
    for key, record in snapshot.state.records.items():
        if record.progress.killed or not record.flag.enabled or not record.progress.exposure:
            continue  # nobody has it, so nothing is reported
        for name, verdict in verdicts(record, snapshot.state, watches.get(key), moment).items():
            if verdict is Verdict.SOURCE_SILENT:
                yield _problem(
                    "guards",
                    f"guard {name} of {key} hears of no outcomes, so it can neither stop nor let anything go on",
                    "see whether the back end reports to POST /v1/outcomes",
                )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "es" if what.endswith("s") else "s")
