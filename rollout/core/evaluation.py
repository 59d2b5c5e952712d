"""Who has a flag. Rules are compiled once into one function a flag; asking it touches nothing but its argument.

The order is: not killed, enabled, everything in `requires` on for this subject, not excluded by a guard, the first
rule that matches, the admissions, off. Nothing here raises: a flag that cannot be compiled or evaluated serves its off
side with reason ERROR, and the others go on. Every answer that a flag can give is made at compile time, so that asking
makes no objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from rollout.core.admitting import Admitting, admit
from rollout.core.attributes import Attribute, read_value
from rollout.core.bucketing import hash32, splitter
from rollout.core.conditions import Context, Predicate, compile_condition, compile_match, compile_segments
from rollout.core.dependencies import needed_first
from rollout.core.draws import CONTROL, INSIDE, Draw, draw_of
from rollout.core.flags import Serving, Split, VariantValue
from rollout.core.members import Membership
from rollout.core.ruleset import Admission, Excluded, FlagRules, Ruleset
from rollout.core.segments import EVERYONE, AttributeCondition, OneOf
from rollout.core.shares import EVERYBODY, HASHES
from rollout.core.together import Grouping, grouped, together


class Reason(StrEnum):
    """OpenFeature's words (specification, section 1.7, Types)."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    ERROR = "ERROR"


