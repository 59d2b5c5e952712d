"""Callers' keys as the service keeps them: made once, shown once, in the audit without their secret, and known to
whoever follows, also from what is kept on disk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from rollout.core.errors import InvalidInput, RefusedByRule, UnknownKey
from rollout.core.keys import Key, condition, key_with
from rollout.service.follower import Follower
from rollout.service.keys import KeyDesk
from rollout.service.operations import moment_of
from rollout.service.replay import replay
from rollout.service.snapshot import empty_snapshot, take_snapshot
from rollout.stores.disk import DiskSnapshot
from tests.service.servicekit import Place, losing_replies, request

DAY = timedelta(days=1)


def desk(place: Place) -> KeyDesk:
    return KeyDesk(place.store, place.operations)


def admin(place: Place) -> str:
    """The token of the first key."""
    return desk(place).create("admin", "anna", request())["secret"]


def key_of(place: Place, token: str) -> Key:
    key = key_with(token, place.state().keys)
    assert key is not None
    return key


def word(place: Place, token: str) -> str:
    return condition(key_of(place, token), moment_of(place.store.read([])).at)


def test_a_key_is_shown_once_and_kept_as_a_digest() -> None:
    place = Place()
    answer = desk(place).create("admin", "anna", request("the first"), expires=90 * DAY, rate=7)
    token = answer["secret"]
    assert token.startswith(f"rk_admin_{answer['keys'][0]['id']}_")
    key = key_of(place, token)
    assert (key.name, key.created_by, key.rate, key.expires_at - key.created_at) == ("anna", "amit", 7, 90 * DAY)
    secret = token.split("_", 3)[3].encode()
    stored = place.store.read()
    assert secret not in stored.shared
    assert not any(secret in line for line in place.lines())
    assert "digest" not in str(desk(place).list())


def test_what_was_done_to_keys_is_in_the_audit_and_can_be_replayed() -> None:
    place = Place()
    token = admin(place)
    other = desk(place).create("client", "app", request())["secret"]
    desk(place).rotate(key_of(place, other).id, request("lost"))
    desk(place).revoke(key_of(place, other).id, request("found"))
    assert [entry["action"] for entry in place.entries()[1:]] == [
        "create_key",
        "create_key",
        "rotate_key",
        "revoke_key",
    ]
    assert replay(place.lines(), place.store.blob) == place.state()
    assert word(place, token) == "live"
    assert word(place, other) == "revoked"


def test_a_repeated_request_makes_no_second_key_and_does_not_tell_the_secret_again() -> None:
    place = Place()
    asked = request(request_id="the-one")
    first = desk(place).create("admin", "anna", asked)
    again = desk(place).create("admin", "anna", asked)
    assert first["secret"]
    assert again["secret"] is None
    assert again["keys"] == first["keys"]
    assert len(place.state().keys) == 1


def test_a_key_is_shown_also_where_the_stores_reply_was_lost() -> None:
    place = Place()
    admin(place)
    place.operations = type(place.operations)(losing_replies(place.store))
    token = desk(place).create("client", "app", request())["secret"]
    assert key_of(place, token).name == "app"
    assert len(place.state().keys) == 2


def test_a_dry_run_makes_no_key() -> None:
    place = Place()
    answer = desk(place).create("admin", "anna", request(dry_run=True))
    assert (answer["changed"], answer["secret"], place.state().keys) == (False, None, {})


def test_a_rotated_key_works_on_for_the_overlap() -> None:
    place = Place()
    admin(place)
    old = desk(place).create("server", "shop", request(), expires=30 * DAY, rate=9)["secret"]
    new = desk(place).rotate(key_of(place, old).id, request(), overlap=DAY)["secret"]
    assert (word(place, old), word(place, new)) == ("live", "live")
    fresh = key_of(place, new)
    assert (fresh.name, fresh.rate, fresh.expires_at - fresh.created_at) == ("shop", 9, 30 * DAY)
    place.now_ms += DAY // timedelta(milliseconds=1)
    assert (word(place, old), word(place, new)) == ("expired", "live")


def test_what_cannot_be_is_refused_and_writes_nothing() -> None:
    place = Place()
    with pytest.raises(RefusedByRule):
        desk(place).create("client", "app", request())
    token = admin(place)
    before = place.contents()
    with pytest.raises(InvalidInput, match="is not a role"):
        desk(place).create("root", "anna", request())
    with pytest.raises(InvalidInput, match="lasts that long"):
        desk(place).create("client", "app", request(), expires=9999 * DAY)
    with pytest.raises(InvalidInput, match="expired already"):
        desk(place).create("client", "app", request(), expires=timedelta(0))
    with pytest.raises(UnknownKey):
        desk(place).revoke("nobody", request())
    with pytest.raises(RefusedByRule):
        desk(place).revoke(key_of(place, token).id, request())
    assert place.contents() == before


def test_loading_a_file_leaves_keys_alone() -> None:
    place = Place()
    admin(place)
    keys = place.state().keys
    place.load(*place.flags[:2])
    assert place.state().keys == keys


def test_followers_know_keys_and_what_is_kept_on_disk_has_them(tmp_path: Path) -> None:
    place = Place()
    follower = Follower(place.store)
    follower.follow(timedelta(0))
    admin(place)
    follower.follow(timedelta(0))
    assert follower.current.state.keys == place.state().keys
    kept = DiskSnapshot(tmp_path, "origin")
    kept.write(place.store.read(), follower.current.members, place.store.blob)
    stored = kept.read()
    assert stored is not None
    assert take_snapshot(stored, kept.blob, empty_snapshot()).state.keys == place.state().keys


def test_the_list_says_when_each_key_was_used_last() -> None:
    place = Place()
    token = admin(place)
    assert [key["last_used"] for key in desk(place).list()["keys"]] == [None]
    place.now_ms += 40 * 60 * 1000
    place.store.use_keys([key_of(place, token).id])
    assert [key["last_used"] for key in desk(place).list()["keys"]] == ["2026-11-23T09:00:00.000Z"]
