"""What can go wrong between us and a Redis server, and that nothing is then half written, lost, doubled or told in
words that help nobody."""

from __future__ import annotations

import re
import time
from contextlib import closing
from datetime import timedelta

import pytest
from storekit import PATIENCE, LossyProxy, at_once, commit, stopped, write

from rollout.core.errors import InvalidInput, RevisionConflict, StoreUnavailable
from rollout.service.ports import Change, Committed, Counted
from rollout.stores.redis import RedisFlagStore

AT_ONCE = timedelta(0)
LONG = timedelta(seconds=20)

EVERYTHING = {"flags": {"a": b"2", "b": None}, "shared": b"s2", "blobs": {"d": b"x"}, "answer": b"done"}


@pytest.fixture
def filled(redis_backend):
    """A store at revision 1, with something under every key."""
    store = redis_backend.open()
    store.commit(commit(0, flags={"a": b"1", "b": b"1"}, shared=b"s1"))
    return store


def check_refused(backend, store, message, **more):
    """A commit is refused, and the namespace holds afterwards what it held before."""
    before = backend.contents()
    with pytest.raises(StoreUnavailable, match=message) as refusal:
        store.commit(commit(1, "refused", **EVERYTHING | more))
    assert refusal.value.hint
    assert backend.contents() == before


def test_every_key_carries_the_hash_tag(redis_backend, filled):
    filled.beat("web-1", b"", timedelta(minutes=1))
    filled.tick()
    filled.count([Counted("a", 1, ("field",))])
    filled.judge("a", None, b"1")
    filled.commit(commit(1, **EVERYTHING))
    names = {name for name in redis_backend.contents() if not re.search(r"}:(intents:\d+:1|outcomes:a:\d+)$", name)}
    prefix = redis_backend.key("")
    written = {"evidence", "head", "shared", "flags", "audit", "changes", "ticks", "servers", "server:web-1", "blob:d"}
    assert {name.removeprefix(prefix) for name in names if ":request:" not in name} == written


def test_namespaces_do_not_see_each_other(redis_backend, filled):
    with closing(redis_backend.server.open(redis_backend.namespace + "-2")) as other:
        assert other.revision() == 0
        other.commit(commit(0))
    assert filled.revision() == 1


@pytest.mark.parametrize("namespace", ["", "a b", "{a}", "a}b", "ü"])
def test_a_namespace_that_breaks_the_hash_tag_is_refused(namespace):
    with pytest.raises(InvalidInput, match="namespace"):
        RedisFlagStore("redis://localhost", namespace)


