"""Reads `attributes:` and `segments:`, what the app sends and the groups that are made of it."""

from __future__ import annotations

from collections.abc import Callable

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.errors import InvalidInput
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.segments import EVERYONE, Match, MemberList, Segment
from rollout.yaml_files.conditions import SEGMENT, read_match
from rollout.yaml_files.fields import Fields, entries, fields_of, items, one_of
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.members import MemberFiles
from rollout.yaml_files.nodes import Node, Scalar, shown
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.scalars import ATTRIBUTE_NAME, boolean, name, scalar, text
from rollout.yaml_files.scope import Scope

ATTRIBUTE = Vocabulary("an attribute", ("type", "values", "trusted"), instead="write: { type: string }")
KINDS = ("match", "any", "members")
SEGMENT_KEYS = Vocabulary(
    "a segment",
    ("description", *KINDS),
    {
        "rules": "write 'match' (all hold) or 'any' (one is enough)",
        "all": "write 'match': all of its conditions hold",
        "or": "write 'any': a list of matches",
        "excluded": "write a condition with 'not' in 'match'",
        "percentage": "a percentage belongs to a rollout's stages",
    },
)
ALTERNATIVE = Vocabulary("an entry of 'any'", ("match",), instead="write: - match: { country: IN }")
MEMBERS = Vocabulary(
    "'members'",
    ("file",),
    {"list": "put the keys into a file, one a line"},
    instead="write members: { file: employees.txt }, one key a line",
)

_TYPE_HINTS = {
    **dict.fromkeys(("str", "text", "enum", "id", "uuid", "email"), "write string"),
    **dict.fromkeys(("bool", "flag"), "write boolean"),
    **dict.fromkeys(("int", "integer", "float", "double", "decimal", "long"), "write number"),
    **dict.fromkeys(("semver", "semantic-version"), "write version"),
    **dict.fromkeys(("date", "time", "timestamp", "date-time"), "write datetime"),
}


def read_attributes(node: Node | None, notes: Notes) -> dict[str, Attribute | None]:
    """What the file declares, and the targeting key, which need not be. None where a declaration has a problem."""
    declared: dict[str, Attribute | None] = {
        key.text: _attribute(key, value, notes) for key, value in entries(node, "attributes", notes)
    }
    return {TARGETING_ATTRIBUTE: Attribute(TARGETING_ATTRIBUTE, AttributeType.STRING)} | declared


def _attribute(key: Scalar, node: Node, notes: Notes) -> Attribute | None:
    notes.attempt(_attribute_name, key, None)
    notes.place(f"attributes.{key.text}", key)
    fields = fields_of(node, ATTRIBUTE, key, notes)
    kind = fields.required("type", _attribute_type, None, "such as { type: string }")
    values = fields.list_of("values", _listed, some=True)
    trusted = fields.read("trusted", boolean, False)
    if kind is None:
        return None
    if "values" in fields and kind is not AttributeType.STRING:
        notes.error(fields.place("values"), f"a {kind} has no 'values'", "only a string has")
        return None
    if key.text == TARGETING_ATTRIBUTE and kind is not AttributeType.STRING:
        notes.error(
            fields.place("type"), f"'{TARGETING_ATTRIBUTE}' is a string", "it is what everybody is told apart by"
        )
        return None
    return Attribute(key.text, kind, values, trusted)


def _attribute_name(node: Scalar) -> None:
    if node.text == SEGMENT:
        raise InvalidInput(f"no attribute can be called '{SEGMENT}'", "in a match that word asks for a segment")
    if not ATTRIBUTE_NAME.fullmatch(node.text):
        raise InvalidInput(
            f"'{shown(node.text)}' is not an attribute's name", "use up to 63 letters, digits, _ - . and $"
        )


def _attribute_type(node: Node) -> AttributeType:
    word = scalar(node).text
    if word.casefold() in _TYPE_HINTS:
        raise InvalidInput(f"there is no type '{word}'", _TYPE_HINTS[word.casefold()])
    return AttributeType(one_of(tuple(AttributeType))(node))


def _listed(node: Node) -> str:
    word = scalar(node).text
    if not word or len(word) > 256:
        raise InvalidInput("a value has 1 to 256 characters")
    return word


def read_segments(node: Node | None, scope: Scope, files: MemberFiles) -> dict[str, Segment]:
    return {key.text: _segment(key, value, scope, files) for key, value in entries(node, "segments", scope.notes)}


def _segment(key: Scalar, node: Node, scope: Scope, files: MemberFiles) -> Segment:
    notes = scope.notes
    notes.attempt(_segment_name, key, None)
    notes.place(f"segments.{key.text}", key)
    fields = fields_of(node, SEGMENT_KEYS, key, notes)
    description = fields.required("description", text, "", "say in a sentence who is in it")
    fields.need(KINDS, "they say who is in it")
    fields.at_most_one(KINDS, "take one: a segment is defined in one way")
    return Segment(key.text, description, _matches(fields, scope), _members(fields, files))


def _segment_name(node: Scalar) -> None:
    if node.text == EVERYONE:
        raise InvalidInput(f"no segment can be called '{EVERYONE}'", "that audience is there already")
    name(node)


def _matches(fields: Fields, scope: Scope) -> tuple[Match, ...]:
    match, alternatives = fields.value("match"), fields.value("any")
    if match is not None:
        return (read_match(match, scope),)
    if alternatives is None:
        return ()
    return tuple(_alternative(item, scope) for item in items(alternatives, "any", scope.notes, some=True))


def _alternative(node: Node, scope: Scope) -> Match:
    fields = fields_of(node, ALTERNATIVE, node, scope.notes)
    read: Callable[[Node], Match] = lambda match: read_match(match, scope)  # noqa: E731
    return fields.required("match", read, Match(()), "write: - match: { country: IN }")


def _members(fields: Fields, files: MemberFiles) -> MemberList | None:
    node = fields.value("members")
    if node is None:
        return None
    inside = fields_of(node, MEMBERS, fields.place("members"), fields.notes)
    file = inside.value("file")
    inside.need(("file",), "such as { file: employees.txt }")
    return files.read(file, fields.notes) if file else None
