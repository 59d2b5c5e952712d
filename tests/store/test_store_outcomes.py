"""Counting outcomes and keeping evidence: the promises of the FlagStore port on memory, a fake Redis, the embedded
server and Debian's Redis alike."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing

import pytest
from storekit import LossyProxy, at_once, commit

from rollout.core.errors import RevisionConflict, StoreUnavailable
from rollout.core.outcomes import FOLDED, Outcome, Side, fingerprint
from rollout.service.ports import GROUPS_UNTIL, MOST_FIELDS, Counted, Judged

GONE_WELL = Outcome("payments", "upi", Side.ON, groups=("bank=SBI",)).fields
FAILED = Outcome("payments", "upi", Side.ON, "technical", "technical", ("bank=SBI",)).fields


def counted(intent: str, fields: tuple[str, ...] = GONE_WELL, flag: str = "payments", amount: int = 1) -> Counted:
    return Counted(flag, fingerprint(flag, "upi", intent), fields, amount)


def totals(store, flag="payments"):
    """Over all the minutes that the test may have touched."""
    minute = store.read([]).now_ms // 60_000
    minutes = store.outcome_counts(flag, minute - 30, minute)
    return dict(sum((Counter(counts) for counts in minutes.values()), Counter()))


def test_each_field_of_an_outcome_grows_by_its_amount(store):
    assert store.count([counted("1"), counted("2", FAILED), counted("3", amount=5)]) == 3
    assert totals(store) == {
        "upi\x1fon\x1f\x1f": 6,
        "upi\x1fon\x1fbank=SBI\x1f": 6,
        "upi\x1fon\x1f\x1ftechnical": 1,
        "upi\x1fon\x1fbank=SBI\x1ftechnical": 1,
    }


def test_nothing_to_count_counts_nothing(store):
    assert store.count([]) == 0
    assert totals(store) == {}


def test_flags_are_counted_apart(store):
    assert store.count([counted("1"), counted("1", flag="merchant-payments")]) == 2
    assert totals(store)["upi\x1fon\x1f\x1f"] == 1
    assert totals(store, "merchant-payments")["upi\x1fon\x1f\x1f"] == 1
    assert totals(store, "other") == {}


def test_the_first_outcome_of_an_intent_counts_and_retries_do_not(store):
    assert store.count([counted("1", FAILED), counted("1"), counted("2")]) == 2
    assert store.count([counted("1"), counted("2", FAILED), counted("3")]) == 1
    assert totals(store)["upi\x1fon\x1f\x1ftechnical"] == 1
    assert totals(store)["upi\x1fon\x1f\x1f"] == 2


def test_a_batch_that_is_sent_again_whole_counts_nothing(store):
    batch = [counted(str(n)) for n in range(500)]
    assert store.count(batch) == 500
    before = totals(store)
    assert store.count(batch) == 0
    assert totals(store) == before


def test_many_who_count_the_same_at_once_count_it_once(backend):
    stores = [backend.open() for _ in range(4)]
    batches = [[counted(f"{n}") for n in range(start, start + 200)] for start in range(0, 1000, 100)]
    made = at_once([lambda store=stores[n % 4], batch=batch: store.count(batch) for n, batch in enumerate(batches * 2)])
    assert sum(made) == 1100
    assert totals(stores[0])["upi\x1fon\x1f\x1f"] == 1100


@pytest.mark.parametrize("value", [-(2**63), -1, 0, 1, 2**63 - 1])
def test_fingerprints_are_kept_exactly(store, value):
    assert store.count([Counted("payments", value, GONE_WELL)]) == 1
    assert store.count([Counted("payments", value, GONE_WELL)]) == 0
    others = [other for other in (value - 1, value + 1) if -(2**63) <= other < 2**63]
    assert store.count([Counted("payments", other, GONE_WELL) for other in others]) == len(others)


def test_counts_are_of_the_minute_on_the_stores_clock(store):
    before = store.read([]).now_ms // 60_000
    store.count([counted("1")])
    after = store.read([]).now_ms // 60_000
    minutes = store.outcome_counts("payments", before, after)
    assert len(minutes) == 1
    assert before <= min(minutes) <= after
    assert store.outcome_counts("payments", before - 5, before - 1) == {}
    assert store.outcome_counts("payments", after + 1, after) == {}


def test_groups_cannot_crowd_out_totals(store):
    kinds = [Outcome("payments", "upi", Side.ON, groups=(f"bank={n}",)).fields for n in range(GROUPS_UNTIL + 300)]
    store.count([counted(str(n), fields) for n, fields in enumerate(kinds)])
    store.count([counted("late", FAILED), counted("early", kinds[0]), counted("folded", kinds[-1])])
    found = totals(store)
    assert found["upi\x1fon\x1f\x1f"] == GROUPS_UNTIL + 302
    assert found["upi\x1fon\x1f\x1ftechnical"] == 1
    assert sum(found.values()) == 2 * (GROUPS_UNTIL + 303)
    if len(found) == GROUPS_UNTIL + 2:  # else it became the next minute meanwhile
        assert found[FOLDED] == 303
        assert found["upi\x1fon\x1fbank=0\x1f"] == 2


def test_what_has_no_place_of_its_own_is_counted_as_folded_and_the_fields_stay_bounded(store):
    items = [counted(str(n), Outcome("payments", f"metric-{n}", Side.ON).fields) for n in range(MOST_FIELDS + 200)]
    assert store.count(items[:1000]) + store.count(items[1000:]) == len(items)
    assert store.count([counted("again", items[0].fields)]) == 1
    minute = store.read([]).now_ms // 60_000
    minutes = store.outcome_counts("payments", minute - 5, minute)
    assert all(len(counts) <= MOST_FIELDS for counts in minutes.values())
    assert sum(sum(counts.values()) for counts in minutes.values()) == len(items) + 1
    if len(minutes) == 1:
        assert minutes[minute][FOLDED] == 201
        assert minutes[minute][items[0].fields[0]] == 2


def test_evidence_is_written_where_it_was_made_from_what_is_there(store):
    assert store.evidence() == {}
    assert store.judge("payments", None, b"1")
    assert not store.judge("payments", None, b"2")
    assert not store.judge("payments", b"0", b"2")
    assert store.evidence() == {"payments": b"1"}
    assert store.judge("payments", b"1", b"")
    assert not store.judge("payments", None, b"2")
    assert store.judge("other", None, b"\0\xff\r\n")
    assert store.judge("payments", b"", None)
    assert store.evidence() == {"other": b"\0\xff\r\n"}
    assert store.judge("payments", None, None)
    assert store.revision() == 0


def test_of_many_who_judge_the_same_evidence_exactly_one_succeeds(backend):
    stores = [backend.open() for _ in range(4)]
    made = at_once([lambda n=n: stores[n % 4].judge("payments", None, b"%d" % n) for n in range(20)])
    assert sum(made) == 1
    assert stores[0].evidence() == {"payments": b"%d" % made.index(True)}


def test_a_commit_carries_the_evidence_of_its_decision(store):
    store.judge("payments", None, b"1")
    store.judge("other", None, b"1")
    evidence = {"payments": Judged(b"1", b"2"), "other": Judged(b"1", None), "third": Judged(None, b"3")}
    store.commit(commit(0, "decided", flags={"payments": b"x"}, evidence=evidence))
    assert store.evidence() == {"payments": b"2", "third": b"3"}
    assert store.commit(commit(0, "decided", evidence=evidence)).repeated


@pytest.mark.parametrize("before", [None, b"", b"0"])
def test_a_commit_on_other_evidence_is_a_conflict_and_writes_nothing(store, before):
    store.judge("payments", None, b"1")
    evidence = {"other": Judged(None, b"1"), "payments": Judged(before, b"2")}
    with pytest.raises(RevisionConflict, match="other evidence of payments"):
        store.commit(commit(0, "decided", flags={"payments": b"x"}, evidence=evidence))
    assert (store.revision(), store.read().flags, store.evidence()) == (0, {}, {"payments": b"1"})
    store.commit(commit(0, "decided", evidence={"payments": Judged(b"1", b"2")}))
    assert store.evidence() == {"payments": b"2"}


def test_intents_and_counts_are_forgotten_by_themselves(redis_backend):
    store, raw = redis_backend.open(), redis_backend.server.raw
    store.count([counted("1")])
    store.count([counted("2")])
    now_s = time.time()
    intents = list(raw.scan_iter(redis_backend.key("intents:*"), count=1000))
    counts = list(raw.scan_iter(redis_backend.key("outcomes:*"), count=1000))
    assert len(intents) == 2
    for key in intents:
        generation = int(key.split(b":")[-2])
        assert abs(now_s + raw.ttl(key) - (generation + 3) * 1800) < 60
    assert all(10_700 < raw.ttl(key) <= 10_800 for key in counts)


@pytest.mark.parametrize("age", [1, 2])
def test_an_intent_of_the_generations_before_is_known(redis_backend, age):
    store, raw = redis_backend.open(), redis_backend.server.raw
    store.count([counted("1")])
    (key,) = raw.scan_iter(redis_backend.key("intents:*"), count=1000)
    start, generation, bucket = key.decode().rsplit(":", 2)
    raw.rename(key, f"{start}:{int(generation) - age}:{bucket}")
    assert store.count([counted("1")]) == 0
    raw.rename(f"{start}:{int(generation) - age}:{bucket}", f"{start}:{int(generation) - 4}:{bucket}")
    assert store.count([counted("1")]) == 1


def check_wrong_type(backend, call):
    before = backend.contents()
    with pytest.raises(StoreUnavailable, match=r"WRONGTYPE|holds a list"):
        call()
    assert backend.contents() == before


@pytest.mark.parametrize("name", ["outcomes", "intents"])
def test_a_key_of_another_type_is_refused_before_anything_is_counted(redis_backend, name):
    store, raw = redis_backend.open(), redis_backend.server.raw
    minute, batch = store.read([]).now_ms // 60_000, [counted("1"), counted("2")]
    store.count(batch[:1])
    counts = [redis_backend.key(f"outcomes:payments:{at}") for at in (minute, minute + 1)]
    for key in counts if name == "outcomes" else raw.scan_iter(redis_backend.key("intents:*"), count=1000):
        raw.delete(key)
        raw.rpush(key, "something else")
    check_wrong_type(redis_backend, lambda: store.count([*reversed(batch)]))
    if name == "outcomes":
        check_wrong_type(redis_backend, lambda: store.outcome_counts("payments", minute, minute + 1))


def test_evidence_under_a_key_of_another_type_is_refused_before_anything_is_written(redis_backend):
    store, raw = redis_backend.open(), redis_backend.server.raw
    store.commit(commit(0))
    raw.rpush(redis_backend.key("evidence"), "something else")
    check_wrong_type(redis_backend, store.evidence)
    check_wrong_type(redis_backend, lambda: store.judge("payments", None, b"1"))
    decided = commit(1, flags={"payments": b"x"}, evidence={"payments": Judged(None, b"1")})
    check_wrong_type(redis_backend, lambda: store.commit(decided))


def test_a_server_without_memory_refuses_before_anything_is_counted(real_backend):
    store, raw = real_backend.open(), real_backend.server.raw
    store.count([counted("1")])
    before = real_backend.contents()
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable, match="used up its memory"):
            store.count([counted("1"), counted("2")])
        with pytest.raises(StoreUnavailable, match="used up its memory"):
            store.judge("payments", None, b"1")
        assert real_backend.contents() == before
    finally:
        raw.config_set("maxmemory", 0)
    assert store.count([counted("1"), counted("2")]) == 1


def test_a_count_whose_reply_was_lost_can_be_repeated(real_backend, tmp_path):
    with closing(LossyProxy(tmp_path, real_backend.server.socket)) as proxy:
        store = real_backend.open(url=f"unix://{proxy.path}")
        store.count([counted("0")])
        proxy.losing.set()
        batch = [counted(str(n)) for n in range(100)]
        with pytest.raises(StoreUnavailable):
            store.count(batch)
        proxy.losing.clear()
        assert store.count(batch) == 0
        assert totals(store)["upi\x1fon\x1f\x1f"] == 100
        store.close()
