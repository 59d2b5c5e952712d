"""Large files are carried out as small ones are, with the same answers and the same refusals; and whatever crashed in
between, what is said of them is what the store knows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from webkit import EMPLOYEES, FLAGS, Site, bearing

from rollout.bootstrap.load_process import carry_out
from rollout.bootstrap.loads import MOST_WAITING, LoadKeeper
from rollout.core.audit import Actor
from rollout.service.loads import About, Asker, Outcome
from rollout.service.operations import Request
from rollout.stores.spool import Spool

NEW = FLAGS.replace("Send money", "Send money to people")
ANYBODY = Asker("127.0.0.1", "curl/8")


@pytest.fixture
def site() -> Site:
    return Site.with_flags()


def large(content: bytes, by: Asker = ANYBODY, *, action: str = "apply", yaml: bool = False, query: str = "") -> About:
    return About(action, by, len(content), yaml, query, "r1", "2018-02-13T00:00:00.000Z")


def carried_out(site: Site, tmp_path: Path, content: bytes, about: About | None = None) -> Outcome:
    path = tmp_path / "body"
    path.write_bytes(content)
    return carry_out(about or large(content), path, site.store, lambda _: None)


def sent(text: str = NEW, **more: object) -> dict[str, Any]:
    return {"files": {"flags.yaml": text, "employees.txt": EMPLOYEES}, "reason": "why", "request_id": "r1", **more}


def owner(site: Site, role: str) -> Asker:
    key = next(key for key in site.follower.current.state.keys.values() if key.role == role)
    return Asker("127.0.0.1", "curl/8", key.id, key.name)


BODIES = {
    "words": sent(),
    "words, to try": sent(dry_run=True),
    "members": sent() | {"files": {"flags.yaml": FLAGS, "employees.txt": "u-1\nu-2\nu-3\n"}},
    "the same": sent(FLAGS),
    "an error": sent("version: 1\nflagz: {}\n"),
    "half of the flags": sent("version: 1\nflags: {}\n"),
    "a state that moved": sent(revision=0),
    "a member that is not known": sent(purge=True),
    "break-glass without a key": sent(break_glass=True),
    "no file": {"files": {}},
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("action", ["apply", "plan"])
def test_a_large_file_is_answered_as_a_small_one(action: str, name: str, tmp_path: Path) -> None:
    body, one, other = BODIES[name], Site.with_flags(), Site.with_flags()
    small = one.http.post(f"/v1/{action}", json=body, headers={"User-Agent": "curl/8"})
    content = orjson.dumps(body)
    outcome = carried_out(other, tmp_path, content, large(content, action=action))
    assert outcome.status == small.status_code
    answer = small.get_json()
    assert outcome.error == answer.get("error")
    if outcome.answer is not None:
        assert without_time(outcome.answer) == without_time(answer)
    assert everything(one) == everything(other)


def without_time(document: dict[str, Any]) -> dict[str, Any]:
    return document | {"file": None, "request_id": None}


def everything(site: Site) -> list[dict[str, Any]]:
    """What the record says, and who was refused what."""
    return [said(line) for part in (site.parts.desk.audit(), site.parts.desk.notes()) for line in part["entries"]]


def entry(site: Site) -> dict[str, Any]:
    return said(site.parts.desk.audit(limit=1)["entries"][0])


def said(line: dict[str, Any]) -> dict[str, Any]:
    told = {name: line[name] for name in ("revision", "actor", "origin", "action", "reason")}
    return told | {"file": line["after"].get("file"), "refusal": line["after"].get("message")}


def test_bare_yaml_has_its_options_in_the_query(site: Site, tmp_path: Path) -> None:
    content = NEW.encode()
    outcome = carried_out(site, tmp_path, content, large(content, yaml=True, query="reason=by+curl&actor=asha"))
    assert outcome.status == 200
    assert entry(site)["reason"] == "by curl"
    assert entry(site)["actor"]["id"] == "asha"


def test_it_is_the_key_that_says_who_did_it(site: Site, tmp_path: Path) -> None:
    site.make_keys()
    content = orjson.dumps(sent(actor="somebody else"))
    assert carried_out(site, tmp_path, content, large(content, owner(site, "admin"))).status == 200
    assert entry(site)["actor"]["id"] == "the admin"
    assert entry(site)["origin"]["claimed"] == "somebody else"


def test_a_key_that_ended_meanwhile_opens_nothing(site: Site, tmp_path: Path) -> None:
    site.make_keys()
    admin, content = owner(site, "admin"), orjson.dumps(sent())
    for by, code in (
        (ANYBODY, "not_authenticated"),
        (owner(site, "operator"), "not_allowed"),
        (replace(admin, key="gone"), "not_authenticated"),
    ):
        outcome = carried_out(site, tmp_path, content, large(content, by))
        assert outcome.error and outcome.error["code"] == code
    desk = site.parts.desk
    desk.create_key("admin", "another", Request(Actor("test")))
    desk.revoke_key(admin.key, Request(Actor("test")))
    outcome = carried_out(site, tmp_path, content, large(content, admin))
    assert (outcome.status, outcome.error and outcome.error["code"]) == (401, "not_authenticated")
    assert entry(site)["action"] == "revoke_key"


def test_what_takes_two_persons_waits_for_the_second(site: Site, tmp_path: Path) -> None:
    site.load(FLAGS.replace("attributes:", "approvals: { raise: 2, above: 10% }\nattributes:", 1))
    keys = site.make_keys()
    wider = FLAGS.replace("attributes:", "approvals: { raise: 2, above: 10% }\nattributes:", 1).replace(
        "enabled: false", "enabled: true"
    )
    more = wider + "\n  new-one:\n    description: On for all at once\n    owner: web@example.com\n    enabled: true\n"
    content = orjson.dumps(sent(more))
    outcome = carried_out(site, tmp_path, content, large(content, owner(site, "admin")))
    assert outcome.status == 202
    assert outcome.answer is not None and outcome.answer["pending"]["action"] == "apply"
    pending = site.get("/v1/pending", headers=bearing(keys["admin"])).get_json()["pending"]
    assert [one["id"] for one in pending] == [outcome.answer["pending"]["id"]]


def test_a_body_that_is_not_whole_on_the_disk_is_not_read(site: Site, tmp_path: Path) -> None:
    content = orjson.dumps(sent())
    outcome = carried_out(site, tmp_path, content[:-1], large(content))
    assert outcome.status == 400
    assert outcome.error and "bytes are on the disk" in outcome.error["message"]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def waiting(spool: Spool, content: bytes) -> str:
    load = spool.begin(large(content))
    spool.append(load, 0, content)
    return load


def document(spool: Spool, load: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(spool.read(load) or b"{}")
    return found


def crashed(site: Site, spool: Spool, before: Callable[[str], object] = lambda _: None) -> str:
    """A load whose process came as far as telling the store, or nearly."""
    load = waiting(spool, orjson.dumps(sent()))
    spool.say_begun(load, "r1")
    before(load)
    return load


def test_what_was_made_before_a_crash_is_said_to_be_made(site: Site, spool: Spool) -> None:
    def make(load: str) -> None:
        about = spool.about(load)
        assert about is not None
        assert carry_out(about, spool.body(load), site.store, lambda _: None).status == 200

    load = crashed(site, spool, make)
    LoadKeeper(spool, site.store, {}).look()
    told = document(spool, load)
    assert (told["state"], told["status"]) == ("done", 200)
    assert told["answer"]["changed"] is True
    assert not spool.body(load).exists()


def test_what_was_not_made_before_a_crash_is_said_not_to_be(site: Site, spool: Spool) -> None:
    before = entry(site)
    load = crashed(site, spool)
    LoadKeeper(spool, site.store, {}).look()
    told = document(spool, load)
    assert (told["state"], told["status"], told["error"]["code"]) == ("failed", 503, "interrupted")
    assert "nothing was changed" in told["error"]["message"]
    assert entry(site) == before


def test_while_the_store_is_away_nothing_is_said_of_what_crashed(site: Site, spool: Spool) -> None:
    load = crashed(site, spool)
    keeper = LoadKeeper(spool, site.store, {})
    site.store.away = True
    keeper.look()
    assert document(spool, load)["state"] == "loading"
    site.store.away = False
    keeper.look()
    assert document(spool, load)["state"] == "failed"


def test_what_another_process_still_has_is_left_to_it(site: Site, spool: Spool) -> None:
    load = crashed(site, spool)
    keeper = LoadKeeper(spool, site.store, {})
    with spool.held(load):
        keeper.look()
        assert document(spool, load)["state"] == "loading"
    keeper.look()
    assert document(spool, load)["state"] == "failed"


def test_what_waited_too_long_is_not_carried_out_any_more(site: Site, spool: Spool) -> None:
    load = waiting(spool, orjson.dumps(sent()))
    long_ago = time.time() - MOST_WAITING - 1
    os.utime(spool.body(load), (long_ago, long_ago))
    LoadKeeper(spool, site.store, {}).look()
    assert document(spool, load)["error"]["message"] == "it waited for more than 10 minutes; nothing was changed"