class ErrorCode(StrEnum):
    """OpenFeature's words."""

    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    GENERAL = "GENERAL"


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one subject is served. Made once per flag and outcome, and compared by identity."""

    flag: str
    on: bool
    variant: str | None
    value: VariantValue | None  # None: no value, the caller's own default counts
    reason: Reason
    because: str  # what decided: "killed", "guard upi-failures", "rule 1", "stage first-million" ...
    error_code: ErrorCode | None = None
    error: str | None = None
    drawn: bool | None = None  # whether a share admitted them; None: no share was asked, or none that is compared
    counted: str | None = None  # under which name whoever is served this is counted; see core.draws


DECIDING = frozenset({"stage", "rule", "guard"})


def decided_by(because: str) -> dict[str, str | int]:
    """The stage, rule or guard that decided, by its name or number, where it was one of them."""
    kind, _, what = because.partition(" ")
    if kind not in DECIDING:
        return {}
    return {kind: int(what) if kind == "rule" else what}


Evaluate: TypeAlias = Callable[[Context], Answer]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """A whole ruleset, compiled. Immutable: a change makes another one."""

    ruleset: Ruleset
    flags: Mapping[str, Evaluate]
    segments: Mapping[str, Predicate] = field(default_factory=dict)
    plain: Mapping[str, Admitting | None] = field(default_factory=dict)  # those on which only admissions decide
    grouping: Grouping = field(default_factory=Grouping)
    all: Callable[[Context], tuple[Answer, ...]] = lambda _: ()  # every flag's answer, in their order


def compile_ruleset(
    ruleset: Ruleset, members: Mapping[str, Membership], previous: Evaluator | None = None
) -> Evaluator:
    """Compiles every flag, or, of those that `previous` has compiled from the same rules, none again."""
    if previous is None or not _same_ground(ruleset, previous.ruleset):
        ground = compile_segments(ruleset.segments, ruleset.attributes, members)
        previous = Evaluator(replace(ruleset, flags={}), {}, ground)
    flags, plain, segments = dict(previous.flags), dict(previous.plain), previous.segments
    order = _not_compiled(ruleset.flags, previous.ruleset.flags)
    for key in order:
        flags.pop(key, None)  # where flags require each other in a circle, none is asked as it was before
    for key in order:
        rules = ruleset.flags[key]
        required = [(other, flags[other]) for other in rules.requires if other in flags and other in ruleset.flags]
        flags[key], plain[key] = compile_flag(rules, required, ruleset.attributes, segments)
    flags = {key: flags[key] for key in ruleset.flags}
    plain = {key: plain[key] for key in ruleset.flags}
    grouping = grouped(plain, segments, previous.grouping)
    return Evaluator(ruleset, flags, segments, plain, grouping, together(flags, grouping, segments))


def _same_ground(now: Ruleset, before: Ruleset) -> bool:
    return now.segments is before.segments and now.attributes is before.attributes


def _not_compiled(now: Mapping[str, FlagRules], before: Mapping[str, FlagRules]) -> list[str]:
    """Flags whose rules, or those of any that they require, are not the very ones of before; those that others require
    first."""
    found = {key for key, rules in now.items() if before.get(key) is not rules}
    requiring: dict[str, list[str]] = {}
    for key, rules in now.items():
        for other in rules.requires:
            requiring.setdefault(other, []).append(key)
    waiting = [*found, *(before.keys() - now.keys())]
    while waiting:
        for key in requiring.get(waiting.pop(), ()):
            if key not in found:
                found.add(key)
                waiting.append(key)
    return needed_first({key: rules.requires for key, rules in now.items() if key in found})


def compile_flag(
    rules: FlagRules,
    required: list[tuple[str, Evaluate]],
    attributes: Mapping[str, Attribute],
    segments: Mapping[str, Predicate],
) -> tuple[Evaluate, Admitting | None]:
    """One flag as a function, and as data where nothing but its admissions decides. Never raises: what cannot be
    compiled becomes a function that answers ERROR."""
    broken = _off(rules, Reason.ERROR, "error", ErrorCode.GENERAL, "this flag cannot be evaluated")
    try:
        plain = _plain(rules, broken)
        if plain is not None:
            return admit(plain, segments), plain
        return _decide(rules, broken, required, attributes, segments), None
    except Exception:  # a broken flag fails alone
        return (lambda context: broken), None  # noqa: ARG005


def _plain(rules: FlagRules, broken: Answer) -> Admitting | None:
    """None where something else has a word, or those admitted are split."""
    keyless = _keyless(rules)
    if rules.killed or not rules.enabled:
        off = _off(rules, Reason.DISABLED, "killed" if rules.killed else "disabled")
        return Admitting(rules.salt, rules.bucket_by, (), off, keyless, broken, off, off, 0)
    on = rules.on
    if rules.requires or rules.excluded or rules.rules or isinstance(on, Split):
        return None
    draw = draw_of(rules)
    admissions = tuple(
        (
            admission.audience,
            admission.share.threshold,
            _served(rules, on, _reason(rules, admission), f"stage {admission.stage}", _is_drawn(admission, draw)),
        )
        for admission in rules.admissions
    )
    nobody = _off(rules, Reason.DEFAULT, "not admitted")
    outside, control, edge = _outside(nobody, draw)
    return Admitting(rules.salt, rules.bucket_by, admissions, nobody, keyless, broken, outside, control, edge)


# Each of the functions that these make catches what goes wrong in it by itself: one around them all would be one more
# call for every answer, which is a tenth of what it costs.


def _decide(
    rules: FlagRules,
    broken: Answer,
    required: list[tuple[str, Evaluate]],
    attributes: Mapping[str, Attribute],
    segments: Mapping[str, Predicate],
) -> Evaluate:
    if len(required) < len(rules.requires):
        raise LookupError("a required flag does not exist, or requires this one")
    own = _admit(rules, broken, segments)
    if rules.rules:
        own = _rules_first(rules, broken, own, attributes, segments)
    if rules.excluded:
        own = _exclusions_first(rules, broken, own, attributes)
    if required:
        own = _requirements_first(rules, broken, own, required)
    return own


def _requirements_first(
    rules: FlagRules, broken: Answer, then: Evaluate, required: list[tuple[str, Evaluate]]
) -> Evaluate:
    unmet = tuple((ask, _off(rules, Reason.DEFAULT, f"requires {key}")) for key, ask in required)

    def evaluate(context: Context) -> Answer:
        try:
            for ask, off in unmet:
                if not ask(context).on:
                    return off
            return then(context)
        except Exception:  # a broken flag fails alone
            return broken

    return evaluate


def _exclusions_first(
    rules: FlagRules, broken: Answer, then: Evaluate, attributes: Mapping[str, Attribute]
) -> Evaluate:
    exclusions = tuple(
        (compile_excluded(one, attributes), _off(rules, Reason.DEFAULT, f"guard {one.guard}")) for one in rules.excluded
    )

    def evaluate(context: Context) -> Answer:
        try:
            for excludes, off in exclusions:
                if excludes(context):
                    return off
            return then(context)
        except Exception:  # a broken flag fails alone
            return broken

    return evaluate


def compile_excluded(excluded: Excluded, attributes: Mapping[str, Attribute]) -> Predicate:
    """Whether somebody is among those whom a guard excluded. Raises InvalidInput for a value that the attribute, as it
    is declared now, cannot have: then the flag fails, on its off side."""
    attribute = attributes[excluded.attribute]
    value = read_value(attribute, excluded.value)
    return compile_condition(AttributeCondition(attribute.name, (OneOf((value,)),)), attributes, {})


def _rules_first(
    rules: FlagRules,
    broken: Answer,
    then: Evaluate,
    attributes: Mapping[str, Attribute],
    segments: Mapping[str, Predicate],
) -> Evaluate:
    compiled = tuple(
        (
            compile_match(rule.match, attributes, segments),
            _serve(rules, rule.serve, Reason.TARGETING_MATCH, f"rule {index}"),
        )
        for index, rule in enumerate(rules.rules, 1)
    )

    def evaluate(context: Context) -> Answer:
        try:
            for matches, serve in compiled:
                if matches(context):
                    return serve(context)
            return then(context)
        except Exception:  # a broken flag fails alone
            return broken

    return evaluate


def _admit(rules: FlagRules, broken: Answer, segments: Mapping[str, Predicate]) -> Evaluate:
    nobody, draw = _off(rules, Reason.DEFAULT, "not admitted"), draw_of(rules)
    outside, control, edge = _outside(nobody, draw)
    keyless = _keyless(rules)
    admissions = tuple(
        (
            None if admission.audience == EVERYONE else segments[admission.audience],
            admission.share.threshold,
            _serve(rules, rules.on, _reason(rules, admission), f"stage {admission.stage}", _is_drawn(admission, draw)),
        )
        for admission in rules.admissions
    )
    salt, bucket_by = rules.salt, rules.bucket_by

    def evaluate(context: Context) -> Answer:
        place = -1
        off = nobody
        try:
            for in_audience, threshold, serve in admissions:
                if in_audience is not None and not in_audience(context):
                    continue
                if threshold == HASHES:
                    return serve(context)
                if place < 0:
                    targeting_key = context.get(bucket_by)
                    if not targeting_key:
                        off = keyless
                        continue
                    place = hash32(f"{salt}:{targeting_key}", 0, False)  # bucket(), without the cost of calling it
                if place < threshold:
                    return serve(context)
                off = outside if place >= edge else control
            return off
        except Exception:  # a broken flag fails alone
            return broken

    return evaluate


def _is_drawn(admission: Admission, draw: Draw | None) -> bool:
    return draw is not None and admission.share == draw.share and admission.audience == draw.audience


def _outside(nobody: Answer, draw: Draw | None) -> tuple[Answer, Answer, int]:
    """What those in the audience are served who are outside the share: all but the control group, and those in it, who
    are below the number. To whoever asks both are the same as for those outside the audience."""
    if draw is None:
        return nobody, nobody, HASHES
    outside = replace(nobody, drawn=False)
    return outside, replace(outside, counted=nobody.flag + CONTROL), draw.edge


def _reason(rules: FlagRules, admission: Admission) -> Reason:
    if not admission.by_segment or admission.share != EVERYBODY:
        return Reason.SPLIT
    if admission.audience != EVERYONE:
        return Reason.TARGETING_MATCH
    if isinstance(rules.on, Split):
        return Reason.SPLIT
    return Reason.STATIC if not rules.rules and not rules.has_rollout else Reason.TARGETING_MATCH


def _serve(rules: FlagRules, serving: Serving, reason: Reason, because: str, drawn: bool = False) -> Evaluate:
    if not isinstance(serving, Split):
        answer = _served(rules, serving, reason, because, drawn)
        return lambda context: answer  # noqa: ARG005
    answers = tuple(_served(rules, variant, reason, because, drawn) for variant, _ in serving.shares)
    variant_index = splitter(rules.salt, serving.shares)
    keyless, bucket_by = _keyless(rules), rules.bucket_by

    def serve(context: Context) -> Answer:
        targeting_key = context.get(bucket_by)
        return answers[variant_index(targeting_key)] if targeting_key else keyless  # type: ignore[arg-type]

    return serve


def _served(rules: FlagRules, variant: str, reason: Reason, because: str, drawn: bool = False) -> Answer:
    on, name = variant != rules.off, rules.key + INSIDE if drawn else rules.key
    value = rules.variants[variant]
    return Answer(rules.key, on, variant, value, reason, because, drawn=drawn or None, counted=name if on else None)


def _keyless(rules: FlagRules) -> Answer:
    """A share needs a targeting key: an empty one would put everybody without an id in the same bucket."""
    error = f"a share of this flag needs {rules.bucket_by}, and the context has none"
    return _off(rules, Reason.ERROR, "no targeting key", ErrorCode.TARGETING_KEY_MISSING, error)


def _off(
    rules: FlagRules, reason: Reason, because: str, error_code: ErrorCode | None = None, error: str | None = None
) -> Answer:
    value = None if rules.off is None else rules.variants.get(rules.off)
    return Answer(rules.key, False, rules.off, value, reason, because, error_code, error)
