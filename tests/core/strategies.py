"""Hypothesis strategies for everything that the core knows: flags, segments, guards, windows, progress, whole states,
and the contexts that people come with. Values come from small pools, so that conditions sometimes hold.

Hypothesis draws a seed, and a whole state is made from that at once: drawing each of its hundred parts would take a
hundred times as long. What fails is shown with its seed, and fails again with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from rollout.core.approvals import Approvals
from rollout.core.attributes import ORDERED, Attribute, AttributeType
from rollout.core.context import read_context
from rollout.core.definitions import Definitions
from rollout.core.evaluation import Evaluator, compile_ruleset
from rollout.core.flags import BOOLEAN_VARIANTS, Flag, Rule, Split, ValueType
from rollout.core.guards import Guard, GuardAction, Rate
from rollout.core.members import Membership, PackedMembers, pack_members
from rollout.core.pending import Agreement, Bound, Pending, Person
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import Exclusion, FileInForce, FlagRecord, Progress, State, Stop
from rollout.core.ruleset import ruleset_in_force
from rollout.core.segments import (
    EVERYONE,
    AttributeCondition,
    Compare,
    Contains,
    EndsWith,
    Match,
    MemberList,
    NoneOf,
    OneOf,
    Segment,
    SegmentCondition,
    StartsWith,
)
from rollout.core.shares import EVERYBODY, Share
from rollout.core.windows import DAYS, Window

ATTRIBUTES = {
    attribute.name: attribute
    for attribute in (
        Attribute("user_id", AttributeType.STRING),
        Attribute("account_id", AttributeType.STRING),
        Attribute("country", AttributeType.STRING, ("IN", "GB", "US")),
        Attribute("premium", AttributeType.BOOLEAN, trusted=True),
        Attribute("orders", AttributeType.NUMBER),
        Attribute("app_version", AttributeType.VERSION),
        Attribute("signed_up", AttributeType.DATETIME),
    )
}
PEOPLE = ("u-1", "u-2", "u-17", "प्रिया", "😀", "u:1")
POOLS = {
    "user_id": PEOPLE,
    "account_id": ("a-1", "a-2", "u-1"),
    "country": ("IN", "GB", "US", ""),
    "premium": (True, False),
    "orders": (0, 1, 2.5, -3, 20, 10**15),
    "app_version": ("8.2", "v8.2.0", "8.2.0-beta.2", "9", "1.10.0.4"),
    "signed_up": ("2024-01-01", "2024-01-01T05:30:00+05:30", "2023-12-31T23:59:59.5Z"),
}
MEMBERS: dict[str, Membership] = {
    "staff": PackedMembers(pack_members(["u-1", "प्रिया"])),
    "testers": frozenset({"u-2", "😀"}),
}

WORDS = (
    "a",
    "pay",
    " ",
    "0",
    "null",
    "off",
    "प्रिया",
    "😀",
    'say "hi"',
    "two\nlines",
    "\u2028\x7f",
    "\\u0041",
    "x" * 300,
)
NAMES = ("a", "B", "1st", "first-million", "5", "under_score")
MOMENTS = (
    datetime(2020, 1, 1, tzinfo=UTC),
    datetime(2026, 11, 23, 9, 0, 0, 1000, tzinfo=UTC),
    datetime(2034, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
)
SPANS = (timedelta(0), timedelta(seconds=1), timedelta(hours=36), timedelta(days=400, seconds=59))
TICKS = (None, timedelta(0), timedelta(milliseconds=1), timedelta(days=400))
SHARES = tuple(
    map(Share.parse, ("0.00000001%", "0.0001%", "1%", "5%", "33.333%", "50%", "99.9999%", "99.99999999%", "100%"))
)
JSON = (None, True, 1, 1.0, -(2**53), 1e-9, "", "😀", [], [1, [None, "x"]], {}, {"a": {"b": [True, 1, 1.0]}})
VALUES: dict[ValueType, tuple[object, ...]] = {
    ValueType.BOOLEAN: (True, False),
    ValueType.STRING: (*WORDS, ""),
    ValueType.INTEGER: (0, 1, -1, 2**53, -(2**53)),
    ValueType.FLOAT: (0.0, 1.0, -0.5, 1e300, 5e-324),
    ValueType.OBJECT: (*tuple({"k": value, "प": "x"} for value in JSON), {}),
}

Made = TypeVar("Made")
Item = TypeVar("Item")


class Dice:
    """Choices from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.one: Callable[[Sequence[Any]], Any] = self._random.choice

    def chance(self, one_in: int) -> bool:
        return self._random.randrange(one_in) == 0

    def upto(self, most: int, least: int = 0) -> range:
        return range(self._random.randint(least, most))

    def some(self, pool: Sequence[Item], most: int = 3, least: int = 1) -> tuple[Item, ...]:
        """Different ones, in any order."""
        return tuple(self._random.sample(pool, min(len(pool), self._random.randint(least, most))))

    def maybe(self, pool: Sequence[Item]) -> Item | None:
        return self.one((None, self.one(pool)))

    def cuts(self, parts: int) -> list[Share]:
        """Shares that add up to 100 %."""
        ends = [0, *sorted(self._random.choices(range(10_001), k=parts - 1)), 10_000]
        return [Share(Fraction(end - start, 100)) for start, end in itertools.pairwise(ends)]


