"""Changes that take more than one person, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from webkit import FLAGS, Site, bearing

APPROVALS = "approvals: { raise: 2, above: 10% }\n"
TEXT = FLAGS.replace("version: 1\n", "version: 1\n" + APPROVALS, 1)


class Office:
    """A site where raising past 10 % takes two persons, and two admins and an operator with their keys."""

    def __init__(self) -> None:
        self.site = Site.with_flags(TEXT)
        self.keys: dict[str, str] = {}
        for name, role in (("asha", "admin"), ("bela", "admin"), ("omar", "operator")):
            headers = bearing(self.keys["asha"]) if self.keys else None
            self.keys[name] = self.site.change("/v1/keys", headers, role=role, name=name)["secret"]

    def ask(self, who: str, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        response = self.site.post(path, {"reason": "a test", **body}, headers=bearing(self.keys[who]))
        assert response.status_code == status, response.text
        self.site.follow()
        answer: dict[str, Any] = response.get_json()
        return answer

    def get(self, path: str, who: str = "omar") -> dict[str, Any]:
        answer: dict[str, Any] = self.site.get(path, headers=bearing(self.keys[who])).get_json()
        return answer

    def exposure(self) -> dict[str, str]:
        live = self.get("/v1/status/payments")["live"]
        return {one["audience"]: one["share"] for one in live}


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_change_that_takes_two_waits_for_the_second(office: Office) -> None:
    waits = office.ask("omar", "/v1/flags/payments/set", 202, share="50%")
    assert (waits["changed"], office.exposure()) == (False, {})
    assert waits["approval"]["persons"] == 2
    change_id = waits["pending"]["id"]
    (listed,) = office.get("/v1/pending")["pending"]
    assert (listed["id"], listed["state"], listed["left"]) == (change_id, "waits", 1)
    assert office.get("/v1/status")["pending"] == [listed]
    answer = office.ask("asha", f"/v1/pending/{change_id}/approve")
    assert (answer["action"], answer["changed"]) == ("set", True)
    assert office.exposure() == {"india": "50%", "employees": "100%"}
    entry = office.get("/v1/audit?limit=1")["entries"][0]
    assert (entry["action"], entry["actor"]["id"]) == ("set", "omar")
    assert [one["by"] for one in entry["approvals"]] == ["asha"]
    assert office.get("/v1/pending")["pending"] == []


def test_nobody_approves_their_own_nor_with_a_role_that_may_not(office: Office) -> None:
    change_id = office.ask("asha", "/v1/flags/payments/set", 202, share="50%")["pending"]["id"]
    path = f"/v1/pending/{change_id}/approve"
    assert "their own" in office.ask("asha", path, 403)["error"]["message"]
    assert "admin" in office.ask("omar", path, 403)["error"]["hint"]
    rotated = office.ask("asha", f"/v1/keys/{office.keys['asha'].split('_')[2]}/rotate")["secret"]
    office.keys["asha again"] = rotated
    assert "their own" in office.ask("asha again", path, 403)["error"]["message"]
    assert office.exposure() == {}
    assert office.ask("bela", path)["changed"]


def test_who_somebody_says_to_be_does_not_count(office: Office) -> None:
    change_id = office.ask("asha", "/v1/flags/payments/set", 202, share="50%", actor="bela")["pending"]["id"]
    office.ask("asha", f"/v1/pending/{change_id}/approve", 403, actor="chitra")
    assert office.exposure() == {}


def test_a_rejected_change_is_refused_afterwards(office: Office) -> None:
    change_id = office.ask("omar", "/v1/flags/payments/set", 202, share="50%")["pending"]["id"]
    office.ask("bela", f"/v1/pending/{change_id}/reject", reason="not today")
    assert office.ask("asha", f"/v1/pending/{change_id}/approve", 422)["error"]["code"] == "refused"
    assert "not today" in office.ask("omar", "/v1/flags/payments/set", 422, share="50%")["error"]["hint"]


def test_a_change_that_is_void_or_unknown_is_an_error(office: Office) -> None:
    change_id = office.ask("omar", "/v1/flags/payments/set", 202, share="50%")["pending"]["id"]
    office.ask("omar", "/v1/flags/payments/halt")
    assert "void" in office.ask("asha", f"/v1/pending/{change_id}/approve", 422)["error"]["message"]
    assert office.ask("asha", "/v1/pending/nothing/approve", 404)["error"]["code"] == "unknown_change"


def test_a_file_waits_as_a_whole(office: Office) -> None:
    files = {"flags.yaml": TEXT.replace("stages: [employees, 1%, 50%]", "stages: [employees, 1%, 90%]")}
    before = office.get("/v1/status")["file"]
    waits = office.ask("asha", "/v1/apply", 202, files=files)
    assert office.get("/v1/status")["file"] == before
    office.ask("bela", f"/v1/pending/{waits['pending']['id']}/approve")
    assert office.get("/v1/status")["file"] != before
    assert office.ask("asha", "/v1/plan", files=files)["approval"] is None


def test_the_glass_is_broken_by_an_admins_key_alone(office: Office) -> None:
    body = {"share": "50%", "break_glass": True}
    office.ask("omar", "/v1/flags/payments/set", 403, **body)
    answer = office.ask("asha", "/v1/flags/payments/set", **body)
    assert answer["changed"]
    (shown,) = office.get("/v1/status")["pending"]
    assert (shown["state"], shown["id"]) == ("done alone", answer["break_glass"]["id"])
    office.ask("asha", f"/v1/pending/{shown['id']}/approve", 403)
    office.ask("bela", f"/v1/pending/{shown['id']}/approve")
    assert office.get("/v1/status")["pending"] == []


def test_without_keys_such_a_change_is_refused_whatever_is_said() -> None:
    site = Site.with_flags(TEXT)
    refused = site.post("/v1/flags/payments/set", {"share": "50%"})
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (422, "refused")
    assert "rollout keys create" in refused.get_json()["error"]["hint"]
    broken = site.post("/v1/flags/payments/set", {"share": "50%", "break_glass": True, "reason": "now"})
    assert (broken.status_code, broken.get_json()["error"]["code"]) == (403, "not_allowed")
    assert site.post("/v1/flags/payments/set", {"share": "0%"}).status_code == 200
