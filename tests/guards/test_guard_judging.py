"""Judgements: how often a guard may be wrong, shared among groups; and what evidence amounts to."""

from __future__ import annotations

from fractions import Fraction

import pytest
from guardkit import after, at_most, minute
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.evidence import NO_EVIDENCE
from rollout.core.judging import alpha_of, alpha_of_group, judge
from tests.core.promises import promise

BANKS = tuple(f"bank-{number}" for number in range(30))


def test_a_guard_may_be_wrong_as_often_as_its_confidence_leaves() -> None:
    assert alpha_of(at_most("2%")) == Fraction(1, 100)
    assert alpha_of(at_most("2%", confidence="99.9%")) == Fraction(1, 1000)
    assert alpha_of_group(at_most("2%"), None, (), ()) == Fraction(1, 100)


def test_declared_values_share_it_equally() -> None:
    guard = at_most("2%", by="bank")
    assert {alpha_of_group(guard, bank, BANKS, ()) for bank in BANKS} == {Fraction(1, 3000)}
    assert alpha_of_group(guard, "unheard-of", BANKS, ("unheard-of",)) == 0


@promise(100)
@given(st.integers(1, 200))
def test_values_that_appear_never_use_up_more_than_there_is(count: int) -> None:
    guard = at_most("2%", by="bank")
    appeared = [f"bank-{number}" for number in range(count)]
    parts = [alpha_of_group(guard, bank, (), appeared) for bank in appeared]
    assert parts[0] == Fraction(1, 200)
    assert sum(parts) < alpha_of(guard)
    assert parts == sorted(parts, reverse=True)


def test_nothing_is_stopped_before_enough_was_seen() -> None:
    guard = at_most("2%", min_samples=100)
    few = judge(guard, after(guard, [minute(33, 33)] * 3), Fraction(1, 100))
    assert (few.samples, few.enough, few.breached, few.evidence_percent) == (99, False, False, 100)
    assert judge(guard, after(guard, [minute(25, 25)] * 4), Fraction(1, 100)).breached


def test_nothing_is_stopped_while_the_bound_is_kept() -> None:
    guard = at_most("2%")
    judgement = judge(guard, after(guard, [minute(0, 50)] * 100), Fraction(1, 100))
    assert (judgement.enough, judgement.breached, judgement.evidence_percent) == (True, False, 0)


def test_a_group_without_a_part_is_never_stopped() -> None:
    guard = at_most("2%")
    judgement = judge(guard, after(guard, [minute(20, 20)] * 100), Fraction(0))
    assert (judgement.breached, judgement.evidence_percent) == (False, 0)


@promise(100)
@given(
    st.lists(st.integers(0, 4), max_size=40), st.sampled_from([Fraction(1, 2), Fraction(1, 100), Fraction(1, 10**9)])
)
def test_a_hundred_percent_of_the_evidence_is_what_stops(failures: list[int], alpha: Fraction) -> None:
    guard = at_most("2%", min_samples=0)
    judgement = judge(guard, after(guard, [minute(failed, 20) for failed in failures]), alpha)
    assert 0 <= judgement.evidence_percent <= 100
    assert judgement.breached == (judgement.evidence_percent == 100)


@pytest.mark.parametrize("alpha", [Fraction(1, 100), Fraction(1, 3000)])
def test_no_evidence_is_none_of_what_would_stop(alpha: Fraction) -> None:
    judgement = judge(at_most("2%"), NO_EVIDENCE, alpha)
    assert (judgement.samples, judgement.enough, judgement.breached, judgement.evidence_percent) == (0, False, False, 0)
