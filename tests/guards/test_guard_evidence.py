"""Evidence: the bound that makes looking all day harmless, exactly; what it says; and that it survives being stored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from math import comb, exp, isfinite, log, prod

import pytest
from guardkit import after, against_control, at_least, at_most, minute
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.bets import FEWER, WORSE, Minute, log_ratios
from rollout.core.evidence import NO_EVIDENCE, Evidence, evidence_on, next_evidence, read_evidence, samples
from rollout.core.guards import Guard, GuardAction
from rollout.core.judging import judge
from rollout.core.shares import Share
from tests.core.promises import promise

GUARDS = [
    at_most("2%"),
    at_most("0%"),
    at_most("0.00000001%"),
    at_most("50%"),
    at_most("95%"),
    at_most("100%"),
    at_least("5", min_samples=3),
    at_least("30", timedelta(hours=1), min_samples=0),
    against_control("1.25"),
    against_control("999999"),
]
COUNTS = st.integers(0, 40)
TALLIES = st.tuples(COUNTS, COUNTS)
MINUTES = st.builds(lambda on, control: minute(on[0], sum(on), control[0], sum(control)), TALLIES, TALLIES)
PASTS = [[], [minute(0, 20)] * 30, [minute(9, 20)] * 4, [minute(0, 20)] * 200 + [minute(3, 20)] * 7]


def value(evidence: Evidence) -> float:
    return exp(evidence.log_value)


@pytest.mark.parametrize("past", PASTS, ids=["new", "calm", "alarmed", "late trouble"])
@pytest.mark.parametrize("bound", ["0.5%", "2%", "30%", "90%"])
def test_no_bet_against_a_share_gains_while_the_bound_holds(bound: str, past: list[Minute]) -> None:
    """The mean over every outcome of the next minute, in full, at the bound and below it."""
    guard = at_most(bound)
    before = after(guard, past)
    assert guard.max_failures is not None
    for part in (1.0, 0.7, 0.1):
        p = float(guard.max_failures.percent / 100) * part
        for n in (1, 2, 7, 20):
            mean = sum(
                comb(n, f) * p**f * (1 - p) ** (n - f) * value(next_evidence(guard, before, minute(f, n)))
                for f in range(n + 1)
            )
            assert mean <= value(before) * (1 + 1e-9)
            assert part < 1 or mean == pytest.approx(value(before), rel=1e-9)


@pytest.mark.parametrize("past", [[], [minute(3, 20, 4, 25)] * 30, [minute(12, 20, 2, 25)] * 3])
@pytest.mark.parametrize("margins", [(1, 1, 1), (5, 3, 4), (20, 20, 6), (7, 90, 12)])
def test_no_bet_against_a_ratio_gains_while_the_bound_holds(margins: tuple[int, int, int], past: list[Minute]) -> None:
    guard = against_control("1.25")
    before = after(guard, past)
    on, control, failed = margins
    tables = range(max(0, failed - control), min(on, failed) + 1)
    for odds in (Fraction(5, 4), Fraction(1), Fraction(1, 3)):
        weights = {x: comb(on, x) * comb(control, failed - x) * odds**x for x in tables}
        whole = sum(weights.values())
        mean = sum(
            float(weight / whole) * value(next_evidence(guard, before, minute(x, on, failed - x, control)))
            for x, weight in weights.items()
        )
        assert mean <= value(before) * (1 + 1e-9)
        assert odds < Fraction(5, 4) or mean == pytest.approx(value(before), rel=1e-9)


@pytest.mark.parametrize("past", [[minute(0, 5)], [minute(0, 5)] * 20, [minute(0, 5)] + [minute(0, 0)] * 2])
def test_no_bet_against_a_rate_gains_while_the_bound_holds(past: list[Minute]) -> None:
    guard = at_least("5", min_samples=1)
    before = after(guard, past)
    for rate in (5.0, 6.0, 20.0):
        chances = [exp(-rate) * prod(rate / i for i in range(1, k + 1)) for k in range(150)]
        mean = sum(chance * value(next_evidence(guard, before, minute(0, k))) for k, chance in enumerate(chances))
        assert mean <= value(before) * (1 + 1e-9)
        assert rate > 5 or mean == pytest.approx(value(before), rel=1e-9)


def test_evidence_is_what_the_formula_says() -> None:
    """R_t(r) = (R_{t-1}(r) + w_t/6)·S_t(r) and E_t = Σ R_t(r) + what waits, without logarithms."""
    history = [(0, 20), (1, 20), (5, 31), (0, 0), (4, 18), (9, 20)]
    wealth = dict.fromkeys(WORSE, 0.0)
    used = 0
    for failed, total in history:
        if not total:
            continue
        used += 1
        for times in WORSE:
            stake = (used**-0.25 - (1 + used) ** -0.25) / 6
            q, p = 0.02 * float(times), 0.02
            wealth[times] = (wealth[times] + stake) * (q / p) ** failed * ((1 - q) / (1 - p)) ** (total - failed)
    evidence = after(at_most("2%"), [minute(*one) for one in history])
    assert value(evidence) == pytest.approx(sum(wealth.values()) + (1 + used) ** -0.25, rel=1e-9)
    assert evidence.minutes == used


@pytest.mark.parametrize(
    "guard", GUARDS, ids=lambda guard: str(guard.max_failures or guard.max_ratio or guard.min_rate)
)
@promise(100)
@given(minutes=st.lists(MINUTES, max_size=12))
def test_evidence_is_a_number_whatever_comes_and_survives_being_stored(guard: Guard, minutes: list[Minute]) -> None:
    evidence = after(guard, minutes)
    assert isfinite(evidence.log_value)
    again = read_evidence(json.loads(json.dumps(evidence.document())))
    assert again == evidence
    assert after(guard, minutes, again) == after(guard, minutes, evidence)


def only_text_and_whole_numbers(document: object) -> bool:
    if isinstance(document, dict | list):
        inside = document.values() if isinstance(document, dict) else document
        return all(map(only_text_and_whole_numbers, inside))
    return isinstance(document, str | int)


def test_a_stored_document_has_text_and_whole_numbers_only() -> None:
    assert only_text_and_whole_numbers(after(at_most("2%"), [minute(1, 20)]).document())
    vanished = after(at_least("5", min_samples=0), [minute(0, 3)])
    assert only_text_and_whole_numbers(vanished.document())
    assert read_evidence(vanished.document()) == vanished, "one of its logarithms is that of nothing"


@promise(100)
@given(st.lists(MINUTES, max_size=6), st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))))
def test_more_failures_are_never_less_evidence(past: list[Minute], counts: tuple[int, int]) -> None:
    total, failed = counts
    for guard in (at_most("2%"), at_most("95%"), at_most("0%")):
        before = after(guard, past)
        fewer = next_evidence(guard, before, minute(failed - 1, total))
        assert next_evidence(guard, before, minute(failed, total)).log_value >= fewer.log_value
    guard = at_least("5", min_samples=0)
    before = after(guard, past)
    more_successes = next_evidence(guard, before, minute(failed - 1, total))
    assert next_evidence(guard, before, minute(failed, total)).log_value >= more_successes.log_value


@promise(100)
@given(st.lists(MINUTES, max_size=6), st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 79)))
def test_failures_on_the_other_side_are_never_more_evidence(past: list[Minute], sides: tuple[int, int, int]) -> None:
    on, control, failed = sides
    guard = against_control("1.25")
    before = after(guard, past)
    tables = [x for x in range(on + 1) if 0 <= failed - x <= control]
    values = [next_evidence(guard, before, minute(x, on, failed - x, control)).log_value for x in tables]
    assert all(low <= high + 1e-9 for low, high in pairwise(values))


def test_an_outage_on_both_sides_says_nothing_against_the_flag() -> None:
    guard = against_control("1.25")
    calm = after(guard, [minute(1, 50, 20, 1000)] * 60)
    outage = after(guard, [minute(45, 50, 900, 1000)] * 30, calm)
    assert outage.log_value < calm.log_value + 0.1
    assert after(guard, [minute(45, 50, 20, 1000)] * 2, calm).log_value > 50


def test_minutes_that_say_nothing_cost_nothing() -> None:
    share, ratio = at_most("2%"), against_control("1.25")
    assert after(share, [minute(0, 0)] * 50) == evidence_on(share, NO_EVIDENCE)
    quiet = after(ratio, [minute(0, 50, 0, 50), minute(3, 50), minute(0, 0, 3, 50), minute(5, 5, 5, 5)])
    assert (quiet.minutes, quiet.log_value) == (0, 0.0)
    assert (quiet.on.total, quiet.control.total) == (105, 105)


def test_silence_is_evidence_against_a_rate_once_it_was_seen_to_exist() -> None:
    guard = at_least("5", min_samples=100)
    assert after(guard, [minute(0, 0)] * 1000).minutes == 0, "what never was has not vanished"
    rising = after(guard, [minute(0, 1)] * 100)
    assert rising.minutes == 0, "the rise is not held against it"
    there = after(guard, [minute(0, 6)] * 60, rising)
    assert there.log_value <= 0
    assert there.log_value < after(guard, [minute(0, 0)], there).log_value < 5
    assert after(guard, [minute(0, 0)] * 3, there).log_value > log(100)
    assert after(guard, [minute(6, 6)] * 3, there).log_value > log(100), "what fails is no success"


def test_rates_are_of_any_span() -> None:
    hourly, minutely = at_least("300", timedelta(hours=1)), at_least("5")
    history = [minute(0, 6)] * 50 + [minute(0, 0)] * 2
    assert after(hourly, history).wealth == after(minutely, history).wealth


def test_samples_are_of_what_the_bound_is_about() -> None:
    history = [minute(4, 20, 5, 7)] * 3
    for guard, seen in ((at_most("2%"), 60), (at_least("5"), 48), (against_control("2"), 21)):
        assert samples(guard, after(guard, history)) == seen


def test_a_guard_that_was_edited_is_judged_anew() -> None:
    guard, history = at_most("2%"), [minute(2, 20)] * 9
    before = after(guard, history)
    edited = [
        replace(guard, metric="upi-collect"),
        replace(guard, counts=("technical",)),
        replace(guard, by="bank"),
        at_most("3%"),
        at_least("5"),
        against_control("2"),
    ]
    for other in edited:
        assert after(other, history, before) == after(other, history)
        assert judge(other, before, Fraction(1, 100)).samples == 0
    surer = replace(guard, confidence=Share.parse("99.9%"), min_samples=5, action=GuardAction.KILL)
    assert after(surer, history, before) == after(guard, history * 2), "it asks the same"


def test_one_failure_refutes_a_bound_of_nothing_and_none_refutes_a_bound_of_everything() -> None:
    nothing, everything = at_most("0%"), at_most("100%")
    assert after(nothing, [minute(0, 20)] * 500).log_value <= 0
    assert after(nothing, [minute(0, 20)] * 500 + [minute(1, 20)]).log_value > 900
    assert after(everything, [minute(20, 20)] * 500).log_value == 0


@pytest.mark.parametrize("bound", ["5%", "10%", "40%", "80%", "99.9%"])
def test_every_bound_has_six_ways_to_be_broken(bound: str) -> None:
    ratios = log_ratios(at_most(bound), minute(1000, 1000))
    assert ratios is not None
    assert len(ratios) == len(WORSE)
    assert all(ratio > 0 for ratio in ratios)


def test_a_rate_has_five_ways_to_be_broken() -> None:
    ratios = log_ratios(at_least("5"), minute(0, 0))
    assert ratios == pytest.approx([5 * (1 - float(part)) for part in FEWER])
