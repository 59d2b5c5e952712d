"""Reads rollouts and the named plans that they share. A stage is first read as it is written (a draft) and resolved
when the audience of its rollout is known: a bare percentage of a named plan is of whatever audience uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rollout.core.errors import InvalidInput
from rollout.core.plans import Rollout, Stage
from rollout.core.segments import EVERYONE
from rollout.core.shares import EVERYBODY, Share
from rollout.yaml_files.fields import Fields, entries, fields_of, items
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.nodes import MapNode, Node, Scalar, shown
from rollout.yaml_files.notes import Located
from rollout.yaml_files.scalars import NAME, boolean, duration, name, scalar, share, text
from rollout.yaml_files.scope import Scope
from rollout.yaml_files.windows import windows_named

_POSITION = "the file says how far it may go; 'rollout set' says where it is"
ROLLOUT = Vocabulary(
    "a rollout",
    ("audience", "bake", "guards", "windows", "plan", "stages"),
    {
        "percentage": "write stages: [1%]",
        "percent": "write stages: [1%]",
        "start": "a rollout begins when its flag is enabled",
        "schedule": "write 'stages', each with its 'bake' time; 'windows' say at which hours they begin",
        "current_stage": _POSITION,
        "stage": _POSITION,
        "paused": "use 'rollout halt'",
        "halted": "use 'rollout halt'",
        "name": "take it out: a rollout has the name of its flag",
    },
    instead="write rollout: { stages: [1%, 10%, 100%] }",
)
PLAN = Vocabulary(
    "a plan",
    ("description", "bake", "windows", "stages"),
    {"audience": "each rollout that uses the plan names its own", "guards": "put guards on the rollout, or on a stage"},
)
STAGE = Vocabulary(
    "a stage",
    ("name", "audience", "percentage", "bake", "approval", "guards"),
    {"match": "define a segment, and write 'audience'", "rules": "define a segment, and write 'audience'"},
)
_LIKE_A_SHARE = re.compile(r"[-+.0-9]|.*%")
THE_AUDIENCE = "the rollout's audience"  # stands for it while a plan is checked alone


@dataclass(frozen=True, slots=True)
class Draft:
    """A stage as it is written."""

    node: Node
    name: str | None
    audience: str | None  # None: the rollout's
    share: Share | None  # None: all of the audience
    bake: timedelta | None
    approval: bool = False
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedPlan:
    name: str
    drafts: tuple[Draft, ...]
    bake: timedelta | None
    windows: tuple[str, ...]
    sound: bool  # its stages are in order, whoever the audience may be


def read_plans(node: Node | None, scope: Scope) -> dict[str, NamedPlan]:
    return {key.text: _plan(key, value, scope) for key, value in entries(node, "plans", scope.notes)}


def _plan(key: Scalar, node: Node, scope: Scope) -> NamedPlan:
    scope.notes.attempt(name, key, None)
    scope.notes.place(f"plans.{key.text}", key)
    fields = fields_of(node, PLAN, key, scope.notes)
    fields.read("description", text, "")
    bake = fields.read("bake", duration, None)
    windows = windows_named(fields, scope)
    fields.need(("stages",), "such as stages: [1%, 10%, 100%]")
    drafts = _drafts(fields, f"plans.{key.text}", scope)
    faults = tuple(_faults([resolved(draft, THE_AUDIENCE, bake) for draft in drafts]))
    for fault in faults:
        scope.notes.error(drafts[fault.index].node, fault.message, fault.hint)
    return NamedPlan(key.text, drafts, bake, windows, sound=not faults)


def read_rollout(node: Node, flag: Fields, path: str, scope: Scope) -> Rollout:
    """The rollout of a flag, whose own `audience` counts where the rollout names none."""
    fields = fields_of(node, ROLLOUT, flag.place("rollout"), scope.notes)
    if "audience" in flag and "audience" in fields:
        scope.notes.error(fields.place("audience"), "the audience is named twice", "take it out of the flag")
    audience = fields.read("audience", scope.audience, None) or flag.read("audience", scope.audience, None) or EVERYONE
    bake = fields.read("bake", duration, None)
    guards = fields.list_of("guards", scope.guard)
    windows = windows_named(fields, scope)
    fields.need(("stages", "plan"), "such as stages: [1%, 10%, 100%]")
    fields.at_most_one(("stages", "plan"), "take one of them out")
    plan = fields.read("plan", scope.plan, None)
    if plan and "stages" not in fields:
        bake = _first(bake, plan.bake)
        stages = tuple(resolved(draft, audience, bake) for draft in plan.drafts)
        _check_plan(plan, stages, fields, path)
        windows = windows if "windows" in fields else plan.windows
        return Rollout(audience, stages, guards, bake, plan.name, windows)
    stages = _own_stages(audience, bake, fields, path, scope)
    return Rollout(audience, stages, guards, _first(bake), windows=windows)


def _own_stages(audience: str, bake: timedelta | None, fields: Fields, path: str, scope: Scope) -> tuple[Stage, ...]:
    drafts = _drafts(fields, path, scope)
    stages = tuple(resolved(draft, audience, bake) for draft in drafts)
    for fault in _faults(stages):
        scope.notes.error(drafts[fault.index].node, fault.message, fault.hint)
    return stages


def _check_plan(plan: NamedPlan, stages: Sequence[Stage], fields: Fields, path: str) -> None:
    """A plan that is sound by itself may still not fit this audience."""
    for index, draft in enumerate(plan.drafts):
        fields.notes.place(f"{path}.stages.{index}", draft.node)
    for fault in _faults(stages) if plan.sound else ():
        fields.notes.error(fields.place("plan"), f"in plan '{plan.name}', {fault.message}", fault.hint)


def warn_of_haste(stages: Sequence[Stage], at: Located, scope: Scope) -> None:
    """A rollout in which no stage lasts and none asks a person goes to its end within moments."""
    unattended = any(not stage.approval for stage in stages[1:])
    if unattended and not any(stage.bake for stage in stages[:-1]):
        scope.notes.warn(at, "the rollout moves through all stages at once", "give it a 'bake' time, such as bake: 24h")


def resolved(draft: Draft, audience: str, bake: timedelta | None) -> Stage:
    by_segment = draft.share is None
    part = EVERYBODY if draft.share is None else draft.share
    whose = draft.audience or audience
    label = draft.name or (whose if by_segment else str(part))
    return Stage(label, whose, part, _first(draft.bake, bake), draft.approval, draft.guards, by_segment)


def _first(*spans: timedelta | None) -> timedelta:
    return next((span for span in spans if span is not None), timedelta(0))


def _drafts(fields: Fields, path: str, scope: Scope) -> tuple[Draft, ...]:
    """The stages that can be made out. Those with problems are left out."""
    node = fields.value("stages")
    if node is None:
        return ()
    listed = items(node, "stages", scope.notes, some=True)
    for index, item in enumerate(listed):
        scope.notes.place(f"{path}.stages.{index}", item)
    drafts = (_mapped(item, scope) if isinstance(item, MapNode) else _short(item, scope) for item in listed)
    return tuple(draft for draft in drafts if draft)


def _short(node: Node, scope: Scope) -> Draft | None:
    def read(word: Node) -> Draft:
        if scalar(word).text not in scope.segments and _LIKE_A_SHARE.match(scalar(word).text):
            return Draft(word, None, None, share(word), None)
        return Draft(word, None, scope.audience(word), None, None)

    return scope.notes.attempt(read, node, None)


def _mapped(node: MapNode, scope: Scope) -> Draft | None:
    fields = fields_of(node, STAGE, node, scope.notes)
    fields.need(("audience", "percentage"), "they say who comes in")
    audience = fields.read("audience", scope.audience, None)
    part = fields.read("percentage", share, None)
    draft = Draft(
        node=node,
        name=fields.read("name", lambda word: _stage_name(word, part), None),
        audience=audience,
        share=part,
        bake=fields.read("bake", duration, None),
        approval=fields.read("approval", boolean, False),
        guards=fields.list_of("guards", scope.guard),
    )
    readable = (audience or "audience" not in fields) and (part or "percentage" not in fields)
    return draft if readable and (audience or part) else None


def _stage_name(node: Node, part: Share | None) -> str:
    word = scalar(node).text
    if part is not None and word == str(part):
        return word
    if word.endswith("%"):
        raise InvalidInput(f"a stage called '{shown(word)}' that has another percentage", "take one of the two out")
    if not NAME.fullmatch(word):
        raise InvalidInput(f"'{shown(word)}' is not a stage's name", "use up to 63 letters, digits, - and _")
    return word


@dataclass(frozen=True, slots=True)
class _Fault:
    index: int  # of the stage
    message: str
    hint: str


def _faults(stages: Sequence[Stage]) -> Iterator[_Fault]:
    """Stages that cannot follow those before them."""
    top: dict[str, Stage] = {}
    names: set[str] = set()
    for index, stage in enumerate(stages):
        if stage.name in names:
            yield _Fault(index, f"there is a stage '{stage.name}' already", "give one of them another 'name'")
        names.add(stage.name)
        before = top.get(stage.audience)
        if before and stage.share <= before.share:
            yield _Fault(index, _no_climb(stage, before), "stages of one audience only go up")
            continue
        top[stage.audience] = stage


def _no_climb(stage: Stage, before: Stage) -> str:
    more = "no more than" if stage.share == before.share else "less than"
    return f"stage '{stage.name}' ({stage.share} of {stage.audience}) admits {more} '{before.name}' ({before.share})"
