"""Reading outcomes: what is counted of them, what is odd about them, and what is refused with what would be right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.definitions import Definitions
from rollout.core.errors import RolloutError
from rollout.core.flags import Flag
from rollout.core.guards import Guard, GuardAction
from rollout.core.outcome_reading import MAX_KINDS, MAX_STRANGE, OutcomeReader
from rollout.core.outcomes import FOLDED, Field, Outcome, Side, fingerprint, is_grouped, read_counts, read_field
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import FlagRecord, Progress
from rollout.core.shares import EVERYBODY, Share

NOW = datetime(2024, 1, 31, 18, 0, tzinfo=UTC)
STAGES = (
    Stage("employees", "employees", EVERYBODY),
    Stage("1%", "everyone", Share(Fraction(1)), guards=("late",)),
)
GUARDS = (
    Guard("by-bank", "", "upi", GuardAction.EXCLUDE, counts=("technical",), by="bank"),
    Guard("all", "", "upi", GuardAction.HALT, counts=("technical", "timeout")),
    Guard("late", "", "opens", GuardAction.WARN, by="beta"),
    Guard("elsewhere", "", "seen-by-prometheus", GuardAction.WARN, prometheus=("http://p", "q")),
    Guard("not-of-payments", "", "other", GuardAction.HALT, by="country"),
)
DEFINITIONS = Definitions(
    attributes={
        "bank": Attribute("bank", AttributeType.STRING, ("SBI", "ICICI")),
        "country": Attribute("country", AttributeType.STRING),
        "beta": Attribute("beta", AttributeType.BOOLEAN),
    },
    guards={guard.name: guard for guard in GUARDS},
)
PAYMENTS = Flag("payments", "", "", rollout=Rollout("everyone", STAGES, ("by-bank", "all", "elsewhere", "gone")))
RECORDS = {flag.key: FlagRecord(flag, Progress(), 1) for flag in (PAYMENTS, Flag("plain", "", ""))}

GOOD = {"flag": "payments", "metric": "upi", "ok": True, "id": "txn-1"}
BAD = GOOD | {"ok": False, "class": "technical"}


@pytest.fixture
def reader() -> OutcomeReader:
    return OutcomeReader(DEFINITIONS, RECORDS)


def fields(reader: OutcomeReader, item: dict[str, Any]) -> list[tuple[str, str, str]]:
    kind, _ = reader.read(item, NOW)
    read = [read_field(name) for name in kind.fields]
    assert {field.metric for field in read} == {item["metric"]}
    return [(field.side, field.group, field.failure) for field in read]


def cautions(reader: OutcomeReader, item: dict[str, Any]) -> list[str]:
    return [caution.code for caution in reader.read(item, NOW)[0].cautions]


def refusal(reader: OutcomeReader, item: Any) -> RolloutError:
    with pytest.raises(RolloutError) as refused:
        reader.read(item, NOW)
    assert refused.value.message
    assert refused.value.hint
    return refused.value


@pytest.mark.parametrize(
    ("item", "counted"),
    [
        (GOOD, [("on", "", "")]),
        (GOOD | {"class": None, "by": None, "on": None, "drill": None, "at": None, "user_id": None}, [("on", "", "")]),
        (BAD, [("on", "", "technical")]),
        (GOOD | {"ok": False}, [("on", "", "failed")]),
        (GOOD | {"ok": False, "class": ""}, [("on", "", "failed")]),
        (GOOD | {"on": False}, [("control", "", "")]),
        (GOOD | {"drill": True, "on": False}, [("drill", "", "")]),
        (GOOD | {"by": {"bank": "SBI"}}, [("on", "", ""), ("on", "bank=SBI", "")]),
        (BAD | {"by": {"bank": "SBI"}}, [("on", "", "technical"), ("on", "bank=SBI", "technical")]),
        (BAD | {"by": {"bank": "SBI"}, "class": "odd"}, [("on", "", "odd"), ("on", "bank=SBI", "*")]),
        (BAD | {"by": {"bank": "SBI"}, "class": None}, [("on", "", "failed"), ("on", "bank=SBI", "failed")]),
        (GOOD | {"by": {"bank": "other"}}, [("on", "", "")]),
        (GOOD | {"by": {"country": "IN"}}, [("on", "", "")]),
        (GOOD | {"metric": "opens", "by": {"beta": True}}, [("on", "", ""), ("on", "beta=true", "")]),
        (GOOD | {"metric": "opens", "by": {"beta": "false"}}, [("on", "", ""), ("on", "beta=false", "")]),
    ],
)
def test_an_outcome_is_counted_in_total_and_for_each_value_that_a_guard_goes_by(reader, item, counted):
    assert fields(reader, item) == counted


@pytest.mark.parametrize(
    ("item", "codes"),
    [
        (BAD, []),
        (GOOD | {"by": {"bank": "SBI"}}, []),
        (BAD | {"class": "timeout"}, []),
        (BAD | {"class": "wrong-pin"}, ["uncounted_class"]),
        (BAD | {"class": None}, ["uncounted_class"]),
        (BAD | {"metric": "opens", "class": "anything"}, []),
        (BAD | {"ok": True}, ["class_of_success"]),
        (GOOD | {"metric": "unheard-of", "by": {"bank": "SBI"}}, ["unwatched_metric"]),
        (GOOD | {"metric": "seen-by-prometheus"}, ["unwatched_metric"]),
        (GOOD | {"metric": "other"}, ["unwatched_metric"]),
        (GOOD | {"flag": "plain"}, ["unwatched_metric"]),
        (GOOD | {"by": {"country": "IN", "bank": "none"}}, ["unused_attribute", "undeclared_value"]),
        (GOOD | {"by": {"bank": None}}, []),
    ],
)
def test_what_is_odd_is_said_and_counted_all_the_same(reader, item, codes):
    assert cautions(reader, item) == codes
    assert cautions(reader, item | {"id": "another"}) == codes


@pytest.mark.parametrize(
    ("item", "code", "message"),
    [
        (None, "invalid", "not an object"),
        ([], "invalid", "not an object"),
        ({}, "invalid", "flag is missing"),
        (GOOD | {"flag": "nope"}, "unknown_flag", "no flag called 'nope'"),
        (GOOD | {"flag": "No Flag\n"}, "unknown_flag", "no flag has this name"),
        (GOOD | {"flag": 7}, "invalid", "flag: 7 cannot be"),
        (GOOD | {"metric": ["upi"]}, "invalid", "metric: a list cannot be"),
        (GOOD | {"metric": "u\x1fpi"}, "invalid", "is not a name"),
        (GOOD | {"metric": ""}, "invalid", "is not a name"),
        (GOOD | {"ok": 1}, "invalid", "ok: 1 cannot be"),
        (GOOD | {"ok": "true"}, "invalid", "ok: 'true' cannot be"),
        (GOOD | {"ok": None}, "invalid", "ok is missing"),
        (BAD | {"class": 5}, "invalid", "class: 5 cannot be"),
        (BAD | {"class": "*"}, "invalid", "is not a name"),
        (GOOD | {"class": "x" * 100}, "invalid", "is not a name"),
        (GOOD | {"on": 0}, "invalid", "on: 0 cannot be"),
        (GOOD | {"drill": "yes"}, "invalid", "drill: 'yes' cannot be"),
        (GOOD | {"by": "SBI"}, "invalid", "by: 'SBI' cannot be"),
        (GOOD | {"by": {"bnk": "SBI"}}, "invalid", "no attribute called 'bnk'"),
        (GOOD | {"by": {"bank": ["SBI"]}}, "invalid", "'bank' has a value that is none"),
        (GOOD | {"by": {"bank": 10**400}}, "invalid", "'bank' has a value that is none"),
        (GOOD | {"by": {"country": "x" * 101}}, "invalid", "101 characters"),
        (GOOD | {"by": {"country": "I\x1fN"}}, "invalid", "control character"),
        (GOOD | {"by": {"beta": 1}}, "invalid", "beta: '1' is not a boolean"),
        (GOOD | {"by": {f"a{n}": "" for n in range(21)}}, "invalid", "21 attributes are too many"),
        (GOOD | {"id": None}, "invalid", "id is missing"),
        (GOOD | {"id": ""}, "invalid", "id: '' cannot be"),
        (GOOD | {"id": 12}, "invalid", "id: 12 cannot be"),
        (GOOD | {"id": "x" * 201}, "invalid", "201 characters"),
        (GOOD | {"user_id": 5}, "invalid", "user_id: 5 cannot be"),
        (GOOD | {"user_id": "x" * 201}, "invalid", "201 characters"),
        (GOOD | {"clas": "technical"}, "invalid", "'clas' is not known here"),
        (GOOD | {"at": 1706724000}, "invalid", "at: 1706724000 cannot be"),
        (GOOD | {"at": -1}, "invalid", "at: -1 cannot be"),
        (GOOD | {"at": "2024-01-31 18:00"}, "invalid", "cannot be"),
        (GOOD | {"at": "2024-01-31T18:00:00"}, "invalid", "cannot be"),
        (GOOD | {"at": "2024-02-31T18:00:00Z"}, "invalid", "there is no such time"),
        (GOOD | {"at": "0000-01-01T00:00:00Z"}, "invalid", "there is no such time"),
        (GOOD | {"at": "0001-01-01T00:00:00+23:59"}, "invalid", "before 1970"),
        (GOOD | {"at": "1969-12-31T23:59:59Z"}, "invalid", "before 1970"),
        (GOOD | {"at": "9999-12-31T23:59:59-23:59"}, "from_the_future", "from now"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(reader, item, code, message):
    refused = refusal(reader, item)
    assert (refused.code, message in refused.message) == (code, True), refused.message


@pytest.mark.parametrize(
    ("ago", "code"),
    [
        (timedelta(0), None),
        (timedelta(minutes=15), None),
        (timedelta(minutes=15, seconds=1), "too_late"),
        (timedelta(days=400), "too_late"),
        (-timedelta(seconds=60), None),
        (-timedelta(seconds=61), "from_the_future"),
    ],
)
def test_outcomes_are_taken_for_15_minutes_and_from_clocks_that_are_a_minute_ahead(reader, ago, code):
    at = (NOW - ago).astimezone(timezone(timedelta(hours=5, minutes=30)))
    item = GOOD | {"at": at.isoformat()}
    if code is None:
        assert fields(reader, item) == [("on", "", "")]
    else:
        assert refusal(reader, item).code == code


def test_a_time_may_be_written_with_any_zone_and_in_small_letters(reader):
    for at in ("2024-01-31T18:00:00Z", "2024-01-31t18:00:00z", "2024-01-31T23:30:00.123456789+05:30"):
        assert fields(reader, GOOD | {"at": at}) == [("on", "", "")]


def test_an_intent_is_known_by_flag_metric_and_id_alone(reader):
    def intent(**more: Any) -> int:
        return reader.read(BAD | more, NOW)[1]

    assert intent() == intent(ok=True) == intent(by={"bank": "SBI"}, on=False, user_id="u-1")
    assert len({intent(), intent(id="txn-2"), intent(metric="opens"), intent(flag="plain")}) == 4


def test_kinds_of_outcomes_are_remembered_within_bounds(reader):
    for n in range(2 * MAX_KINDS):
        reader.read(BAD | {"class": f"c{n}"}, NOW)
    assert len(reader._kinds) <= MAX_KINDS
    assert fields(reader, BAD) == [("on", "", "technical")]


def test_names_that_no_guard_knows_are_counted_together_once_there_are_many(reader):
    for n in range(MAX_STRANGE):
        assert fields(reader, BAD | {"class": f"odd-{n}"}) == [("on", "", f"odd-{n}")]
    assert fields(reader, BAD | {"class": "one-more"}) == [("on", "", "*")]
    assert fields(reader, BAD | {"class": "odd-0", "on": False}) == [("control", "", "odd-0")]
    assert fields(reader, BAD | {"by": {"bank": "SBI"}}) == [("on", "", "technical"), ("on", "bank=SBI", "technical")]
    for item in (GOOD, BAD):
        kind, intent = reader.read(item | {"metric": "made-up"}, NOW)
        assert [read_field(name).metric for name in kind.fields] == ["*"]
        assert intent == fingerprint("payments", "made-up", "txn-1")
    kind, _ = reader.read(GOOD | {"flag": "plain", "metric": "made-up"}, NOW)
    assert [read_field(name).metric for name in kind.fields] == ["made-up"]


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True)


@given(NAMES, st.sampled_from(Side), st.sampled_from(["", "bank=SBI", "bank=State Bank = India"]), NAMES | st.just(""))
def test_a_fields_name_reads_back(metric, side, group, failure):
    field = Field(metric, side, group, failure)
    assert read_field(field.name) == field
    assert is_grouped(field.name) == bool(group)


def test_counts_are_read_with_what_had_no_place():
    outcome = Outcome("payments", "upi", Side.CONTROL, "technical", "technical", ("bank=SBI",))
    counts = dict.fromkeys(outcome.fields, 2) | {FOLDED: 3, "something else": 4}
    total, group = (Field("upi", Side.CONTROL, name, "technical") for name in ("", "bank=SBI"))
    assert read_counts(counts) == ({total: 2, group: 2}, 3)
    assert read_counts({}) == ({}, 0)


@given(st.text(), st.text())
def test_fingerprints_fit_in_64_bits_and_differ_as_ids_do(one, other):
    made = fingerprint("payments", "upi", one), fingerprint("payments", "upi", other)
    assert all(-(2**63) <= value < 2**63 for value in made)
    assert (made[0] == made[1]) == (one == other)
