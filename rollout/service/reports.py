"""What people are told about the state, as JSON documents. Fields are only ever added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import orjson

from rollout.core.audit import read_line
from rollout.core.changes import served
from rollout.core.context import read_context
from rollout.core.documents import instant_text, progress_document
from rollout.core.errors import UnknownFlag
from rollout.core.explanation import Step, explain
from rollout.core.plans import stages_done
from rollout.core.progress import FlagRecord
from rollout.service.answers import held_back, state_word
from rollout.service.encoding import unpack_json
from rollout.service.ports import FlagStore
from rollout.service.snapshot import FetchBlob, Snapshot

Document: TypeAlias = dict[str, Any]

SCHEMA = {"schema_version": 1}
"""Every document says which; a field that changes its meaning would change it."""

_URGENT = ("killed", "halted", "rolling", "on", "done", "disabled")


def status_report(snapshot: Snapshot, servers: Mapping[str, bytes]) -> Document:
    """Where every flag stands, what most needs looking at first, and the servers that are alive."""
    flags = [flag_line(record) for record in snapshot.state.records.values()]
    flags.sort(key=lambda line: (_URGENT.index(line["state"]), line["flag"]))
    file = snapshot.state.file
    return {
        **SCHEMA,
        "revision": snapshot.revision,
        "file": {"digest": file.digest, "name": file.name, "revision": file.revision, "since": instant_text(file.at)}
        if file
        else None,
        "flags": flags,
        "servers": [{"id": name, **orjson.loads(report)} for name, report in sorted(servers.items())],
    }


def flag_line(record: FlagRecord) -> Document:
    """A flag in one line of a table."""
    flag, progress = record.flag, record.progress
    done = stages_done(flag.stages, progress.exposure)
    return {
        "flag": flag.key,
        "state": state_word(record),
        "stage": {
            "done": done,
            "of": len(flag.stages),
            "name": flag.stages[done - 1].name if done else None,
            "next": flag.stages[done].name if done < len(flag.stages) else None,
        },
        "live": [{"audience": audience, "share": str(share)} for audience, share in served(record).items()],
        "owner": flag.owner,
        "in_file": record.in_file,
        "held_back": held_back(record),
        "revision": record.revision,
        **{key: value for key, value in progress_document(progress).items() if key != "exposure"},
    }


def flag_status_report(snapshot: Snapshot, key: str) -> Document:
    """One flag with its stages. Raises UnknownFlag."""
    record = _record(snapshot, key)
    exposure = served(record)
    stages = [
        {
            "name": stage.name,
            "audience": stage.audience,
            "share": str(stage.share),
            "bake_seconds": int(stage.bake.total_seconds()),
            "approval": stage.approval,
            "live": index < stages_done(record.flag.stages, exposure),
        }
        for index, stage in enumerate(record.flag.stages)
    ]
    return {
        **SCHEMA,
        **flag_line(record),
        "description": record.flag.description,
        "locked": record.flag.locked,
        "requires": list(record.flag.requires),
        "required_by": dependents(snapshot, key),
        "stages": stages,
        "state_revision": snapshot.revision,
    }


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


def explain_report(snapshot: Snapshot, key: str, given: Mapping[str, object], lines: Mapping[str, int]) -> Document:
    """Why somebody has a flag or not. Raises UnknownFlag, InvalidInput."""
    record = _record(snapshot, key)
    context, _ = read_context(given, snapshot.state.definitions.attributes)
    explanation = explain(record, context, snapshot.evaluator, snapshot.state)
    answer = explanation.answer
    file = snapshot.state.file.name if snapshot.state.file else None
    return {
        **SCHEMA,
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
        "revision": snapshot.revision,
    }


def _step(step: Step, file: str | None, lines: Mapping[str, int]) -> Document:
    line = lines.get(step.path)
    return {
        "holds": step.holds,
        "text": step.text,
        "where": f"{file}:{line}" if file and line else None,
        "depth": step.depth,
    }


def audit_report(store: FlagStore, *, flag: str | None, limit: int, before: int | None) -> Document:
    """The newest entries first, of one flag or of all; from 1 to 1000 of them."""
    limit = max(1, min(limit, 1000))
    entries = list(_entries(store, flag, limit, before))
    return {**SCHEMA, "entries": entries, "next_before": entries[-1]["revision"] if len(entries) == limit else None}


def _entries(store: FlagStore, flag: str | None, limit: int, before: int | None) -> Iterator[Document]:
    found = 0
    while found < limit:
        lines = store.audit(before=before, limit=max(limit, 100), newest_first=True)
        for entry in map(read_line, lines):
            before = entry["revision"]
            if flag is None or _concerns(entry, flag):
                yield entry
                found += 1
                if found == limit:
                    return
        if not lines:
            return


def _concerns(entry: Document, flag: str) -> bool:
    after = entry["after"]
    return entry["flag"] == flag or flag in after.get("progress", ()) or flag in after.get("archived", ())


def _record(snapshot: Snapshot, key: str) -> FlagRecord:
    record = snapshot.state.records.get(key)
    if record is None:
        raise UnknownFlag("no flag has this name", "`rollout status` lists them")
    return record
