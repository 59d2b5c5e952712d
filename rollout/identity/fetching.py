"""What goes over the line to the provider and back: its description of itself, its keys, and a token for a code. Every
answer is bounded, and none is followed elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from rollout.core.errors import InvalidInput, NotAuthenticated
from rollout.core.errors import ProviderUnavailable as Unavailable
from rollout.identity.settings import OpenIdSettings, read_url
from rollout.service.identity import Attempt

TIMEOUT = 2.0  # seconds for each step of an answer
LARGEST = 512 * 1024  # bytes of an answer

SCOPE = "openid email profile"


@dataclass(frozen=True, slots=True)
class Found:
    """What the provider says of itself."""

    authorization: str  # where browsers are sent
    token: str  # where a code is redeemed
    keys_at: str
    keys: KeySet
    basic: bool  # it takes our secret as HTTP's basic authentication; else in the form


def discover(settings: OpenIdSettings) -> Found:
    """OpenID Connect Discovery 1.0, section 4. Raises ProviderUnavailable."""
    document = _fetch(f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != settings.issuer:
        raise Unavailable(f"{settings.issuer} calls itself {str(document.get('issuer'))[:200]!r}")
    try:
        places = [
            read_url(name, str(document.get(name))) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        ]
    except InvalidInput as error:
        raise Unavailable(f"{settings.issuer} describes itself wrongly: {error.message}") from None
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    authorization, token, keys_at = places
    return Found(authorization, token, keys_at, fetch_keys(keys_at), "client_secret_basic" in methods)


def fetch_keys(address: str) -> KeySet:
    """Raises ProviderUnavailable."""
    try:
        return KeySet.import_key_set(_fetch(address))  # type: ignore[arg-type]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"the keys at {address} cannot be read: {error}") from None


def login_address(found: Found, settings: OpenIdSettings, attempt: Attempt) -> str:
    with _session(found, settings) as session:
        address, _ = session.create_authorization_url(
            found.authorization, state=attempt.state, nonce=attempt.nonce, code_verifier=attempt.verifier
        )
    return str(address)


def token_for(code: str, found: Found, settings: OpenIdSettings, attempt: Attempt) -> str:
    """The ID token that this code stands for. Raises NotAuthenticated, ProviderUnavailable."""
    try:
        with _session(found, settings) as session:
            answer = session.fetch_token(
                found.token,
                grant_type="authorization_code",
                code=code,
                code_verifier=attempt.verifier,
                timeout=TIMEOUT,
                allow_redirects=False,
            )
    except OAuthError as error:
        raise NotAuthenticated(f"the provider refuses this log-in: {error.error}", "log in again") from None
    except (requests.RequestException, ValueError) as error:
        raise Unavailable(f"the provider does not answer: {type(error).__name__}") from None
    token = answer.get("id_token")
    if not isinstance(token, str) or len(token) > LARGEST:
        raise NotAuthenticated("the provider did not say who you are", "it has to be an OpenID provider")
    return token


def _session(found: Found, settings: OpenIdSettings) -> OAuth2Session:
    return OAuth2Session(
        settings.client_id,
        settings.client_secret,
        token_endpoint_auth_method="client_secret_basic" if found.basic else "client_secret_post",
        scope=SCOPE,
        redirect_uri=settings.redirect_uri,
        code_challenge_method="S256",
    )


def _fetch(address: str) -> Mapping[str, Any]:
    try:
        with requests.get(address, timeout=TIMEOUT, stream=True, allow_redirects=False) as answer:
            answer.raise_for_status()
            content = answer.raw.read(LARGEST + 1, decode_content=True)
            document = json.loads(content) if answer.status_code == requests.codes.ok else None
    except (requests.RequestException, OSError, ValueError) as error:
        raise Unavailable(f"{address} cannot be fetched: {type(error).__name__}") from None
    if len(content) > LARGEST or not isinstance(document, dict):
        raise Unavailable(f"{address} is no JSON object of a sensible size")
    return document
