"""Logging in with a key: who gets in, what each role sees and may do, and when a session ends."""

from __future__ import annotations

import re
import time

import pytest
from consolekit import World, form_on, log_in, send
from flask.testing import FlaskClient
from webkit import Site
from werkzeug.test import TestResponse

from rollout.core.audit import Actor
from rollout.service.operations import Request
from rollout.web.console.sessions import COOKIE, LASTS

STRICT = "HttpOnly", "SameSite=Strict"


@pytest.fixture
def keys(world: World) -> dict[str, str]:
    """By role; from now on everybody needs one."""
    return world.site.make_keys()


def session_in(response: TestResponse) -> str:
    return next(cookie for cookie in response.headers.getlist("Set-Cookie") if cookie.startswith(f"{COOKIE}="))


def another_browser(site: Site) -> FlaskClient:
    return site.app.test_client()


def test_whoever_is_not_logged_in_is_asked_for_a_key_and_then_gets_what_they_wanted(
    world: World, keys: dict[str, str]
) -> None:
    asked = world.site.get("/flags/payments?x=1")
    assert asked.status_code == 401
    assert "Your key" in asked.text and "payments is" not in asked.text
    assert 'name="next" value="/flags/payments?x=1"' in asked.text
    response = log_in(world.site, keys["operator"], next="/flags/payments?x=1")
    assert (response.status_code, response.headers["Location"]) == (303, "/flags/payments?x=1")
    page = world.site.get("/flags/payments")
    assert page.status_code == 200
    assert "the operator" in page.text and "Log out" in page.text


def test_the_session_is_for_the_browser_alone_and_holds_nothing_of_the_key(world: World, keys: dict[str, str]) -> None:
    cookie = session_in(log_in(world.site, keys["operator"]))
    for part in (*STRICT, "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie
    secret = keys["operator"].split("_", 3)[3]
    assert secret not in cookie
    assert secret not in world.site.get("/").text
    client = another_browser(world.site)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', client.get("/login", base_url="https://localhost").text))
    response = client.post("/login", data={**fields, "key": keys["admin"]}, base_url="https://localhost")
    assert "Secure" in session_in(response)


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_programs_key_opens_no_page(world: World, keys: dict[str, str], role: str) -> None:
    response = log_in(world.site, keys[role])
    assert response.status_code == 403
    assert "this key is for programs" in response.text
    assert world.site.get("/").status_code == 401


@pytest.mark.parametrize("key", ["", "rk_admin_nothing", "é", "<script>window.hit=1</script>", "x" * 5000])
def test_what_is_no_key_opens_no_page_and_is_not_shown_again(world: World, keys: dict[str, str], key: str) -> None:
    response = log_in(world.site, key)
    assert response.status_code == 401
    assert not key or key not in response.text
    assert COOKIE not in str(response.headers.getlist("Set-Cookie"))


def test_one_is_sent_nowhere_but_to_our_own_pages(world: World, keys: dict[str, str]) -> None:
    for address in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:x",
        "/a\r\nX: y",
        "",
        "/login",
    ):
        assert log_in(world.site, keys["support"], next=address).headers["Location"] == "/", address


def test_whoever_may_not_see_flags_begins_with_the_activity(world: World, keys: dict[str, str]) -> None:
    assert log_in(world.site, keys["auditor"]).headers["Location"] == "/activity"
    assert log_in(world.site, keys["auditor"], next="/explain").headers["Location"] == "/explain"


def test_a_session_ends_when_somebody_logs_out(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["operator"])
    assert send(world.site, "/logout", "/").headers["Location"] == "/login"
    assert world.site.get("/").status_code == 401


def browser_with(site: Site, cookie: str) -> FlaskClient:
    """Whoever got hold of a copy of the session's cookie."""
    client = another_browser(site)
    client.set_cookie(COOKIE, cookie.partition(";")[0].partition("=")[2])
    return client


def test_logging_out_ends_every_copy_of_the_session_and_no_other_session(world: World, keys: dict[str, str]) -> None:
    site = world.site
    laptop = browser_with(site, session_in(log_in(site, keys["operator"])))
    thief = browser_with(site, cookie := session_in(log_in(site, keys["operator"])))
    assert thief.get("/").status_code == laptop.get("/").status_code == 200
    assert send(site, "/logout", "/").headers["Location"] == "/login"
    site.follow()
    refused = thief.get("/")
    assert refused.status_code == 401 and "this session was logged out of" in refused.text
    assert laptop.get("/").status_code == 200
    anew = Site(site.store)  # a server that starts
    anew.serve_with(console_secret=site.parts.console_secret)
    anew.follow()
    assert browser_with(anew, cookie).get("/").status_code == 401


