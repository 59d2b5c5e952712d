"""Whom a program served a flag is told to the service, each person once, and nobody waits for it."""

from __future__ import annotations

import logging

import pytest
from clientkit import Hosted, eventually
from werkzeug.wrappers import Request, Response

from rollout.client import Rollout, exposing
from rollout.client.exposing import BATCH


def reported(hosted: Hosted) -> dict[str, list[str]]:
    """Flag -> people, of all that was sent."""
    people: dict[str, list[str]] = {}
    for request in hosted.asked:
        if request.path == "/v1/exposures":
            for flag, batch in request.get_json()["exposures"].items():
                people.setdefault(flag, []).extend(batch)
    return people


def ready(hosted: Hosted, **options: object) -> Rollout:
    hosted.change(share="100%", beyond_plan=True)
    flags = hosted.client(**options)
    assert flags.ready(30)
    return flags


def test_whoever_is_served_the_on_side_is_reported_once_by_whatever_question(hosted: Hosted) -> None:
    flags = ready(hosted)
    for person in ("u-1", "u-2", "u-1"):
        assert flags.is_on("payments", user_id=person, country="IN")
    flags.value("payments", user_id="u-3", country="IN")
    flags.variant("payments", user_id="u-4", country="IN")
    flags.details("payments", user_id="u-5", country="IN")
    flags.close()
    assert sorted(reported(hosted)["payments"]) == ["u-1", "u-2", "u-3", "u-4", "u-5"]


def test_whoever_is_not_served_it_or_only_explained_is_not_reported(hosted: Hosted) -> None:
    flags = ready(hosted)
    assert flags.is_on("everybody", user_id="u-1")  # as it is for all: that says nothing
    assert not flags.is_on("nothing", user_id="u-1")
    flags.explain("payments", user_id="u-2", country="IN")
    flags.outcome("upi-transfer", flag="payments", ok=True, user_id="u-3", country="IN")
    assert flags.is_on("payments", country="IN")  # and nobody knows who that is
    flags.close()
    assert reported(hosted) == {}


def test_the_service_counts_them(hosted: Hosted) -> None:
    counted: dict[str, list[str]] = {}
    hosted.site.serve_with(reported=lambda flag, people: counted.setdefault(flag, []).extend(people))
    flags = ready(hosted)
    for number in range(BATCH):
        flags.is_on("payments", user_id=f"u-{number}", country="IN")
    flags.close()
    assert len(set(counted["payments"])) == len(counted["payments"]) == BATCH


def test_who_is_inside_a_share_and_who_is_in_its_control_group_is_reported_with_its_name(hosted: Hosted) -> None:
    told: list[tuple[str, str, dict[str, list[str]]]] = []
    hosted.site.serve_with(drawn=lambda *said: told.append(said))
    hosted.change(share="20%", beyond_plan=True)
    flags = hosted.client()
    assert flags.ready(30)
    crowd = [f"p-{number}" for number in range(400)]
    on = {who for who in crowd * 2 if flags.is_on("payments", user_id=who, country="IN")}
    flags.is_on("payments", user_id="u-9000", country="GB")  # is not in the audience
    flags.close()
    inside = [who for _, _, sides in told for who in sides[":inside"]]
    control = [who for _, _, sides in told for who in sides[":control"]]
    assert {said[:2] for said in told} == {("payments", "20% of india")}
    assert (sorted(inside), len(set(control))) == (sorted(on), len(control))
    assert 0 < len(control) < 200 and not on & set(control)
    assert sorted(reported(hosted)["payments"]) == sorted(on)


def test_a_share_that_changes_is_reported_of_anew(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposing, "SEND_EVERY", 0.01)
    told: list[tuple[str, str, dict[str, list[str]]]] = []
    hosted.site.serve_with(drawn=lambda *said: told.append(said))
    hosted.change(share="50%", beyond_plan=True)
    flags = hosted.client()
    assert flags.ready(30)
    crowd = [f"p-{number}" for number in range(50)]

    def told_of(name: str) -> set[str]:
        for who in crowd:
            flags.is_on("payments", user_id=who, country="IN")
        return {who for _, said, sides in list(told) if said == name for side in sides.values() for who in side}

    eventually(lambda: told_of("50% of india") == set(crowd))
    hosted.change(share="60%", beyond_plan=True)
    eventually(lambda: told_of("60% of india") == set(crowd))


def test_with_exposures_off_nothing_is_sent(hosted: Hosted) -> None:
    flags = ready(hosted, exposures=False)
    assert flags.is_on("payments", user_id="u-1", country="IN")
    flags.close()
    assert reported(hosted) == {}


def test_a_service_that_takes_none_is_told_none_any_more_and_answers_go_on(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exposing, "SEND_EVERY", 0.01)

    def refuse(request: Request) -> Response | None:
        return Response("no such address", 404) if request.path == "/v1/exposures" else None

    flags = ready(hosted)
    hosted.misbehave = refuse
    with caplog.at_level(logging.WARNING, "rollout.client"):
        assert flags.is_on("payments", user_id="u-1", country="IN")
        flags.close()
    assert "exposures were refused (404)" in caplog.text
    assert flags.is_on("payments", user_id="u-2", country="IN")


def test_while_the_service_is_away_people_wait_in_bounds(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposing, "MOST_WAITING", 3)
    flags = ready(hosted)
    hosted.misbehave = lambda request: Response("gone", 500) if request.path == "/v1/exposures" else None
    for number in range(10):
        assert flags.is_on("payments", user_id=f"u-{number}", country="IN")
    hosted.misbehave = lambda _: None
    flags.close()
    assert len(reported(hosted)["payments"]) == 3
