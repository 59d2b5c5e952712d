"""Who a token of the provider says that somebody is. It counts only if the provider signed it, for us, for this very
log-in, and not long ago (OpenID Connect Core 1.0, section 3.1.3.7).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from rollout.core.errors import InvalidInput, NotAllowed, NotAuthenticated
from rollout.core.keys import Key
from rollout.core.log_ins import person, role_of
from rollout.identity.settings import OpenIdSettings, roles_of

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""By which a provider may sign: with a key that it alone has. Never by a secret that we have too, nor by nothing."""

LEEWAY = 60  # seconds that clocks may differ
MOST_SUBJECT = 255  # characters (OpenID Connect Core 1.0, section 2)


def signed_claims(token: str, keys: KeySet, nonce: str, settings: OpenIdSettings) -> Mapping[str, Any]:
    """What an ID token claims. Raises NotAuthenticated where it does not hold, and JoseError where none of these keys
    signed it."""
    found = jwt.decode(token, keys, registry=JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False))
    wanted = {
        "iss": {"essential": True, "value": settings.issuer},
        "aud": {"essential": True, "value": settings.client_id},
    }
    claims = CodeIDToken(found.claims, found.header, wanted, {"nonce": nonce, "client_id": settings.client_id})
    try:
        claims.validate(leeway=LEEWAY)
    except (JoseError, ValueError, TypeError) as error:
        raise NotAuthenticated(f"what the provider says of you does not hold: {error}", "log in again") from None
    return dict(claims)


def key_of(claims: Mapping[str, Any], settings: OpenIdSettings) -> Key:
    """The person, with the role that their groups give. Raises NotAuthenticated, NotAllowed."""
    subject, name = claims.get("sub"), claims.get(settings.name_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= MOST_SUBJECT:
        raise NotAuthenticated("the provider does not say who you are", "its tokens need `sub`")
    if not isinstance(name, str) or (settings.name_claim == "email" and claims.get("email_verified") is False):
        raise NotAuthenticated(
            f"the provider does not vouch for your `{settings.name_claim}`",
            "have it put that into ID tokens, or name another claim with --oidc-name",
        )
    role = role_of(_groups(claims.get(settings.groups_claim)), roles_of(settings))
    if role is None:
        raise NotAllowed(f"none of the groups of {_shown(name)} has a role here", "ask an admin which group to join")
    try:
        return person(settings.issuer, subject, name, role)
    except InvalidInput as error:
        raise NotAuthenticated(error.message, error.hint) from None


def _groups(claim: object) -> Collection[str]:
    if isinstance(claim, str):
        return (claim,)
    return [group for group in claim if isinstance(group, str)] if isinstance(claim, list) else ()


def _shown(name: str) -> str:
    return "".join(filter(str.isprintable, name))[:100]
