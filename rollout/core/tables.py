"""Two-by-two tables: failures with the flag and without it, given how many outcomes each side had and how many failed
in all. So conditioned, what hits both sides alike cancels, and only the odds ratio is left: Fisher's noncentral
hypergeometric distribution (R. A. Fisher, The logic of inductive inference, 1935). Everything is in logarithms, exact
to about eight decimals for any number of outcomes, and quick: only the terms that can matter are summed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from math import fsum, lgamma, log

NEGLIGIBLE = 1e-20  # of the largest term; terms fall off at least geometrically from there


def decides_nothing(on: int, control: int, failed: int) -> bool:
    """Whether the margins leave one table only: nothing failed, everything failed, or one side had no outcomes."""
    return _least(control, failed) == _most(on, failed)


def log_sum(on: int, control: int, failed: int, odds_ratio: float) -> float:
    """log Σ_x C(on, x)·C(control, failed-x)·odds_ratio^x: what makes the terms a distribution of x, the failures among
    the `on` outcomes with the flag, where `failed` of all `on + control` failed. `odds_ratio` is above 0."""
    mode = _mode(on, control, failed, odds_ratio)
    largest = _log_choose(on, mode) + _log_choose(control, failed - mode) + mode * log(odds_ratio)
    upwards = _terms(_steps_up(on, control, failed, odds_ratio, mode))
    downwards = _terms(_steps_down(on, control, failed, odds_ratio, mode))
    return largest + log(1.0 + fsum(upwards) + fsum(downwards))


def _mode(on: int, control: int, failed: int, odds_ratio: float) -> int:
    """The x with the largest term: terms rise up to it and fall after it, so it is found by halving."""
    low, high = _least(control, failed), _most(on, failed)
    while low < high:
        middle = (low + high + 1) // 2
        if _step(on, control, failed, odds_ratio, middle) >= 1.0:
            low = middle
        else:
            high = middle - 1
    return low


def _step(on: int, control: int, failed: int, odds_ratio: float, x: int) -> float:
    """The term of x over that of x-1."""
    return odds_ratio * ((on - x + 1) * (failed - x + 1) / (x * (control - failed + x)))


def _steps_up(on: int, control: int, failed: int, odds_ratio: float, mode: int) -> Iterator[float]:
    for x in range(mode + 1, _most(on, failed) + 1):
        yield _step(on, control, failed, odds_ratio, x)


def _steps_down(on: int, control: int, failed: int, odds_ratio: float, mode: int) -> Iterator[float]:
    for x in range(mode, _least(control, failed), -1):
        yield 1.0 / _step(on, control, failed, odds_ratio, x)


def _terms(steps: Iterator[float]) -> Iterator[float]:
    """The terms on one side of the largest, in its units, as long as they can matter."""
    return takewhile(lambda term: term > NEGLIGIBLE, _products(steps))


def _products(steps: Iterator[float]) -> Iterator[float]:
    product = 1.0
    for step in steps:
        product *= step
        yield product


def _least(control: int, failed: int) -> int:
    return max(0, failed - control)


def _most(on: int, failed: int) -> int:
    return min(on, failed)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
