"""A change that takes two: asked for on a page, seen by everybody, approved by somebody else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from consolekit import FILE, World, form_on, log_in
from werkzeug.test import TestResponse

from rollout.service.operations import Request

TEXT = FILE.replace("version: 1\n", "version: 1\napprovals: { raise: 2, above: 10% }\n", 1)
SET = "/flags/payment-requests/set"


@pytest.fixture
def world() -> World:
    return World(TEXT)


@pytest.fixture
def keys(world: World) -> dict[str, str]:
    made = world.site.make_keys()
    second = world.site.parts.desk.create_key("admin", "bela", Request(world.ask("test").actor))
    world.site.follow()
    return {**made, "bela": second["secret"]}


def ask(world: World) -> TestResponse:
    query = "?share=50%25&audience=europe"
    fields = form_on(world.site, SET + query).fields
    asked = {**fields, "share": "50%", "audience": "europe", "reason": "<b>go</b>"}
    response = world.site.http.post(SET, data=asked)
    world.site.follow()
    return response


def decide(world: World, verb: str, **fields: str) -> TestResponse:
    form = form_on(world.site, "/pending")
    found = re.search(r'action="/pending/([^/"]+)/approve"', form.response.text)
    assert found, form.response.text
    response = world.site.http.post(f"/pending/{found[1]}/{verb}", data={**form.fields, **fields})
    world.site.follow()
    return response


def live(world: World, key: str) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    return world.site.get("/v1/status/payment-requests", headers=headers).get_json()["live"]


def test_a_change_that_takes_two_waits_and_is_done_when_somebody_else_approves(
    world: World, keys: dict[str, str]
) -> None:
    log_in(world.site, keys["operator"])
    before = live(world, keys["admin"])
    answer = ask(world)
    assert answer.status_code == 200 and "Waits for approval" in answer.text
    assert live(world, keys["admin"]) == before
    assert "1 change" in world.site.get("/").text
    page = world.site.get("/pending").text
    assert "the operator" in page and "&lt;b&gt;go&lt;/b&gt;" in page
    assert "/approve" not in page.replace("rollout approve", "")  # an operator may not
    log_in(world.site, keys["admin"])
    assert "Approved, and done" in decide(world, "approve", reason="yes").text
    assert {"audience": "europe", "share": "50%"} in live(world, keys["admin"])
    assert "Nothing waits" in world.site.get("/pending").text


def test_nobody_approves_their_own_and_a_rejected_one_is_not_done(world: World, keys: dict[str, str]) -> None:
    log_in(world.site, keys["admin"])
    ask(world)
    refused = decide(world, "approve")
    assert refused.status_code == 403 and "their own" in refused.text
    log_in(world.site, keys["bela"])
    before = live(world, keys["admin"])
    assert "Rejected" in decide(world, "reject", reason="not today").text
    assert live(world, keys["admin"]) == before
    assert world.site.http.post("/pending/x/steal", data=form_on(world.site, "/pending").fields).status_code in (
        403,
        404,
    )
