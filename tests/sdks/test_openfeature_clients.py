"""OpenFeature's published clients against a real service: what they make of every kind of value, of a change of the
context or of a flag, of what is missing or wrong, and of a service that stops and comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sdkkit import AUTHORIZATION, JavaScriptClient, PythonClient
from servekit import Service, eventually

Client = JavaScriptClient | PythonClient
Connect = Callable[[str, Service], Any]

EVERY_CLIENT = pytest.mark.parametrize("name", ["python", "node", "web"])
EVERY_CALLING_CLIENT = pytest.mark.parametrize("name", ["python", "node"])
"""Those that ask anew for each evaluation."""

PERSON = {"targetingKey": "u-1", "plan": "plain"}
POLL = 100  # milliseconds between a page's questions


def check(client: Client, key: str, fallback: object, **expected: object) -> None:
    details = client.evaluate(key, fallback)
    assert {name: details.get(name) for name in expected} == expected


@EVERY_CLIENT
def test_every_kind_of_value_arrives(steady_service: Service, connect: Connect, name: str) -> None:
    client = connect(name, steady_service)
    client.start(PERSON)
    theme = {"background": "#000", "zoom": 1.5, "levels": 3, "round": True}
    check(client, "switch", False, value=True, variant="on", reason="STATIC", errorCode=None)
    check(client, "greeting", "", value="hi", variant="hi", reason="STATIC", errorCode=None)
    check(client, "limit", 0, value=9007199254740991, variant="most", reason="STATIC", errorCode=None)
    check(client, "rate", 0.5, value=2.0, variant="double", reason="STATIC", errorCode=None)
    check(client, "theme", {}, value=theme, variant="dark", reason="STATIC", errorCode=None)
    check(client, "lottery", "", value="blue", variant="blue", reason="SPLIT", errorCode=None)


@EVERY_CLIENT
def test_a_value_of_another_type_is_the_callers_own(steady_service: Service, connect: Connect, name: str) -> None:
    client = connect(name, steady_service)
    client.start(PERSON)
    check(client, "greeting", False, value=False, errorCode="TYPE_MISMATCH")
    check(client, "switch", "mine", value="mine", errorCode="TYPE_MISMATCH")


@EVERY_CLIENT
def test_an_attribute_changes_while_the_targeting_key_does_not(
    steady_service: Service, connect: Connect, name: str
) -> None:
    client = connect(name, steady_service)
    client.start(PERSON)
    check(client, "gold", False, value=False, reason="DEFAULT")
    client.change_context({**PERSON, "plan": "gold"})
    eventually(lambda: client.evaluate("gold", False)["reason"] == "TARGETING_MATCH")
    check(client, "gold", False, value=True, variant="on", errorCode=None)
    assert client.evaluate("gold", False)["flagMetadata"]["rule"] == 1
    client.change_context(PERSON)
    eventually(lambda: client.evaluate("gold", False)["value"] is False)


@EVERY_CLIENT
def test_a_missing_flag_is_the_callers_default(steady_service: Service, connect: Connect, name: str) -> None:
    client = connect(name, steady_service)
    client.start(PERSON)
    check(client, "nope", True, value=True, reason="ERROR", errorCode="FLAG_NOT_FOUND")


@EVERY_CLIENT
def test_a_flag_without_a_value_is_the_callers_default(steady_service: Service, connect: Connect, name: str) -> None:
    client = connect(name, steady_service)
    client.start(PERSON)
    check(client, "unsaid", "mine", value="mine")


@pytest.mark.parametrize("name", ["python", "web"])
def test_a_flag_without_a_value_is_no_error(steady_service: Service, connect: Connect, name: str) -> None:
    """The client for Node is older than that part of the protocol, and calls it one."""
    client = connect(name, steady_service)
    client.start(PERSON)
    check(client, "unsaid", "mine", reason="DISABLED", errorCode=None)


@EVERY_CLIENT
def test_one_flag_that_needs_a_targeting_key_fails_alone(steady_service: Service, connect: Connect, name: str) -> None:
    client = connect(name, steady_service)
    client.start({})
    check(client, "lottery", "mine", value="mine", reason="ERROR", errorCode="TARGETING_KEY_MISSING")
    check(client, "switch", False, value=True, reason="STATIC")


@EVERY_CALLING_CLIENT
def test_a_context_that_cannot_be_is_an_error_with_the_callers_default(
    steady_service: Service, connect: Connect, name: str
) -> None:
    client = connect(name, steady_service)
    client.start({**PERSON, "age": "old"})
    check(client, "switch", False, value=False, reason="ERROR", errorCode="INVALID_CONTEXT")
    client.change_context(PERSON)
    check(client, "switch", False, value=True, reason="STATIC", errorCode=None)


def test_a_page_keeps_its_answers_when_the_context_becomes_one_that_cannot_be(
    steady_service: Service, connect: Connect
) -> None:
    client = connect("web", steady_service)
    client.start(PERSON)
    client.change_context({**PERSON, "age": "old"})
    eventually(lambda: "PROVIDER_STALE" in events(client))
    check(client, "switch", False, value=True, errorCode=None)
    client.change_context({**PERSON, "plan": "gold"})
    eventually(lambda: client.evaluate("gold", False)["value"] is True)


@pytest.mark.parametrize("name", ["node", "web"])
def test_credentials_do_no_harm(steady_service: Service, connect: Connect, name: str) -> None:
    client = connect(name, steady_service)
    client.start(PERSON)
    check(client, "switch", False, value=True)
    requests = client.tell("requests")
    assert {(request["authorization"], request["status"]) for request in requests} == {(AUTHORIZATION, 200)}


@EVERY_CALLING_CLIENT
def test_a_kill_is_served_to_whoever_asks_next(service: Service, connect: Connect, name: str) -> None:
    client = connect(name, service)
    client.start(PERSON)
    check(client, "switch", False, value=True)
    service.change("switch", "kill")
    eventually(lambda: client.evaluate("switch", True)["value"] is False)
    check(client, "switch", True, variant="off", reason="DISABLED", errorCode=None)


def test_a_page_that_asks_again_is_told_only_what_changed(service: Service, connect: Connect) -> None:
    client = connect("web", service)
    client.start(PERSON, poll=POLL)
    asked = eventually(lambda: [one for one in client.tell("requests") if one["status"] == 304])
    assert all(one["known"] for one in asked)
    assert changed_flags(client) == set()
    service.change("switch", "kill")
    assert eventually(lambda: changed_flags(client)) == {"switch"}
    eventually(lambda: client.evaluate("switch", True)["value"] is False)
    assert changed_flags(client) <= {"switch"}


@EVERY_CALLING_CLIENT
def test_a_service_that_comes_back_is_asked_again(service: Service, connect: Connect, name: str) -> None:
    client = connect(name, service)
    client.start(PERSON)
    check(client, "switch", False, value=True)
    service.interrupt()
    check(client, "switch", False, value=False, reason="ERROR", errorCode="GENERAL")
    come_back(service)
    eventually(lambda: client.evaluate("switch", False)["value"] is True)


def test_a_page_goes_on_while_the_service_is_away_and_catches_up(service: Service, connect: Connect) -> None:
    client = connect("web", service)
    client.start(PERSON, poll=POLL)
    service.interrupt()
    eventually(lambda: "PROVIDER_STALE" in events(client))
    check(client, "switch", False, value=True, errorCode=None)
    come_back(service)
    service.change("switch", "kill")
    eventually(lambda: client.evaluate("switch", True)["value"] is False)


def test_a_page_that_listens_is_told_of_a_change_and_asks_again(service: Service, connect: Connect) -> None:
    client = connect("web", service)
    client.start(PERSON, listen=True)
    check(client, "switch", False, value=True)
    service.change("switch", "kill")
    eventually(lambda: client.evaluate("switch", True)["value"] is False)
    told = eventually(lambda: [one for one in client.tell("requests") if one["query"].get("flagConfigEtag") == '"r2"'])
    assert {one["status"] for one in told} <= {200, 304}
    assert eventually(lambda: changed_flags(client)) == {"switch"}


def test_a_component_is_drawn_again_when_its_own_flag_changes(service: Service, connect: Connect) -> None:
    page = connect("react", service)
    page.start(PERSON, poll=POLL)
    assert page.tell("shown", id="plan") == "plain DEFAULT"
    assert page.tell("shown", id="banner") == "hi"
    page.change_context({**PERSON, "plan": "gold"})
    eventually(lambda: page.tell("shown", id="plan") == "gold TARGETING_MATCH")
    drawn = page.tell("drawn")
    service.change("gold", "kill")
    eventually(lambda: page.tell("shown", id="plan") == "plain DISABLED")
    assert page.tell("drawn")["plan"] > drawn["plan"]
    assert page.tell("drawn")["banner"] == drawn["banner"]


def come_back(service: Service) -> None:
    """At the address where it was."""
    service.options["bind"] = service.address
    service.start()


def events(client: JavaScriptClient) -> set[str]:
    return {event["type"] for event in client.tell("events")}


def changed_flags(client: JavaScriptClient) -> set[str]:
    return {key for event in client.tell("events") for key in event["flagsChanged"] or ()}
