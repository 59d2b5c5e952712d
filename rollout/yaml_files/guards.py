"""Reads `guards:`, the bounds on what is reported back about a flag."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

from rollout.core.attributes import AttributeType
from rollout.core.errors import InvalidInput
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.guards import Guard, GuardAction
from rollout.core.shares import Share
from rollout.yaml_files.fields import Fields, entries, fields_of, one_of
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.nodes import Node, Scalar, shown
from rollout.yaml_files.scalars import count, duration, line, name, rate, ratio, scalar, share, text
from rollout.yaml_files.scope import Scope

GUARD = Vocabulary(
    "a guard",
    (
        "metric",
        "max",
        "min",
        "against",
        "max_ratio",
        "counts",
        "by",
        "min_samples",
        "confidence",
        "no_data",
        "action",
        "description",
        "prometheus",
    ),
    {
        "query": "put it under 'prometheus:'",
        "url": "put it under 'prometheus:'",
        "on_failure": "write 'action'",
        "then": "write 'action'",
        "baseline": "write 'against: control'",
        "compare": "write 'against: control'",
        "ratio": "write 'max_ratio'",
        "group_by": "write 'by'",
        "per": "write 'by'",
        "window": "a guard looks at what a stage has seen so far; 'no_data' says how long silence is all right",
    },
)
PROMETHEUS = Vocabulary("'prometheus'", ("url", "query"))
BOUNDS = ("max", "min", "against")
DEFAULT_RATIO = Fraction("1.25")
_DEFAULT = Guard(name="", description="", metric="", action=GuardAction.HALT)
_GROUPING = frozenset({AttributeType.STRING, AttributeType.BOOLEAN, AttributeType.VERSION})
_ACTION_HINTS = {
    **dict.fromkeys(("pause", "stop", "hold"), "write halt"),
    **dict.fromkeys(("abort", "revert", "undo"), "write rollback"),
    **dict.fromkeys(("disable", "off"), "write kill"),
    **dict.fromkeys(("alert", "notify", "log"), "write warn"),
}


def read_guards(node: Node | None, scope: Scope) -> dict[str, Guard]:
    return {key.text: _guard(key, value, scope) for key, value in entries(node, "guards", scope.notes)}


def _guard(key: Scalar, node: Node, scope: Scope) -> Guard:
    notes = scope.notes
    notes.attempt(name, key, None)
    notes.place(f"guards.{key.text}", key)
    fields = fields_of(node, GUARD, key, notes)
    _check_bounds(fields)
    against = fields.read("against", _control, None)
    return Guard(
        name=key.text,
        description=fields.read("description", text, ""),
        metric=fields.required("metric", name, "", "the name under which outcomes are reported"),
        action=_action(fields),
        max_failures=fields.read("max", share, None),
        min_rate=fields.read("min", rate, None),
        against=against,
        max_ratio=fields.read("max_ratio", ratio, DEFAULT_RATIO) if "against" in fields else None,
        counts=fields.list_of("counts", name, some=True),
        by=_grouping(fields, scope),
        min_samples=fields.read("min_samples", count, _DEFAULT.min_samples),
        confidence=fields.read("confidence", _confidence, _DEFAULT.confidence),
        no_data=fields.read("no_data", _silence, _DEFAULT.no_data),
        prometheus=_prometheus(fields),
    )


def _check_bounds(fields: Fields) -> None:
    fields.need(BOUNDS, "such as max: 2%")
    fields.at_most_one(BOUNDS, "a guard has one bound: make two guards")
    if "max_ratio" in fields and "against" not in fields:
        fields.notes.error(fields.place("max_ratio"), "'max_ratio' is for 'against'", "add: against: control")


def _control(node: Node) -> str:
    return one_of(("control",))(node)


def _action(fields: Fields) -> GuardAction:
    action = fields.read("action", _action_word, _DEFAULT.action)
    if action is GuardAction.EXCLUDE and "by" not in fields:
        fields.notes.error(
            fields.place("action"), "'exclude' needs 'by'", "name the attribute whose failing values are excluded"
        )
    return action


def _action_word(node: Node) -> GuardAction:
    word = scalar(node).text
    if word in _ACTION_HINTS:
        raise InvalidInput(f"there is no action '{word}'", _ACTION_HINTS[word])
    return GuardAction(one_of(tuple(GuardAction))(node))


def _grouping(fields: Fields, scope: Scope) -> str | None:
    node = fields.value("by")
    if node is None:
        return None
    by = scope.notes.attempt(scope.attribute, node, None)
    attribute = scope.attributes.get(by) if by else None
    if by == TARGETING_ATTRIBUTE:
        scope.notes.error(
            node, f"'{by}' is one person, not a group", "what guards find is kept in the audit, which names nobody"
        )
    elif attribute and attribute.type not in _GROUPING:
        scope.notes.error(
            node, f"'{by}' is a {attribute.type}, which has no groups", "name a string, boolean or version"
        )
    elif attribute and attribute.type is AttributeType.STRING and not attribute.values:
        scope.notes.warn(
            node, f"'{by}' declares no 'values'", "every value that is reported becomes a group of its own"
        )
    return by


def _confidence(node: Node) -> Share:
    if scalar(node).text.startswith("0."):
        raise InvalidInput(f"'{shown(scalar(node).text)}' is not a percentage", "write it as one, such as 99%")
    value = share(node)
    if not 50 <= value.percent < 100:
        raise InvalidInput(f"a confidence of {value}", "write a percentage from 50% to below 100%, such as 99%")
    return value


def _silence(node: Node) -> timedelta:
    span = duration(node)
    if not span:
        raise InvalidInput("a silence of no length", "write how long nothing may be reported, such as 10m")
    return span


def _prometheus(fields: Fields) -> tuple[str, str] | None:
    node = fields.value("prometheus")
    if node is None:
        return None
    inside = fields_of(node, PROMETHEUS, fields.place("prometheus"), fields.notes)
    url = inside.required("url", _url, "", "such as http://prometheus:9090")
    return url, inside.required("query", text, "", "the expression to ask for")


def _url(node: Node) -> str:
    written = line(node)
    if not written.startswith(("http://", "https://")) or not written.partition("://")[2]:
        raise InvalidInput(f"'{shown(written)}' is not a web address", "write http://… or https://…")
    return written
