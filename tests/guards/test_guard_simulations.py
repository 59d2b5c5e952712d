"""Simulated rollouts, a small and repeatable part of what `simulate.py` does at length."""

from __future__ import annotations

import numpy as np
import pytest
from guardkit import against_control, at_least, at_most
from histories import (
    control_minutes,
    healthy,
    healthy_against_control,
    one_bank_turns_bad,
    rate_vanishes,
    share_minutes,
)
from streams import Streams, ratio_table

from rollout.core.bets import Minute, Tally
from rollout.core.evidence import NO_EVIDENCE, next_evidence
from rollout.core.guards import Guard

BY_BANK = at_most("2%", by="bank")
CASES = [
    (BY_BANK, share_minutes()),
    (against_control("1.25"), control_minutes()[:400]),
    (at_least("5", min_samples=0), [Minute(Tally(0, count)) for count in range(12)]),
]


@pytest.mark.parametrize(("guard", "minutes"), CASES, ids=["max", "control", "min"])
def test_what_is_simulated_is_what_judges(guard: Guard, minutes: list[Minute]) -> None:
    dice = np.random.default_rng(11)
    table = ratio_table(guard, minutes)
    streams = Streams.begin(8, table)
    evidence = [NO_EVIDENCE] * 8
    for _ in range(120):
        drawn = dice.integers(0, len(minutes), 8)
        logs = streams.look(table[drawn])
        evidence = [next_evidence(guard, one, minutes[which]) for one, which in zip(evidence, drawn, strict=True)]
        assert logs == pytest.approx([one.log_value for one in evidence], abs=1e-7)
    assert list(streams.minutes) == [one.minutes for one in evidence]


def test_looking_all_day_stops_no_healthy_rollout() -> None:
    """At exactly the limit, the worst that is still healthy. At most one in a hundred; four leaves room for chance."""
    stopped = healthy(BY_BANK, rollouts=100, looks=400, seed=1, true_share=0.02)
    assert stopped.evidence.sum() <= 4
    assert stopped.threshold.all(), "a plain threshold stops every one"
    assert stopped.z_test.mean() > 0.5


def test_outages_on_both_sides_stop_no_healthy_rollout() -> None:
    guard = against_control("1.25", by="bank")
    stopped = healthy_against_control(guard, rollouts=60, looks=300, seed=2, true_ratio=1.25)
    assert stopped.evidence.sum() <= 4
    assert stopped.threshold.all()


@pytest.mark.parametrize(("share", "median", "most"), [(0.1, 15, 22), (0.5, 3, 3)])
def test_one_bank_that_turns_bad_after_ten_hours_is_found_soon_and_alone(share: float, median: int, most: int) -> None:
    found = one_bank_turns_bad(BY_BANK, rollouts=60, seed=3, at=600, share=share)
    assert found.within(0.5) <= median
    assert found.within(0.9) <= most
    assert found.others == 0


def test_a_bank_that_is_worse_with_the_flag_than_without_is_found_soon_and_alone() -> None:
    found = one_bank_turns_bad(against_control("1.25", by="bank"), rollouts=20, seed=5, at=300, share=0.5)
    assert found.within(0.9) <= 4
    assert found.others == 0


def test_a_rate_that_vanishes_is_missed_within_minutes() -> None:
    early, found = rate_vanishes(at_least("5"), rollouts=200, seed=6, at=600, before=8.0, after=0.0)
    assert early == 0
    assert found.within(0.9) <= 5
    at_the_bound, _ = rate_vanishes(at_least("5"), rollouts=200, seed=7, at=600, before=5.0, after=5.0, watch=1)
    assert at_the_bound <= 0.04
