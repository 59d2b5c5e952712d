"""Why, from the ruleset alone: what the service would say, less what only it knows (who killed a flag, and the stages
that are still to come).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollout.core.conditions import Context
from rollout.core.definitions import Definitions
from rollout.core.evaluation import Answer, Evaluator
from rollout.core.explanation import Explanation
from rollout.core.explanation import explain as explain_record
from rollout.core.flags import Flag
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import Exclusion, FlagRecord, Progress, State, Stop
from rollout.core.ruleset import FlagRules
from rollout.core.segments import EVERYONE


def explain(key: str, context: Context, evaluator: Evaluator) -> Explanation:
    """Never raises for a flag that there is and a context that was read."""
    ruleset = evaluator.ruleset
    definitions = Definitions(attributes=ruleset.attributes, segments=ruleset.segments)
    state = State(revision=ruleset.revision, definitions=definitions)
    explanation = explain_record(_record(ruleset.flags[key]), context, evaluator, state)
    kind, _, what = explanation.answer.because.partition(" ")
    if kind == "killed":
        return replace(explanation, because="it is killed", steps=())
    if kind == "guard":
        return replace(explanation, because=f"guard {what} excluded them")
    return explanation


def unexplained(answer: Answer) -> Explanation:
    return Explanation(answer, answer.error or answer.because, (), None, ())


def _record(rules: FlagRules) -> FlagRecord:
    """The flag as if its plan ended where it stands."""
    stages = tuple(
        Stage(one.stage, one.audience, one.share, timedelta(0), by_segment=one.by_segment) for one in rules.admissions
    )
    flag = Flag(
        key=rules.key,
        description="",
        owner="",
        enabled=rules.enabled,
        type=rules.type,
        variants=rules.variants,
        off=rules.off,
        on=rules.on,
        audience=None if rules.has_rollout or not rules.admissions else rules.admissions[0].audience,
        requires=rules.requires,
        rules=rules.rules,
        rollout=Rollout(stages[-1].audience if stages else EVERYONE, stages) if rules.has_rollout else None,
        salt=rules.salt,
        bucket_by=rules.bucket_by,
        client=rules.client,
    )
    progress = Progress(
        exposure={one.audience: one.share for one in rules.admissions},
        killed=_UNKNOWN if rules.killed else None,
        excluded=tuple(Exclusion(one.attribute, one.value, one.guard, _UNKNOWN) for one in rules.excluded),
    )
    return FlagRecord(flag, progress, revision=0)


_UNKNOWN = Stop("somebody", datetime.fromtimestamp(0, UTC), "")
