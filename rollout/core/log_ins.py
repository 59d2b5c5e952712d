"""People whom the company's own log-in lets in, without a key of ours. Each stands where a key stands: whose it is, and
the role that the groups give which the provider vouches for. Nothing of it is kept: it is made anew at each log-in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from rollout.core.errors import InvalidInput
from rollout.core.keys import MOST_NAME, Key, Role

PERSON = "oidc:"
"""What the id of somebody begins with who was let in by a provider; that of a key never does."""

ROLES = (Role.ADMIN, Role.OPERATOR, Role.SUPPORT, Role.AUDITOR)
"""Those that groups may give. Whoever is in several groups gets the first of these."""

_EVER = datetime.fromtimestamp(0, UTC)


def person(issuer: str, subject: str, name: str, role: Role) -> Key:
    """Whoever this issuer calls `subject`: the same id for ever, whatever their name is. Raises InvalidInput for a name
    that no record could hold."""
    if not 0 < len(name) <= MOST_NAME or not name.isprintable():
        raise InvalidInput(
            "the provider's name for you is empty, too long, or not printable",
            f"have it say one of 1 to {MOST_NAME} characters, or name another claim with --oidc-name",
        )
    digest = hashlib.sha256(f"{len(issuer)} {issuer} {subject}".encode()).hexdigest()
    return person_with(f"{PERSON}{digest[:12]}", name, role)


def person_with(person_id: str, name: str, role: Role) -> Key:
    """Somebody who was let in before. It opens nothing as a key, and is older than all that it may have to say on."""
    return Key(person_id, role, name, digest="", created_at=_EVER, created_by="")


def is_person(key_id: str) -> bool:
    return key_id.startswith(PERSON)


def proof_of(key_id: str) -> str:
    """What the record says of how somebody is known: "key:k2j9x0a7b1cd" or "oidc:0f3a…"."""
    return key_id if is_person(key_id) else f"key:{key_id}"


def role_of(groups: Collection[str], roles: Mapping[str, Role]) -> Role | None:
    """`roles`: what each group gives."""
    given = {roles[group] for group in groups if group in roles}
    return next((role for role in ROLES if role in given), None)
