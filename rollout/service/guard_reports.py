"""What people are told about a flag's guards: bound, reading, evidence and verdict, by value. Fields are only added."""

from __future__ import annotations

from typing import Any, TypeAlias

from rollout.core.documents import instant_text
from rollout.core.guard_words import failures_percent, limit_words, reading_words
from rollout.core.guards import Guard
from rollout.core.progress import FlagRecord, State
from rollout.core.progression import Moment, Verdict
from rollout.core.watching import RECENT, WORST, GroupWatch, GuardWatch, Watch, judgement_of, reading
from rollout.service.guarding import Watched, guard_names, instant_of, verdicts

Document: TypeAlias = dict[str, Any]


def guards_report(record: FlagRecord, state: State, moment: Moment, watched: Watched | None) -> list[Document]:
    """Of each guard that watches, in the order of the plan."""
    found = verdicts(record, state, watched, moment)
    return [_guard(name, record, state, watched, found[name]) for name in guard_names(record)]


def _guard(name: str, record: FlagRecord, state: State, watched: Watched | None, verdict: Verdict) -> Document:
    guard = state.definitions.guards.get(name)
    if guard is None:
        return {"name": name, "verdict": verdict.value, "problem": "no guard has this name", "groups": []}
    watch = watched.watch if watched else None
    one = watch.guards.get(name) if watch else None
    return {
        "name": name,
        "description": guard.description,
        "metric": guard.metric,
        "by": guard.by,
        "counts": list(guard.counts),
        "kind": "max" if guard.max_failures is not None else "min" if guard.min_rate is not None else "against",
        "limit": limit_words(guard),
        "action": guard.action.value,
        "confidence": str(guard.confidence),
        "min_samples": guard.min_samples,
        "verdict": verdict.value,
        "heard_at": instant_text(instant_of(one.heard)) if one and one.heard is not None else None,
        "judged_until": instant_text(instant_of(watch.judged + 1)) if watch else None,
        "samples": one.samples if one else 0,
        "minutes": RECENT,
        "groups": _groups(guard, record, state, watch, one) if watch and one else [],
        "drilled": bool(one and one.drill),
    }


def worst_guard(guards: list[Document]) -> Document | None:
    """Of a flag's guards, as `guards_report` has them, the one to look at first, with its worst group's minutes."""
    guard = min(guards, key=lambda guard: WORST.index(Verdict(guard["verdict"])), default=None)
    if guard is None:
        return None
    group = max(guard["groups"], key=_urgency, default=None)
    return {
        "name": guard["name"],
        "verdict": guard["verdict"],
        "value": group["value"] if group else None,
        "reading": group["reading"] if group else None,
        "recent": group["recent"] if group else [],
    }


def _urgency(group: Document) -> tuple[bool, float]:
    """Whoever was stopped first, then who is nearest to it."""
    return group["stopped"], group["evidence_percent"]


def _recent(group: GroupWatch) -> list[Document]:
    """The last minutes that were looked at, oldest first."""
    return [
        {
            "at": instant_text(instant_of(seen.minute)),
            "failures": seen.outcomes.on.failures,
            "outcomes": seen.outcomes.on.total,
        }
        for seen in group.recent
    ]


def _groups(guard: Guard, record: FlagRecord, state: State, watch: Watch, one: GuardWatch) -> list[Document]:
    """The reading is of the last ten minutes; the evidence of all since it began, and 100 % of it stops the group."""
    excluded = {(out.guard, out.value) for out in record.progress.excluded}
    return [
        {
            "value": value if guard.by else None,
            "reading": reading_words(guard, group),
            "failures_percent": failures_percent(reading(group)),
            "failures": reading(group).on.failures,
            "outcomes": reading(group).on.total,
            "samples": judgement_of(guard, watch, value, state.definitions.attributes).samples,
            "evidence_percent": judgement_of(guard, watch, value, state.definitions.attributes).evidence_percent,
            "recent": _recent(group),
            "stopped": group.tripped,
            "excluded": (guard.name, value) in excluded,
        }
        for value, group in one.groups.items()
    ]
