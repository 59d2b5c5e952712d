"""Who may call what: a table of every route, walked with every role and without a key."""

from __future__ import annotations

import re
from typing import Any

import pytest
from webkit import Site, bearing

from rollout.core.keys import Role
from rollout.web.authorisation import needs

CLIENT, SERVER, SUPPORT, OPERATOR, ADMIN, AUDITOR = Role
PEOPLE = {SUPPORT, OPERATOR, ADMIN}
EVALUATING = {CLIENT, SERVER, *PEOPLE}
CHANGING = {OPERATOR, ADMIN}
EVERYBODY = {*Role, None}

TABLE: dict[tuple[str, str], set[Role | None]] = {
    ("GET", "/healthz"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("GET", "/openapi.json"): EVERYBODY,
    ("GET", "/metrics"): PEOPLE,
    ("GET", "/v1/flags"): EVALUATING,
    ("GET", "/v1/flags/<key>"): EVALUATING,
    ("POST", "/ofrep/v1/evaluate/flags"): EVALUATING,
    ("POST", "/ofrep/v1/evaluate/flags/<path:key>"): EVALUATING,
    ("GET", "/v1/ruleset"): {SERVER},
    ("GET", "/v1/ruleset/members/<digest>"): {SERVER},
    ("POST", "/v1/outcomes"): {SERVER},
    ("POST", "/v1/exposures"): {SERVER},
    ("GET", "/v1/status"): PEOPLE,
    ("GET", "/v1/status/<key>"): PEOPLE,
    ("GET", "/v1/simulate/<key>"): PEOPLE,
    ("GET", "/v1/explain/<key>"): {*PEOPLE, AUDITOR},
    ("GET", "/v1/diff"): {*PEOPLE, AUDITOR},
    ("GET", "/v1/doctor"): PEOPLE,
    ("GET", "/v1/audit"): {*PEOPLE, AUDITOR},
    ("GET", "/v1/audit/notes"): {*PEOPLE, AUDITOR},
    ("POST", "/v1/audit/exports"): {AUDITOR},
    ("POST", "/v1/flags/<key>/set"): CHANGING,
    ("POST", "/v1/flags/<key>/advance"): CHANGING,
    ("POST", "/v1/flags/<key>/halt"): CHANGING,
    ("POST", "/v1/flags/<key>/resume"): CHANGING,
    ("POST", "/v1/flags/<key>/rollback"): CHANGING,
    ("POST", "/v1/flags/<key>/kill"): CHANGING,
    ("POST", "/v1/flags/<key>/revive"): CHANGING,
    ("POST", "/v1/plan"): CHANGING,
    ("POST", "/v1/apply"): {ADMIN},
    ("POST", "/v1/plan/in-parts"): CHANGING,
    ("POST", "/v1/apply/in-parts"): {ADMIN},
    ("GET", "/v1/loads/<load>"): CHANGING,
    ("POST", "/v1/loads/<load>/parts"): CHANGING,
    ("GET", "/v1/pending"): PEOPLE,
    ("POST", "/v1/pending/<change>/approve"): {ADMIN},
    ("POST", "/v1/pending/<change>/reject"): {ADMIN},
    ("GET", "/v1/keys"): {ADMIN},
    ("POST", "/v1/keys"): {ADMIN},
    ("POST", "/v1/keys/<key>/rotate"): {ADMIN},
    ("POST", "/v1/keys/<key>/revoke"): {ADMIN},
    ("GET", "/v1/file"): PEOPLE,
    ("GET", "/v1/loads"): PEOPLE,
    ("GET", "/v1/definitions"): PEOPLE,
    ("GET", "/"): PEOPLE,
    ("GET", "/flags/<flag>"): PEOPLE,
    ("GET", "/flags/<flag>/<verb>"): CHANGING,
    ("POST", "/flags/<flag>/<verb>"): CHANGING,
    ("GET", "/explain"): {*PEOPLE, AUDITOR},
    ("GET", "/activity"): {*PEOPLE, AUDITOR},
    ("GET", "/activity/<int:revision>"): {*PEOPLE, AUDITOR},
    ("GET", "/activity.csv"): {*PEOPLE, AUDITOR},
    ("GET", "/definitions"): PEOPLE,
    ("GET", "/config"): PEOPLE,
    ("GET", "/config/<int:revision>"): PEOPLE,
    ("POST", "/config/plan"): CHANGING,
    ("GET", "/servers"): PEOPLE,
    ("GET", "/pending"): PEOPLE,
    ("POST", "/pending/<change>/<verb>"): {ADMIN},
    ("GET", "/keys"): {ADMIN},
    ("POST", "/keys"): {ADMIN},
    ("GET", "/keys/<key>/<verb>"): {ADMIN},
    ("POST", "/keys/<key>/<verb>"): {ADMIN},
    ("GET", "/console/moved"): {*PEOPLE, AUDITOR},
    ("GET", "/console/stream"): {*PEOPLE, AUDITOR},
    ("GET", "/console/<name>"): EVERYBODY,
    ("GET", "/login"): EVERYBODY,
    ("POST", "/login"): EVERYBODY,
    ("GET", "/login/oidc"): EVERYBODY,
    ("GET", "/login/oidc/callback"): EVERYBODY,
    ("POST", "/logout"): EVERYBODY,
}
"""Who reaches which route: None is a caller without a key. A route that is not here fails the test below."""


@pytest.fixture
def keyed() -> tuple[Site, dict[str, str]]:
    site = Site.with_flags()
    return site, site.make_keys()


def routes(site: Site) -> set[tuple[str, str]]:
    ignored = {"HEAD", "OPTIONS"}
    return {(method, str(rule)) for rule in site.app.url_map.iter_rules() for method in rule.methods - ignored}


def filled(path: str, name: str) -> str:
    return re.sub("<[^>]*>", name, path.replace("<int:revision>", "1").replace("<verb>", "kill"))


def call(site: Site, method: str, path: str, **headers: str) -> Any:
    address = filled(path, "nothing-here")
    return site.http.open(address, method=method, headers=headers, json={} if method == "POST" else None)


def test_every_route_is_in_the_table(site: Site) -> None:
    assert routes(site) == set(TABLE)


@pytest.mark.parametrize("role", [*Role, None], ids=str)
def test_every_route_is_reached_by_the_roles_of_the_table_and_no_others(
    keyed: tuple[Site, dict[str, str]], role: Role | None
) -> None:
    site, tokens = keyed
    headers = bearing(tokens[role]) if role else {}
    for (method, path), roles in TABLE.items():
        status = call(site, method, path, **headers).status_code
        if role in roles:
            assert status not in (401, 403), (method, path)
        else:
            assert status == (403 if role else 401), (method, path)


def test_who_is_refused_changes_nothing_and_asks_nothing_of_the_store(keyed: tuple[Site, dict[str, str]]) -> None:
    site, tokens = keyed
    site.store.asked.clear()
    for role in (None, CLIENT, SERVER, SUPPORT, AUDITOR):
        headers = bearing(tokens[role]) if role else {}
        for (method, path), roles in TABLE.items():
            if role not in roles:
                call(site, method, filled(path, "payments"), **headers)
    assert site.store.asked == []


def test_a_route_that_does_not_say_who_may_call_it_keeps_the_application_from_being_made(site: Site) -> None:
    site.app.add_url_rule("/secret", view_func=lambda: "everything")
    assert site.get("/secret").status_code == 403
    from rollout.web.authorisation import authorise

    with pytest.raises(TypeError, match="does not say who may call it"):
        authorise(site.app, site.gate)


def test_a_declaration_is_of_the_view_that_follows_it() -> None:
    from rollout.core.keys import Permission
    from rollout.web.authorisation import needed_by

    @needs(Permission.KEYS)
    def view() -> None: ...

    assert needed_by(view) is Permission.KEYS
    assert needed_by(lambda: None) is not None


def test_without_keys_a_loopback_service_is_open_and_any_other_is_closed() -> None:
    assert Site.with_flags().get("/v1/status").status_code == 200
    closed = Site.with_flags(open_without_keys=False)
    response = closed.get("/v1/flags/everybody")
    assert response.status_code == 401
    assert "rollout keys create --role admin" in response.get_json()["error"]["hint"]
    assert closed.get("/healthz").status_code == 200


def test_the_first_key_closes_an_open_service_and_revoking_all_does_not_open_it(site: Site) -> None:
    made = site.change("/v1/keys", role="admin", name="asha")
    assert site.get("/v1/status").status_code == 401
    headers = bearing(made["secret"])
    assert site.get("/v1/status", headers=headers).status_code == 200
    from rollout.core.audit import Actor
    from rollout.service.keys import KeyDesk
    from rollout.service.operations import Operations, Request

    desk = KeyDesk(site.store, Operations(site.store))
    desk.revoke(made["keys"][0]["id"], Request(Actor("test")), even_last=True)
    site.follow()
    assert site.get("/v1/status", headers=headers).status_code == 401
    assert site.get("/v1/status").status_code == 401