def made(make: Callable[[Dice], Made]) -> st.SearchStrategy[Made]:
    return st.integers(0, 2**32 - 1).map(lambda seed: make(Dice(seed)))


def a_test(dice: Dice, attribute: Attribute) -> Any:
    pool = POOLS[attribute.name]
    kinds: list[Any] = [OneOf, NoneOf]
    if attribute.type is AttributeType.STRING:
        kinds += [StartsWith, EndsWith, Contains]
    if attribute.type in ORDERED:
        kinds += [Compare]
    kind = dice.one(kinds)
    if kind is Compare:
        return Compare(tuple((dice.one((">=", ">", "<=", "<")), dice.one(pool)) for _ in dice.upto(2, 1)))
    if kind in (OneOf, NoneOf):
        return kind(dice.some(pool))
    return kind(dice.some(("u", "u-1", "1", "IN", "प्र")))


def a_condition(dice: Dice, segments: Sequence[str] = ()) -> Any:
    if segments and dice.chance(2):
        return SegmentCondition(dice.some(segments), dice.chance(2))
    attribute = dice.one(tuple(ATTRIBUTES.values()))
    return AttributeCondition(attribute.name, tuple(a_test(dice, attribute) for _ in dice.upto(2, 1)))


def a_match(dice: Dice, segments: Sequence[str] = ()) -> Match:
    return Match(tuple(a_condition(dice, segments) for _ in dice.upto(3)))


def a_segment(dice: Dice, name: str, earlier: Sequence[str] = ()) -> Segment:
    description = dice.one((*WORDS, ""))
    if dice.chance(3):
        digest = dice.one(tuple(MEMBERS))
        return Segment(name, description, members=MemberList(f"{digest}.txt", digest, 2))
    return Segment(name, description, tuple(a_match(dice, earlier) for _ in dice.upto(3, 1)))


def a_serving(dice: Dice, variants: Sequence[str]) -> Any:
    if dice.chance(2):
        return dice.one(variants)
    named = dice.some(variants, 4)
    return Split(tuple(zip(named, dice.cuts(len(named)), strict=True)))


def stages(dice: Dice, audiences: Sequence[str]) -> tuple[Stage, ...]:
    """As the file allows: names differ, and the stages of one audience only go up."""
    reached: dict[str, Share] = {}
    listed: list[Stage] = []
    for index in dice.upto(5, 1):
        audience, by_segment = dice.one(audiences), dice.chance(2)
        share = EVERYBODY if by_segment else dice.one(SHARES)
        if share > reached.get(audience, Share(Fraction(0))):
            reached[audience] = share
            name = f"{dice.one(NAMES)}-{index}"
            guards = dice.some(NAMES, 1, 0)
            listed.append(Stage(name, audience, share, dice.one(SPANS), dice.chance(2), guards, by_segment))
    return tuple(listed)


def a_rollout(dice: Dice, audiences: Sequence[str]) -> Rollout:
    return Rollout(
        audience=dice.one(audiences),
        stages=stages(dice, audiences),
        guards=dice.some(NAMES, 2, 0),
        bake=dice.one(SPANS),
        plan=dice.maybe(NAMES),
        windows=dice.some(NAMES, 1, 0),
    )