@pytest.mark.parametrize(("ago_ms", "counts"), [(59_000, True), (61_000, False), (-30_000, False)])
def test_time_without_a_tick_for_longer_than_the_gap_does_not_count(redis_backend, filled, ago_ms, counts):
    now_ms = filled.tick().now_ms
    ticks = {"ticked_ms": 2**53 // 1000, "last_at_ms": now_ms - ago_ms}
    redis_backend.server.raw.hset(redis_backend.key("ticks"), mapping=ticks)
    for ticked_ms in (filled.read().ticked_ms, filled.tick().ticked_ms):
        counted = ticked_ms - ticks["ticked_ms"]
        assert counted >= ago_ms if counts else counted == 0


def test_requests_are_remembered_for_a_day(redis_backend, filled):
    filled.commit(commit(1, "asked"))
    assert 86_000 < redis_backend.server.raw.ttl(redis_backend.key("request:asked")) <= 86_400


def test_people_are_kept_as_a_sketch_of_bounded_size_for_some_days(real_backend):
    store, raw = real_backend.open(), real_backend.server.raw
    store.expose("2018-02-13", {"k/payments": [b"%016d" % number for number in range(20_000)]})
    keys = [real_backend.key(name) for name in ("exposed:2018-02-13", "people:2018-02-13:k/payments")]
    assert all(8 * 86_400 < raw.ttl(key) <= 9 * 86_400 for key in keys)
    assert raw.get(keys[1])[:4] == b"HYLL"
    assert raw.strlen(keys[1]) < 12_400


def test_a_server_that_forgot_its_scripts_is_taught_again(redis_backend, filled):
    redis_backend.server.raw.script_flush()
    assert filled.commit(commit(1)).revision == 2


@pytest.mark.parametrize("name", ["head", "shared", "flags", "audit", "changes", "request:refused", "blob:d"])
def test_a_key_of_another_type_is_refused_before_anything_is_written(redis_backend, filled, name):
    raw, key = redis_backend.server.raw, redis_backend.key(name)
    raw.delete(key)
    raw.rpush(key, "something else")
    check_refused(redis_backend, filled, "holds a list as .*nothing was written")


@pytest.mark.parametrize("name", ["head", "shared", "flags", "audit", "changes", "blob:d", "servers", "ticks"])
def test_reading_a_key_of_another_type_is_an_error_in_our_words(redis_backend, filled, name):
    raw, key = redis_backend.server.raw, redis_backend.key(name)
    raw.delete(key)
    raw.rpush(key, "something else")
    with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
        filled.read()
        filled.audit()
        filled.changes(0, AT_ONCE)
        filled.blob("d")
        filled.servers()
        filled.tick()


def test_a_head_that_is_no_number_is_an_error_in_our_words(redis_backend, filled):
    redis_backend.server.raw.hset(redis_backend.key("head"), "revision", "many")
    for call in (filled.read, filled.revision, lambda: filled.commit(commit(1))):
        with pytest.raises(StoreUnavailable, match="not ours"):
            call()


def test_an_audit_log_ahead_of_a_lost_head_is_not_written_over(redis_backend, filled):
    redis_backend.server.raw.delete(redis_backend.key("head"))
    before = redis_backend.contents()
    with pytest.raises(StoreUnavailable, match="at revision 0, but its audit log goes up to 1"):
        filled.commit(commit(0, **EVERYTHING))
    assert redis_backend.contents() == before


@pytest.mark.parametrize(
    "trim", [lambda raw, key: raw.xtrim(key, maxlen=2, approximate=False), lambda raw, key: raw.delete(key)]
)
def test_a_follower_who_missed_what_was_trimmed_reads_anew(redis_backend, filled, trim):
    for n in range(1, 6):
        filled.commit(commit(n))
    trim(redis_backend.server.raw, redis_backend.key("changes"))
    began = time.monotonic()
    assert filled.changes(2, LONG) is None
    assert time.monotonic() - began < LONG.total_seconds()
    filled.commit(commit(6))
    assert filled.changes(6, LONG) == [Change(7)]
    assert filled.changes(2, LONG) is None


def test_changes_ahead_of_a_restored_head_do_not_stop_a_commit(redis_backend, filled):
    raw = redis_backend.server.raw
    raw.xadd(redis_backend.key("changes"), {"whole": "1"}, id="57-0")
    filled.commit(commit(1, flags={"a": b"2"}))
    assert filled.changes(1, LONG) == [Change(2, {"a": b"2"})]
    assert filled.changes(0, LONG) is None


def test_the_log_of_changes_stays_bounded_and_the_audit_log_does_not(redis_backend, filled):
    for n in range(1, 1300):
        filled.commit(commit(n))
    raw = redis_backend.server.raw
    assert 1024 <= raw.xlen(redis_backend.key("changes")) < 1200
    assert raw.xlen(redis_backend.key("audit")) == 1300


def test_after_flushall_the_store_is_empty_and_works(redis_backend, filled):
    redis_backend.server.raw.flushall()
    assert (filled.revision(), filled.read().flags, filled.audit(), filled.servers()) == (0, {}, [], {})
    assert filled.changes(1, timedelta(milliseconds=50)) == []
    with pytest.raises(RevisionConflict):
        filled.commit(commit(1))
    assert filled.commit(commit(0, flags={"a": b"3"})).revision == 1
    assert filled.changes(0, AT_ONCE) == [Change(1, {"a": b"3"})]


def test_flushall_does_not_disturb_who_waits_for_changes(redis_backend, filled):
    def flush_and_write():
        redis_backend.server.raw.flushall()
        filled.commit(commit(0))
        filled.commit(commit(1, flags={"a": b"4"}))

    heard, _ = at_once([lambda: filled.changes(1, LONG), flush_and_write])
    assert heard in ([Change(2, {"a": b"4"})], None)


def test_a_closed_store_says_so(redis_backend, filled):
    filled.close()
    with pytest.raises(StoreUnavailable, match="was closed"):
        filled.revision()


def test_connections_that_the_server_closed_cost_no_error(real_backend):
    store = real_backend.open()
    store.commit(commit(0))
    raw = real_backend.server.raw
    for n in range(1, 4):
        raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert store.commit(commit(n)).revision == n + 1
        raw.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert store.read().revision == n + 1


def test_a_server_without_memory_refuses_before_anything_is_written(real_backend):
    store, raw = real_backend.open(), real_backend.server.raw
    store.commit(commit(0, flags={"a": b"1", "b": b"1"}, shared=b"s1"))
    raw.config_set("maxmemory", 1)
    try:
        check_refused(real_backend, store, "used up its memory; nothing was written")
        check_refused(real_backend, store, "used up its memory", flags={"a": None})
        assert store.read().revision == 1
    finally:
        raw.config_set("maxmemory", 0)
    assert store.commit(commit(1, "refused")) == Committed(2, b"", repeated=False)


def test_a_replica_refuses_before_anything_is_written(real_backend):
    store, raw = real_backend.open(), real_backend.server.raw
    store.commit(commit(0, flags={"a": b"1"}))
    raw.replicaof("127.0.0.1", "1")
    try:
        check_refused(real_backend, store, "is a replica")
        assert store.read().revision == 1
    finally:
        raw.replicaof("NO", "ONE")
    assert store.commit(commit(1, "refused")) == Committed(2, b"", repeated=False)


def test_a_write_whose_reply_was_lost_is_made_once(real_backend, tmp_path):
    with closing(LossyProxy(tmp_path, real_backend.server.socket)) as proxy:
        store = real_backend.open(url=f"unix://{proxy.path}")
        store.commit(commit(0))
        proxy.losing.set()
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            store.commit(commit(1, "lost", answer=b"done", flags={"a": b"1"}))
        with pytest.raises(StoreUnavailable):
            store.commit(commit(1, "lost", answer=b"another"))
        proxy.losing.clear()
        assert store.commit(commit(1, "lost", answer=b"another")) == Committed(2, b"done", repeated=True)
        assert proxy.lost == 2
        assert (store.revision(), len(store.audit())) == (2, 2)
        store.close()


def test_a_server_that_hangs_is_given_up_soon_and_used_again_when_it_wakes(real_backend):
    store = real_backend.open()
    store.commit(commit(0))
    with stopped(real_backend.server.pid()):
        for call in (
            lambda: store.commit(commit(1, "while-it-hung", flags={"a": b"1"}, answer=b"done")),
            store.revision,
            store.read,
            lambda: store.changes(1, LONG),
            lambda: store.beat("web-1", b"", LONG),
        ):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                call()
            assert time.monotonic() - began < 5  # 0.5 s, on a machine that does nothing else
    repeat = store.commit(commit(1, "while-it-hung", flags={"a": b"1"}, answer=b"done"))
    assert (repeat.revision, repeat.answer) == (2, b"done")
    assert repeat.repeated, "the first was in the server's socket all the time"
    assert (store.read().flags, len(store.audit())) == ({"a": b"1"}, 2)


def test_a_follower_notices_a_server_that_begins_to_hang(real_backend):
    store = real_backend.open()
    store.commit(commit(0))
    began = time.monotonic()

    def follow():
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            while time.monotonic() - began < PATIENCE:
                store.changes(1, LONG)

    with stopped(real_backend.server.pid()):
        at_once([follow] * 3)


def test_writers_get_through_a_server_that_stutters(real_backend):
    """Each hang makes some of them time out and repeat; every line is there once all the same."""
    stores = [real_backend.open() for _ in range(4)]

    def writer(n):
        return lambda: [write(stores[n % 4], f"{n}-{i}", f"{n}-{i}".encode()) for i in range(5)]

    def stutter():
        for _ in range(2):
            with stopped(real_backend.server.pid()), pytest.raises(StoreUnavailable):
                stores[0].revision()

    at_once([*(writer(n) for n in range(8)), stutter])
    assert sorted(stores[0].audit(limit=1000)) == sorted(f"{n}-{i}".encode() for n in range(8) for i in range(5))
    assert stores[0].revision() == 40


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://user:secret@localhost:1/0", r"the store at localhost:1/0 cannot be reached"),
        ("redis://:secret@[::1]:1", r"the store at ::1:1/0 cannot be reached"),
        ("rediss://:secret@localhost:1/3", r"the store at localhost:1/3 cannot be reached"),
        ("unix:///no/such.sock?password=secret", r"the store at /no/such.sock cannot be reached"),
    ],
)
def test_a_server_that_is_not_there_is_named_without_the_password(url, message):
    with closing(RedisFlagStore(url)) as store, pytest.raises(StoreUnavailable, match=message) as refusal:
        store.revision()
    assert refusal.value.hint
    assert "secret" not in str(refusal.value) + refusal.value.hint


@pytest.mark.parametrize(
    "url", ["http://localhost", "localhost:6379", "", "redis://:se#cret@localhost", "redis://localhost?secret=1"]
)
def test_a_url_that_cannot_be_is_refused_without_the_password(url):
    with pytest.raises(InvalidInput) as refusal:
        RedisFlagStore(url)
    assert "cret@" not in str(refusal.value)
    assert refusal.value.hint
    assert refusal.value.__cause__ is None


def test_a_wrong_password_is_not_repeated_in_the_message(real_backend):
    url = f"unix://ops:sesame@{real_backend.server.socket}"
    with pytest.raises(StoreUnavailable, match="does not accept the user or password") as refusal:
        real_backend.open(url=url).revision()
    assert "sesame" not in str(refusal.value)


def test_a_server_says_how_it_is_set_up(real_backend):
    vitals = real_backend.open().vitals()
    assert vitals.software in ("redis", "valkey")
    assert vitals.version >= (6, 2)
    assert vitals.memory_used > 0
    assert (vitals.is_replica, vitals.is_local, vitals.eviction_policy) == (False, True, "noeviction")
    embedded = real_backend.server.socket.name == "store.sock"
    assert vitals.append_only is embedded
