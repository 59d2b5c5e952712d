"""What is odd about outcomes that are taken all the same, in words for whoever sends them: most often a name that the
flags file writes in another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.core.attributes import Attribute
from rollout.core.guards import Guard
from rollout.core.wording import alternatives


@dataclass(frozen=True, slots=True)
class Caution:
    code: str
    message: str
    hint: str


def uncounted(failure: str, metric: str, guards: Sequence[Guard]) -> list[Caution]:
    if not guards or any(not guard.counts or failure in guard.counts for guard in guards):
        return []
    counted = dict.fromkeys(name for guard in guards for name in guard.counts)
    return [
        Caution(
            "uncounted_class",
            f"no guard of {metric} counts the class {failure}",
            f"it has a counter of its own while there are few such; guards count {alternatives(tuple(counted))}",
        )
    ]


def unwatched(flag: str, metric: str) -> Caution:
    return Caution(
        "unwatched_metric", f"no guard of {flag} watches {metric}", "it is counted; name it as a guard's 'metric'"
    )


def class_of_success(failure: str) -> Caution:
    return Caution(
        "class_of_success", f"it is ok and has the class {shown(failure)}", "the class was ignored; failures have one"
    )


def unused(name: str, metric: str) -> Caution:
    return Caution(
        "unused_attribute",
        f"no guard of {metric} goes by {name}",
        "it is counted in the total; name the attribute in a guard's 'by'",
    )


def undeclared_value(attribute: Attribute, value: str) -> Caution:
    return Caution(
        "undeclared_value",
        f"{shown(value)} is none of the values of {attribute.name}",
        f"it is counted in the total alone; declared are {alternatives(attribute.values)}",
    )


def shown(value: object) -> str:
    if isinstance(value, list | dict):  # may be too deep to show
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of so many digits"
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
