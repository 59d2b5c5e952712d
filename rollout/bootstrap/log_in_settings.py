"""What `rollout serve` is told about the company's own log-in: all that it takes, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from rollout.core.errors import InvalidInput
from rollout.identity.settings import LEAST_SECRET, OpenIdSettings, read_roles, read_url

TOGETHER = ("oidc_issuer", "oidc_client_id", "oidc_client_secret_file", "oidc_roles", "console_url")
BESIDE = ("oidc_groups", "oidc_name")


def read_log_in(given: Callable[[str], str]) -> OpenIdSettings | None:
    """None where none of it was given. Raises InvalidInput."""
    missing = [name for name in TOGETHER if not given(name)]
    if len(missing) == len(TOGETHER) or missing == [name for name in TOGETHER if name != "console_url"]:
        return None
    if missing:
        raise InvalidInput(
            f"a log-in by OpenID also takes {', '.join(map(_option, missing))}", "give all of it, or none"
        )
    if find_spec("authlib") is None or find_spec("requests") is None:
        raise InvalidInput("this installation has no log-in by OpenID", "pip install 'rollout[server,oidc]'")
    return OpenIdSettings(
        issuer=read_url("--oidc-issuer", given("oidc_issuer")),
        client_id=given("oidc_client_id"),
        client_secret=_secret(Path(given("oidc_client_secret_file"))),
        console=read_url("--console-url", given("console_url")).rstrip("/"),
        roles=read_roles(given("oidc_roles")),
        groups_claim=given("oidc_groups"),
        name_claim=given("oidc_name"),
    )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _secret(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"--oidc-client-secret-file {file} cannot be read: {error}", "name a file with it") from None
    if len(text) < LEAST_SECRET:
        raise InvalidInput(
            f"--oidc-client-secret-file {file} has no secret of at least {LEAST_SECRET} characters",
            "put in what the provider gave to this client",
        )
    return text