def a_flag(dice: Dice, key: str, earlier: Sequence[str] = (), segments: Sequence[str] = ()) -> Flag:
    kind = dice.one(tuple(ValueType))
    variants: dict[str, Any] = dict(BOOLEAN_VARIANTS)
    if kind is not ValueType.BOOLEAN or dice.chance(2):
        variants = {name: dice.one(VALUES[kind]) for name in dice.some(("on", "off", "a", "b", "c"), 4, 2)}
    named = tuple(variants)
    audiences = (EVERYONE, *segments)
    rollout = None if dice.chance(3) else a_rollout(dice, audiences)
    return Flag(
        key=key,
        description=dice.one(WORDS),
        owner=dice.one(WORDS),
        enabled=not dice.chance(8),
        type=kind,
        variants=variants,
        off=dice.one((None, *named)),
        on=a_serving(dice, named),
        audience=None if rollout else dice.maybe(audiences),
        requires=dice.some(earlier, 2, 0) if earlier and dice.chance(3) else (),
        rules=tuple(Rule(a_match(dice, segments), a_serving(dice, named)) for _ in dice.upto(2)),
        rollout=rollout,
        salt=dice.one((key, *WORDS)),
        bucket_by=dice.one(("user_id", "user_id", "account_id")),
        locked=dice.chance(3),
        client=dice.chance(2),
        expires=dice.one((None, date(2020, 2, 29), date(2039, 12, 31))),
        tags=dice.some(WORDS, 2, 0),
    )


def a_stop(dice: Dice) -> Stop:
    return Stop(dice.one(WORDS), dice.one(MOMENTS), dice.one((*WORDS, "")))


def an_exclusion(dice: Dice) -> Exclusion:
    """By an attribute of the types that a guard may group by; its values as text, as outcomes report them."""
    attribute = dice.one(("country", "premium", "app_version"))
    value = dice.one(POOLS[attribute])
    text = str(value).lower() if isinstance(value, bool) else value
    return Exclusion(attribute, text, dice.one(NAMES), a_stop(dice))


def a_progress(dice: Dice, audiences: Sequence[str]) -> Progress:
    return Progress(
        exposure={audience: dice.one(SHARES) for audience in dice.some(audiences, 3, 0)},
        halted=a_stop(dice) if dice.chance(3) else None,
        killed=a_stop(dice) if dice.chance(8) else None,
        excluded=tuple(an_exclusion(dice) for _ in dice.upto(2)) if dice.chance(3) else (),
        entered_at=dice.maybe(MOMENTS),
        baking_from=dice.one(TICKS),
        baking_to=dice.one(TICKS),
    )


def a_record(dice: Dice, key: str, earlier: Sequence[str] = (), segments: Sequence[str] = ()) -> FlagRecord:
    flag = a_flag(dice, key, earlier, segments)
    audiences = tuple(dict.fromkeys([*(stage.audience for stage in flag.stages), EVERYONE]))
    return FlagRecord(flag, a_progress(dice, audiences), dice.one((1, 7, 2**53)), dice.chance(2))


def a_guard(dice: Dice, name: str) -> Guard:
    return Guard(
        name=name,
        description=dice.one((*WORDS, "")),
        metric=dice.one(WORDS),
        action=dice.one(tuple(GuardAction)),
        max_failures=dice.maybe(SHARES),
        min_rate=dice.maybe((Rate(Fraction(5), timedelta(minutes=1)), Rate(Fraction(1, 3), timedelta(hours=1)))),
        against=dice.one((None, "control")),
        max_ratio=dice.maybe((Fraction(1), Fraction(5, 4), Fraction(10, 3))),
        counts=dice.some(WORDS, 2, 0),
        by=dice.maybe(WORDS),
        min_samples=dice.one((0, 1, 100, 10**9)),
        confidence=dice.one(SHARES),
        no_data=dice.one(SPANS),
        prometheus=dice.maybe((("http://p", "up"), ("a", "b"))),
    )


def a_window(dice: Dice, name: str) -> Window:
    days = tuple(dice.some((date(2026, 1, 1), date(2026, 11, 9), date(2027, 12, 31)), 2, 2) for _ in dice.upto(2))
    return Window(
        name=name,
        description=dice.one((*WORDS, "")),
        zone=dice.one(("UTC", "Asia/Kolkata", "America/New_York")),
        days=dice.some(DAYS, 7),
        opens=dice.one((time(0, 0), time(9, 30), time(23, 59))),
        closes=dice.one((None, time(0, 1), time(18, 0))),
        avoid=days,  # type: ignore[arg-type]
        avoid_month_days=dice.some((0, 1, 15, 31), 3, 0),
    )