def test_the_record_says_who_logged_out_and_nothing_that_logs_in(world: World, keys: dict[str, str]) -> None:
    cookie = session_in(log_in(world.site, keys["operator"]))
    send(world.site, "/logout", "/")
    world.site.follow()
    headers = {"Authorization": f"Bearer {keys['auditor']}"}
    entry = world.site.get("/v1/audit?limit=1", headers=headers).get_json()["entries"][0]
    assert (entry["action"], entry["actor"]["id"]) == ("log_out", "the operator")
    assert cookie.partition(";")[0].rpartition(".")[2] not in str(entry)  # the signature
    log_in(world.site, keys["support"])
    assert "the session ended on every server" in world.site.get("/activity").text


def test_while_the_store_is_away_logging_out_says_what_it_could_not_do(world: World, keys: dict[str, str]) -> None:
    thief = browser_with(world.site, session_in(log_in(world.site, keys["operator"])))
    fields = form_on(world.site, "/").fields
    world.site.lose_store()
    response = world.site.http.post("/logout", data=fields)
    assert response.status_code == 503
    assert "this browser is logged out, but the session did not end on the servers" in response.text
    assert "a copy of its cookie works until" in response.text and "Log out" not in response.text
    assert world.site.get("/").status_code == 401
    assert thief.get("/").status_code == 200


def test_logging_out_twice_or_of_nothing_is_no_error(world: World, keys: dict[str, str]) -> None:
    site = world.site
    thief = browser_with(site, session_in(log_in(site, keys["operator"])))
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', thief.get("/").text))
    send(site, "/logout", "/")
    site.follow()
    revision = site.follower.current.revision
    assert thief.post("/logout", data=fields).headers["Location"] == "/login"
    assert thief.post("/logout", data=fields).headers["Location"] == "/login"
    site.follow()
    assert site.follower.current.revision == revision


def test_a_session_ends_when_its_key_is_revoked(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["operator"])
    assert world.site.get("/").status_code == 200
    world.site.parts.desk.revoke_key(keys["operator"].split("_")[2], Request(Actor("asha")))
    world.site.follow()
    response = world.site.get("/")
    assert response.status_code == 401
    assert "this key is revoked" in response.text


def test_a_session_lasts_a_working_day() -> None:
    now = [time.time()]
    site = Site.with_flags(clock=lambda: now[0])
    keys = site.make_keys()
    log_in(site, keys["operator"])
    assert site.get("/").status_code == 200
    now[0] += LASTS
    assert site.get("/").status_code == 401


def test_a_session_that_we_did_not_sign_is_none(world: World, keys: dict[str, str]) -> None:
    signed = session_in(log_in(world.site, keys["support"])).partition(";")[0].partition("=")[2]
    key_id, began, number, mark = signed.split(".")
    admin_id = keys["admin"].split("_")[2]
    for value in (
        f"{admin_id}.{began}.{number}.{mark}",
        f"{key_id}.{int(began) + 60}.{number}.{mark}",
        f"{key_id}.{began}.{'0' * 16}.{mark}",
        f"{key_id}.{began}.{number}.{'0' * 64}",
        f"{key_id}.{began}.{mark}",
        f"{key_id}.{began}",
        keys["admin"],
        "é",
    ):
        client = another_browser(world.site)
        client.set_cookie(COOKIE, value)
        assert client.get("/").status_code == 401, value
    client = another_browser(world.site)
    client.set_cookie(COOKIE, signed)
    assert client.get("/").status_code == 200


def test_with_a_session_pages_are_served_under_any_name(world: World, keys: dict[str, str]) -> None:
    client, where = another_browser(world.site), "https://rollouts.company.example"
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', client.get("/login", base_url=where).text))
    assert client.post("/login", data={**fields, "key": keys["support"]}, base_url=where).status_code == 303
    assert client.get("/", base_url=where).status_code == 200
    assert client.get("/", base_url="https://evil.example").status_code == 401


def test_a_session_opens_pages_alone_and_no_call_of_programs(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["admin"])
    assert world.site.get("/").status_code == 200
    assert world.site.get("/v1/status").status_code == 401
    assert world.site.post("/v1/flags/payments/kill", {}).status_code == 401


