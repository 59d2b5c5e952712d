"""What people are told about the state, as JSON documents. Fields are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

import orjson

from rollout.core.audit import read_line
from rollout.core.chain import place_of, place_text, read_place
from rollout.core.changes import served
from rollout.core.context import read_context
from rollout.core.documents import instant_text, progress_document, read_progress
from rollout.core.errors import InvalidInput, UnknownFlag
from rollout.core.explanation import Step, explain
from rollout.core.flags import Flag
from rollout.core.plain_words import plain_words
from rollout.core.plans import stages_done
from rollout.core.progress import FlagRecord, State
from rollout.core.progression import Enter, Moment, Verdict
from rollout.core.shares import Share
from rollout.core.simulation import timetable
from rollout.core.watching import worst_of
from rollout.service.answers import held_back, pending_line, state_word
from rollout.service.controller import next_step, windows_of
from rollout.service.encoding import unpack_json
from rollout.service.guard_reports import guards_report, worst_guard
from rollout.service.guarding import Watched
from rollout.service.ports import FlagStore, Heard
from rollout.service.roll_call import CONFIRMED
from rollout.service.snapshot import FetchBlob, Snapshot

Document: TypeAlias = dict[str, Any]

SCHEMA = {"schema_version": 1}
"""Every document says which; a field that changes its meaning would change it."""

NOTHING_SEEN: Mapping[str, Watched] = MappingProxyType({})

_URGENT = ("killed", "halted", "rolling", "on", "done", "disabled")


def status_report(
    snapshot: Snapshot,
    servers: Mapping[str, Heard] | None = None,
    moment: Moment | None = None,
    watches: Mapping[str, Watched] = NOTHING_SEEN,
) -> Document:
    """Where every flag stands, what most needs looking at first, and the servers that were heard of. Without a moment
    (the store is away) nothing is said of when what comes next."""
    state = snapshot.state
    flags = [flag_line(record, state, moment, watches.get(key)) for key, record in state.records.items()]
    flags.sort(key=lambda line: (_URGENT.index(line["state"]), line["flag"]))
    file = state.file
    return {
        **SCHEMA,
        "revision": snapshot.revision,
        "at": instant_text(moment.at) if moment else None,
        "file": {"digest": file.digest, "name": file.name, "revision": file.revision, "since": instant_text(file.at)}
        if file
        else None,
        "flags": flags,
        "pending": [pending_line(one, state, moment.at if moment else None) for one in state.pending.values()],
        "servers": [_server(name, heard) for name, heard in sorted((servers or {}).items())],
    }


def _server(name: str, heard: Heard) -> Document:
    report: Document = orjson.loads(heard.report)
    return {
        "id": name,
        **report,
        "age_ms": heard.age // timedelta(milliseconds=1),
        "confirmed": heard.age <= CONFIRMED,
    }


def flag_line(record: FlagRecord, state: State, moment: Moment | None, watched: Watched | None = None) -> Document:
    """A flag in one line of a table."""
    flag, progress = record.flag, record.progress
    done = stages_done(flag.stages, progress.exposure)
    guards = guards_report(record, state, moment, watched) if moment else []
    return {
        "flag": flag.key,
        "state": state_word(record),
        "stage": {
            "done": done,
            "of": len(flag.stages),
            "name": flag.stages[done - 1].name if done else None,
            "next": flag.stages[done].name if done < len(flag.stages) else None,
        },
        "live": [{"audience": audience, "share": str(share)} for audience, share in in_plan_order(record)],
        "health": worst_of(Verdict(guard["verdict"]) for guard in guards).value if moment else None,
        "coming": _coming(record, state, moment, watched) if moment else None,
        "guard": worst_guard(guards),
        "owner": flag.owner,
        "tags": list(flag.tags),
        "locked": flag.locked,
        "in_file": record.in_file,
        "held_back": held_back(record),
        "revision": record.revision,
        **{key: value for key, value in progress_document(progress).items() if key != "exposure"},
    }


def in_plan_order(record: FlagRecord) -> list[tuple[str, Share]]:
    """What is served, audience by audience, as the plan speaks of them."""
    exposure = served(record)
    audiences = dict.fromkeys(stage.audience for stage in record.flag.stages)
    return [(audience, exposure[audience]) for audience in audiences if audience in exposure]


def _coming(record: FlagRecord, state: State, moment: Moment, watched: Watched | None) -> Document | None:
    """What happens next by itself, and when at the earliest; or what it waits for."""
    done = stages_done(record.flag.stages, record.progress.exposure)
    if done == len(record.flag.stages):
        return None
    decision = next_step(record, state, moment, watched)
    stage = record.flag.stages[done].name
    if isinstance(decision, Enter):
        return {"stage": stage, "at": instant_text(moment.at), "why": "due"}
    return {"stage": stage, "at": instant_text(decision.until) if decision.until else None, "why": decision.why}


def flag_status_report(
    snapshot: Snapshot,
    key: str,
    moment: Moment | None = None,
    entries: Sequence[Document] = (),
    watched: Watched | None = None,
    *,
    served_share: Document | None = None,
) -> Document:
    """One flag with its stages, its guards, and what was done to it. `entries`: its audit, newest first;
    `served_share`: what was served of its share. Raises UnknownFlag."""
    record = _record(snapshot, key)
    exposure = served(record)
    entered = stages_entered(record.flag, reversed(entries))
    stages = [
        {
            "name": stage.name,
            "audience": stage.audience,
            "share": str(stage.share),
            "bake_seconds": int(stage.bake.total_seconds()),
            "approval": stage.approval,
            "live": index < stages_done(record.flag.stages, exposure),
            "entered": entered.get(stage.name),
        }
        for index, stage in enumerate(record.flag.stages)
    ]
    return {
        **SCHEMA,
        **flag_line(record, snapshot.state, moment, watched),
        "description": record.flag.description,
        "requires": list(record.flag.requires),
        "required_by": dependents(snapshot, key),
        "stages": stages,
        "served": served_share,
        "guards": guards_report(record, snapshot.state, moment, watched) if moment else [],
        "history": [_done(entry) for entry in entries[:HISTORY]],
        "state_revision": snapshot.revision,
        "at": instant_text(moment.at) if moment else None,
    }


HISTORY = 10
"""As many of the last changes belong to the status of a flag."""


def _done(entry: Document) -> Document:
    who = {"by": entry["actor"]["id"], "kind": entry["actor"]["kind"]}
    return {**{name: entry[name] for name in ("at", "revision", "action", "reason")}, **who}


def stages_entered(flag: Flag, entries: Iterable[Document]) -> dict[str, Document]:
    """For each stage that is covered, since when and by whom. `entries`: the flag's audit, oldest first."""
    entered: dict[str, Document] = {}
    for entry in entries:
        after = entry["after"] if entry["flag"] == flag.key else entry["after"].get("progress", {}).get(flag.key)
        if after is None:
            continue
        exposure = read_progress(after).exposure
        for index, stage in enumerate(flag.stages):
            if index >= stages_done(flag.stages, exposure):
                entered.pop(stage.name, None)
            else:
                entered.setdefault(stage.name, {"at": entry["at"], "by": entry["actor"]["id"]})
    return entered