def a_file(dice: Dice) -> FileInForce:
    return FileInForce(*(dice.one(WORDS) for _ in range(4)), dice.one((1, 2**53)), dice.one(MOMENTS))


def a_pending(dice: Dice, change_id: str) -> Pending:
    return Pending(
        id=change_id,
        action=dice.one(("set", "load")),
        flag=dice.one(("", "flag-0")),
        content=dice.one(({}, {"share": "1%"}, {"prune": False, "name": "😀"})),
        bound=Bound({key: dice.one((0, 2**53)) for key in dice.some(NAMES, 2, 0)}, dice.one((0, 7))),
        raises=dice.some(WORDS, 2, 0),
        by=Person(dice.one(WORDS), dice.one((*WORDS, "")), dice.one(("human", "file")), dice.one((*WORDS, ""))),
        reason=dice.one((*WORDS, "")),
        ticket=dice.one((*WORDS, "")),
        at=dice.one(MOMENTS),
        expires_at=dice.one(MOMENTS),
        needed=dice.one((0, 1, 9)),
        approved=tuple(Agreement(dice.one(WORDS), dice.one(WORDS), dice.one(MOMENTS)) for _ in dice.upto(2)),
        rejected=a_stop(dice) if dice.chance(3) else None,
        done_at=dice.one((0, 2**53)),
    )


def a_state(dice: Dice) -> State:
    """A whole state: segments that speak of earlier ones, flags that require earlier ones."""
    segments: dict[str, Segment] = {}
    for index in dice.upto(3):
        segments[f"seg-{index}"] = a_segment(dice, f"seg-{index}", tuple(segments))
    records: dict[str, FlagRecord] = {}
    for index in dice.upto(4, 1):
        records[f"flag-{index}"] = a_record(dice, f"flag-{index}", tuple(records), tuple(segments))
    return State(
        revision=max(record.revision for record in records.values()),
        definitions=Definitions(
            attributes=ATTRIBUTES,
            segments=segments,
            guards={name: a_guard(dice, name) for name in dice.some(NAMES, 2, 0)},
            windows={name: a_window(dice, name) for name in dice.some(NAMES, 2, 0)},
            approvals=dice.maybe((Approvals(2, SHARES[3]), Approvals(10, SHARES[0]))),
        ),
        records=records,
        archived=frozenset(dice.some(NAMES, 2, 0)),
        file=a_file(dice) if dice.chance(2) else None,
        earlier_files=dice.some(WORDS, 2, 0),
        pending={name: a_pending(dice, name) for name in dice.some(NAMES, 2, 0)},
        ended={f"{name}.{index:016x}": dice.one(MOMENTS) for index, name in enumerate(dice.some(NAMES, 2, 0))},
    )


def a_context(dice: Dice) -> dict[str, Any]:
    """What somebody comes with, as read; often without some attributes, sometimes with an empty targeting key."""
    given: dict[str, Any] = {name: dice.one(pool) for name, pool in POOLS.items() if not dice.chance(4)}
    if dice.chance(10):
        given["user_id"] = ""
    return dict(read_context(given, ATTRIBUTES)[0])


seeds = st.integers(0, 2**32 - 1)
states = made(a_state)
contexts = made(a_context)
a_few_contexts = made(lambda dice: [a_context(dice) for _ in range(8)])
segments = made(lambda dice: a_segment(dice, "s", ("seg-0", "seg-1")))
records = made(lambda dice: a_record(dice, "flag", ("other", "more"), ("seg-0", "seg-1")))
progresses = made(lambda dice: a_progress(dice, ("everyone", "india")))
guards = made(lambda dice: a_guard(dice, "g"))
windows = made(lambda dice: a_window(dice, "w"))
moments = st.integers(0, 4 * 10**12).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))


def compiled(state: State, previous: Evaluator | None = None) -> Evaluator:
    return compile_ruleset(ruleset_in_force(state), MEMBERS, previous)


def with_record(state: State, record: FlagRecord) -> State:
    return replace(state, records={**state.records, record.flag.key: record})


def with_progress(state: State, key: str, **changes: Any) -> State:
    record = state.records[key]
    return with_record(state, replace(record, progress=replace(record.progress, **changes)))
