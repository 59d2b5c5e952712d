"""The operator's calls."""

from __future__ import annotations

from typing import Any

import pytest
from webkit import EMPLOYEES, FLAGS, Site

SET = "/v1/flags/payments/set"
KILL = "/v1/flags/payments/kill"
REVIVE = "/v1/flags/payments/revive"

FURTHER = FLAGS.replace("[employees, 1%, 50%]", "[employees, 1%, 75%]")


def refused(site: Site, path: str, body: Any, error: str, says: str = "") -> None:
    """A change that is refused, and changes nothing."""
    before = site.store.revision()
    response = site.post(path, body)
    said = response.get_json()["error"]
    assert f"{response.status_code} {said['code']}" == error
    assert says in f"{said['message']}; {said.get('hint')}"
    assert site.store.revision() == before


def entry(site: Site) -> dict:
    """The newest line of the audit."""
    return site.get("/v1/audit?limit=1").get_json()["entries"][0]


def test_a_share_is_set_and_who_gains_is_told(site: Site) -> None:
    answer = site.change(SET, share="1%")
    assert (answer["changed"], answer["raises"], answer["revision"]) == (True, True, 2)
    assert {"audience": "india", "before": "0%", "after": "1%"} in answer["moves"]
    assert site.get("/v1/status/payments").get_json()["state"] == "halted"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"share": 5}, "write 5%"),
        ({"share": "5"}, "write 5%"),
        ({"share": 0.5}, "write 0.5%"),
        ({"share": "-1%"}, "from 0% to 100%"),
        ({"share": -1}, "from 0% to 100%"),
        ({"share": "101%"}, "101% is more than 100%"),
        ({"share": "1e2%"}, "is not a percentage"),
        ({"share": "NaN%"}, "is not a percentage"),
        ({"share": ""}, "is not a percentage"),
        ({"share": True}, "share: write a percentage"),
        ({"share": None}, "share: write a percentage"),
        ({"share": ["1%"]}, "share: write a percentage"),
        ({}, "share is missing"),
        ({"percentage": "1%"}, "share is missing; percentage is not known here; known are reason, revision"),
        ({"share": "1%", "dry_run": "yes"}, "dry_run: Input should be a valid boolean"),
        ({"share": "1%", "dry_run": 1}, "dry_run"),
        ({"share": "1%", "revision": "1"}, "revision: Input should be a valid integer"),
        ({"share": "1%", "revision": 1.0}, "revision"),
        ({"share": "1%", "revision": -1}, "revision"),
        ({"share": "1%", "revision": 10**40}, "revision"),
        ({"share": "1%", "reason": 7}, "reason: Input should be a valid string"),
        ({"share": "1%", "reason": "\x1b[2J"}, "reason: there is a control character"),
        ({"share": "1%", "reason": "x" * 1001}, "a reason of 1001 characters"),
        ({"share": "1%", "actor": "a\nb"}, "actor: send printable text on one line"),
        ({"share": "1%", "actor": ""}, "actor"),
        ({"share": "1%", "request_id": "x" * 201}, "request_id"),
        ({"share": "1%", "audience": 5}, "audience"),
        ({"share": "1%", "beyond_plan": "no"}, "beyond_plan"),
    ],
)
def test_a_body_that_cannot_be_is_refused_and_says_what_would_be_right(site: Site, body: dict, says: str) -> None:
    refused(site, SET, body, "400 invalid", says)


def test_the_rules_refuse_over_http_as_everywhere(site: Site) -> None:
    refused(site, SET, {"share": "60%"}, "422 refused", "beyond the plan")
    refused(site, "/v1/flags/merchant-payments/set", {"share": "1%"}, "422 refused", "locked")
    refused(site, REVIVE, {}, "422 refused", "not killed")
    refused(site, "/v1/flags/nope/kill", {}, "404 unknown_flag", "nope")
    refused(site, SET, {"share": "1%", "audience": "martians"}, "422 refused", "does not speak of martians")
    site.change(SET, share="60%", beyond_plan=True)


def test_whoever_saw_an_older_revision_is_told_to_look_again(site: Site) -> None:
    site.change(SET, share="1%")
    refused(site, SET, {"share": "2%", "revision": 1}, "409 conflict", "look at it again")
    site.change(SET, share="2%", revision=2)


def test_a_repeated_request_is_done_once_and_answered_twice(site: Site) -> None:
    first = site.change(SET, share="1%", request_id="r-1")
    site.change(SET, share="2%")
    again = site.change(SET, share="1%", request_id="r-1")
    assert again == first
    assert site.store.revision() == 3


def test_a_dry_run_changes_nothing(site: Site) -> None:
    answer = site.change(SET, share="1%", dry_run=True)
    assert (answer["dry_run"], answer["changed"], site.store.revision()) == (True, False, 1)


