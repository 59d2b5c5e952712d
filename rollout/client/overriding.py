"""Answers that a test asks for, in place of the ruleset's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollout.core.evaluation import Answer, Evaluate, Reason
from rollout.core.flags import Split, ValueType
from rollout.core.ruleset import FlagRules, Ruleset

BECAUSE = "overridden"


def overridden(ruleset: Ruleset, override: Mapping[str, object]) -> dict[str, Evaluate]:
    return {key: _always(_answer(key, ruleset.flags.get(key), wanted)) for key, wanted in override.items()}


def _always(answer: Answer) -> Evaluate:
    return lambda context: answer  # noqa: ARG005


def _answer(key: str, rules: FlagRules | None, wanted: Any) -> Answer:
    variant = None if rules is None else _variant(rules, wanted)
    if rules is None or variant is None:
        on = bool(wanted) if isinstance(wanted, bool) else wanted is not None
        return Answer(key, on, None, wanted, Reason.STATIC, BECAUSE)
    if variant is _NO_VARIANT:
        return Answer(key, False, None, None, Reason.STATIC, BECAUSE)
    return Answer(key, variant != rules.off, variant, rules.variants[variant], Reason.STATIC, BECAUSE)


_NO_VARIANT = ""
"""Off, where the flag has no variant for that."""


def _variant(rules: FlagRules, wanted: Any) -> str | None:
    """The variant that is meant by its name, by its value, or by True and False; None for another value."""
    if isinstance(wanted, str) and wanted in rules.variants:
        return wanted
    if isinstance(wanted, bool) and rules.type is not ValueType.BOOLEAN:
        return _on(rules) if wanted else rules.off or _NO_VARIANT
    for name, value in rules.variants.items():
        if type(value) is type(wanted) and value == wanted:
            return name
    return None


def _on(rules: FlagRules) -> str:
    return rules.on.shares[0][0] if isinstance(rules.on, Split) else rules.on