def timetable_report(snapshot: Snapshot, key: str, moment: Moment, verdicts: Mapping[str, str]) -> Document:
    """What the plan does from now on. `verdicts`: stage -> a verdict on it, where it shall not be healthy. Raises
    UnknownFlag, InvalidInput."""
    record = _record(snapshot, key)
    windows = windows_of(record.flag, snapshot.state)
    events = timetable(record, moment, windows, _verdicts(record, verdicts))
    return {
        **SCHEMA,
        "flag": key,
        "from": instant_text(moment.at),
        "events": [{"at": instant_text(event.at), "stage": event.stage, "note": event.note} for event in events],
        "revision": snapshot.revision,
    }


def _verdicts(record: FlagRecord, written: Mapping[str, str]) -> dict[str, Verdict]:
    flag = record.flag
    stages = [stage.name for stage in flag.stages]
    known = {verdict.value.replace(" ", "-"): verdict for verdict in Verdict}
    for stage, word in written.items():
        if stage not in stages:
            raise InvalidInput(f"{flag.key} has no stage called {stage!r}", f"its stages are {', '.join(stages)}")
        if word not in known:
            raise InvalidInput(f"{word!r} is not a verdict", f"verdicts are {', '.join(known)}")
    return {stage: known[word] for stage, word in written.items()}