def test_a_kill_needs_no_paperwork_but_a_type_that_no_form_can_send(site: Site) -> None:
    for content_type in (None, "application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
        response = site.http.post(KILL, data="{}", content_type=content_type)
        assert response.status_code == 415, content_type
    response = site.http.post(KILL, content_type="application/json; charset=utf-8")
    assert response.get_json()["after"]["state"] == "killed"


def test_a_kill_is_lifted_but_the_flag_stays_halted(site: Site) -> None:
    site.change(KILL)
    assert site.get("/v1/flags/payments").get_json()["reason"] == "DISABLED"
    assert site.change(REVIVE)["after"]["state"] == "halted"


def flag_path(verb: str, flag: str = "payments") -> str:
    return f"/v1/flags/{flag}/{verb}"


def live(site: Site) -> list[str]:
    """The stages of payments that are live."""
    stages = site.get("/v1/status/payments").get_json()["stages"]
    return [stage["name"] for stage in stages if stage["live"]]


def test_a_rollout_is_moved_forward_stopped_and_taken_back(site: Site) -> None:
    for verb, body, state, stages in (
        ("advance", {}, "rolling", ["employees"]),
        ("halt", {}, "halted", ["employees"]),
        ("resume", {}, "rolling", ["employees"]),
        ("advance", {"to": "50%"}, "done", ["employees", "1%", "50%"]),
        ("rollback", {}, "halted", ["employees", "1%"]),
        ("rollback", {"to": "employees"}, "halted", ["employees"]),
        ("rollback", {"to": "0%"}, "halted", []),
    ):
        answer = site.change(flag_path(verb), **body)
        assert (answer["action"], answer["changed"], answer["after"]["state"]) == (verb, True, state)
        assert answer["undo"].startswith("rollout ")
        assert entry(site)["action"] == verb
        assert live(site) == stages


def test_moving_needs_no_body_but_a_type_that_no_form_can_send(site: Site) -> None:
    for verb in ("advance", "halt", "resume", "rollback"):
        assert site.http.post(flag_path(verb), data="{}", content_type="text/plain").status_code == 415
        response = site.http.post(flag_path(verb), content_type="application/json")
        assert response.get_json()["changed"] is True, response.text


@pytest.mark.parametrize(
    ("verb", "body", "error", "says"),
    [
        ("advance", {"to": "2%"}, "400 invalid", "its stages are employees, 1%, 50%"),
        ("advance", {"to": 1}, "400 invalid", "to: Input should be a valid string"),
        ("advance", {"to": ""}, "400 invalid", "to"),
        ("advance", {"stage": "1%"}, "400 invalid", "stage is not known here; known are reason, revision"),
        ("advance", {"revision": 0}, "409 conflict", "look at it again"),
        ("halt", {"to": "1%"}, "400 invalid", "to is not known here"),
        ("resume", {}, "422 refused", "is not halted"),
        ("rollback", {}, "422 refused", "nothing to take back"),
        ("rollback", {"to": "2%"}, "422 refused", "nothing to take back"),
    ],
)
def test_a_move_that_cannot_be_is_refused(site: Site, verb: str, body: dict, error: str, says: str) -> None:
    refused(site, flag_path(verb), body, error, says)


def test_no_move_raises_a_locked_flag_nor_one_without_a_rollout(site: Site) -> None:
    refused(site, flag_path("advance", "merchant-payments"), {}, "422 refused", "locked")
    refused(site, flag_path("halt", "everybody"), {}, "422 refused", "no rollout")
    refused(site, flag_path("advance", "nope"), {}, "404 unknown_flag", "nope")


def simulated(site: Site, query: str = "") -> list[tuple[str | None, str]]:
    response = site.get(f"/v1/simulate/payments{query}")
    assert response.status_code == 200, response.text
    return [(event["stage"], event["note"]) for event in response.get_json()["events"]]


def test_a_simulation_says_what_the_plan_does_from_now_on_and_does_nothing(site: Site) -> None:
    assert [stage for stage, _ in simulated(site)] == ["employees", "1%", "50%", None]
    assert simulated(site, "?verdict=1%25:breached") == [
        ("employees", "100% of employees"),
        ("1%", "1% of india"),
        (None, "cannot judge health: breached"),
    ]
    assert [stage for stage, _ in simulated(site, "?verdict=employees:source-silent&verdict=1%25:healthy")] == [
        "employees",
        None,
    ]
    assert site.store.revision() == 1


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("verdict=breached", "is not a stage with its verdict"),
        ("verdict=2%25:breached", "its stages are employees, 1%, 50%"),
        ("verdict=1%25:bad", "verdicts are healthy, breached, too-little-data, source-silent"),
        ("verdict=1%25:healthy&verdict=1%25:breached", "stage '1%' has two verdicts"),
        ("verdicts=1%25:healthy", "known is verdict"),
        ("verdict=%ff:healthy", "UTF-8"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused(site: Site, query: str, says: str) -> None:
    response = site.get(f"/v1/simulate/payments?{query}")
    error = response.get_json()["error"]
    assert response.status_code == 400
    assert says in f"{error['message']}; {error.get('hint')}"
    assert site.get("/v1/simulate/nope").status_code == 404


def test_the_audit_says_who_from_where_and_why(site: Site) -> None:
    site.post(
        SET, {"share": "1%", "reason": "second bank\nis ready", "actor": "asha"}, headers={"User-Agent": "x" * 500}
    )
    written = entry(site)
    assert written["actor"] == {"id": "asha", "kind": "human", "authenticated": ""}
    assert written["origin"] == {"host": "127.0.0.1", "address": "127.0.0.1", "tool": "x" * 100}
    assert (written["action"], written["flag"], written["reason"]) == ("set", "payments", "second bank\nis ready")
    site.post(KILL, {}, headers={"User-Agent": "a\x1b[31mb\tc é"})
    assert (entry(site)["actor"]["id"], entry(site)["origin"]["tool"]) == ("unknown", "a[31mbc é")


def test_the_audit_is_read_page_by_page(site: Site) -> None:
    for share in ("1%", "2%", "3%"):
        site.change(SET, share=share)
    site.change("/v1/flags/everybody/kill")
    page = site.get("/v1/audit?flag=payments&limit=2").get_json()
    assert [line["revision"] for line in page["entries"]] == [4, 3]
    rest = site.get(f"/v1/audit?flag=payments&limit=5&before={page['next_before']}").get_json()
    assert [line["revision"] for line in rest["entries"]] == [2, 1]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("before=0", "before"),
        ("before=" + "9" * 5000, "before"),
        ("flag=a&flag=b", "'flag' is given twice"),
        ("flags=payments", "flags is not known here; known are flag, limit, before"),
        ("flag=%00", "flag"),
    ],
)
def test_a_question_to_the_audit_that_cannot_be_is_refused(site: Site, query: str, says: str) -> None:
    response = site.get(f"/v1/audit?{query}")
    error = response.get_json()["error"]
    assert response.status_code == 400
    assert says in f"{error['message']}; {error.get('hint')}"


