"""What is changed from a page: only what somebody has seen, only from a form that is ours, and once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from consolekit import World, form_on, send
from webkit import Site
from werkzeug.test import TestResponse

HALT = "/flags/payment-requests/halt"
ADVANCE = "/flags/payment-requests/advance"


def position(world: World, flag: str = "payment-requests") -> tuple[str, Any, int]:
    world.site.follow()
    one = world.site.get(f"/v1/status/{flag}").get_json()
    return one["state"], one["live"], one["revision"]


def newest(site: Site) -> dict[str, Any]:
    return site.get("/v1/audit?limit=1").get_json()["entries"][0]


def test_a_halt_takes_effect_and_says_who_why_and_how_to_undo_it(world: World) -> None:
    response = send(world.site, HALT, reason="Complaints from Utrecht", name="joost")
    assert response.status_code == 200, response.text
    assert "payment-requests is halted, at 100% of employees." in response.text
    assert "rollout resume payment-requests" in response.text
    assert position(world)[0] == "halted"
    entry = newest(world.site)
    assert (entry["action"], entry["actor"]["id"], entry["reason"]) == ("halt", "joost", "Complaints from Utrecht")
    assert 'value="joost"' in world.site.get(ADVANCE).text  # it remembers who one is


def test_a_page_shows_who_gains_and_who_loses_before_anything_is_done(world: World) -> None:
    text = world.site.get(ADVANCE).text
    assert "Gain it" in text and "europe: 0% → 10%" in text
    text = world.site.get("/flags/payment-requests/rollback").text
    assert "Lose it" in text and "employees: 100% → 0%" in text
    text = world.site.get("/flags/payment-requests/set?share=5%25&audience=europe").text
    assert "europe: 0% → 5%" in text
    assert "bank SBI, whom guard upi-failures excluded" in world.site.get("/flags/payments/resume?value=SBI").text


def test_a_page_shows_the_command_that_does_the_same(world: World) -> None:
    def check(path: str, command: str) -> None:
        found = re.search(r"The same from a terminal: <code>([^<]*)</code>", world.site.get(path).text)
        assert found and found[1].replace("&#39;", "'") == command

    check(HALT, "rollout halt payment-requests --reason '…'")
    check(f"{ADVANCE}?to=50%25", "rollout advance payment-requests --to 50% --reason '…'")
    check("/flags/payments/set?share=4%25&audience=india", "rollout set payments 4% --audience india --reason '…'")
    check("/flags/payments/resume?value=SBI", "rollout resume payments --value SBI --reason '…'")


def test_each_change_can_be_made_from_its_page(world: World) -> None:
    def check(verb: str, state: str, **fields: str) -> None:
        query = "?share=5%25&audience=europe" if verb == "set" else ""
        path = f"/flags/payment-requests/{verb}"
        response = send(world.site, path, path + query, reason="a test", **fields)
        assert response.status_code == 200, response.text
        assert position(world)[0] == state, verb

    check("halt", "halted")
    check("resume", "rolling")
    check("advance", "rolling")
    check("rollback", "halted")
    check("set", "halted", share="5%", audience="europe")
    check("kill", "killed")
    check("revive", "halted")


def test_a_stale_form_says_what_changed_meanwhile_and_applies_nothing(world: World) -> None:
    form = form_on(world.site, ADVANCE)
    world.operations.halt("payment-requests", world.ask("priya", "wait"))
    world.site.follow()
    before = position(world)
    response = world.site.http.post(ADVANCE, data={**form.fields, "reason": "go on"})
    assert response.status_code == 409
    assert "Changed meanwhile:" in response.text and "Nothing was applied." in response.text
    assert "payment-requests is halted" in response.text
    assert ">go on</textarea>" in response.text  # what was written is not lost
    assert position(world) == before


def test_a_form_that_is_sent_twice_counts_once(world: World) -> None:
    fields = {**form_on(world.site, ADVANCE).fields, "reason": "go on", "name": "anna"}
    first = world.site.http.post(ADVANCE, data=fields)
    moved = position(world)
    second = world.site.http.post(ADVANCE, data=fields)
    assert (first.status_code, second.status_code) == (200, 200)
    assert position(world) == moved
    assert sum(entry["reason"] == "go on" for entry in world.site.get("/v1/audit").get_json()["entries"]) == 1


def test_more_people_than_the_page_showed_get_it_only_after_they_were_shown(world: World) -> None:
    before = position(world)
    response = send(world.site, ADVANCE, to="100%", reason="all of them")
    assert "This is what it would do now. Nothing was applied yet." in response.text
    assert "europe: 0% → 100%" in response.text
    assert position(world) == before
    response = send(world.site, ADVANCE, f"{ADVANCE}?to=100%25", to="100%", reason="all of them")
    assert "payment-requests is done" in response.text


def test_what_a_rule_forbids_is_refused_with_its_reason(world: World) -> None:
    text = world.site.get("/flags/merchant-payments/set?share=1%25").text
    assert "locked" in text
    response = send(world.site, "/flags/merchant-payments/set", "/flags/merchant-payments/set?share=1%25", share="1%")
    assert response.status_code in (409, 422)
    assert "Nothing was applied" in response.text
    assert position(world, "merchant-payments")[1] == []


def test_a_form_that_is_not_ours_changes_nothing(world: World) -> None:
    fields = form_on(world.site, HALT).fields
    before = position(world)

    def check(response: TestResponse, status: int = 403) -> None:
        assert response.status_code == status, response.text
        assert response.mimetype == "text/html"
        assert position(world) == before

    others = world.site.app.test_client()
    check(others.post(HALT, data=fields))  # another browser's form
    check(world.site.http.post(HALT, data={**fields, "token": ""}))
    check(world.site.http.post(HALT, data={**fields, "token": "é"}))
    check(world.site.http.post(HALT, data={name: value for name, value in fields.items() if name != "token"}))
    for site in ("cross-site", "same-site", "none"):
        check(world.site.http.post(HALT, data=fields, headers={"Sec-Fetch-Site": site}))
    check(world.site.http.post(HALT, json=fields), 415)
    check(world.site.http.post(HALT, data="a=1&a=2", content_type="application/x-www-form-urlencoded"), 400)
    check(world.site.http.post(HALT, data=b"a=%ff", content_type="application/x-www-form-urlencoded"), 400)
    check(world.site.http.post(HALT, data={**fields, "reason": "x" * 70_000}), 413)
    assert world.site.http.post(HALT, data=fields).status_code == 200


def test_the_cookie_of_forms_is_for_the_browser_alone(world: World) -> None:
    cookie = world.site.get("/").headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=" in cookie and "Secure" not in cookie
    secure = world.site.app.test_client().get("/", base_url="https://localhost").headers["Set-Cookie"]
    assert "Secure" in secure


@pytest.mark.parametrize("revision", ["", "-1", "x", "9" * 40, "²"])
def test_a_revision_that_is_none_is_no_way_around(world: World, revision: str) -> None:
    before = position(world)
    response = send(world.site, ADVANCE, revision=revision)
    assert response.status_code in (400, 409)
    assert position(world) == before
