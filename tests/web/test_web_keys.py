"""Keys as callers show them: in a header, never in a URL; those that ended open nothing, also without a store."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webkit import Site, bearing

from rollout.core.errors import NotAuthenticated
from rollout.core.keys import Key, Keys, Role
from rollout.core.progress import Stop
from rollout.service.gate import Gate

END = Stop("an admin", datetime(2026, 1, 1, tzinfo=UTC), "it was lost")


@pytest.fixture
def tokens(site: Site) -> dict[str, str]:
    return site.make_keys()


def id_of(token: str) -> str:
    return token.split("_")[2]


def audit(site: Site, token: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = site.get("/v1/audit", headers=bearing(token)).get_json()["entries"]
    return entries


@pytest.mark.parametrize("header", ["Authorization", "authorization", "X-API-Key"])
def test_a_key_is_shown_in_either_header(site: Site, tokens: dict[str, str], header: str) -> None:
    value = tokens["support"] if header == "X-API-Key" else f"bearer {tokens['support']}"
    assert site.get("/v1/status", headers={header: value}).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer rk_admin_",
        "Basic YTpi",
        "Bearer " + "x" * 5000,
        "Bearer rk_admin_é",
        "rk_admin",
    ],
)
def test_what_is_no_key_is_refused_with_how_to_send_one(site: Site, tokens: dict[str, str], value: str) -> None:
    response = site.get("/v1/flags/everybody", headers={"Authorization": value})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in response.get_json()["error"]["hint"]


def test_openfeature_clients_are_refused_in_their_own_words(site: Site, tokens: dict[str, str]) -> None:
    response = site.post("/ofrep/v1/evaluate/flags/everybody", {})
    assert (response.status_code, response.get_json()["errorCode"]) == (401, "GENERAL")
    assert response.headers["WWW-Authenticate"]
    response = site.post("/ofrep/v1/evaluate/flags", {}, headers=bearing(tokens["auditor"]))
    assert (response.status_code, response.get_json()["errorCode"]) == (403, "GENERAL")


@given(
    place=st.integers(0, 70),
    other=st.characters(min_codepoint=33, max_codepoint=126),
    cut=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_no_other_text_than_the_key_itself_opens_anything(place: int, other: str, cut: bool) -> None:
    site, tokens = keyed_site()
    token = tokens["admin"]
    forged = token[:place] if cut else token[:place] + other + token[place + 1 :]
    if forged != token:
        assert site.get("/v1/keys", headers=bearing(forged)).status_code == 401


_kept: list[tuple[Site, dict[str, str]]] = []


def keyed_site() -> tuple[Site, dict[str, str]]:
    """One for all examples."""
    if not _kept:
        site = Site.with_flags()
        _kept.append((site, site.make_keys(admin=1_000_000)))
    return _kept[0]


def test_a_revoked_key_opens_nothing_from_the_next_request_on(site: Site, tokens: dict[str, str]) -> None:
    admin = bearing(tokens["admin"])
    assert site.get("/v1/flags", headers=bearing(tokens["client"])).status_code == 200
    site.change(f"/v1/keys/{id_of(tokens['client'])}/revoke", headers=admin)
    assert site.get("/v1/flags", headers=bearing(tokens["client"])).status_code == 401
    assert site.get("/v1/flags", headers=bearing(tokens["server"])).status_code == 200


def test_what_was_verified_by_older_keys_is_not_believed_with_newer_ones() -> None:
    """Two threads ask: while one verifies a key, it is revoked, and the other one learns that first."""
    site = Site.with_flags()
    token = site.make_keys()["client"]
    keys = site.follower.current.state.keys
    revoked = {name: replace(key, revoked=END) for name, key in keys.items()}

    class Meanwhile(dict[str, Key]):
        def get(self, name: str, default: Any = None) -> Any:
            now["keys"] = revoked
            with pytest.raises(NotAuthenticated):
                gate.caller(token)
            return super().get(name, default)

    now: dict[str, Keys] = {"keys": Meanwhile(keys)}
    gate = Gate(lambda: now["keys"], open_without_keys=False)
    gate.caller(token)  # it was asked before
    with pytest.raises(NotAuthenticated):
        gate.caller(token)


def test_a_key_expires_by_the_clock_also_after_it_was_used() -> None:
    now = [time.time()]
    site = Site.with_flags(clock=lambda: now[0])
    tokens = site.make_keys()
    admin = bearing(tokens["admin"])
    made = site.change("/v1/keys", role="server", name="shop", expires="1h", headers=admin)
    shop = bearing(made["secret"])
    assert site.get("/v1/flags", headers=shop).status_code == 200
    now[0] += 3599
    assert site.get("/v1/flags", headers=shop).status_code == 200
    now[0] += 2
    response = site.get("/v1/flags", headers=shop)
    assert (response.status_code, "expired" in response.text) == (401, True)


def test_keys_go_on_working_while_the_store_is_away(site: Site, tokens: dict[str, str]) -> None:
    site.lose_store()
    for role in Role:
        status = site.get("/v1/flags/everybody", headers=bearing(tokens[role])).status_code
        assert status == (403 if role is Role.AUDITOR else 200)
    assert site.get("/v1/flags/everybody").status_code == 401


def test_checks_with_a_key_ask_nothing_of_the_store(site: Site, tokens: dict[str, str]) -> None:
    site.store.asked.clear()
    for token in tokens.values():
        site.get("/v1/flags/everybody?user_id=u-1", headers=bearing(token))
        site.get(f"/v1/flags/everybody?user_id={token}")
    assert site.store.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/flags/everybody?user_id=u-1&key={}",
        "/v1/flags?access_token={}",
        "/v1/flags/{}",
        "/nowhere?x=a{}b",
        "/healthz?{}",
        "/v1/status?x=%72k{percent}",
    ],
)
def test_a_key_in_a_url_is_refused_and_revoked_and_that_is_in_the_audit(
    site: Site, tokens: dict[str, str], path: str
) -> None:
    token = tokens["server"]
    address = path.format(token, percent=token[2:].replace("_", "%5F"))
    response = site.get(address, headers=bearing(tokens["admin"]))
    assert response.status_code == 401
    assert token not in response.text
    assert site.get("/v1/flags", headers=bearing(token)).status_code == 401  # here at once, elsewhere a moment later
    site.chores.do()
    site.follow()
    newest = audit(site, tokens["admin"])[0]
    assert (newest["action"], newest["actor"]["id"]) == ("revoke_key", "gate")
    assert newest["after"]["keys"][0]["id"] == id_of(token)
    assert token not in str(audit(site, tokens["admin"]))
    revision = site.store.revision()
    site.chores.do()
    assert site.store.revision() == revision


def test_what_only_looks_like_a_key_in_a_url_is_refused_and_nothing_is_revoked(
    site: Site, tokens: dict[str, str]
) -> None:
    forged = tokens["admin"][:-3] + "AAA"
    revision = site.store.revision()
    assert site.get(f"/v1/flags?key={forged}", headers=bearing(tokens["server"])).status_code == 401
    site.chores.do()
    assert site.store.revision() == revision
    assert site.get("/v1/flags/everybody?user_id=rk_42", headers=bearing(tokens["server"])).status_code == 200


def test_a_leaked_key_is_revoked_as_soon_as_the_store_is_back(site: Site, tokens: dict[str, str]) -> None:
    site.lose_store()
    site.get(f"/v1/flags?key={tokens['client']}")
    site.chores.do()
    site.store.away = False
    site.follow()
    site.chores.do()
    site.follow()
    assert audit(site, tokens["admin"])[0]["action"] == "revoke_key"


def test_the_last_admins_key_is_revoked_too_where_it_leaked(site: Site, tokens: dict[str, str]) -> None:
    site.get(f"/v1/flags?key={tokens['admin']}")
    site.chores.do()
    site.follow()
    assert audit(site, tokens["auditor"])[0]["action"] == "revoke_key"


def test_a_change_is_by_the_keys_owner_whatever_the_body_says(site: Site, tokens: dict[str, str]) -> None:
    headers = bearing(tokens["operator"]) | {"User-Agent": "curl/8"}
    site.change("/v1/flags/payments/kill", actor="somebody else", headers=headers)
    entry = audit(site, tokens["auditor"])[0]
    assert entry["actor"] == {
        "id": "the operator",
        "kind": "human",
        "authenticated": f"key:{id_of(tokens['operator'])}",
    }
    assert entry["origin"] == {
        "host": "127.0.0.1",
        "address": "127.0.0.1",
        "tool": "curl/8",
        "claimed": "somebody else",
    }


def test_a_keys_last_use_is_written_once_an_hour_and_off_the_path(site: Site, tokens: dict[str, str]) -> None:
    client = bearing(tokens["client"])
    site.get("/v1/flags", headers=client)
    site.chores.do()
    listed = site.get("/v1/keys", headers=bearing(tokens["admin"])).get_json()["keys"]
    used = {key["id"]: key["last_used"] for key in listed}
    assert used[id_of(tokens["client"])]
    assert used[id_of(tokens["server"])] is None
    site.chores.do()  # the admin's
    site.store.asked.clear()
    site.get("/v1/flags", headers=client)
    site.chores.do()
    assert "use_keys" not in site.store.asked


def test_a_key_may_ask_as_often_as_its_rate_says() -> None:
    passed = [0.0]
    site = Site.with_flags(elapsed=lambda: passed[0])
    tokens = site.make_keys(client=5)
    client, server = bearing(tokens["client"]), bearing(tokens["server"])

    def statuses(count: int) -> list[int]:
        return [site.get("/v1/flags/everybody", headers=client).status_code for _ in range(count)]

    assert statuses(12) == [200] * 10 + [429] * 2
    response = site.post("/ofrep/v1/evaluate/flags", {}, headers=client)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert response.get_json()["errorCode"] == "GENERAL"
    assert site.get("/v1/flags", headers=server).status_code == 200
    passed[0] += 1
    assert statuses(6) == [200] * 5 + [429]
    site.change("/v1/keys", role="client", name="another", headers=bearing(tokens["admin"]))
    assert statuses(1) == [429]  # a change of keys fills no bucket


def test_people_are_told_to_ask_less_often_before_they_hold_up_checks() -> None:
    site = Site.with_flags(elapsed=lambda: 0.0)
    support = bearing(site.make_keys()["support"])
    statuses = {site.get("/v1/status", headers=support).status_code for _ in range(300)}
    assert statuses == {200, 429}


def test_a_million_keys_that_do_not_exist_leave_nothing_behind(site: Site, tokens: dict[str, str]) -> None:
    def size() -> int:
        kept = sum(len(getattr(site.gate, name)) for name in ("_buckets", "_leaked", "_used"))
        return kept + len(site.gate._verified.found)

    for token in tokens.values():
        site.get("/v1/flags", headers=bearing(token))
    before = size()
    for number in range(3000):
        site.get("/v1/flags", headers=bearing(f"rk_client_{number:012}_{'A' * 43}"))
    assert size() == before


def test_keys_are_made_rotated_and_revoked_over_http(site: Site, tokens: dict[str, str]) -> None:
    admin = bearing(tokens["admin"])
    made = site.change("/v1/keys", role="server", name="shop", expires="30d", rate=500, headers=admin)
    assert made["keys"][0]["created_by"] == "the admin"
    first = made["keys"][0]["id"]
    rotated = site.change(f"/v1/keys/{first}/rotate", overlap="1h", headers=admin)
    for token in (made["secret"], rotated["secret"]):
        assert site.get("/v1/flags", headers=bearing(token)).status_code == 200
    listed = site.get("/v1/keys", headers=admin).get_json()["keys"]
    assert [key["name"] for key in listed[-2:]] == ["shop", "shop"]
    assert listed[-2]["replaced_by"] == listed[-1]["id"]
    assert made["secret"].split("_", 3)[3] not in str(listed)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/keys", {"role": "root", "name": "x"}, 400),
        ("/v1/keys", {"role": "client"}, 400),
        ("/v1/keys", {"role": "client", "name": "x", "expires": "90"}, 400),
        ("/v1/keys", {"role": "client", "name": "x", "expires": "99999d"}, 400),
        ("/v1/keys", {"role": "client", "name": "x", "rate": 0}, 400),
        ("/v1/keys", {"role": "client", "name": "x\x1b[2J"}, 400),
        ("/v1/keys/nobody/revoke", {}, 404),
        ("/v1/keys/nobody/rotate", {}, 404),
    ],
)
def test_what_cannot_be_done_with_keys_is_said(
    site: Site, tokens: dict[str, str], path: str, body: dict[str, Any], status: int
) -> None:
    assert site.post(path, body, headers=bearing(tokens["admin"])).status_code == status


def test_no_secret_is_logged(site: Site, tokens: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    made = site.change("/v1/keys", role="server", name="shop", headers=bearing(tokens["admin"]))
    site.get(f"/v1/flags?x={made['secret']}")
    said = "".join(capsys.readouterr())
    assert "create_key" in said
    assert made["secret"].split("_", 3)[3] not in said
    assert tokens["admin"].split("_", 3)[3] not in said