def dependents(snapshot: Snapshot, key: str) -> list[str]:
    """Flags that go off when this one does, since they require it, directly or through others."""
    found: list[str] = []
    waiting = [key]
    while waiting:
        name = waiting.pop()
        for other, record in snapshot.state.records.items():
            if name in record.flag.requires and other not in found:
                found.append(other)
                waiting.append(other)
    return sorted(found)


def lines_in_force(snapshot: Snapshot, blob: FetchBlob) -> Mapping[str, int]:
    """Where in the file in force everything is written; {} when that is not kept."""
    content = blob(snapshot.state.file.lines_digest) if snapshot.state.file else None
    lines: dict[str, int] = unpack_json(content) if content else {}
    return lines


def explain_report(
    snapshot: Snapshot,
    key: str,
    given: Mapping[str, object],
    lines: Mapping[str, int],
    words: str | None = None,
    *,
    past: bool = False,
) -> Document:
    """Why somebody has a flag or not. `words`: the language of a sentence that may be read to them. Raises UnknownFlag,
    InvalidInput."""
    record = _record(snapshot, key)
    context, _ = read_context(given, snapshot.state.definitions.attributes)
    explanation = explain(record, context, snapshot.evaluator, snapshot.state)
    answer = explanation.answer
    file = snapshot.state.file.name if snapshot.state.file else None
    plain = plain_words(answer, record, context, snapshot.evaluator, words, past=past) if words is not None else None
    return {
        **SCHEMA,
        **({"words": asdict(plain)} if plain else {}),
        "flag": key,
        "on": answer.on,
        "variant": answer.variant,
        "value": answer.value,
        "reason": answer.reason.value,
        "because": explanation.because,
        "would_change": list(explanation.would_change),
        "bucket": explanation.bucket,
        "steps": [_step(step, file, lines) for step in explanation.steps],
        "ignored": sorted(set(given) - set(context)),
        "trusted": sorted(name for name in context if _is_trusted(name, snapshot)),
        "revision": snapshot.revision,
    }


def _is_trusted(name: str, snapshot: Snapshot) -> bool:
    attribute = snapshot.state.definitions.attributes.get(name)
    return attribute is not None and attribute.trusted


def _step(step: Step, file: str | None, lines: Mapping[str, int]) -> Document:
    line = lines.get(step.path)
    return {
        "holds": step.holds,
        "text": step.text,
        "where": f"{file}:{line}" if file and line else None,
        "depth": step.depth,
    }


MOST_SCANNED = 2000
"""Entries that one call looks through for those of one flag; `next_before` says where the next call goes on."""


def audit_report(store: FlagStore, *, flag: str | None, limit: int, before: int | None) -> Document:
    """The newest entries first, of one flag or of all; from 1 to 1000 of them. `next_before` is None at the end."""
    limit = max(1, min(limit, 1000))
    wanted = limit if flag is None else MOST_SCANNED
    scanned = [read_line(line) for line in store.audit(before=before, limit=wanted, newest_first=True)]
    found = [entry for entry in scanned if flag is None or _concerns(entry, flag)]
    last = found[limit - 1] if len(found) >= limit else scanned[-1] if len(scanned) == wanted else None
    next_before = last["revision"] if last and last["revision"] > 1 else None
    return {**SCHEMA, "entries": found[:limit], "next_before": next_before}


def notes_report(store: FlagStore, *, limit: int, before: str | None) -> Document:
    """The newest notes first, from 1 to 1000 of them; `before` is a place as `next_before` gives it, such as 57.2.
    Raises InvalidInput."""
    limit = max(1, min(limit, 1000))
    place = None if before is None else read_place(before)
    entries = [read_line(line) for line in store.notes(before=place, limit=limit, newest_first=True)]
    next_before = place_text(place_of(entries[-1])) if len(entries) == limit else None
    return {**SCHEMA, "entries": entries, "next_before": next_before}


def _concerns(entry: Document, flag: str) -> bool:
    after = entry["after"]
    return entry["flag"] == flag or flag in after.get("progress", ()) or flag in after.get("archived", ())


def _record(snapshot: Snapshot, key: str) -> FlagRecord:
    record = snapshot.state.records.get(key)
    if record is None:
        raise UnknownFlag("no flag has this name", "`rollout status` lists them")
    return record