def test_status_shows_every_flag_and_how_this_server_is(site: Site) -> None:
    site.report = {"state": "in force", "problems": []}
    document = site.get("/v1/status").get_json()
    assert {line["flag"] for line in document["flags"]} == set(site.follower.current.evaluator.flags)
    assert document["this_server"] == {
        "revision": 1,
        "stale": False,
        "trouble": None,
        "file": site.report,
        "record": None,
    }


def test_support_is_told_why(site: Site) -> None:
    site.change(SET, share="1%")
    document = site.get("/v1/explain/payments?user_id=u-1&colour=red").get_json()
    assert (document["on"], document["ignored"]) == (True, ["colour"])
    assert "employees" in document["because"]
    assert site.get("/v1/explain/nope").status_code == 404
    assert site.get("/v1/explain/payments?age=x").status_code == 400


def test_while_the_store_is_away_questions_are_answered_from_the_snapshot(site: Site) -> None:
    site.change(SET, share="1%")
    site.lose_store()
    status = site.get("/v1/status").get_json()
    states = {line["flag"]: line["state"] for line in status["flags"]}
    assert states["payments"] == "halted"
    assert status["servers"] == []
    assert status["this_server"]["trouble"] == "connection refused"
    flag = site.get("/v1/status/payments").get_json()
    assert [(stage["name"], stage["live"]) for stage in flag["stages"]] == [
        ("employees", True),
        ("1%", True),
        ("50%", False),
    ]
    explanation = site.get("/v1/explain/payments?user_id=u-1").get_json()
    assert explanation["on"] is True
    assert "employees" in explanation["because"]


def test_a_store_that_goes_away_meanwhile_is_no_error_for_questions(site: Site) -> None:
    site.store.away = True  # the follower has not noticed yet
    for address in ("/v1/status", "/v1/status/payments", "/v1/explain/payments"):
        assert site.get(address).status_code == 200


@pytest.mark.parametrize("noticed", [True, False])
def test_while_the_store_is_away_changes_fail_at_once(site: Site, noticed: bool) -> None:
    site.store.away = True
    if noticed:
        site.follow()
    moves = [(flag_path(verb), {}) for verb in ("kill", "revive", "advance", "halt", "resume", "rollback")]
    for path, body in ((SET, {"share": "1%"}), *moves, ("/v1/apply", {"files": {"f.yaml": FLAGS}})):
        response = site.post(path, body)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
        assert response.get_json()["error"]["code"] == "store_unavailable"
    assert site.get("/v1/audit").status_code == 503
    assert site.get("/v1/simulate/payments").status_code == 503


