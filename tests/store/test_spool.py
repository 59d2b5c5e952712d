"""Large bodies on the disk: whole or not there, bounded, and never of more than one mind about what became of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from rollout.core.errors import RevisionConflict, TooManyRequests
from rollout.service.loads import About, Asker, Outcome
from rollout.stores import spool as bounds
from rollout.stores.spool import Spool

ASHA = Asker("127.0.0.1", "curl", "k1", "asha")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def about(size: int = 10, action: str = "apply") -> About:
    return About(action, ASHA, size, yaml=True, query="", request_id="r1", at="2018-02-13T00:00:00.000Z")


def said(spool: Spool, load: str) -> dict[str, Any]:
    content = spool.read(load)
    assert content is not None
    document: dict[str, Any] = orjson.loads(content)
    return document


def whole(spool: Spool) -> str:
    load = spool.begin(about())
    spool.append(load, 0, b"0123456789")
    return load


def test_parts_become_a_body_that_waits(spool: Spool) -> None:
    load = spool.begin(about())
    assert (said(spool, load)["state"], spool.whole()) == ("receiving", [])
    assert spool.append(load, 0, b"01234") == 5
    assert said(spool, load)["received"] == 5
    assert spool.append(load, 5, b"56789") == 10
    assert said(spool, load)["state"] == "waiting"
    assert spool.whole() == [load]
    assert spool.body(load).read_bytes() == b"0123456789"
    assert spool.about(load) == about()


def test_a_part_whose_answer_was_lost_is_not_taken_twice(spool: Spool) -> None:
    load = spool.begin(about())
    assert [spool.append(load, 0, b"01234") for _ in range(2)] == [5, 5]
    assert [spool.append(load, 5, b"56789") for _ in range(2)] == [10, 10]
    assert spool.body(load).read_bytes() == b"0123456789"


def test_another_part_than_the_next_is_refused_with_where_to_go_on(spool: Spool) -> None:
    load = spool.begin(about())
    spool.append(load, 0, b"01234")
    for offset, part in ((6, b"6"), (4, b"45"), (5, b"567890")):
        with pytest.raises(RevisionConflict) as refused:
            spool.append(load, offset, part)
        assert refused.value.hint == "send those from 5 on"
    assert said(spool, load)["received"] == 5


def test_a_body_is_readable_for_its_owner_alone(spool: Spool, tmp_path: Path) -> None:
    whole(spool)
    found = [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]
    assert {path.name: path.stat().st_mode & 0o077 for path in found} == dict.fromkeys([p.name for p in found], 0)


def test_what_ended_leaves_a_report_and_no_body(spool: Spool) -> None:
    load = whole(spool)
    spool.end(load, Outcome(200, answer={"changed": True}))
    assert said(spool, load) == {
        "load": load,
        "action": "apply",
        "state": "done",
        "at": "2018-02-13T00:00:00.000Z",
        "size": 10,
        "received": 10,
        "status": 200,
        "answer": {"changed": True},
        "error": None,
    }
    assert not spool.body(load).exists()
    assert spool.whole() == []
    with pytest.raises(RevisionConflict, match="has ended"):
        spool.append(load, 0, b"0123456789")


def test_what_ended_is_not_loaded_again_where_a_crash_left_its_body(spool: Spool) -> None:
    load = whole(spool)
    content = spool.body(load).read_bytes()
    spool.end(load, Outcome(200, answer={}))
    spool.body(load).write_bytes(content)
    assert spool.whole() == []
    with spool.held(load) as mine:
        assert not mine


@pytest.mark.parametrize("name", ["0" * 32, "..", "../../etc", "", "lock"])
def test_nothing_is_known_of_a_load_that_never_was(spool: Spool, name: str) -> None:
    whole(spool)
    assert spool.read(name) is None
    assert spool.append(name, 0, b"x") is None


def test_there_are_so_many_under_way_and_no_more(spool: Spool) -> None:
    for _ in range(bounds.MOST_UNDER_WAY - 1):
        spool.begin(about())
    last = spool.begin(about())
    with pytest.raises(TooManyRequests, match="8 large files"):
        spool.begin(about())
    spool.end(last, Outcome(200, answer={}))
    spool.begin(about())


def test_they_have_so_many_bytes_and_no_more(spool: Spool, tmp_path: Path) -> None:
    for _ in range(4):
        spool.begin(about(size=50_000_000))
    with pytest.raises(TooManyRequests, match="of 200 MB"):
        spool.begin(about(size=1))
    assert len([path for path in (tmp_path / "spool").iterdir() if path.is_dir()]) == 4


def test_one_process_at_a_time_has_a_load(spool: Spool, tmp_path: Path) -> None:
    load = whole(spool)
    with spool.held(load) as mine, Spool(tmp_path / "spool").held(load) as theirs:
        assert (mine, theirs) == (True, False)
        assert said(spool, load)["state"] == "loading"
    with spool.held(load) as mine:
        assert mine
    spool.end(load, Outcome(200, answer={}))
    with spool.held(load) as mine:
        assert not mine


def test_the_oldest_is_the_next(spool: Spool) -> None:
    loads = [whole(spool) for _ in range(4)]
    for number, load in enumerate(loads):
        os.utime(spool.body(load).with_name("about.json"), (number, number))
    assert spool.whole() == loads


def test_no_more_is_waited_for_after_a_while_without_a_part(spool: Spool) -> None:
    load = spool.begin(about())
    assert spool.silent(time.time()) == []
    assert spool.silent(time.time() + bounds.SILENT_FOR + 1) == [load]
    whole(spool)  # which waits for nothing


def test_reports_are_forgotten_by_age_and_by_number(spool: Spool) -> None:
    old, under_way = whole(spool), spool.begin(about())
    spool.end(old, Outcome(200, answer={}))
    spool.sweep(time.time())
    assert spool.read(old) is not None
    spool.sweep(time.time() + bounds.REPORT_KEPT + 1)
    assert spool.read(old) is None
    assert spool.read(under_way) is not None
    loads = []
    for number in range(bounds.MOST_REPORTS + 2):
        loads.append(load := whole(spool))
        os.utime(spool.body(load).with_name("about.json"), (number, number))
        spool.end(load, Outcome(200, answer={}))
    spool.sweep(time.time())
    assert [spool.read(load) is None for load in loads[:3]] == [True, True, False]
    assert spool.read(loads[-1]) is not None


def test_what_a_crash_left_without_a_beginning_is_removed(spool: Spool, tmp_path: Path) -> None:
    whole(spool)
    half = tmp_path / "spool" / ("a" * 32)
    half.mkdir()
    spool.sweep(time.time())
    assert half.exists()
    spool.sweep(time.time() + bounds.SILENT_FOR + 1)
    assert not half.exists()
