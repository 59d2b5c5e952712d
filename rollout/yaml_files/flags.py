"""Reads `flags:`, each flag on its own: what is wrong with one keeps no problem of another from being seen."""

from __future__ import annotations

from rollout.core.attributes import AttributeType
from rollout.core.errors import InvalidInput
from rollout.core.flags import FLAG_KEY, TARGETING_ATTRIBUTE, Flag, Rule, ValueType
from rollout.core.plans import Rollout
from rollout.core.segments import Match
from rollout.yaml_files.conditions import read_match
from rollout.yaml_files.fields import Fields, entries, fields_of, items
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.nodes import Node, Scalar, shown
from rollout.yaml_files.scalars import boolean, day, line, text
from rollout.yaml_files.scope import Scope
from rollout.yaml_files.stages import read_rollout, warn_of_haste
from rollout.yaml_files.variants import Variants, read_off, read_on, read_serve, read_variants

_IN_ROLLOUT = "put it under 'rollout:'"
_POSITION = "the file is the path, not the position on it: "
FLAG = Vocabulary(
    "a flag",
    (
        "description",
        "owner",
        "enabled",
        "audience",
        "requires",
        "rules",
        "rollout",
        "variants",
        "on",
        "off",
        "split",
        "locked",
        "expires",
        "tags",
        "client",
        "salt",
        "bucket_by",
    ),
    {
        "state": "write 'enabled: true' or 'enabled: false'",
        "disabled": "write 'enabled: false'",
        **dict.fromkeys(("stages", "steps", "bake", "guards", "plan", "windows"), _IN_ROLLOUT),
        "approvals": "'approvals' stands at the top of the file, for all flags; a stage has 'approval: true'",
        **dict.fromkeys(
            ("percentage", "percent", "rolloutPercentage", "rollout_percentage", "weight", "rate"),
            "write rollout: { stages: [1%] }; to change what is live, use 'rollout set'",
        ),
        **dict.fromkeys(("halted", "paused"), _POSITION + "use 'rollout halt'"),
        **dict.fromkeys(("killed", "kill"), _POSITION + "use 'rollout kill'"),
        **dict.fromkeys(("stage", "current_stage", "share"), _POSITION + "use 'rollout set' or 'rollout advance'"),
        "excluded": _POSITION + "guards exclude, and 'rollout status' shows it",
        **dict.fromkeys(("environments", "environment", "env"), "keep one file for each environment"),
        "strategies": "write 'rules' for conditions, 'rollout' for percentages",
        "match": "write rules: [{ match: ..., serve: on }], or a segment as 'audience'",
        "type": "take it out: the type follows from the variants",
        "key": "take it out: the key stands before the colon",
        "name": "take it out: the key is its name",
        "value": "write 'variants' with a value for each",
        "default": "write 'off' for the variant of those who do not have the flag",
        "project": "use 'tags'",
    },
    instead="write: key: { description: ..., owner: ... }",
)
RULE = Vocabulary(
    "a rule",
    ("match", "serve", "split"),
    {
        "segment": "write match: { segment: ... }",
        "audience": "write match: { segment: ... }",
        "percentage": "write split: { on: 10%, off: 90% }",
        "name": "use a comment",
        "description": "use a comment",
    },
    instead="write: - { match: { country: IN }, serve: on }",
)


def read_flags(node: Node | None, scope: Scope) -> dict[str, Flag]:
    return {key.text: _flag(key, value, scope) for key, value in entries(node, "flags", scope.notes)}


def _flag(key: Scalar, node: Node, scope: Scope) -> Flag:
    path = f"flags.{key.text}"
    scope.notes.attempt(_flag_key, key, None)
    fields = fields_of(node, FLAG, key, scope.notes)
    scope.notes.place(path, key)
    for part, (word, _) in fields.node.entries.items():
        scope.notes.place(f"{path}.{part}", word)
    variants = read_variants(fields, path)
    off, on = read_off(fields, variants), read_on(fields, variants)
    if off == on:
        scope.notes.error(fields.place("on"), "'on' and 'off' are the same variant", "then nobody has the flag")
    rollout = _rollout(fields, path, scope)
    flag = Flag(
        key=key.text,
        description=fields.required("description", text, "", "say in a sentence what it switches"),
        owner=fields.required("owner", line, "", "name who is asked about it"),
        enabled=fields.read("enabled", boolean, False),
        type=variants.type or ValueType.BOOLEAN,
        variants=variants.values,
        off=off,
        on=on,
        audience=None if rollout else fields.read("audience", scope.audience, None),
        requires=fields.list_of("requires", scope.flag),
        rules=_rules(fields, variants, path, scope),
        rollout=rollout,
        salt=fields.read("salt", _salt, key.text),
        bucket_by=fields.read("bucket_by", lambda word: _bucketing(word, scope), TARGETING_ATTRIBUTE),
        locked=fields.read("locked", boolean, False),
        client=fields.read("client", boolean, True),
        expires=fields.read("expires", day, None),
        tags=fields.list_of("tags", line),
    )
    if flag.rollout and flag.enabled and not flag.locked:
        warn_of_haste(flag.rollout.stages, fields.place("rollout"), scope)
    return flag


def _flag_key(node: Scalar) -> None:
    if not FLAG_KEY.fullmatch(node.text):
        likely = node.text.strip().lower().replace("_", "-").replace(".", "-").replace(" ", "-")
        hint = f"write {likely}" if FLAG_KEY.fullmatch(likely) else "use up to 63 small letters, digits and -"
        raise InvalidInput(f"'{shown(node.text)}' is not a flag's key", hint)


def _rollout(fields: Fields, path: str, scope: Scope) -> Rollout | None:
    node = fields.value("rollout")
    return None if node is None else read_rollout(node, fields, f"{path}.rollout", scope)


def _rules(fields: Fields, variants: Variants, path: str, scope: Scope) -> tuple[Rule, ...]:
    node = fields.value("rules")
    if node is None:
        return ()
    listed = items(node, "rules", scope.notes, some=False)
    return tuple(_rule(item, variants, f"{path}.rules.{index}", scope) for index, item in enumerate(listed))


def _rule(node: Node, variants: Variants, path: str, scope: Scope) -> Rule:
    scope.notes.place(path, node)
    fields = fields_of(node, RULE, node, scope.notes)
    match = fields.value("match")
    fields.need(("match",), "for everybody, write 'audience: everyone' and no rule")
    return Rule(read_match(match, scope) if match else Match(()), read_serve(fields, variants))


def _salt(node: Node) -> str:
    word = line(node)
    if not word.isprintable():
        raise InvalidInput("a salt of characters that cannot be seen", "use letters and digits")
    return word


def _bucketing(node: Node, scope: Scope) -> str:
    by = scope.attribute(node)
    attribute = scope.attributes[by]
    if attribute and attribute.type is not AttributeType.STRING:
        raise InvalidInput(f"'{by}' is a {attribute.type}", "people are told apart by a string, such as user_id")
    return by