def plan(site: Site, text: str, **options: Any) -> dict:
    response = site.http.post("/v1/plan", data=text, content_type="application/yaml", query_string=options)
    assert response.status_code == 200, response.text
    return response.get_json()


def test_a_plan_tells_what_applying_would_do_and_does_nothing(site: Site) -> None:
    assert plan(site, FLAGS)["flags"] == []
    assert [change["flag"] for change in plan(site, FURTHER)["flags"]] == ["payments"]
    assert site.store.revision() == 1


@pytest.mark.parametrize("content_type", ["application/yaml", "application/x-yaml", "text/yaml; charset=utf-8"])
def test_bare_yaml_is_applied_with_its_options_in_the_query(site: Site, content_type: str) -> None:
    query = {"reason": "further", "actor": "asha", "revision": "1", "request_id": "r-9"}
    response = site.http.post("/v1/apply", data=FURTHER, content_type=content_type, query_string=query)
    assert response.get_json()["changed"] is True
    written = entry(site)
    assert (written["action"], written["reason"], written["request_id"]) == ("apply", "further", "r-9")
    assert written["actor"]["id"] == "asha"


def test_files_are_applied_as_json_in_whatever_order_their_names_come(site: Site) -> None:
    files = {"employees.txt": EMPLOYEES + "u-3\n", "flags.yaml": FURTHER}
    answer = site.change("/v1/apply", files=files, reason="one more")
    assert "payments" in [change["flag"] for change in answer["flags"]]
    answer = site.change("/v1/apply", files={"employees.txt": EMPLOYEES, "other.yml": FLAGS})
    assert answer["changed"] is True


def test_pruning_archives_what_the_file_no_longer_has(site: Site) -> None:
    without = FLAGS[: FLAGS.index("  theme:")]
    assert plan(site, without)["not_in_file"] == ["theme"]
    assert plan(site, without, prune="true")["archived"] == ["theme"]
    assert site.change("/v1/apply", files={"flags.yaml": without}, prune=True)["archived"] == ["theme"]
    assert site.get("/v1/flags/theme").status_code == 404


def test_an_invalid_file_is_refused_with_every_problem_and_its_place(site: Site) -> None:
    broken = FLAGS.replace("country: IN", "contry: IN").replace("50%]", "500%]")
    refused(site, "/v1/apply", {"files": {"flags.yaml": broken}}, "400 invalid_file")
    problems = site.post("/v1/apply", {"files": {"flags.yaml": broken}}).get_json()["error"]["problems"]
    assert len(problems) == 2
    first = problems[0]
    assert (first["file"], first["line"], first["column"]) == ("flags.yaml", 18, 14)
    assert "contry" in first["message"]
    assert "country" in first["hint"]
    assert first["source"].strip() == "match: { contry: IN }"


@pytest.mark.parametrize("address", ["/v1/plan", "/v1/apply"])
def test_files_that_cannot_be_are_refused(site: Site, address: str) -> None:
    refused(site, address, {}, "400 invalid", "files is missing")
    refused(site, address, {"files": {}}, "400 invalid", "files")
    refused(site, address, {"files": {"flags.yaml": 1}}, "400 invalid", "files.flags.yaml: Input should be")
    refused(site, address, {"files": {"flags.yaml": FLAGS}, "purge": True}, "400 invalid", "purge is not known")
    for content_type, data, status in (
        ("text/plain", FLAGS, 415),
        ("application/yaml", b"version: 1\n# \xff", 400),
        ("application/yaml", b"", 400),
        ("application/yaml", b"{" * 100_000, 400),
        ("application/yaml", b"a: &a [*a, *a]", 400),
    ):
        response = site.http.post(address, data=data, content_type=content_type)
        assert (response.status_code, response.mimetype) == (status, "application/json")


def test_a_file_that_drops_most_flags_is_refused(site: Site) -> None:
    few = FLAGS[: FLAGS.index("  merchant-payments:")]
    refused(site, "/v1/apply", {"files": {"flags.yaml": few}}, "422 refused", "more than half")


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("127.0.0.1:8080", True),
        ("localhost:8080", True),
        ("[::1]:8080", True),
        ("10.0.0.7", True),
        ("rollout", True),
        ("flags.example.com", True),
        ("Flags.Example.Com.:443", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("flags.example.com.evil.example:8080", False),
    ],
)
def test_operators_are_answered_only_under_names_that_are_ours(site: Site, host: str, answered: bool) -> None:
    for method, path in (("GET", "/v1/status"), ("POST", KILL), ("POST", "/v1/apply"), ("GET", "/v1/audit")):
        response = site.http.open(path, method=method, json={}, headers={"Host": host})
        assert (response.status_code != 403) is answered, (path, response.text)
    assert site.get("/v1/flags/everybody", headers={"Host": host}).status_code == 200
