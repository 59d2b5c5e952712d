"""The same random checks, answered by Flask's views, by what answers in front of them, by the Python client and column
by column: nobody may have a flag by one of them and not by another."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import pyarrow as pa
from werkzeug.test import create_environ, run_wsgi_app

from rollout.batch import compile_cohort
from rollout.batch.frames import Frame
from rollout.client import Rollout
from rollout.client.editions import NOTHING, edition_of, next_edition
from rollout.core.attributes import AttributeType
from rollout.core.members import pack_members
from rollout.core.progress import State
from rollout.core.ruleset import Ruleset
from rollout.service.snapshot import Snapshot
from rollout.telemetry import Counters
from rollout.web.app import create_app
from tests.core.strategies import ATTRIBUTES, MEMBERS, Dice, a_context, a_state, compiled
from tests.web.webkit import Site

CHECKS = 5_000  # each of them answered by all four
PEOPLE = 40  # who are asked about in each state
PACKED = {"staff": pack_members(["u-1", "प्रिया"]), "testers": pack_members(["u-2", "😀"])}
KINDS = {AttributeType.BOOLEAN: pa.bool_(), AttributeType.NUMBER: None}  # the others are text


class Ways:
    """Every way to ask, of one state after the other."""

    def __init__(self) -> None:
        self.site = Site()
        parts = self.site.parts
        self.reached_flask = 0
        front: Any = create_app(replace(parts, counters=Counters())).wsgi_app
        front._application = self._counting(front._application)
        self.in_front = front
        self.flask = create_app(replace(parts, counters=Counters(), fast=False)).wsgi_app
        self.client = Rollout._of(edition_of(Ruleset(1, {}, {}, {}), {}))

    def are_at(self, state: State) -> None:
        self.evaluator = compiled(state)
        self.site.follower.current = Snapshot(state, self.evaluator, members=MEMBERS)
        self.site.follower.stale = False
        document = json.loads(self.site.get("/v1/ruleset").data)
        self.client._accept(next_edition(document, NOTHING, MEMBERS.__getitem__))

    def by_columns(self, key: str, people: list[dict[str, Any]]) -> list[tuple[bool, str | None]]:
        cohort = compile_cohort(self.evaluator.ruleset, key, PACKED)
        columns = {
            name: pa.array([person.get(name) for person in people], KINDS.get(attribute.type, pa.string()))
            for name, attribute in ATTRIBUTES.items()
        }
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        return [(bool(cohort.on[code]), cohort.variants[code]) for code in cohort.served(Frame(batch, ATTRIBUTES))]

    def over_http(self, key: str, person: dict[str, Any]) -> dict[str, Any]:
        asked = create_environ(
            f"/ofrep/v1/evaluate/flags/{key}", method="POST", data=json.dumps({"context": person}),
            content_type="application/json",
        )  # fmt: skip
        body = asked["wsgi.input"].read()
        said = [_answered(app, {**asked, "wsgi.input": BytesIO(body)}) for app in (self.in_front, self.flask)]
        assert said[0] == said[1]
        document: dict[str, Any] = json.loads(said[0][2])
        return document

    def _counting(self, application: Any) -> Any:
        def counting(*arguments: Any) -> Any:
            self.reached_flask += 1
            return application(*arguments)

        return counting


def _answered(application: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    body, status, headers = run_wsgi_app(application, environ, buffered=True)
    return status, list(headers), b"".join(body)


def check_same(ways: Ways, people: list[dict[str, Any]], key: str) -> None:
    for person, (on, variant) in zip(people, ways.by_columns(key, people), strict=True):
        details, document = ways.client.details(key, None, **person), ways.over_http(key, person)
        assert (details.on, details.variant) == (on, variant), person
        assert document.get("errorCode") == details.error_code, person
        if details.error_code is None:
            said = [document.get("value"), document["variant"], document["reason"]]
            assert json.dumps(said) == json.dumps([details.value, details.variant, details.reason]), person


def test_nobody_has_a_flag_by_one_way_to_ask_and_not_by_another() -> None:
    ways, asked, seed = Ways(), 0, 0
    while asked < CHECKS:
        dice = Dice(seed)
        ways.are_at(a_state(dice))
        people = [a_context(dice) for _ in range(PEOPLE)]
        for key in ways.evaluator.flags:
            try:
                check_same(ways, people, key)
            except AssertionError as differs:
                raise AssertionError(f"seed {seed}, {key}: {differs}") from differs
            asked += PEOPLE
        seed += 1
    assert not ways.reached_flask, "else Flask would have been compared with itself"
