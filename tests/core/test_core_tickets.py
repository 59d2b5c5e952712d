"""Tickets: good for a minute, for their key's holder, and for nobody who made one up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollout.core.keys import TOKEN, Key, Role
from rollout.core.tickets import ANEW, LASTS, holder, ticket_of

KEY = Key("0123456789ab", Role.CLIENT, "android", "d" * 64, datetime(2026, 1, 1, tzinfo=UTC), "anna")
OTHER = replace(KEY, id="ba9876543210", digest="e" * 64)
KEYS = {KEY.id: KEY, OTHER.id: OTHER}
NOW = 1_800_000_000.0


def test_a_ticket_is_of_its_key_for_half_a_minute_to_a_minute() -> None:
    for late in (0.0, 1.5, ANEW - 0.01):
        ticket = ticket_of(KEY, NOW + late)
        assert holder(ticket, KEYS, NOW + late) == KEY
        assert holder(ticket, KEYS, NOW + LASTS - 0.01) == KEY
        assert holder(ticket, KEYS, NOW + LASTS) is None


def test_for_half_a_minute_it_is_the_same_so_that_answers_with_it_stay_the_same() -> None:
    assert {ticket_of(KEY, NOW + second) for second in range(ANEW)} == {ticket_of(KEY, NOW)}
    assert ticket_of(KEY, NOW + ANEW) != ticket_of(KEY, NOW)


def test_a_ticket_from_another_time_or_of_another_key_opens_nothing() -> None:
    ticket = ticket_of(KEY, NOW)
    _, ends, seal = ticket.split(".")
    assert holder(ticket_of(KEY, NOW + 2 * LASTS), KEYS, NOW) is None
    assert holder(f"{OTHER.id}.{ends}.{seal}", KEYS, NOW) is None
    assert holder(f"{KEY.id}.{int(ends) + 1}.{seal}", KEYS, NOW) is None
    assert holder(ticket, {OTHER.id: OTHER}, NOW) is None
    assert holder(ticket, {KEY.id: replace(KEY, digest="f" * 64)}, NOW) is None


@pytest.mark.parametrize("ticket", ["", ".", "a.b.c", "0123456789ab.9.", "0123456789ab.\u0661.x", "x" * 10_000])
def test_what_is_no_ticket_opens_nothing(ticket: str) -> None:
    assert holder(ticket, KEYS, NOW) is None


def test_a_ticket_is_no_key() -> None:
    assert TOKEN.search(ticket_of(KEY, NOW)) is None
