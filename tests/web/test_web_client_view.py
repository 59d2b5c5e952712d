"""What a person's app may see: flag, value, variant, reason, revision. A person's id, a secret flag, segments, stages
and shares are seeded, and looked for in everything that a client's key can bring out of the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from webkit import FLAGS, Site, bearing, read
from werkzeug.test import TestResponse

SECRETS = ("nightingale", "u-victoria-71", "payroll-club", "13.7", "cavalry", "hidden-guard", "brigade", "bank_code")
FLAGS_WITH_SECRETS = FLAGS.replace(
    "flags:\n",
    """\
  payroll-club:
    description: Those of the payroll-club
    members: { file: employees.txt }
  brigade-of-india:
    description: The light brigade
    any:
      - match: { country: IN, bank_code: ab }
      - match: { segment: payroll-club }

guards:
  hidden-guard:
    metric: upi-transfer
    max: 2%
    min_samples: 1000
    confidence: 99%

flags:
  nightingale:
    description: The secret project
    owner: nightingale@example.com
    enabled: true
    client: false

  seen:
    description: Whoever is in nightingale and in the brigade
    owner: web@example.com
    enabled: true
    requires: [nightingale]
    bucket_by: bank_code
    rollout:
      audience: brigade-of-india
      guards: [hidden-guard]
      stages: [payroll-club, { name: cavalry, percentage: 13.7% }, 100%]

""",
    1,
).replace("  since: { type: datetime }\n", "  since: { type: datetime }\n  bank_code: { type: string }\n")


@pytest.fixture
def site() -> Site:
    site = Site()
    site.load_file(read(FLAGS_WITH_SECRETS, load=lambda _: b"u-victoria-71\nu-2\n"))
    site.change("/v1/flags/seen/set", share="13.7%", reason="nightingale is ready", actor="victoria@brigade")
    site.report = {"name": "flags.yaml", "state": "broken", "problems": [{"message": "nightingale:13.7"}]}
    return site


CONTEXTS: tuple[dict[str, Any], ...] = (
    {},
    {"user_id": "u-1", "country": "IN"},
    {"user_id": "u-2", "country": "IN"},
    {"user_id": "u-3", "country": "GB", "beta": "true"},
    {"user_id": "u-4", "account_id": "a-1"},
    {"user_id": "", "country": "XX"},
    {"user_id": "x" * 2000},
    {"age": "old"},
    {"since": "yesterday"},
    {"app_version": "latest"},
    {f"a{number}": "1" for number in range(101)},
)
KEYS = ("seen", "everybody", "payments", "theme", "per-account", "no-such-flag", "UPPER", "%00", "a b")
OTHERS = ("/", "/v1", "/v1/", "/healthz", "/readyz", "/openapi.json", "/v1/status", "/v1/explain/seen", "/v1/keys")


def everything(site: Site, headers: dict[str, str]) -> Iterator[TestResponse]:
    """What a client can ask, rightly and wrongly."""
    for path in OTHERS:
        for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
            yield site.http.open(path, method=method, headers=headers, json={} if method == "POST" else None)
    for context in CONTEXTS:
        body = {"context": context}
        yield site.get("/v1/flags", query_string=context, headers=headers)
        yield site.post("/ofrep/v1/evaluate/flags", body, headers=headers)
        for key in KEYS:
            yield site.get(f"/v1/flags/{key}", query_string=context, headers=headers)
            yield site.post(f"/ofrep/v1/evaluate/flags/{key}", body, headers=headers)
            yield site.post(f"/v1/flags/{key}/set", {"share": "1%", **context}, headers=headers)
    for broken in (b"", b"[]", b"{", b'{"context": 1}', b"[" * 10000, b'{"a":1,"a":2}'):
        yield site.http.post("/ofrep/v1/evaluate/flags", data=broken, content_type="application/json", headers=headers)


@pytest.mark.parametrize("with_key", [True, False], ids=["a client's key", "no key"])
@pytest.mark.parametrize("away", [False, True], ids=["store there", "store away"])
def test_nothing_secret_comes_out_to_a_client(site: Site, with_key: bool, away: bool) -> None:
    tokens = site.make_keys()
    if away:
        site.lose_store()
    headers = bearing(tokens["client"]) if with_key else {}
    answered = 0
    for response in everything(site, headers):
        said = (response.text + str(response.headers)).lower()
        assert not [secret for secret in SECRETS if secret in said], (response.request.path, said)
        answered += response.status_code == 200
    assert not with_key or answered > 50  # it was asked for what there is


def test_the_seeded_words_would_be_found(site: Site) -> None:
    """Or the test above could not fail."""
    tokens = site.make_keys()
    said = "".join(response.text for response in everything(site, bearing(tokens["admin"])))
    unseen = {secret for secret in SECRETS if secret not in said}
    assert unseen <= {"u-victoria-71", "hidden-guard"}  # not even an admin is told who is on a list


def test_a_secret_flag_is_to_a_client_one_that_does_not_exist(site: Site) -> None:
    client = bearing(site.make_keys()["client"])

    def answers(key: str) -> list[tuple[int, str, str]]:
        asked = [
            site.get(f"/v1/flags/{key}?user_id=u-1", headers=client),
            site.get(f"/v1/flags/{key}?age=old", headers=client),
            site.post(f"/ofrep/v1/evaluate/flags/{key}", {"context": {}}, headers=client),
        ]
        return [(one.status_code, one.text.replace(key, "KEY"), str(one.headers).replace(key, "KEY")) for one in asked]

    assert [status for status, _, _ in answers("nightingale")] == [404] * 3
    assert answers("nightingale") == answers("nothingness")  # as long as the other name


def test_all_flags_are_to_a_client_those_that_are_meant_for_clients(site: Site) -> None:
    tokens = site.make_keys()
    seen = {
        role: set(site.get("/v1/flags?user_id=u-1", headers=bearing(tokens[role])).get_json()["flags"])
        for role in ("client", "server")
    }
    assert seen["server"] - seen["client"] == {"nightingale", "theme"}
    bulk = site.post("/ofrep/v1/evaluate/flags", {"context": {}}, headers=bearing(tokens["client"])).get_json()
    assert {flag["key"] for flag in bulk["flags"]} == seen["client"]


def test_a_client_is_told_what_it_is_served_and_no_more(site: Site) -> None:
    client = bearing(site.make_keys()["client"])
    one = site.get("/v1/flags/payments?user_id=u-2", headers=client).get_json()
    assert set(one) == {"flag", "on", "value", "variant", "reason", "revision", "stale"}
    body = {"context": {"targetingKey": "u-2"}}
    other = site.post("/ofrep/v1/evaluate/flags/payments", body, headers=client).get_json()
    assert set(other) == {"key", "value", "variant", "reason", "metadata"}
    assert set(other["metadata"]) == {"revision", "stale"}


def test_others_than_apps_are_told_what_decided(site: Site) -> None:
    server = bearing(site.make_keys()["server"])
    body = {"context": {"targetingKey": "u-2"}}
    answer = site.post("/ofrep/v1/evaluate/flags/payments", body, headers=server).get_json()
    assert answer["metadata"]["because"] == "not admitted"
