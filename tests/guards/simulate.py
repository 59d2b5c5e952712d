"""Prints the tables of docs/guards.md: how often healthy rollouts are stopped, and how soon one bank that fails is.

python tests/guards/simulate.py
"""

from __future__ import annotations

from guardkit import against_control, at_least, at_most
from histories import healthy, healthy_against_control, one_bank_turns_bad, rate_vanishes
from streams import harmonic, quarter_root

ROLLOUTS, LOOKS = 1000, 1000


def false_alarms() -> None:
    print("| healthy rollouts | this guard | 10-minute threshold | 10-minute z-test |")
    print("|---|---|---|---|")
    limit, compared = at_most("2%", by="bank"), against_control("1.25", by="bank")
    for share in (0.02, 0.015, 0.01):
        stopped = healthy(limit, ROLLOUTS, LOOKS, 1, share)
        _row(f"`max: 2%`, {share:.1%} true", *(f"{one:.1%}" for one in stopped.shares()))
    early, _ = rate_vanishes(at_least("5"), ROLLOUTS * 10, 4, at=LOOKS, before=5.0, after=5.0, watch=1)
    _row("`min: 5/m`, 5 a minute true", f"{early:.1%}", "", "")
    for ratio in (1.25, 1.0):
        stopped = healthy_against_control(compared, ROLLOUTS, LOOKS, 2, ratio)
        _row(f"`max_ratio: 1.25`, {ratio:g} true, outages on both sides", *(f"{one:.1%}" for one in stopped.shares()))


def bursts() -> None:
    print("| limit | true share | dispersion | this guard | 10-minute threshold | 10-minute z-test |")
    print("|---|---|---|---|---|---|")
    for limit, dispersion in (("2%", 1.0), ("2%", 1.5), ("4%", 1.5), ("4%", 2.0), ("10%", 2.0), ("20%", 3.0)):
        stopped = healthy(at_most(limit, by="bank"), ROLLOUTS, LOOKS, 7, 0.01, dispersion=dispersion)
        _row(f"`max: {limit}`", "1%", f"{dispersion:g}", *(f"{one:.1%}" for one in stopped.shares()))


def delays() -> None:
    print("| one bank of 30 goes from 1 % to | after | median | nine of ten | other banks | with w = 1/(t(t+1)) |")
    print("|---|---|---|---|---|---|")
    for share, at in ((0.05, 600), (0.1, 600), (0.5, 600), (0.1, 0)):
        _delay(share, at, ROLLOUTS)
    _delay(0.1, 14 * 24 * 60, ROLLOUTS // 10)


def other_delays() -> None:
    print("| guard | after 600 minutes | median | nine of ten |")
    print("|---|---|---|---|")
    compared = against_control("1.25", by="bank")
    for share in (0.05, 0.1, 0.5):
        found = one_bank_turns_bad(compared, ROLLOUTS, 5, at=600, share=share)
        said = f"one bank of 30 fails at {share:.0%} with the flag, 1% without"
        _row("`against: control`", said, f"{found.within(0.5)} min", f"{found.within(0.9)} min")
    for after in (0.0, 1.0, 3.0):
        _, found = rate_vanishes(at_least("5"), ROLLOUTS, 6, at=600, before=8.0, after=after)
        said = f"8 successes a minute become {after:g}"
        _row("`min: 5/m`", said, f"{found.within(0.5)} min", f"{found.within(0.9)} min")


def _delay(share: float, at: int, rollouts: int) -> None:
    guard = at_most("2%", by="bank")
    ours = one_bank_turns_bad(guard, rollouts, 3, at=at, share=share, waiting=quarter_root)
    plain = one_bank_turns_bad(guard, rollouts, 3, at=at, share=share, waiting=harmonic)
    _row(
        f"{share:.0%}",
        f"{at:,} min",
        f"{ours.within(0.5)} min",
        f"{ours.within(0.9)} min",
        f"{ours.others} stopped",
        f"{plain.within(0.5)} and {plain.within(0.9)} min",
    )


def _row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    false_alarms()
    print()
    delays()
    print()
    other_delays()
    print()
    bursts()
