"""The user that docs/security.md makes for the service can do all that a store does, and nothing beyond its keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis, exceptions
from storekit import commit

from rollout.core.errors import StoreUnavailable
from rollout.service.ports import Change, Counted, FlagStore, Note

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
PASSWORD = "p@ss:word/with%everything"
ENCODED = "p%40ss%3Aword%2Fwith%25everything"


@pytest.fixture
def user(real_backend) -> Iterator[str]:
    """Made by the line on the page, for this test's namespace. Gives its name."""
    line = re.search(r"^user rollout (on .*)$", PAGE, re.M)[1]
    rules = line.replace(">PASSWORD", f">{PASSWORD}").replace("{rollout}", f"{{{real_backend.namespace}}}").split()
    raw = real_backend.server.raw
    name = f"service-{real_backend.namespace}"
    raw.execute_command("ACL", "SETUSER", name, *rules)
    yield name
    raw.execute_command("ACL", "DELUSER", name)


@pytest.fixture
def store(real_backend, user) -> FlagStore:
    return real_backend.open(url=f"unix://{user}:{ENCODED}@{real_backend.server.socket}")


def test_the_services_user_can_do_all_that_a_store_does(store):
    store.commit(commit(0, "first", flags={"a": b"1"}, shared=b"s", blobs={"d": b"x"}, answer=b"done"))
    assert (store.read().flags, store.revision(), store.blob("d")) == ({"a": b"1"}, 1, b"x")
    assert store.answered("first") == b"done"
    assert store.changes(1, timedelta(milliseconds=10)) == []
    assert store.changes(0, timedelta(0)) in ([Change(1, {"a": b"1"})], [Change(1, whole=True)])
    assert store.audit(newest_first=True) == store.audit() == [b"entry 1"]
    store.tick()
    store.beat("server", b"{}", timedelta(seconds=10))
    assert set(store.servers()) == {"server"}
    assert store.count([Counted("a", 7, ("field",))]) == 1
    minute = store.read().now_ms // 60_000
    assert store.outcome_counts("a", minute - 1, minute + 1)
    assert store.judge("a", None, b"evidence")
    assert store.evidence() == {"a": b"evidence"}
    store.expose("2018-02-13", {"k/a": [b"somebody"]})
    assert store.exposed("2018-02-13") == {"k/a": 1}
    store.forget_exposed("2018-02-13")
    assert store.claim("a day", timedelta(seconds=10))
    held = store.read()
    store.note(Note(held.revision, held.notes, held.head_hash, held.written_at_ms, b"note"))
    assert store.notes() == [b"note"]
    store.mark_lost(b"lost")
    assert store.read().lost == b"lost"
    store.use_keys(["k"])
    assert set(store.key_uses()) == {"k"}
    assert store.vitals().eviction_policy == "noeviction"


@pytest.mark.parametrize(
    "words",
    [
        ("GET", "others"),
        ("SET", "{another}:head", "1"),
        ("EVAL", "return redis.call('GET', KEYS[1])", "1", "others"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "requirepass"),
        ("ACL", "LIST"),
        ("SHUTDOWN", "NOSAVE"),
        ("REPLICAOF", "NO", "ONE"),
        ("PUBLISH", "channel", "word"),
        ("SAVE",),
    ],
    ids=" ".join,
)
def test_the_services_user_can_do_nothing_beyond_its_keys(real_backend, user, words):
    path = str(real_backend.server.socket)
    with Redis(unix_socket_path=path, username=user, password=PASSWORD, protocol=2) as client:
        assert client.ping()
        with pytest.raises(exceptions.ResponseError, match=r"permission|can't run"):
            client.execute_command(*words)


def test_a_wrong_password_is_said_without_showing_it(real_backend, user):
    store = real_backend.open(url=f"unix://{user}:wrong-secret@{real_backend.server.socket}")
    with pytest.raises(StoreUnavailable, match="does not accept the user or password") as refused:
        store.read()
    assert "wrong-secret" not in f"{refused.value.message} {refused.value.hint}"


def test_a_user_that_may_not_ask_info_is_no_error(real_backend, user, store):
    real_backend.server.raw.execute_command("ACL", "SETUSER", user, "-info")
    assert store.vitals().software is None
