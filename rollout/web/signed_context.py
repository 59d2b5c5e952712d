"""Contexts that an app's back end signed: a JWT in the header `Rollout-Context`, so that an app may carry what only its
back end can know of a person. What is signed is believed, whoever carries it, until it expires, within the hour.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
from flask import Request

from rollout.core.errors import InvalidInput
from rollout.core.flags import TARGETING_ATTRIBUTE

HEADER = "Rollout-Context"
ALGORITHMS = frozenset({"HS256", "EdDSA"})
LONGEST = 3600  # seconds that a signed context may be good for
LEEWAY = 60  # seconds by which clocks may differ
LONGEST_TOKEN = 8192  # characters
FEWEST_BYTES = 32  # of a secret for HS256: RFC 7518, section 3.2
REMEMBERED = 1024  # contexts; most people ask for several flags with the same one


@dataclass(frozen=True, slots=True)
class _Signed:
    attributes: Mapping[str, object]
    expires: float  # seconds since 1970


class ContextKeys:
    """The keys by which contexts are verified, by their `kid`."""

    def __init__(self, keys: Mapping[str | None, jwt.PyJWK]) -> None:
        self._keys = keys
        self._verified = lru_cache(maxsize=REMEMBERED)(self._verify)

    @property
    def remembered(self) -> int:
        """How many contexts need not be verified again."""
        return self._verified.cache_info().currsize

    def attributes_in(self, token: str) -> Mapping[str, object]:
        """What was signed. Raises InvalidInput, without the token."""
        if len(token) > LONGEST_TOKEN:
            raise InvalidInput(f"{HEADER} has {len(token)} characters", f"send at most {LONGEST_TOKEN}")
        signed = self._verified(token)
        if signed.expires + LEEWAY < time.time():
            raise InvalidInput("the signed context has expired", "have the back end sign another one")
        return signed.attributes

    def _verify(self, token: str) -> _Signed:
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],  # the key's own, whatever the token says
                options={"require": ["exp", "attributes"], "verify_aud": False},
                leeway=LEEWAY,
            )
        except jwt.ExpiredSignatureError:
            raise InvalidInput("the signed context has expired", "have the back end sign another one") from None
        except jwt.InvalidTokenError as error:
            raise InvalidInput(f"the signed context is not valid: {error}"[:300], _how_to_sign()) from None
        if claims["exp"] > time.time() + LONGEST + LEEWAY:
            raise InvalidInput("the signed context is good for more than an hour", "sign one with an earlier `exp`")
        return _Signed(_attributes(claims), claims["exp"])

    def _key(self, kid: object) -> jwt.PyJWK:
        """Where there is one key, a token need not name it."""
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        found = self._keys.get(kid) if isinstance(kid, str) else None
        if found is None:
            raise jwt.InvalidTokenError("it was signed by a key that is not known here")
        return found


def signed_in(request: Request, keys: ContextKeys | None) -> Mapping[str, object] | None:
    """What the app's back end signed for this request, if anything. Raises InvalidInput."""
    token = request.headers.get(HEADER)
    if token is None:
        return None
    if keys is None:
        raise InvalidInput(f"{HEADER} cannot be verified here", "the service needs --context-keys for that")
    return keys.attributes_in(token)


def read_context_keys(text: str) -> ContextKeys:
    """Of a JWK set (RFC 7517): secrets for HS256 (`"kty": "oct"`) and Ed25519 keys for EdDSA. Raises InvalidInput."""
    try:
        keys = jwt.PyJWKSet.from_json(text).keys
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"the keys for signed contexts cannot be read: {error}"[:300], _A_JWK_SET) from None
    for key in keys:
        _check(key)
    found = {key.key_id: key for key in keys}
    if len(found) < len(keys):
        raise InvalidInput("two keys for signed contexts have the same `kid`", "name each of them otherwise")
    return ContextKeys(found)


_A_JWK_SET = 'write a JWK set: {"keys": [{"kty": "oct", "alg": "HS256", "kid": "2026-1", "k": "…"}]}'


def _check(key: jwt.PyJWK) -> None:
    if key.algorithm_name not in ALGORITHMS:
        raise InvalidInput(f"a key for {key.algorithm_name} cannot sign contexts", "use HS256 or EdDSA")
    if isinstance(key.key, bytes) and len(key.key) < FEWEST_BYTES:
        raise InvalidInput(f"a secret of {len(key.key)} bytes is too short", f"take {FEWEST_BYTES} random ones")


def _attributes(claims: Mapping[str, Any]) -> Mapping[str, object]:
    """`sub` is the targeting key, where the attributes have none."""
    attributes = claims["attributes"]
    if not isinstance(attributes, dict):
        raise InvalidInput("the claim `attributes` is not an object", _how_to_sign())
    subject = {TARGETING_ATTRIBUTE: claims["sub"]} if isinstance(claims.get("sub"), str) else {}
    return {**subject, **attributes}


def _how_to_sign() -> str:
    return "sign a JWT with the claims `exp`, within the hour, and `attributes`, an object"
