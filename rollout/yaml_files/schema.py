"""The JSON Schema of flags.yaml, for editors. It accepts and refuses what the reader does as far as a schema can: that
a name was declared, that stages only go up, or that a split adds up to 100%, only the reader sees.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from rollout.core.approvals import FEWEST_PERSONS, MOST_PERSONS
from rollout.core.attributes import AttributeType
from rollout.core.flags import FLAG_KEY, TARGETING_ATTRIBUTE
from rollout.core.guards import GuardAction
from rollout.core.segments import EVERYONE
from rollout.core.windows import DAYS
from rollout.yaml_files.conditions import SEGMENT
from rollout.yaml_files.scalars import ATTRIBUTE_NAME, LARGEST_INTEGER, LONGEST_TEXT, NAME
from rollout.yaml_files.windows import MOST_AVOIDED

Schema: TypeAlias = dict[str, Any]

_PERCENTAGE = r"^(0?[0-9]{1,2}(\.[0-9]{1,8})?|100(\.0{1,8})?)%$"
_DURATION = r"^(?=.)([0-9]{1,6}w)?([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,9}s)?$"
_NO_TIME = r"^(0+[wdhms])+$"
_BOUND = r"\s*(>=|<=|>|<)\s*[^<>=!,\s]([^<>=!,]*[^<>=!,\s])?\s*"
_LIKE_A_COMPARISON = r"^\s*[<>=!]"
_DATE = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_RATE = r"^(?!0+(\.0+)?/)[0-9]{1,9}(\.[0-9]{1,6})?/[smh]$"
_HOURS = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
_ZONE = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"
_DAY = r"2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_AVOIDED = rf"^({_DAY}(\.\.{_DAY})?|day ([1-9]|[12][0-9]|3[01])|last day)$"
_OUTSIDE = r"^/|^[A-Za-z]:|\\|(^|/)\.\.(/|$)|^\s*$"
_STRING: Schema = {"properties": {"type": {"const": "string"}}}


def schema() -> Schema:
    """A new copy each time, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flags.yaml",
        "description": "Flags, to whom they are given, and how they are rolled out.",
        **_object(
            {
                "version": {"const": 1, "description": "Of this format."},
                "approvals": _approvals(),
                "attributes": _named(_ref("attribute"), ATTRIBUTE_NAME.pattern, SEGMENT)
                | {
                    "description": "What the app sends with a check.",
                    "properties": {"user_id": {"allOf": [_ref("attribute"), _STRING]}},
                },
                "segments": _named(_ref("segment"), NAME.pattern, EVERYONE) | {"description": "Named groups."},
                "guards": _named(_ref("guard")) | {"description": "Bounds on what is reported back."},
                "windows": _named(_ref("window")) | {"description": "Days and hours in which rollouts may move."},
                "plans": _named(_ref("plan")) | {"description": "Lists of stages that rollouts share."},
                "flags": _named(_ref("flag"), FLAG_KEY.pattern) | {"description": "Flags, by their key."},
            },
            required=("version", "flags"),
        ),
        "$defs": {
            "attribute": _attribute(),
            "segment": _segment(),
            "match": _match(),
            "condition": _condition(),
            "guard": _guard(),
            "window": _window(),
            "plan": _plan(),
            "rollout": _rollout(),
            "stage": _stage(),
            "flag": _flag(),
            "rule": _rule(),
            "split": _named(_percentage("Its share of those who have the flag.")) | {"minProperties": 1},
            "json": _json_value(),
        },
    }


def _approvals() -> Schema:
    persons = {"type": "integer", "minimum": FEWEST_PERSONS, "maximum": MOST_PERSONS}
    return _object(
        {
            "raise": persons | {"description": "How many persons it takes, in all."},
            "above": _percentage("Up to this share of an audience one is enough.") | _not(r"^100(\.0*)?%$"),
        },
        required=("raise", "above"),
    ) | {"description": "Who has to agree before exposure is raised."}


def _attribute() -> Schema:
    kinds = _object(
        {
            "type": {"enum": [str(kind) for kind in AttributeType], "description": "What its values are."},
            "values": _list(_word(256), "All that conditions may name; for strings.", some=True, unique=True),
            "trusted": {
                "type": "boolean",
                "description": "What an app itself says of it does not count.",
                "default": False,
            },
        },
        required=("type",),
    )
    only_strings = {"if": {"required": ["values"]}, "then": {"properties": {"type": {"const": "string"}}}}
    return kinds | only_strings


def _segment() -> Schema:
    return _object(
        {
            "description": _text("Who is in it."),
            "match": _ref("match"),
            "any": _list(_object({"match": _ref("match")}, required=("match",)), "One of them is enough.", some=True),
            "members": _object(
                {"file": _word(4096) | {"description": "One targeting key a line.", "not": {"pattern": _OUTSIDE}}},
                required=("file",),
            ),
        },
        required=("description",),
    ) | _exactly_one("match", "any", "members")


def _match() -> Schema:
    return {
        "type": "object",
        "description": "Conditions on attributes, and on segments; all of them hold.",
        "minProperties": 1,
        "properties": {SEGMENT: _one_or_more(_known_segment(), negated=True)},
        "additionalProperties": _ref("condition"),
    }


