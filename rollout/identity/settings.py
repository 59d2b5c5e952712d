"""Whom to ask who somebody is, and what their groups give."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rollout.core.errors import InvalidInput
from rollout.core.keys import Role
from rollout.core.log_ins import ROLES

CALLBACK = "/login/oidc/callback"

LEAST_SECRET = 16  # characters

HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class OpenIdSettings:
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    console: str  # how browsers reach us: https://flags.example.com
    roles: Mapping[str, str]  # group -> role
    groups_claim: str
    name_claim: str

    @property
    def redirect_uri(self) -> str:
        return f"{self.console}{CALLBACK}"

    @property
    def realm(self) -> str:
        said = f"{self.issuer} {self.client_id} {sorted(self.roles.items())} {self.groups_claim} {self.name_claim}"
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def read_url(option: str, text: str) -> str:
    """An address over which secrets may go. Raises InvalidInput."""
    try:
        url = urlsplit(text)
        good = bool(url.hostname) and url.port != 0 and not (url.query or url.fragment or url.username)
    except ValueError:
        good = False
    if not good or not (url.scheme == "https" or (url.scheme == "http" and url.hostname in HERE)):
        raise InvalidInput(f"{option} {text!r} is not an address of https", "write https://login.example.com in full")
    return text


def read_roles(text: str) -> dict[str, str]:
    """ "flags-admins=admin; on call=operator". Raises InvalidInput."""
    roles: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        group, equals, role = (word.strip() for word in part.rpartition("="))
        if not equals or not group or role not in ROLES:
            raise InvalidInput(
                f"--oidc-roles {part!r} does not say which role a group gives",
                f"write GROUP=ROLE; GROUP=ROLE with the roles {', '.join(ROLES)}",
            )
        if roles.setdefault(group, role) != role:
            raise InvalidInput(f"--oidc-roles gives the group {group!r} two roles", "give it one")
    if not roles:
        raise InvalidInput("--oidc-roles names no group", f"write GROUP=ROLE with the roles {', '.join(ROLES)}")
    return roles


def roles_of(settings: OpenIdSettings) -> dict[str, Role]:
    return {group: Role(role) for group, role in settings.roles.items()}
