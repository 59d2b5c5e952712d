"""What operations answer, as JSON documents: the web sends them and the command line prints them. Fields are only ever
added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from rollout.core.changes import Move, moves, served
from rollout.core.documents import instant_text, key_document, pending_document, progress_document
from rollout.core.keys import Key, condition
from rollout.core.loading import Load
from rollout.core.pending import Pending, is_over, is_void
from rollout.core.plans import Exposure, ceiling, no_more_than, stages_done
from rollout.core.progress import FlagRecord, State

if TYPE_CHECKING:
    from rollout.service.operations import Request

Answer: TypeAlias = dict[str, Any]


def state_word(record: FlagRecord) -> str:
    """Where a flag stands, in one word."""
    if record.progress.killed:
        return "killed"
    if not record.flag.enabled:
        return "disabled"
    covered = stages_done(record.flag.stages, record.progress.exposure) == len(record.flag.stages)
    if record.flag.rollout is None and covered:
        return "on"
    if record.progress.halted:
        return "halted"
    return "done" if covered else "rolling"


def moves_answer(before: Exposure, after: Exposure) -> list[dict[str, str]]:
    return [_move(move) for move in moves(before, after)]


def _move(move: Move) -> dict[str, str]:
    return {"audience": move.audience, "before": str(move.before), "after": str(move.after)}


def change_answer(action: str, before: FlagRecord, after: FlagRecord, request: Request) -> Answer:
    """What an operation on one flag did: its state before and after, who gains or loses by it, how to undo it."""
    had, has = served(before), served(after)
    return {
        "flag": before.flag.key,
        "action": action,
        "dry_run": request.dry_run,
        "request_id": request.request_id,
        "before": _position(before),
        "after": _position(after),
        "moves": moves_answer(had, has),
        "readmitted": _readmitted(before, after),
        "raises": not no_more_than(has, had) or _rules_begin(before, after) or bool(_readmitted(before, after)),
        "undo": None if before.progress == after.progress else _undo(action, before, after),
    }


def _readmitted(before: FlagRecord, after: FlagRecord) -> list[dict[str, str]]:
    """Whom a guard had excluded, and who get the flag back, as far as it is on for them."""
    lifted = [one for one in before.progress.excluded if one not in after.progress.excluded]
    return [{"attribute": one.attribute, "value": one.value, "guard": one.guard} for one in lifted]


def _rules_begin(before: FlagRecord, after: FlagRecord) -> bool:
    """A kill is lifted from a flag whose rules let people in, whatever its rollout does."""
    return bool(before.progress.killed and not after.progress.killed and after.flag.enabled and after.flag.rules)


def _position(record: FlagRecord) -> Answer:
    """Where a flag stands, its audiences in the order of the plan."""
    exposure = record.progress.exposure
    ordered = {stage.audience: exposure[stage.audience] for stage in record.flag.stages if stage.audience in exposure}
    return {"state": state_word(record), **progress_document(replace(record.progress, exposure=ordered))}


_OPPOSITE = {"kill": "revive", "revive": "kill", "halt": "resume", "resume": "halt"}


def _undo(action: str, before: FlagRecord, after: FlagRecord) -> str | None:
    """The command that brings back the exposure that was, or lifts what was done."""
    key = before.flag.key
    if before.progress.excluded != after.progress.excluded:
        return None  # nobody but a guard excludes
    if action in _OPPOSITE:
        return f"rollout {_OPPOSITE[action]} {key}"
    had, has = before.progress.exposure, after.progress.exposure
    if has == had or not before.flag.rollout:
        return None
    done = stages_done(before.flag.stages, had)
    if no_more_than(had, has) and had == ceiling(before.flag.stages[:done]):
        return f"rollout rollback {key} --to {before.flag.stages[done - 1].name if done else '0%'}"
    last = moves(had, has)[-1]
    whose = "" if last.audience == before.flag.rollout.audience else f" --audience {last.audience}"
    return f"rollout set {key} {last.before}{whose}"


def decision_answer(action: str, one: Pending, request: Request) -> Answer:
    """What somebody's word on a change that waits made of it."""
    return {
        "action": action,
        "flag": one.flag or None,
        "dry_run": request.dry_run,
        "request_id": request.request_id,
        "pending": pending_document(one),
    }


def pending_line(one: Pending, state: State, now: datetime | None) -> Answer:
    """`state` has the flags that it concerns. `now`: None while the store, whose clock counts, is away."""
    return pending_document(one) | {"state": _standing(one, state, now), "left": max(one.needed - len(one.approved), 0)}


def _standing(one: Pending, state: State, now: datetime | None) -> str:
    if one.done_at:
        return "done alone"
    if one.rejected:
        return "rejected"
    if now is not None and is_over(one, now):
        return "expired"
    return "void" if is_void(one, state) else "waits"


def load_answer(action: str, before: State, load: Load, request: Request) -> Answer:
    """What loading a file did, or would do: each flag that differs, and what is not in the file."""
    return {
        "action": action,
        "dry_run": request.dry_run,
        "request_id": request.request_id,
        "flags": [_flag_answer(before.records.get(key), load.after.records[key]) for key in load.changed],
        "not_in_file": [key for key in load.dropped if key not in load.archived],
        "archived": list(load.archived),
        "file": {
            "in_force": before.file.digest if before.file else None,
            "revision": before.file.revision if before.file else 0,
            "since": instant_text(before.file.at) if before.file else None,
        },
    }


def _flag_answer(before: FlagRecord | None, after: FlagRecord) -> dict[str, Any]:
    return {
        "flag": after.flag.key,
        "change": "add" if before is None else "drop" if not after.in_file else "edit",
        "moves": moves_answer(served(before), served(after)),
        "state": state_word(after),
        "held_back": held_back(after),
    }


def held_back(record: FlagRecord) -> list[str]:
    """What the file wants and may not have by itself, and what stands in the way."""
    flag, progress = record.flag, record.progress
    if not flag.enabled or stages_done(flag.stages, progress.exposure) == len(flag.stages):
        return [f"killed by {progress.killed.by}"] if flag.enabled and progress.killed else []
    if progress.killed:
        return [f"killed by {progress.killed.by}"]
    if progress.halted:
        return [f"halted by {progress.halted.by}"]
    if flag.rollout is None:
        return [f"no rollout raises it step by step; `rollout set {flag.key} 100%` lets everyone have it"]
    return ["locked in the file"] if flag.locked else []


def key_line(key: Key, now: datetime) -> Answer:
    """A key as people see it, without its digest."""
    document = {"expires_at": None, "revoked": None, "rate": None, **key_document(key)}
    del document["digest"]
    return document | {"state": condition(key, now)}


def keys_answer(action: str, keys: Iterable[Key], now: datetime, request: Request) -> Answer:
    """What an operation on keys did: each key that differs, as it is now. Never what a caller sends: this answer is
    kept, for whoever repeats the request."""
    return {
        "action": action,
        "dry_run": request.dry_run,
        "request_id": request.request_id,
        "keys": [key_line(key, now) for key in keys],
    }