def _known_segment() -> Schema:
    return _name() | {"not": {"const": EVERYONE}}


def _one_or_more(item: Schema, *, negated: bool) -> Schema:
    several = {"type": "array", "items": item, "minItems": 1}
    inside = [_object({"not": {"anyOf": [item, several]}}, required=("not",))] if negated else []
    return {"anyOf": [item, several, *inside]}


def _condition() -> Schema:
    """A condition on an attribute whose type is not known here."""
    value = _word(None)
    comparison = {"type": "string", "pattern": f"^({_BOUND})+$"}
    plain = {"type": ["string", "number", "boolean"], "not": {"type": "string", "pattern": _LIKE_A_COMPARISON}}
    texts = _one_or_more(_word(None) | {"minLength": 1}, negated=False)
    tests = _object(
        {
            "not": _one_or_more(value, negated=False) | {"description": "None of these."},
            "starts_with": texts | {"description": "The text begins with one of these."},
            "ends_with": texts | {"description": "The text ends with one of these."},
            "contains": texts | {"description": "One of these is in the text."},
        }
    ) | {"minProperties": 1}
    return {"anyOf": [plain, comparison, {"type": "array", "items": value, "minItems": 1}, tests]}


def _guard() -> Schema:
    bounds = {
        "max": _percentage("Share of outcomes that may fail."),
        "min": {"type": "string", "pattern": _RATE, "description": "Successes that must not vanish, such as 5/m."},
        "against": {"const": "control", "description": "Compared with those who do not have the flag."},
    }
    return (
        _object(
            {
                "description": _text("What it watches."),
                "metric": _name() | {"description": "The name under which outcomes are reported."},
                **bounds,
                "max_ratio": {"type": "number", "minimum": 1, "description": "Of the odds of failing. Default 1.25."},
                "counts": _list(_name(), "Classes of failure that count. Default: all.", some=True, unique=True),
                "by": _word(64)
                | {"description": "An attribute: each of its values is judged on its own."}
                | {"not": {"const": TARGETING_ATTRIBUTE}},
                "min_samples": {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": 100},
                "confidence": _percentage("How sure a verdict has to be. Default 99%."),
                "no_data": _duration("Silence for this long holds the rollout. Default 10m.") | _not(_NO_TIME),
                "action": {"enum": [str(action) for action in GuardAction], "default": "halt"},
                "prometheus": _object(
                    {"url": {"type": "string", "pattern": "^https?://."}, "query": _text("PromQL.")}, ("url", "query")
                ),
            },
            required=("metric",),
        )
        | _exactly_one(*bounds)
        | {"dependentRequired": {"max_ratio": ["against"]}, **_exclude_needs_by()}
    )


def _exclude_needs_by() -> Schema:
    excludes = {"properties": {"action": {"const": "exclude"}}, "required": ["action"]}
    return {"if": excludes, "then": {"required": ["by"]}}


def _window() -> Schema:
    return _object(
        {
            "description": _text("When it is, and why."),
            "days": _list({"enum": [*DAYS]}, "Of the week. Default: all.", some=True, unique=True),
            "hours": {"type": "string", "pattern": _HOURS, "description": "Such as 09:00-17:00. Default: all day."},
            "zone": {"type": "string", "pattern": _ZONE, "description": "Whose clock, such as Asia/Kolkata."},
            "avoid": _list(
                {"type": "string", "pattern": _AVOIDED},
                "2026-11-08, 2026-10-18..2026-10-24, day 1 to day 31 of every month, last day.",
                unique=True,
            )
            | {"maxItems": MOST_AVOIDED},
        },
        required=("description", "zone"),
    )


def _windows(description: str) -> Schema:
    return _list(_name(), description, unique=True)


def _plan() -> Schema:
    return _object(
        {
            "description": _text("What it is for."),
            "bake": _duration("How long a stage runs that says nothing itself."),
            "windows": _windows("Of rollouts that name none."),
            "stages": _list(_ref("stage"), "In this order.", some=True),
        },
        required=("stages",),
    )


def _rollout() -> Schema:
    return _object(
        {
            "audience": _name() | {"description": "The segment that percentages are of. Default: everyone."},
            "bake": _duration("How long a stage runs that says nothing itself."),
            "guards": _list(_name(), "Watching all the while.", unique=True),
            "windows": _windows("Stages begin only while all of these are open."),
            "plan": _name() | {"description": "A list of stages under 'plans'."},
            "stages": _list(_ref("stage"), "In this order, adding up.", some=True),
        }
    ) | _exactly_one("plan", "stages")


def _stage() -> Schema:
    mapped = _object(
        {
            "name": {"anyOf": [_name(), _percentage("Its percentage.")], "description": "Default: what it admits."},
            "audience": _name() | {"description": "A segment. Default: the rollout's audience."},
            "percentage": _percentage("Of the audience. Default: all of it."),
            "bake": _duration("How long it runs before the next may begin."),
            "approval": {"type": "boolean", "description": "A person has to let it begin.", "default": False},
            "guards": _list(_name(), "Watching from this stage on.", unique=True),
        }
    ) | {"anyOf": [{"required": ["audience"]}, {"required": ["percentage"]}]}
    segment = _name() | {"description": "All of a segment.", "type": "string"}
    return {"anyOf": [segment, _percentage("Of the audience."), mapped]}


def _flag() -> Schema:
    variant = _name() | {"description": "A variant's name."}
    return (
        _object(
            {
                "description": _text("What it switches."),
                "owner": _line("Who is asked about it."),
                "enabled": {"type": "boolean", "description": "Default: false.", "default": False},
                "audience": _name() | {"description": "The segment it is for. Default: everyone."},
                "requires": _list(_word(63), "Flags that have to be on for the same person.", unique=True),
                "rules": _list(_ref("rule"), "Tried first, in this order."),
                "rollout": _ref("rollout"),
                "variants": _variants(),
                "on": variant,
                "off": {"anyOf": [variant, {"type": "null"}], "description": "Of those who do not have the flag."},
                "split": _ref("split"),
                "locked": {"type": "boolean", "description": "Nothing may raise it.", "default": False},
                "expires": {"type": "string", "pattern": _DATE, "description": "Warned about after this day."},
                "tags": _list(_line("A tag."), "For finding it.", unique=True),
                "client": {"type": "boolean", "description": "false: never shown to client keys.", "default": True},
                "salt": _line("What draws people by chance. Default: the flag's key."),
                "bucket_by": _word(64) | {"description": "A string attribute. Default: user_id."},
            },
            required=("description", "owner"),
        )
        | {"not": {"required": ["on", "split"]}}
        | _needs_on_and_off()
    )


def _variants() -> Schema:
    kinds: list[Schema] = [
        {"type": "boolean"},
        {"type": "string", "maxLength": 65_536},
        {"type": "integer", "minimum": -LARGEST_INTEGER, "maximum": LARGEST_INTEGER},
        {"type": "number"},
        {"type": "object", "additionalProperties": _ref("json")},
    ]
    named = {"type": "object", "propertyNames": {"pattern": f"^(?:{NAME.pattern})$"}, "minProperties": 1}
    of_one_type = [{"additionalProperties": kind} for kind in kinds]
    return named | {"anyOf": of_one_type, "description": "Names and values, all of one type."}


def _needs_on_and_off() -> Schema:
    """What a flag with variants of its own has to say beside them."""
    booleans: Schema = {"additionalProperties": {"type": "boolean"}}
    by_default = booleans | {"required": ["on"]}
    on: Schema = {
        "if": {"properties": {"variants": {"not": by_default}}, "required": ["variants"]},
        "then": {"anyOf": [{"required": ["on"]}, {"required": ["split"]}]},
    }
    off: Schema = {
        "if": {"properties": {"variants": booleans | {"not": {"required": ["off"]}}}, "required": ["variants"]},
        "then": {"required": ["off"]},
    }
    return {"allOf": [on, off]}


def _rule() -> Schema:
    return _object(
        {
            "match": _ref("match"),
            "serve": _name() | {"description": "A variant's name."},
            "split": _ref("split"),
        },
        required=("match",),
    ) | _exactly_one("serve", "split")


def _json_value() -> Schema:
    return {
        "anyOf": [
            {"type": ["null", "boolean", "string"]},
            {"type": "number"},
            {"type": "array", "items": _ref("json")},
            {"type": "object", "additionalProperties": _ref("json")},
        ]
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


def _named(value: Schema, pattern: str = NAME.pattern, reserved: str = "") -> Schema:
    names: Schema = {"pattern": f"^(?:{pattern})$"} | ({"not": {"const": reserved}} if reserved else {})
    return {"type": "object", "propertyNames": names, "additionalProperties": value}


def _list(item: Schema, description: str, *, some: bool = False, unique: bool = False) -> Schema:
    return {"type": "array", "items": item, "minItems": int(some), "uniqueItems": unique, "description": description}


def _exactly_one(*keys: str) -> Schema:
    return {"oneOf": [{"required": [key]} for key in keys]}


def _word(longest: int | None) -> Schema:
    """A word of the file. What YAML calls a number or a boolean is a word here all the same."""
    limit = {} if longest is None else {"minLength": 1, "maxLength": longest}
    return {"type": ["string", "number", "boolean"], **limit}


def _name() -> Schema:
    return {"type": ["string", "integer"], "pattern": f"^(?:{NAME.pattern})$"}


def _text(description: str) -> Schema:
    return _word(LONGEST_TEXT) | {"pattern": r"\S", "description": description}


def _line(description: str) -> Schema:
    return _word(256) | {"pattern": r"^.*\S.*$", "description": description}


def _percentage(description: str) -> Schema:
    return {"type": "string", "pattern": _PERCENTAGE, "description": description}


def _duration(description: str) -> Schema:
    return {"type": "string", "pattern": _DURATION, "description": description}


def _not(pattern: str) -> Schema:
    return {"not": {"pattern": pattern}}
