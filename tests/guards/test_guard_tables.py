"""Two-by-two tables against exact arithmetic and against another implementation."""

from __future__ import annotations

from fractions import Fraction
from math import comb, exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nchypergeom_fisher

from rollout.core.tables import decides_nothing, log_sum
from tests.core.promises import promise

MARGINS = st.tuples(st.integers(0, 60), st.integers(0, 60)).flatmap(
    lambda sides: st.tuples(st.just(sides[0]), st.just(sides[1]), st.integers(0, sum(sides)))
)
ODDS = st.sampled_from([Fraction(1, 100), Fraction(1), Fraction(5, 4), Fraction(3), Fraction(25, 2), Fraction(5000)])


def support(on: int, control: int, failed: int) -> range:
    return range(max(0, failed - control), min(on, failed) + 1)


def exact_sum(on: int, control: int, failed: int, odds: Fraction) -> Fraction:
    return sum(
        (comb(on, x) * comb(control, failed - x) * odds**x for x in support(on, control, failed)), start=Fraction(0)
    )


@promise(100)
@given(MARGINS, ODDS)
def test_the_sum_agrees_with_exact_arithmetic(margins: tuple[int, int, int], odds: Fraction) -> None:
    exact = exact_sum(*margins, odds)
    assert log_sum(*margins, float(odds)) == pytest.approx(log(exact.numerator) - log(exact.denominator), abs=1e-9)


@pytest.mark.parametrize("odds", [0.5, 1.25, 12.5])
@pytest.mark.parametrize("margins", [(20, 20, 3), (20, 200, 11), (35, 7, 30), (5, 5, 5)])
def test_probabilities_agree_with_scipy(margins: tuple[int, int, int], odds: float) -> None:
    on, control, failed = margins
    whole = log_sum(on, control, failed, odds)
    for x in support(on, control, failed):
        ours = comb(on, x) * comb(control, failed - x) * odds**x / exp(whole)
        assert ours == pytest.approx(nchypergeom_fisher.pmf(x, on + control, failed, on, odds), rel=1e-7, abs=1e-12)


@promise(100)
@given(MARGINS)
def test_a_table_decides_nothing_where_its_margins_leave_one(margins: tuple[int, int, int]) -> None:
    assert decides_nothing(*margins) == (len(support(*margins)) == 1)


@pytest.mark.parametrize("failed", [1, 4_000, 100_000, 199_999])
def test_large_tables_are_summed_as_exactly(failed: int) -> None:
    """At odds of 1 the sum is a binomial coefficient (Vandermonde); at others, that of the mirrored table."""
    on, control = 150_000, 50_000
    assert log_sum(on, control, failed, 1.0) == pytest.approx(log(comb(on + control, failed)), abs=1e-8)
    mirrored = log_sum(control, on, failed, 1 / 12.5) + failed * log(12.5)
    assert log_sum(on, control, failed, 12.5) == pytest.approx(mirrored, abs=1e-8)
