"""What `rollout serve` accepts about the company's own log-in: all that it takes, or nothing; and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.bootstrap.settings import WebSettings, settings_from
from rollout.core.errors import InvalidInput


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, str]:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef\n")
    return {
        "console_url": "https://flags.example.com/",
        "oidc_issuer": "https://login.example.com/tenant",
        "oidc_client_id": "rollout",
        "oidc_client_secret_file": str(secret),
        "oidc_roles": "flags-admins=admin; cn=on call,ou=groups=operator",
    }


def test_without_any_of_it_people_log_in_by_key_alone() -> None:
    assert settings_from({}, {}).log_in is None
    assert settings_from({"console_url": "https://flags.example.com"}, {}).log_in is None


def test_all_of_it_is_read_and_reaches_the_workers(whole: dict[str, str]) -> None:
    log_in = settings_from(whole, {}).log_in
    assert log_in is not None
    assert log_in.redirect_uri == "https://flags.example.com/login/oidc/callback"
    assert (log_in.client_secret, log_in.groups_claim, log_in.name_claim) == ("0123456789abcdef", "groups", "email")
    assert log_in.roles == {"flags-admins": "admin", "cn=on call,ou=groups": "operator"}
    assert log_in.client_secret not in repr(log_in)
    told = WebSettings("redis://", "rollout", "", "", "", 1, settings_from({}, {}).bind, 2, log_in=log_in)
    assert WebSettings.from_environment(told.to_environment()) == told


@pytest.mark.parametrize(
    "missing", ["console_url", "oidc_issuer", "oidc_client_id", "oidc_client_secret_file", "oidc_roles"]
)
def test_half_of_it_is_refused_and_what_is_missing_is_named(whole: dict[str, str], missing: str) -> None:
    del whole[missing]
    with pytest.raises(InvalidInput, match=f"also takes --{missing.replace('_', '-')}$"):
        settings_from(whole, {})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("oidc_issuer", "http://login.example.com", "--oidc-issuer .* not an address of https"),
        ("oidc_issuer", "login.example.com", "not an address of https"),
        ("oidc_issuer", "https://login.example.com?x=1", "not an address of https"),
        ("console_url", "http://flags.example.com", "--console-url .* not an address of https"),
        ("oidc_roles", "flags-admins", "does not say which role a group gives"),
        ("oidc_roles", "flags-admins=king", "does not say which role a group gives"),
        ("oidc_roles", "apps=client", "does not say which role a group gives"),
        ("oidc_roles", "=admin", "does not say which role a group gives"),
        ("oidc_roles", " ; ", "names no group"),
        ("oidc_roles", "a=admin; a=support", "gives the group 'a' two roles"),
        ("oidc_client_secret_file", "/nowhere", "cannot be read"),
        ("oidc_client_secret_file", "/dev/null", "has no secret of at least 16 characters"),
    ],
)
def test_what_cannot_be_is_refused(whole: dict[str, str], name: str, value: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        settings_from(whole | {name: value}, {})


def test_a_provider_on_this_machine_may_be_asked_without_tls(whole: dict[str, str]) -> None:
    whole |= {"oidc_issuer": "http://127.0.0.1:9000", "console_url": "http://localhost:8080"}
    assert settings_from(whole, {}).log_in is not None
