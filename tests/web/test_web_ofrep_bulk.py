"""OpenFeature's call for all flags: who has the answer already, who was told of a change, and where changes are."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from webkit import Site
from werkzeug.test import TestResponse

from rollout.core.evaluation import Answer, Reason
from rollout.web.app import create_app
from rollout.web.catch_up import CatchUp
from rollout.web.ofrep import WrittenItems, item_body, items_body

ONE = "/ofrep/v1/evaluate/flags/"
ALL = "/ofrep/v1/evaluate/flags"


def test_all_flags_come_as_a_list_in_which_one_may_fail_alone(site: Site) -> None:
    document = site.post(ALL, {"context": {"targetingKey": "u-1"}}).get_json()
    items = {item["key"]: item for item in document["flags"]}
    assert list(items) == list(site.follower.current.evaluator.flags)
    assert items["per-account"]["errorCode"] == "TARGETING_KEY_MISSING"
    alone = site.post(ONE + "everybody", {"context": {"targetingKey": "u-1"}}).get_json()
    assert alone["metadata"] == {**items["everybody"]["metadata"], **document["metadata"]}
    assert {**alone, "metadata": items["everybody"]["metadata"]} == items["everybody"]
    assert document["metadata"] == {"revision": 1, "stale": False}


def test_who_has_the_answer_already_is_told_so(site: Site) -> None:
    def ask(known: str, user: str = "u-1") -> TestResponse:
        return site.post(ALL, {"context": {"targetingKey": user}}, headers={"If-None-Match": known})

    etag = ask('"other"').headers["ETag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', f'W/"x",W/{etag}', "*"):
        response = ask(known)
        assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", etag)
    for known in ('"x"', etag.strip('"')[:-1], "", "W/", '"', ",,,"):
        assert ask(known).status_code == 200
    site.change("/v1/flags/everybody/kill")
    assert ask(etag).status_code == 200


def test_the_same_question_has_the_same_etag_on_every_server() -> None:
    first, second = (Site.with_flags().post(ALL, {"context": {"targetingKey": "u-1"}}).headers["ETag"] for _ in "ab")
    assert first == second


def test_an_item_changes_only_when_its_own_flag_does(site: Site) -> None:
    def items() -> dict:
        return {item["key"]: item for item in site.post(ALL, {"context": {"targetingKey": "u-1"}}).get_json()["flags"]}

    before = items()
    site.change("/v1/flags/everybody/kill")
    after = items()
    assert {key for key in after if after[key] != before[key]} == {"everybody"}


def test_items_are_written_once_and_not_kept_for_ever() -> None:
    answers = [Answer(f"flag-{number}", True, "on", True, Reason.STATIC, "stage everyone") for number in range(9)]
    items = WrittenItems(limit=3 * len(item_body(answers[0])))
    for _ in range(3):
        assert items.of(answers) == items_body(answers)
        assert items.size <= 3 * len(item_body(answers[0]))
    assert items.of(answers[-1:]) == item_body(answers[-1])


def test_the_etag_is_of_the_answer_for_this_context(site: Site) -> None:
    etag = site.post(ALL, {"context": {"targetingKey": "u-9"}}).headers["ETag"]
    known = {"If-None-Match": etag}
    assert site.post(ALL, {"context": {"targetingKey": "u-9", "age": 3}}, headers=known).status_code == 304
    changed = site.post(ALL, {"context": {"targetingKey": "u-9", "beta": True}}, headers=known)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


def told(site: Site, flag_config_etag: str, known: str = "") -> TestResponse:
    """As a client asks again that the stream told of a change."""
    return site.post(
        ALL,
        {"context": {"targetingKey": "u-1"}},
        query_string={"flagConfigEtag": flag_config_etag, "flagConfigLastModified": "1771622898"},
        headers={"If-None-Match": known},
    )


def test_who_was_told_of_something_else_gets_the_answer_itself(site: Site) -> None:
    etag = told(site, "").headers["ETag"]
    for known in (etag, f"W/{etag}", "*"):
        for same in ("", "r1", '"r1"', 'W/"r1"', etag, etag.strip('"'), f"W/{etag}"):
            assert told(site, same, known).status_code == 304, same
        for other in ("r0", "r2", '"r2"', "abc", '"abc"', "r", "r-1", "1", "r1 ", "r" + "9" * 400, "é", "*"):
            assert told(site, other, known).status_code == 200, other
    assert told(site, "r1", '"x"').status_code == 200


def test_a_worker_that_is_behind_what_the_stream_told_says_so(site: Site) -> None:
    for flag_config_etag, behind in (("r2", True), ("r1", False), ("r0", False), ("abc", False)):
        metadata = told(site, flag_config_etag).get_json()["metadata"]
        assert metadata == {"revision": 1, "stale": behind}
    site.change("/v1/flags/everybody/kill")
    assert told(site, "r2").get_json()["metadata"] == {"revision": 2, "stale": False}


class Coming:
    """A follower that has the next revision after it was looked at so many times."""

    def __init__(self, after: int, *, stale: bool = False) -> None:
        self.looks = 0
        self.stale = stale
        self._after = after

    @property
    def current(self) -> SimpleNamespace:
        self.looks += 1
        return SimpleNamespace(revision=2 if self.looks > self._after else 1)


def test_a_worker_waits_for_a_revision_that_is_on_its_way() -> None:
    assert CatchUp(Coming(after=5), patience=60).to(2)


def test_a_worker_waits_only_once_for_what_does_not_come() -> None:
    follower = Coming(after=10**9)
    catch_up = CatchUp(follower, patience=0)
    assert not catch_up.to(2)
    looked = follower.looks
    assert not catch_up.to(2)
    assert not catch_up.to(3)
    assert follower.looks == looked + 2


def test_a_worker_without_its_store_waits_for_nothing() -> None:
    assert not CatchUp(Coming(after=10**9, stale=True), patience=60).to(2)


def test_clients_are_told_where_the_stream_is_while_there_is_one(site: Site) -> None:
    assert "eventStreams" not in site.post(ALL, {"context": {}}).get_json()
    address: list[str | None] = [None]
    http = create_app(replace(site.parts, stream=lambda: address[0])).test_client()
    silent = http.post(ALL, json={})
    assert "eventStreams" not in silent.get_json()
    address[0] = "https://stream.example.com/"
    announced = http.post(ALL, json={}, headers={"If-None-Match": silent.headers["ETag"]})
    assert announced.get_json()["eventStreams"] == [
        {"type": "sse", "url": "https://stream.example.com/v1/stream", "inactivityDelaySec": 120}
    ]
    assert "eventStreams" not in http.post(ONE + "everybody", json={}).get_json()
