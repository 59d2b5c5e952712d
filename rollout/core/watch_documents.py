"""The JSON form of a watch and of what it found: text and whole numbers. A finding's document holds all that its
judgement rests upon, so that whoever reads the record can make it again (`judged_again`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from rollout.core.bets import Minute, Tally
from rollout.core.documents import Document, guard_document, read_guard
from rollout.core.evidence import Evidence, next_evidence, read_evidence
from rollout.core.judging import Judgement, judge
from rollout.core.watching import Finding, GroupWatch, GuardWatch, Seen, Watch


def watch_document(watch: Watch) -> Document:
    return {
        "judged": watch.judged,
        "stage": watch.stage,
        "blurred": watch.blurred,
        "guards": {name: _guard_watch(one) for name, one in watch.guards.items()},
    }


def read_watch(document: Document) -> Watch:
    guards = {name: _read_guard_watch(one) for name, one in document["guards"].items()}
    return Watch(document["judged"], document["stage"], document.get("blurred"), guards)


def finding_document(finding: Finding) -> Document:
    """For the record of what a guard did: its bound, how sure it had to be, the evidence before the last minutes, those
    minutes, and what came of them."""
    group, judgement = finding.group, finding.judgement
    return {
        "guard": guard_document(finding.guard),
        "value": finding.value or "",
        "drill": finding.drill,
        "alpha": finding.alpha,
        "before": group.base.document(),
        "minutes": [_seen(seen) for seen in group.recent],
        "after": group.evidence.document(),
        "samples": judgement.samples,
        "log_evidence": judgement.log_value.hex(),
        "log_needed": judgement.log_needed.hex(),
    }


def judged_again(document: Document) -> tuple[Evidence, Judgement]:
    """The judgement of a finding, made anew from its document alone."""
    guard = read_guard(document["guard"])
    evidence = read_evidence(document["before"])
    for seen in map(_read_seen, document["minutes"]):
        evidence = next_evidence(guard, evidence, seen.outcomes)
    return evidence, judge(guard, evidence, Fraction(document["alpha"]))


def _guard_watch(one: GuardWatch) -> Document:
    return {
        "terms": one.terms,
        "heard": one.heard,
        "samples": one.samples,
        "groups": {name: _group(group) for name, group in one.groups.items()},
        "drill": None if one.drill is None else _group(one.drill),
    }


def _read_guard_watch(document: Document) -> GuardWatch:
    return GuardWatch(
        terms=document["terms"],
        heard=document["heard"],
        samples=document["samples"],
        groups={name: _read_group(group) for name, group in document["groups"].items()},
        drill=None if document["drill"] is None else _read_group(document["drill"]),
    )


def _group(group: GroupWatch) -> Document:
    return {
        "evidence": group.evidence.document(),
        "base": group.base.document(),
        "recent": [_seen(seen) for seen in group.recent],
        "tripped": group.tripped,
    }


def _read_group(document: Document) -> GroupWatch:
    return GroupWatch(
        evidence=read_evidence(document["evidence"]),
        base=read_evidence(document["base"]),
        recent=tuple(map(_read_seen, document["recent"])),
        tripped=document["tripped"],
    )


def _seen(seen: Seen) -> list[int]:
    on, control = seen.outcomes.on, seen.outcomes.control
    return [seen.minute, on.failures, on.total, control.failures, control.total]


def _read_seen(numbers: Sequence[Any]) -> Seen:
    minute, failures, total, control_failures, control_total = numbers
    return Seen(minute, Minute(Tally(failures, total), Tally(control_failures, control_total)))
