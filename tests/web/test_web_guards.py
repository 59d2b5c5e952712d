"""What a guard excludes, over HTTP: whom it takes the flag from, what they are told, and how it is lifted."""

from __future__ import annotations

import pytest
from webkit import FLAGS, Site

from rollout.core.audit import Actor
from rollout.core.guards import Guard, GuardAction
from rollout.core.judging import Judgement
from rollout.core.shares import Share
from rollout.core.watching import Finding, GroupWatch
from rollout.service.operations import Operations, Request
from rollout.service.ports import Judged

GUARD = Guard("upi-failures", "", "upi-transfer", GuardAction.EXCLUDE, Share.parse("2%"), by="country")
CHECK = "/v1/flags/payments?user_id=u-1&country="


@pytest.fixture
def site() -> Site:
    """One whose guard took payments from those in India."""
    site = Site.with_flags()
    site.change("/v1/flags/payments/advance")
    exclude(site, "IN")
    return site


def exclude(site: Site, value: str) -> None:
    finding = Finding(GUARD, value, Judgement(100, True, True, 9.0, 5.0), GroupWatch(), "1/200")
    request = Request(Actor("guard:upi-failures", "guard"), "too many fail")
    before = site.store.evidence().get("payments")
    Operations(site.store).trip("payments", finding, Judged(before, b'{"judged":1,"stage":0,"guards":{}}'), request)
    site.follow()


def test_those_whom_a_guard_excluded_do_not_have_the_flag_and_the_answer_names_the_guard(site: Site) -> None:
    out, kept = site.get(CHECK + "IN").get_json(), site.get(CHECK + "GB").get_json()
    assert (out["on"], out["value"], out["reason"], out["guard"]) == (False, False, "DEFAULT", "upi-failures")
    assert (kept["on"], "guard" in kept) == (True, False)
    assert site.get("/v1/flags?user_id=u-1&country=IN").get_json()["flags"]["payments"]["guard"] == "upi-failures"
    ofrep = site.post("/ofrep/v1/evaluate/flags/payments", {"context": {"targetingKey": "u-1", "country": "IN"}})
    assert (ofrep.get_json()["value"], ofrep.get_json()["reason"]) == (False, "DEFAULT")
    assert "upi-failures" in str(ofrep.get_json()["metadata"])


def test_the_audit_has_what_the_guard_did_and_the_status_whom_it_excludes(site: Site) -> None:
    (entry,) = site.get("/v1/audit?limit=1").get_json()["entries"]
    assert (entry["action"], entry["reason"], entry["evidence"]["value"]) == ("exclude", "too many fail", "IN")
    (out,) = site.get("/v1/status/payments").get_json()["excluded"]
    assert (out["attribute"], out["value"], out["guard"]) == ("country", "IN", "upi-failures")


def test_resuming_a_value_gives_the_flag_back(site: Site) -> None:
    answer = site.change("/v1/flags/payments/resume", value="IN", dry_run=True)
    assert (answer["changed"], answer["raises"]) == (False, True)
    answer = site.change("/v1/flags/payments/resume", value="IN")
    assert answer["readmitted"] == [{"attribute": "country", "value": "IN", "guard": "upi-failures"}]
    assert site.get(CHECK + "IN").get_json()["on"] is True


def test_what_no_guard_excludes_cannot_be_lifted(site: Site) -> None:
    exclude(site, "GB")
    response = site.post("/v1/flags/payments/resume", {"value": "US"})
    assert response.status_code == 422
    error = response.get_json()["error"]
    assert (error["message"], error["hint"]) == ("no guard excludes 'US' from payments", "excluded are IN, GB")


def test_a_file_that_forgets_the_attribute_lets_nobody_back_in(site: Site) -> None:
    text = FLAGS.replace("  country: { type: string, values: [IN, GB] }\n", "")
    text = text.replace("match: { country: IN }", "match: { age: 1 }").replace("country: GB", "age: 2")
    site.load(text)
    assert site.get(CHECK + "IN").get_json()["on"] is False
