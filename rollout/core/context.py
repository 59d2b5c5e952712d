"""Reading an evaluation context: what the app sent, by the declared types, within bounds."""

from __future__ import annotations

from collections.abc import Mapping

from rollout.core.attributes import Attribute, AttributeType, Value, read_value
from rollout.core.errors import InvalidInput
from rollout.core.flags import TARGETING_ATTRIBUTE

MAX_ATTRIBUTES = 100
MAX_TEXT = 1024  # characters

_TARGETING = Attribute(TARGETING_ATTRIBUTE, AttributeType.STRING)


def read_context(
    given: Mapping[str, object], attributes: Mapping[str, Attribute], *, believed: bool = True
) -> tuple[dict[str, Value], int]:
    """The context, and how many attributes were left out since nobody declared them. None counts as missing, and so
    does a trusted attribute where whoever gives it is not `believed`.

    Raises InvalidInput when a declared attribute has a value of another type, or when there is too much of it all.
    """
    if len(given) > MAX_ATTRIBUTES:
        raise InvalidInput(f"{len(given)} attributes are too many", f"send at most {MAX_ATTRIBUTES}")
    context: dict[str, Value] = {}
    ignored = 0
    for name, value in given.items():
        attribute = attributes.get(name) or (_TARGETING if name == TARGETING_ATTRIBUTE else None)
        if attribute is None:
            ignored += 1
        elif value is not None and (believed or not attribute.trusted):
            if isinstance(value, str) and len(value) > MAX_TEXT:
                raise InvalidInput(f"{name} is {len(value)} characters long", f"send at most {MAX_TEXT}")
            context[name] = read_value(attribute, value)
    return context, ignored
