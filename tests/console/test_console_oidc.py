"""Logging in by a provider: who gets in and as what, what the record says, and every way of lying to us."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import oidckit
import pytest
from consolekit import eventually, form_on, send
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from oidckit import Claims, Provider, running_provider
from webkit import FLAGS, Site
from werkzeug.test import TestResponse

from rollout.core.tickets import is_page_ticket
from rollout.identity.openid import OpenIdProvider
from rollout.identity.settings import OpenIdSettings, read_roles
from rollout.web.console import oidc
from rollout.web.console.sessions import COOKIE

CONSOLE = "http://localhost"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Iterator[Provider]:
    """Honest, and not asked yet."""
    running.lie, running.sign, running.refuses = dict, oidckit.signed, ""
    running.redirect_uri = settings_for(running).redirect_uri
    running.calls.clear()
    yield running
    running.hangs.set()


def settings_for(provider: Provider, **others: str) -> OpenIdSettings:
    given = {"issuer": provider.issuer, "console": CONSOLE, "groups_claim": "groups", "name_claim": "email", **others}
    roles = read_roles(oidckit.ROLES)
    return OpenIdSettings(client_id=oidckit.CLIENT, client_secret=oidckit.SECRET, roles=roles, **given)


@pytest.fixture
def site(provider: Provider) -> Site:
    """With keys, and a log-in beside them."""
    return site_with(provider)


def site_with(provider: Provider, patience: float = 20.0, **others: str) -> Site:
    site = Site.with_flags()
    site.make_keys()
    known = OpenIdProvider(settings_for(provider, **others), patience)
    known.refresh()
    site.serve_with(provider=known)
    return site


def begin(site: Site, client: FlaskClient, path: str = "/") -> dict[str, str]:
    """What the provider is sent to ask."""
    response = client.get(f"/login/oidc?{urlencode({'next': path})}")
    assert response.status_code == 303, response.text
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["Location"]).query).items()}


def finish(client: FlaskClient, address: str) -> TestResponse:
    """Comes back; a page that says to wait is asked again."""
    parts = urlsplit(address)
    target = f"{parts.path}?{parts.query}"
    answers: list[TestResponse] = []

    def answered() -> bool:
        answers.append(client.get(target))
        return 'http-equiv="refresh"' not in answers[-1].text

    eventually(answered)
    return answers[-1]


def log_in(site: Site, provider: Provider, who: str, path: str = "/") -> TestResponse:
    query = begin(site, site.http, path)
    provider.page(query)
    return finish(site.http, provider.back(who, query))


def refused(response: TestResponse, status: int, said: str) -> None:
    text = unescape(response.text)
    assert (response.status_code, said in text) == (status, True), text
    assert COOKIE not in str(response.headers.getlist("Set-Cookie"))


@pytest.mark.parametrize(("who", "role"), [("asha", "admin"), ("joost", "operator"), ("mina", "support")])
def test_a_person_is_let_in_with_the_role_that_their_groups_give(
    site: Site, provider: Provider, who: str, role: str
) -> None:
    response = log_in(site, provider, who, "/flags/payments?x=1;2")
    assert (response.status_code, response.headers["Location"]) == (303, "/flags/payments?x=1;2")
    page = site.get("/").text
    assert f"<bdi>{who}@example.com</bdi>" in page and f'<span class="tag">{role}</span>' in page
    assert ('href="/keys"' in page) is (role == "admin")
    assert site.get("/v1/status").status_code == 401  # a session opens pages alone


def test_the_session_is_as_safe_as_one_with_a_key_and_names_its_person_alone(provider: Provider) -> None:
    site = site_with(provider)
    cookies = log_in(site, provider, "joost").headers.getlist("Set-Cookie")
    session = next(cookie for cookie in cookies if cookie.startswith(COOKIE))
    assert "HttpOnly" in session and "SameSite=Strict" in session
    began = next(cookie for cookie in cookies if cookie.startswith(oidc.COOKIE))
    assert "Expires=Thu, 01 Jan 1970" in began  # a log-in comes back once
    behind_tls = site_with(provider, console="https://flags.example.com")
    cookie = behind_tls.http.get("/login/oidc").headers["Set-Cookie"]
    assert "Secure" in cookie and "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/login" in cookie


def test_the_record_names_the_person_and_how_that_is_known(site: Site, provider: Provider) -> None:
    log_in(site, provider, "joost")
    response = send(site, "/flags/payments/kill", reason="Complaints", name="somebody else")
    assert response.status_code == 200, response.text
    log_in(site, provider, "mina")
    assert "joost@example.com" in site.get("/activity").text
    entry = site.parts.desk.audit(limit=1)["entries"][0]
    assert entry["actor"]["id"] == "joost@example.com"
    assert re.fullmatch(r"oidc:[0-9a-f]{12}", entry["actor"]["authenticated"])


def test_a_role_is_checked_by_the_server_as_with_a_key(site: Site, provider: Provider) -> None:
    log_in(site, provider, "mina")
    refused_page = site.get("/flags/payments/kill")
    assert refused_page.status_code == 403 and "a support key may not do this" in refused_page.text
    assert site.get("/keys").status_code == 403


def test_logging_out_ends_every_copy(site: Site, provider: Provider) -> None:
    session = next(c for c in log_in(site, provider, "joost").headers.getlist("Set-Cookie") if c.startswith(COOKIE))
    thief = site.app.test_client()
    thief.set_cookie(COOKIE, session.partition(";")[0].partition("=")[2])
    assert thief.get("/").status_code == 200
    assert send(site, "/logout", "/").headers["Location"] == "/login"
    site.follow()
    assert thief.get("/").status_code == 401


def test_a_session_that_we_did_not_sign_is_none_and_none_outlives_its_provider(site: Site, provider: Provider) -> None:
    session = next(c for c in log_in(site, provider, "mina").headers.getlist("Set-Cookie") if c.startswith(COOKIE))
    value = session.partition(";")[0].partition("=")[2]
    person, began, number, written, mark = value.split(".")
    raised = oidc_written("mina@example.com", "admin")
    for other in (
        f"{person}.{began}.{number}.{raised}.{mark}",
        f"oidc:{'0' * 12}.{began}.{number}.{written}.{mark}",
        f"{person}.{int(began) + 1}.{number}.{written}.{mark}",
        f"{person}.{began}.{'0' * 16}.{written}.{mark}",
        f"{person}.{began}.{number}.{mark}",
        f"{person}.{began}.{number}.!!!.{mark}",
    ):
        client = site.app.test_client()
        client.set_cookie(COOKIE, other)
        assert client.get("/").status_code == 401, other
    secret = b"s" * 32
    for known, status in ((site.parts.provider, 200), (other_roles(provider), 401), (None, 401)):
        site.serve_with(provider=site.parts.provider, console_secret=secret)
        response = log_in(site, provider, "mina")
        cookie = next(c for c in response.headers.getlist("Set-Cookie") if c.startswith(COOKIE))
        kept, again = site.parts.provider, Site(site.store)
        again.serve_with(provider=known, console_secret=secret)
        again.follow()
        client = again.app.test_client()
        client.set_cookie(COOKIE, cookie.partition(";")[0].partition("=")[2])
        assert client.get("/").status_code == status
        site.serve_with(provider=kept)


def other_roles(provider: Provider) -> OpenIdProvider:
    return OpenIdProvider(settings_for(provider, groups_claim="roles"))


def oidc_written(name: str, role: str) -> str:
    import base64
    import json

    return base64.urlsafe_b64encode(json.dumps([name, role]).encode()).decode().rstrip("=")


def test_their_pages_listen_to_the_streams(site: Site, provider: Provider) -> None:
    from rollout.service.gate import Gate

    secret = b"s" * 32
    gate = Gate(lambda: site.follower.current.state.keys, open_without_keys=True, pages=secret)
    site.serve_with(stream=lambda: "http://127.0.0.1:8081", gate=gate)
    log_in(site, provider, "mina")
    ticket = site.get("/console/stream").get_json()["url"].partition("?ticket=")[2]
    assert is_page_ticket(ticket, secret, time.time())
    assert gate.bearer(ticket).key is None
    assert not is_page_ticket(ticket, b"t" * 32, time.time())
    assert not is_page_ticket(ticket, secret, time.time() + 61)


def test_the_same_person_is_the_same_whatever_their_name(site: Site, provider: Provider) -> None:
    def known_as() -> str:
        send(site, "/flags/payments/kill", reason="x")
        site.follow()
        send(site, "/flags/payments/revive", reason="x")
        site.follow()
        return site.parts.desk.audit(limit=1)["entries"][0]["actor"]["authenticated"]

    log_in(site, provider, "joost")
    first = known_as()
    provider.lie = lambda claims: claims | {"email": "j.de.vries@example.com"}
    log_in(site, provider, "joost")
    assert known_as() == first
    provider.lie = lambda claims: claims | {"sub": "somebody else"}
    log_in(site, provider, "joost")
    assert known_as() != first


Lie = Callable[[Claims], Claims]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (lambda claims: claims | {"nonce": "0" * 64}, "nonce"),
        (lambda claims: {name: claim for name, claim in claims.items() if name != "nonce"}, "nonce"),
        (lambda claims: claims | {"iss": "https://evil.example"}, "iss"),
        (lambda claims: claims | {"aud": "another client"}, "aud"),
        (lambda claims: claims | {"aud": ["another client"]}, "aud"),
        (lambda claims: claims | {"aud": [oidckit.CLIENT, "another client"], "azp": "another client"}, "azp"),
        (lambda claims: claims | {"exp": claims["iat"] - 3600, "iat": claims["iat"] - 7200}, "expired"),
        (lambda claims: claims | {"exp": "tomorrow"}, "exp"),
        (lambda claims: claims | {"iat": claims["iat"] + 86400}, "in the future"),
        (lambda claims: claims | {"nbf": claims["iat"] + 86400}, "not yet valid"),
        (lambda claims: {name: claim for name, claim in claims.items() if name != "exp"}, "exp"),
        (lambda claims: claims | {"sub": ""}, "does not say who you are"),
        (lambda claims: claims | {"sub": ["id-of-asha"]}, "'sub'"),
        (lambda claims: claims | {"email": ""}, "name for you"),
        (lambda claims: claims | {"email": "x" * 65}, "name for you"),
        (lambda claims: claims | {"email": "asha\u202e@example.com"}, "name for you"),
        (lambda claims: claims | {"email": {"a": 1}}, "does not vouch for your"),
    ],
)
def test_a_token_that_does_not_hold_lets_nobody_in(site: Site, provider: Provider, lie: Lie, said: str) -> None:
    provider.lie = lie
    response = log_in(site, provider, "asha")
    refused(response, 401, said)
    assert site.get("/").status_code == 401


@pytest.mark.parametrize(
    "sign", [oidckit.unsigned, oidckit.by_our_secret, oidckit.by_the_public_key, oidckit.by_another_key]
)
def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(
    site: Site, provider: Provider, sign: Callable[[Claims, RSAKey], str]
) -> None:
    provider.sign = sign
    refused(log_in(site, provider, "asha"), 401, "the provider did not sign what it says of you")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "x" * 600_000])
def test_what_is_no_token_lets_nobody_in(site: Site, provider: Provider, token: str) -> None:
    provider.sign = lambda claims, key: token
    refused(log_in(site, provider, "asha"), 401, "")


@pytest.mark.parametrize(("who", "status"), [("stranger", 403), ("nobody", 403), ("fraud", 401)])
def test_whoever_has_no_group_of_ours_or_no_name_that_is_sure_stays_out(
    site: Site, provider: Provider, who: str, status: int
) -> None:
    refused(log_in(site, provider, who), status, "has a role here" if status == 403 else "does not vouch")


def test_what_another_browser_began_lets_nobody_in(site: Site, provider: Provider) -> None:
    theirs = site.app.test_client()
    query = begin(site, theirs)
    address = provider.back("asha", query)
    refused(finish(site.http, address), 401, "did not begin in this browser")
    begin(site, site.http)
    refused(finish(site.http, address), 401, "did not begin in this browser")  # with another state
    assert "/token" not in provider.calls


def test_a_log_in_comes_back_once_in_time_and_as_we_wrote_it(site: Site, provider: Provider) -> None:
    query = begin(site, site.http)
    address = provider.back("asha", query)
    cookie = site.http.get_cookie(oidc.COOKIE, path="/login").value
    assert finish(site.http, address).status_code == 303
    again = site.app.test_client()
    again.set_cookie(oidc.COOKIE, cookie, path="/login")
    refused(finish(again, address), 401, "refuses this log-in: invalid_grant")  # the code was good once
    state, at, mark, path = cookie.split(".", 3)
    for other in (
        f"{state}.{int(at) + 1}.{mark}.{path}",
        f"{state}.{at}.{mark}.//evil.example",
        f"{'0' * 32}.{at}.{mark}.{path}",
        "x",
    ):
        client = site.app.test_client()
        client.set_cookie(oidc.COOKIE, other, path="/login")
        refused(finish(client, address), 401, "did not begin in this browser")


def test_a_code_is_of_no_use_without_the_verifier_of_its_log_in(site: Site, provider: Provider) -> None:
    stolen = provider.back("asha", begin(site, site.app.test_client()))
    mine = begin(site, site.http)
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    answer = finish(site.http, f"/login/oidc/callback?{urlencode({'code': code, 'state': mine['state']})}")
    refused(answer, 401, "invalid_grant")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"error": "access_denied", "error_description": "<b>no</b>"}, "did not let you in"),
        ({}, "did not let you in"),
        ({"code": ""}, "did not let you in"),
        ({"code": "x" * 5000}, "did not let you in"),
        ({"code": "x", "iss": "https://evil.example"}, "of another provider"),
        ({"code": "made up"}, "invalid_grant"),
    ],
)
def test_an_answer_that_is_none_lets_nobody_in(site: Site, provider: Provider, more: dict[str, str], said: str) -> None:
    state = begin(site, site.http)["state"]
    refused(finish(site.http, f"/login/oidc/callback?{urlencode({'state': state, **more})}"), 401, said)


def test_one_is_sent_nowhere_but_to_our_own_pages(site: Site, provider: Provider) -> None:
    for path in ("//evil.example", "https://evil.example", "/\\evil.example", "/login/oidc", "/a\r\nX: y"):
        assert log_in(site, provider, "joost", path).headers["Location"] == "/", path


def test_a_provider_that_changed_its_keys_is_asked_for_the_new_ones(site: Site, provider: Provider) -> None:
    provider.key = provider.fresh_key()
    assert log_in(site, provider, "joost").status_code == 303


def test_a_provider_that_hangs_holds_a_page_up_for_a_bounded_time_and_then_nobody(provider: Provider) -> None:
    site = site_with(provider, patience=0.2)
    address = provider.back("joost", begin(site, site.http))
    provider.hangs.clear()
    refused(finish(site.http, address), 503, "takes longer than 0.2 seconds")
    made_up = {"state": begin(site, site.http)["state"], "code": "made up"}
    waits = site.get(f"/login/oidc/callback?{urlencode(made_up)}")
    assert 'http-equiv="refresh" content="1"' in waits.text
    assert site.get("/login").status_code == 200


def test_a_provider_that_cannot_be_asked_is_said_to_be_so_and_keys_still_work(provider: Provider) -> None:
    site = Site.with_flags()
    keys = site.make_keys()
    with running_provider() as other:
        away = OpenIdProvider(settings_for(other))
    away.refresh()
    site.serve_with(provider=away)
    refused(site.get("/login/oidc"), 503, "cannot be asked")
    assert form_on(site, "/login").response.status_code == 200
    assert send(site, "/login", key=keys["support"]).status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ],
)
def test_a_provider_that_describes_itself_wrongly_is_not_believed(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, change: Claims
) -> None:
    right = provider.configuration()
    with running_provider() as other:
        other.configuration = lambda: right | {"issuer": other.issuer} | change  # type: ignore[method-assign]
        known = OpenIdProvider(settings_for(other))
        known.refresh()
    site = Site.with_flags()
    site.serve_with(provider=known)
    refused(site.get("/login/oidc"), 503, "cannot be asked")


def test_without_a_provider_there_is_no_such_log_in() -> None:
    site = Site.with_flags()
    assert site.get("/login/oidc").status_code == 404
    assert "login/oidc" not in site.get("/login").text


def test_what_the_provider_is_asked_is_what_it_takes(site: Site, provider: Provider) -> None:
    address = site.get("/login/oidc").headers["Location"]
    with urlopen(address) as answer:
        assert "Who are you?" in answer.read().decode()


def test_what_takes_two_takes_two_whom_the_provider_knows(provider: Provider) -> None:
    text = FLAGS.replace("version: 1\n", "version: 1\napprovals: { raise: 2, above: 10% }\n", 1)
    site = Site.with_flags(text)
    keys = site.make_keys()
    known = OpenIdProvider(settings_for(provider), 20.0)
    known.refresh()
    site.serve_with(provider=known)

    def approve() -> str:
        form = form_on(site, "/pending")
        found = re.search(r'action="(/pending/[^/"]+/approve)"', form.response.text)
        assert found, form.response.text
        response = site.http.post(found[1], data=form.fields)
        site.follow()
        return unescape(response.text)

    log_in(site, provider, "asha")
    fields = form_on(site, "/flags/payments/set?share=50%25").fields
    site.http.post("/flags/payments/set", data={**fields, "share": "50%", "reason": "go"})
    site.follow()
    assert "/approve" not in site.get("/pending").text or "their own" in approve()
    assert send(site, "/login", key=keys["admin"]).status_code == 303
    assert "others spoke by log-in" in approve()
    log_in(site, provider, "ravi")
    approve()
    entry = site.parts.desk.audit(limit=1)["entries"][0]
    assert (entry["action"], entry["actor"]["id"]) == ("set", "asha@example.com")
    assert [one["by"] for one in entry["approvals"]] == ["ravi@example.com"]
