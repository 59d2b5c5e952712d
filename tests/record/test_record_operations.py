"""Every change takes its place in the chain, in the same commit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rollout.core.audit import Actor, canonical_line, read_line
from rollout.core.chain import BrokenChain, entry_hash, follow
from rollout.core.errors import RefusedByRule, RevisionConflict
from rollout.core.shares import Share
from rollout.service.operations import Operations
from rollout.service.ports import Commit
from rollout.service.replay import replay
from rollout.stores.memory import MemoryFlagStore
from tests.service.servicekit import PAYMENTS, Place, Wrapped, flag, request


def unchained(place: Place) -> MemoryFlagStore:
    """What the store would hold, had an earlier release written it."""
    store = MemoryFlagStore(lambda: place.now_ms)
    held = place.store.read()
    for number, line in enumerate(place.lines()):
        entry = {key: value for key, value in read_line(line).items() if key != "previous"}
        last = number == held.revision - 1
        store.commit(
            Commit(
                number,
                f"old-{number}",
                place.now_ms,
                canonical_line(entry),
                held.flags if last else {},
                held.shared if last else None,
            )
        )
    store._head_hash = ""
    return store


def test_each_change_names_the_hash_of_the_one_before() -> None:
    place = Place()
    place.operations.set_share("payments", Share.parse("1%"), request(ticket="PAY-7"))
    place.operations.kill("payments", request())
    chain = follow(place.lines())
    assert (chain.place, chain.hash) == ((3, 0), place.store.read().head_hash)
    assert [entry["ticket"] for entry in place.entries()] == ["", "PAY-7", ""]
    assert place.entries()[2]["previous"] == entry_hash(place.lines()[1])


def test_many_writers_at_once_make_one_chain() -> None:
    place = Place()

    def write(number: int) -> None:
        for share in ("1%", "2%", "3%"):
            try:
                Operations(place.store).set_share("payments", Share.parse(share), request(actor=Actor(f"w{number}")))
            except (RefusedByRule, RevisionConflict):
                continue

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(write, range(20)))
    assert follow(place.lines()).place == (place.store.revision(), 0)
    assert replay(place.lines(), place.store.blob) == place.state()


def test_what_an_earlier_release_wrote_is_sealed_by_the_next_change() -> None:
    place = Place()
    for key in ("payments", "wallet", "plain"):
        place.operations.kill(key, request())
    store = unchained(place)
    Operations(store).revive("wallet", request())
    lines = store.audit(limit=100)
    assert follow(lines).place == (5, 0)
    with pytest.raises(BrokenChain, match="entry 4 is not what entry 5 follows"):
        follow([lines[0], lines[1].replace(b'"reason":"why"', b'"reason":"hm"'), *lines[2:]])


def test_a_store_that_was_replaced_meanwhile_takes_nothing_that_follows_the_other_history() -> None:
    """Two histories come to the same revision; the change was made upon the one that is gone."""
    ours, theirs = Place(), Place(flags=(PAYMENTS, flag("wallet", "1%", "100%")))
    first_read = [True]

    def hindrance(name: str, call: Any) -> Any:
        if name == "read" and first_read:
            first_read.clear()
            return ours.store.read(["payments"])
        return call()

    operations = Operations(Wrapped(theirs.store, hindrance))
    operations.kill("payments", request())
    assert follow(theirs.lines()).place == (2, 0)
