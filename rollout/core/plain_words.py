"""Why somebody has a flag or not, in one sentence that may be read to them. What they could do themselves is part of it
only where it is certain to help: an update of the app is named if the flag is on for them with any newer version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rollout.core.attributes import AttributeType
from rollout.core.conditions import Context
from rollout.core.evaluation import Answer, ErrorCode, Evaluator
from rollout.core.progress import FlagRecord
from rollout.core.segments import EVERYONE
from rollout.core.sentences import SENTENCES, USUAL, Case

NEWEST = "999999999"
"""A version of any app that is newer than those that a file speaks of."""

_APP = re.compile(r"(?:^|[^a-z])(?:app|client)(?:[^a-z]|$)|^(?:app|client)?version$", re.IGNORECASE)

_BY_KIND = {
    "killed": Case.OFF_FOR_ALL,
    "disabled": Case.CLOSED,
    "requires": Case.NEEDS_ANOTHER,
    "guard": Case.PAUSED,
}

_THEY_CAN = {Case.UPDATE: "update the app", Case.UNRECOGNISED: "sign in"}


@dataclass(frozen=True, slots=True)
class PlainWords:
    language: str
    sentence: str
    they_can: str | None  # what the person can do about it now


def plain_words(
    answer: Answer, record: FlagRecord, context: Context, evaluator: Evaluator, language: str, *, past: bool = False
) -> PlainWords:
    """In a language that is not known, in English. `language`: a tag such as "hi" or "nl-BE"."""
    known = re.split("[-_]", language.strip().lower(), maxsplit=1)[0]
    if known not in SENTENCES:
        known = USUAL
    case = case_of(answer, record, context, evaluator)
    sentence = SENTENCES[known][case]
    return PlainWords(known, sentence.then if past else sentence.now, None if past else _THEY_CAN.get(case))


def case_of(answer: Answer, record: FlagRecord, context: Context, evaluator: Evaluator) -> Case:
    if answer.on:
        return Case.HAS
    if answer.error_code is not None:
        return Case.UNRECOGNISED if answer.error_code is ErrorCode.TARGETING_KEY_MISSING else Case.FAULT
    if _newer_app_helps(record.flag.key, context, evaluator):
        return Case.UPDATE
    kind = answer.because.partition(" ")[0]
    return _BY_KIND.get(kind) or _not_admitted(kind, record, context, evaluator)


def _newer_app_helps(key: str, context: Context, evaluator: Evaluator) -> bool:
    attributes = evaluator.ruleset.attributes.values()
    versions = [one.name for one in attributes if one.type is AttributeType.VERSION and _APP.search(one.name)]
    return any(name in context and evaluator.flags[key]({**context, name: NEWEST}).on for name in versions)


def _not_admitted(kind: str, record: FlagRecord, context: Context, evaluator: Evaluator) -> Case:
    """A rollout may reach those who are in an audience of its plan; the others it was not made for."""
    audiences = {stage.audience for stage in record.flag.stages}
    segments = evaluator.segments
    meant = any(name == EVERYONE or segments[name](context) for name in audiences)
    return Case.NOT_YET if kind == "not" and record.flag.rollout and meant else Case.NOT_FOR_THEM
