"""Thousands of groups at once, for simulations: the recursion of `core/evidence.py` on whole arrays. What a minute says
comes from the product's own `log_ratios`; a test holds the rest to `next_evidence`, stream by stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rollout.core.bets import FEWER, WORSE, Minute, log_ratios
from rollout.core.guards import Guard

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Bools = NDArray[np.bool_]
Waiting = Callable[[Floats], Floats]


def quarter_root(minutes: Floats) -> Floats:
    """What waits for later trouble: the product's."""
    return 1 / np.sqrt(np.sqrt(1 + minutes))


def harmonic(minutes: Floats) -> Floats:
    """The plainer choice, for comparison: w_t = 1/(t(t+1))."""
    return 1 / (1 + minutes)


def ratio_table(guard: Guard, minutes: list[Minute]) -> Floats:
    """One row for each of the minutes that can occur; NaN for those that say nothing."""
    ways = len(FEWER) if guard.min_rate else len(WORSE)
    return np.array([log_ratios(guard, one) or (np.nan,) * ways for one in minutes])


@dataclass
class Streams:
    """The evidence of many groups, side by side."""

    wealth: Floats
    minutes: Whole
    waiting: Waiting

    @classmethod
    def begin(cls, count: int, table: Floats, waiting: Waiting = quarter_root) -> Streams:
        return cls(np.full((count, table.shape[1]), -np.inf), np.zeros(count, dtype=np.int64), waiting)

    def look(self, ratios: Floats) -> Floats:
        """log E of each group after one more minute."""
        says = ~np.isnan(ratios[:, 0])
        self.minutes[says] += 1
        used = self.minutes[says].astype(float)
        stake = np.log((self.waiting(used - 1) - self.waiting(used)) / ratios.shape[1])
        self.wealth[says] = np.logaddexp(self.wealth[says], stake[:, None]) + ratios[says]
        cash = np.log(self.waiting(self.minutes.astype(float)))
        return np.logaddexp(np.logaddexp.reduce(self.wealth, axis=1), cash)
