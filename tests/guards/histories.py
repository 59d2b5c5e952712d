"""Simulated rollouts with a guard by bank: healthy ones, which nobody should stop, and ones in which one bank turns
bad.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from streams import Bools, Floats, Streams, Waiting, Whole, quarter_root, ratio_table

from rollout.core.bets import Minute, Tally
from rollout.core.guards import Guard

BANKS = 30
ON, CONTROL = 20, 200  # outcomes of a bank in a minute, with the flag and without
ALPHA = 0.01
NEEDED = float(np.log(BANKS / ALPHA))
MIN_SAMPLES = 100
MOST_SUCCESSES = 60  # in a minute, of those that are simulated
WINDOW = 10  # minutes, of the two simpler rules
Z = NormalDist().inv_cdf(1 - ALPHA / BANKS)


@dataclass
class Stopped:
    """For each simulated rollout, whether a rule ever stopped a bank of it."""

    evidence: Bools
    threshold: Bools
    z_test: Bools

    def shares(self) -> tuple[float, float, float]:
        return float(self.evidence.mean()), float(self.threshold.mean()), float(self.z_test.mean())


def share_minutes() -> list[Minute]:
    return [Minute(Tally(failed, ON)) for failed in range(ON + 1)]


def control_minutes() -> list[Minute]:
    return [Minute(Tally(a, ON), Tally(b, CONTROL)) for a in range(ON + 1) for b in range(CONTROL + 1)]


def healthy(
    guard: Guard, rollouts: int, looks: int, seed: int, true_share: float, *, dispersion: float = 1.0
) -> Stopped:
    """Every bank fails at `true_share`, all the time, and is looked at every minute. With a `dispersion` above 1, that
    is the mean of a share which each minute draws anew (beta-binomial counts)."""
    dice = np.random.default_rng(seed)
    failures = (_drawn(dice, rollouts * BANKS, true_share, dispersion) for _ in range(looks))
    table = ratio_table(guard, share_minutes())
    bound = float(guard.max_failures.percent / 100) if guard.max_failures else 1.0
    stopped = _nobody(rollouts)
    streams, recent = Streams.begin(rollouts * BANKS, table), Recent(rollouts * BANKS)
    for look, failed in enumerate(failures, start=1):
        log_e = streams.look(table[failed])
        seen = recent.add(failed)
        if look * ON < MIN_SAMPLES:
            continue
        outcomes = min(look, WINDOW) * ON
        share = seen / outcomes
        stopped.evidence |= _any_bank(log_e >= NEEDED)
        stopped.threshold |= _any_bank(share > bound)
        stopped.z_test |= _any_bank(share - bound > Z * np.sqrt(bound * (1 - bound) / outcomes))
    return stopped


def healthy_against_control(guard: Guard, rollouts: int, looks: int, seed: int, true_ratio: float) -> Stopped:
    """Both sides fail at 2 %, and at 30 % for half an hour whenever a bank has an outage (one in 500 minutes begins
    one); the odds with the flag are `true_ratio` times those without, always."""
    table = ratio_table(guard, control_minutes())
    ratio = float(guard.max_ratio or 1)
    stopped = _nobody(rollouts)
    count = rollouts * BANKS
    streams, recent_on, recent_control = Streams.begin(count, table), Recent(count), Recent(count)
    for look, (a, b) in enumerate(_with_outages(count, looks, seed, true_ratio), start=1):
        log_e = streams.look(table[a * (CONTROL + 1) + b])
        minutes = min(look, WINDOW)
        share_on, share_control = recent_on.add(a) / (minutes * ON), recent_control.add(b) / (minutes * CONTROL)
        if look * ON < MIN_SAMPLES:
            continue
        excess = share_on - ratio * share_control
        noise = share_on * (1 - share_on) / (minutes * ON)
        noise = noise + ratio**2 * share_control * (1 - share_control) / (minutes * CONTROL)
        stopped.evidence |= _any_bank(log_e >= NEEDED)
        stopped.threshold |= _any_bank(excess > 0)
        stopped.z_test |= _any_bank((excess > Z * np.sqrt(noise)) & (noise > 0))
    return stopped


@dataclass
class Detected:
    """Minutes from the change until the bank was stopped, one number a rollout; and other banks that ever were."""

    delays: Whole
    others: int

    def within(self, part: float) -> int:
        """The minutes within which this part of the rollouts acted."""
        return int(np.sort(self.delays)[int(np.ceil(part * len(self.delays))) - 1])


def one_bank_turns_bad(
    guard: Guard, rollouts: int, seed: int, *, at: int, share: float, waiting: Waiting = quarter_root, watch: int = 200
) -> Detected:
    """All banks fail at 1 % until minute `at`, when the first goes to `share`; without the flag they stay at 1 %."""
    dice = np.random.default_rng(seed)
    table = ratio_table(guard, control_minutes() if guard.against else share_minutes())
    streams = Streams.begin(rollouts * BANKS, table, waiting)
    shares = np.full((rollouts, BANKS), 0.01)
    delays, others = np.full(rollouts, watch), np.zeros((rollouts, BANKS), dtype=bool)
    for look in range(1, at + watch + 1):
        shares[:, 0] = 0.01 if look <= at else share
        counted = dice.binomial(ON, shares.ravel())
        if guard.against:
            counted = counted * (CONTROL + 1) + dice.binomial(CONTROL, 0.01, rollouts * BANKS)
        hit = (streams.look(table[counted]) >= NEEDED).reshape(rollouts, BANKS)
        hit &= look * ON >= MIN_SAMPLES
        others |= hit
        if look <= at:
            assert not others[:, 0].any(), "the first bank was stopped while it was healthy: take another seed"
            continue
        delays = np.where(hit[:, 0], np.minimum(delays, look - at), delays)
        if (delays < watch).all():
            break
    return Detected(delays, int(others[:, 1:].sum()))


def rate_vanishes(
    guard: Guard, rollouts: int, seed: int, *, at: int, before: float, after: float, watch: int = 200
) -> tuple[float, Detected]:
    """One group, without `by`: successes come at `before` a minute, and at `after` from minute `at` on. The share of
    rollouts that were stopped too early, and the delays of the others."""
    dice = np.random.default_rng(seed)
    table = ratio_table(guard, [Minute(Tally(0, count)) for count in range(MOST_SUCCESSES + 1)])
    streams, needed = Streams.begin(rollouts, table), -float(np.log(ALPHA))
    seen, early, delays = np.zeros(rollouts, dtype=np.int64), np.zeros(rollouts, dtype=bool), np.full(rollouts, watch)
    for look in range(1, at + watch + 1):
        counted = np.minimum(dice.poisson(before if look <= at else after, rollouts), MOST_SUCCESSES)
        hit = streams.look(np.where((seen >= MIN_SAMPLES)[:, None], table[counted], np.nan)) >= needed
        seen += counted
        if look <= at:
            early |= hit
        else:
            delays = np.where(hit, np.minimum(delays, look - at), delays)
    return float(early.mean()), Detected(delays[~early], 0)


class Recent:
    """Failures within the last WINDOW minutes."""

    def __init__(self, count: int) -> None:
        self._minutes = np.zeros((WINDOW, count), dtype=np.int64)
        self._next = 0

    def add(self, failed: Whole) -> Whole:
        self._minutes[self._next % WINDOW] = failed
        self._next += 1
        total: Whole = self._minutes.sum(axis=0)
        return total


def _drawn(dice: np.random.Generator, count: int, share: float, dispersion: float) -> Whole:
    if dispersion == 1:
        return dice.binomial(ON, share, count)
    correlation = (dispersion - 1) / (ON - 1)
    spread = 1 / correlation - 1
    return dice.binomial(ON, dice.beta(share * spread, (1 - share) * spread, count))


def _with_outages(count: int, looks: int, seed: int, true_ratio: float) -> Iterator[tuple[Whole, Whole]]:
    dice = np.random.default_rng(seed)
    left = np.zeros(count, dtype=np.int64)
    for _ in range(looks):
        left = np.where(dice.random(count) < 1 / 500, 30, np.maximum(left - 1, 0))
        base = np.where(left > 0, 0.3, 0.02)
        odds = true_ratio * base / (1 - base)
        yield dice.binomial(ON, odds / (1 + odds)), dice.binomial(CONTROL, base)


def _nobody(rollouts: int) -> Stopped:
    return Stopped(*(np.zeros(rollouts, dtype=bool) for _ in range(3)))


def _any_bank(hit: Floats) -> Bools:
    return np.asarray(hit).reshape(-1, BANKS).any(axis=1)
