"""Forty writers at once, by file and by hand: each acknowledged change is in the audit exactly once."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rollout.core.audit import Actor
from rollout.core.errors import RefusedByRule, RevisionConflict, StoreUnavailable
from rollout.core.shares import Share
from rollout.service.follower import Follower
from rollout.service.operations import Operations
from rollout.service.replay import replay
from rollout.service.snapshot import empty_snapshot, take_snapshot
from tests.service.servicekit import FLAGS, Place, Wrapped, file_of, flag, request

WRITERS, CHANGES = 40, 12


def test_forty_writers_at_once_lose_nothing_and_do_nothing_twice() -> None:
    place = Place()
    follower = Follower(place.store)
    with ThreadPoolExecutor(WRITERS) as pool:
        answers = [one for some in pool.map(lambda number: write(place, number), range(WRITERS)) for one in some]
    acknowledged = sorted(answer["request_id"] for answer in answers if answer["changed"])
    entries = place.entries()
    assert [entry["revision"] for entry in entries] == list(range(1, place.store.revision() + 1))
    assert sorted(entry["request_id"] for entry in entries[1:]) == acknowledged
    assert len(acknowledged) > WRITERS
    revisions = {answer["request_id"]: answer["revision"] for answer in answers if answer["changed"]}
    assert all(revisions[entry["request_id"]] == entry["revision"] for entry in entries[1:])
    state = replay(place.lines(), place.store.blob)
    assert state == place.state()
    follower.read()
    assert follower.current.state == state
    assert take_snapshot(place.store.read(), place.store.blob, empty_snapshot()).state == state


def write(place: Place, number: int) -> list[dict[str, Any]]:
    """What one writer was told of its changes. Some connections break after the change, and the change is repeated."""
    dice = random.Random(number)
    operations = Operations(Wrapped(place.store, lambda name, call: flaky(name, call, dice)))
    told = []
    for change in range(CHANGES):
        asked = request(request_id=f"{number}-{change}", actor=Actor(f"writer-{number}"))
        while True:
            try:
                told.append(one_change(operations, dice.randrange(10**9), asked))
            except StoreUnavailable:
                continue
            except (RefusedByRule, RevisionConflict):
                assert place.store.answered(asked.request_id) is None
            break
    return told


def flaky(name: str, call: Any, dice: random.Random) -> Any:
    result = call()
    if name == "commit" and dice.random() < 0.2:
        raise StoreUnavailable("the connection broke")
    return result


def one_change(operations: Operations, seed: int, asked: Any) -> dict[str, Any]:
    dice = random.Random(seed)
    key = dice.choice(["payments", "wallet", "plain"])
    kind = dice.randrange(5)
    if kind == 0:
        return operations.kill(key, asked)
    if kind == 1:
        return operations.revive(key, asked)
    if kind == 2:
        return operations.load(file_of(*FLAGS, flag("extra", f"{dice.randrange(1, 100)}%")), asked)
    share = Share.parse(f"{dice.randrange(101)}%")
    return operations.set_share(dice.choice(["payments", "wallet"]), share, asked)