def test_a_link_from_elsewhere_brings_the_browser_back_with_its_session(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["support"])
    stranger = another_browser(world.site)  # to whom the browser sends no cookie along
    response = stranger.get("/flags/payments", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 200
    assert '<meta http-equiv="refresh" content="0">' in response.text and "payments is" not in response.text
    assert stranger.get("/flags/payments", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 401


def test_roles_see_what_they_may_and_the_server_refuses_the_rest(world: World, keys: dict[str, str]) -> None:
    def check(role: str, pages: str, *, changes: bool) -> None:
        log_in(world.site, keys[role])
        home = "/activity" if role == "auditor" else "/"
        text = world.site.get(home).text
        assert re.findall(r'<a href="(/[a-z]*)"', text.partition("<nav")[2].partition("</nav>")[0]) == pages.split()
        if home == "/":
            assert ("/flags/payment-requests/halt" in text) is changes
            assert ("/flags/payments/resume" in world.site.get("/flags/payments").text) is changes
            assert ("Plan another version" in world.site.get("/config").text) is changes
        assert world.site.get("/flags/payment-requests/halt").status_code == (200 if changes else 403)

    everything = "/ /explain /activity /pending /definitions /config /servers"
    check("support", everything, changes=False)
    check("operator", everything, changes=True)
    check("admin", f"{everything} /keys", changes=True)
    check("auditor", "/explain /activity", changes=False)


def test_a_form_that_a_role_may_not_send_changes_nothing(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["operator"])
    fields = form_on(world.site, "/flags/payment-requests/halt").fields
    log_in(world.site, keys["support"])
    response = world.site.http.post("/flags/payment-requests/halt", data={**fields, "reason": "x"})
    assert response.status_code == 403
    assert "a support key may not do this" in response.text


def test_the_record_names_whose_key_it_was_whatever_the_form_says(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["operator"])
    page = world.site.get("/flags/payment-requests/halt").text
    assert "Who are you" not in page and "the operator" in page
    response = send(world.site, "/flags/payment-requests/halt", reason="Complaints", name="somebody else")
    assert response.status_code == 200, response.text
    headers = {"Authorization": f"Bearer {keys['admin']}"}
    entry = world.site.get("/v1/audit?limit=1", headers=headers).get_json()["entries"][0]
    assert entry["actor"]["id"] == "the operator"
    assert entry["actor"]["authenticated"] == f"key:{keys['operator'].split('_')[2]}"


def made_on(page: str) -> str | None:
    found = re.search(r'id="made" class="code" readonly value="([^"]*)"', page)
    return found[1] if found else None


def test_an_admin_makes_a_key_that_is_shown_once(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["admin"])
    sent = {**form_on(world.site, "/keys").fields, "role": "support", "name": "Ravi", "reason": "new here"}
    first = world.site.http.post("/keys", data=sent)
    made = made_on(first.text)
    assert made and made.startswith("rk_support_")
    assert made_on(world.site.http.post("/keys", data=sent).text) is None  # sent twice, made once
    world.site.follow()
    listed = world.site.get("/keys").text
    assert listed.count("Ravi") == 1 and made not in listed
    log_in(another := world.site, made)
    assert another.get("/").status_code == 200


def test_an_admin_rotates_and_revokes_keys(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["admin"])
    key_id = keys["support"].split("_")[2]
    response = send(world.site, f"/keys/{key_id}/rotate", overlap="1h", reason="yearly")
    assert made_on(response.text)
    world.site.follow()
    assert "Done." in send(world.site, f"/keys/{key_id}/revoke", reason="it leaked").text
    world.site.follow()
    assert "revoked" in world.site.get("/keys").text
    last = keys["admin"].split("_")[2]
    refused = send(world.site, f"/keys/{last}/revoke")
    assert refused.status_code == 422 and "only admin" in refused.text
    for path in ("/keys/nothing/revoke", f"/keys/{key_id}/steal"):
        assert world.site.get(path).status_code == 404


def test_a_key_that_cannot_be_is_refused_with_its_reason(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["admin"])
    for fields, says in (
        ({"role": "king", "name": "x"}, "is not a role"),
        ({"role": "support", "name": "x", "expires": "soon"}, "soon"),
        ({"role": "support", "name": ""}, ""),
    ):
        response = send(world.site, "/keys", **fields)
        assert response.status_code == 400 and says in response.text, response.text


def test_without_keys_the_pages_are_open_and_the_first_key_closes_them(world: World) -> None:
    response = send(world.site, "/keys", role="admin", name="asha")
    made = made_on(response.text)
    assert made
    world.site.follow()
    assert world.site.get("/").status_code == 401
    log_in(world.site, made)
    assert world.site.get("/keys").status_code == 200
