"""The client inside Flask apps, and as OpenFeature's provider with its events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clientkit import Hosted, eventually
from flask import Flask, render_template_string, request
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ProviderNotReadyError

from rollout.client import Rollout
from rollout.client.flask import FlaskFlags
from rollout.client.openfeature import RolloutProvider


def test_a_view_is_there_only_for_those_who_have_the_flag(hosted: Hosted) -> None:
    hosted.change(share="1%")
    client = hosted.client()
    client.ready()
    app = Flask("shop")
    flags = FlaskFlags(client, lambda: {"user_id": request.args.get("user")}, app)

    @app.get("/pay")
    @flags.required("payments")
    def pay() -> str:
        return "paid"

    @app.get("/pay-or-not")
    @flags.required("payments", otherwise=lambda: ("not yet", 200))
    def pay_or_not() -> str:
        return "paid"

    @app.get("/page")
    def page() -> str:
        return render_template_string('{% if flag("payments") %}pay{% endif %}{{ flag("beta-people", beta=True) }}')

    @app.get("/value")
    def value() -> Any:
        return flags.value("theme", {"mine": True}, country="GB")

    browser = app.test_client()
    assert browser.get("/pay?user=u-1").text == "paid"
    assert browser.get("/pay?user=u-9").status_code == 404
    assert browser.get("/pay").status_code == 404
    assert browser.get("/pay-or-not?user=u-9").text == "not yet"
    assert browser.get("/page?user=u-1").text == "payTrue"
    assert browser.get("/page?user=u-9").text == "True"
    assert browser.get("/value").get_json() == {"background": "#000", "zoom": 2.0}


class Heard:
    """OpenFeature's events, as a program hears them."""

    def __init__(self) -> None:
        self.events: list[tuple[ProviderEvent, EventDetails]] = []
        self._handlers = {event: self._handler(event) for event in ProviderEvent}
        for event, handler in self._handlers.items():
            api.add_handler(event, handler)

    def _handler(self, event: ProviderEvent) -> Any:
        return lambda details: self.events.append((event, details))

    def names(self) -> list[str]:
        return [event.value.removeprefix("PROVIDER_") for event, _ in self.events]


@pytest.fixture
def heard() -> Iterator[Heard]:
    yield Heard()
    api.clear_providers()
    api.clear_handlers() if hasattr(api, "clear_handlers") else None


def test_openfeature_hears_of_changes_of_trouble_and_of_its_end(hosted: Hosted, heard: Heard) -> None:
    client = hosted.client()
    api.set_provider_and_wait(RolloutProvider(client))
    hosted.change(share="50%")
    eventually(lambda: "CONFIGURATION_CHANGED" in heard.names())
    assert [details.flags_changed for _, details in heard.events if details.flags_changed] == [["payments"]]
    hosted.stop()
    eventually(lambda: heard.names()[-1] == "STALE")
    assert api.get_client().get_boolean_value("everybody", False)
    hosted.misbehave = lambda _: None
    hosted.start()
    eventually(lambda: heard.names()[-1] == "READY")


def test_openfeature_hears_where_nothing_can_be_had_and_when_it_can(hosted: Hosted, heard: Heard) -> None:
    hosted.stop()
    client = hosted.client()
    with pytest.raises(ProviderNotReadyError):
        api.set_provider_and_wait(RolloutProvider(client, ready_within=0.1))
    eventually(lambda: "ERROR" in heard.names())
    details = api.get_client().get_boolean_details("everybody", False)
    assert (details.value, details.error_code) == (False, "PROVIDER_NOT_READY")
    hosted.misbehave = lambda _: None
    hosted.start()
    eventually(lambda: heard.names()[-1] == "READY")
    assert api.get_client().get_boolean_value("everybody", False)


def test_a_provider_that_owns_its_client_closes_it(hosted: Hosted) -> None:
    client = hosted.client()
    api.set_provider_and_wait(RolloutProvider(client, owned=True))
    api.clear_providers()
    eventually(lambda: not any(thread.is_alive() for thread in client._threads))


def test_openfeature_tells_types_apart(hosted: Hosted) -> None:
    client = hosted.client()
    api.set_provider_and_wait(RolloutProvider(client))
    openfeature = api.get_client()
    asked = EvaluationContext("u-1", {"country": "GB"})
    assert openfeature.get_object_details("theme", {}, asked).value == {"background": "#000", "zoom": 2.0}
    assert openfeature.get_string_details("theme", "mine", asked).error_code == "TYPE_MISMATCH"
    assert openfeature.get_integer_details("everybody", 3, asked).error_code == "TYPE_MISMATCH"
    assert openfeature.get_float_details("per-account", 1.5, EvaluationContext("u-1", {"account_id": "7"})).value > 0
    assert openfeature.get_boolean_details("nope", True, asked).error_code == "FLAG_NOT_FOUND"
    details = openfeature.get_boolean_details("everybody", False)
    assert details.flag_metadata == {"revision": 1, "stale": False, "because": "stage everyone", "stage": "everyone"}
    api.clear_providers()


def test_a_client_without_a_service_is_a_provider_too() -> None:
    assert RolloutProvider(Rollout.__new__(Rollout)).get_metadata().name == "rollout"
