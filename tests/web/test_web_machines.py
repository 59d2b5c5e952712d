"""What load balancers and Prometheus ask."""

from __future__ import annotations

from webkit import Site, bearing


def ready(site: Site, status: int, **expected: object) -> None:
    response = site.get("/readyz")
    document = response.get_json()
    assert (response.status_code, document["ready"]) == (status, status == 200)
    assert {name: document[name] for name in expected} == expected


def test_a_process_that_answers_is_alive(empty_site: Site) -> None:
    assert empty_site.get("/healthz").get_json() == {"status": "ok"}


def test_a_server_is_ready_once_it_has_flags_to_answer_from(empty_site: Site) -> None:
    ready(empty_site, 503, revision=0, stale=True, trouble="the store has not answered yet", file=None)
    empty_site.load()
    ready(empty_site, 200, revision=1, stale=False, trouble=None)


def test_a_server_whose_only_flags_file_is_broken_is_not_ready_and_says_why(empty_site: Site) -> None:
    empty_site.report = {"state": "broken", "problems": [{"line": 3, "message": "no attribute called 'contry'"}]}
    empty_site.follow()
    ready(empty_site, 503, file=empty_site.report)
    assert "rollout_file_problems 1.0" in empty_site.get("/metrics").text


def test_a_server_without_a_file_on_an_empty_store_is_ready_for_the_first_apply(empty_site: Site) -> None:
    empty_site.report = {"state": "missing", "problem_count": 1, "problems": [{"message": "the file is not there"}]}
    ready(empty_site, 503, stale=True)
    empty_site.follow()
    ready(empty_site, 200, revision=0)


def test_a_server_that_has_not_looked_at_its_file_yet_is_not_ready(empty_site: Site) -> None:
    empty_site.follow()
    ready(empty_site, 503, revision=0, stale=False, file=None)


def test_what_is_told_on_another_port_is_not_told_here(site: Site) -> None:
    site.serve_with(tells_machines=False)
    keys = site.make_keys()
    for headers in ({}, bearing(keys["admin"])):
        response = site.get("/readyz", headers=headers)
        assert (response.status_code, response.get_json()) == (200, {"ready": True})
        response = site.get("/metrics", headers=headers)
        assert (response.status_code, response.get_json()["error"]["code"]) == (404, "not_found")
    assert "/metrics" not in site.get("/openapi.json").get_json()["paths"]


def test_a_stale_server_stays_ready(site: Site) -> None:
    site.lose_store()
    ready(site, 200, stale=True, trouble="connection refused")


def test_metrics_tell_who_is_served_what(site: Site) -> None:
    for _ in range(3):
        site.get("/v1/flags/everybody")
    site.get("/v1/flags/everybody?age=x")
    site.change("/v1/flags/payments/set", share="1%")
    site.post("/v1/flags/payments/set", {"share": "99%"})
    metrics = site.get("/metrics")
    assert metrics.mimetype == "text/plain"
    for line in (
        'rollout_checks_total{flag="everybody",reason="STATIC",variant="on"} 3.0',
        "rollout_bad_requests_total 1.0",
        'rollout_http_responses_total{call="check",status="200"} 3.0',
        'rollout_http_responses_total{call="check",status="400"} 1.0',
        'rollout_changes_total{action="set",outcome="changed"} 1.0',
        'rollout_changes_total{action="set",outcome="refused"} 1.0',
        "rollout_revision 2.0",
        "rollout_stale 0.0",
        "rollout_file_problems 0.0",
    ):
        assert line in metrics.text.splitlines()


def test_nothing_is_counted_twice(site: Site) -> None:
    site.get("/v1/flags/everybody")
    site.counters.flush()
    site.get("/metrics")
    assert 'rollout_checks_total{flag="everybody",reason="STATIC",variant="on"} 1.0' in site.get("/metrics").text


def test_a_server_that_lost_the_store_says_so_in_its_metrics(site: Site) -> None:
    site.lose_store()
    assert "rollout_stale 1.0" in site.get("/metrics").text
