"""What the console asks of the provider. Its description and keys are fetched beside, by a thread; only a code is
redeemed while somebody waits. A worker has one thread for pages, so that wait is bounded, and after it others get twice
as long: strangers who bring made-up codes cannot take the worker up.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from urllib.parse import urlsplit

from joserfc.errors import JoseError

from rollout.core.errors import NotAuthenticated, NotYet, ProviderUnavailable, RolloutError
from rollout.core.keys import Key
from rollout.identity.claims import key_of, signed_claims
from rollout.identity.fetching import Found, discover, fetch_keys, login_address, token_for
from rollout.identity.settings import OpenIdSettings
from rollout.service.identity import Attempt

FRESH = 300.0  # seconds that a description is believed
PATIENCE = 3.0  # seconds for one code

log = logging.getLogger(__name__)


class OpenIdProvider:
    def __init__(self, settings: OpenIdSettings, patience: float = PATIENCE) -> None:
        self.name = urlsplit(settings.issuer).netloc
        self.realm = settings.realm
        self.over_https = settings.console.startswith("https:")
        self._settings = settings
        self._patience = patience
        self._found: Found | None = None
        self._fetched_at = float("-inf")
        self._trouble = "it was not asked yet"
        self._free_at = float("-inf")

    def refresh(self) -> None:
        """Fetches what the provider says of itself, where that is not fresh. Whatever goes wrong, the last stays."""
        if time.monotonic() - self._fetched_at < FRESH:
            return
        try:
            self._found = discover(self._settings)
        except ProviderUnavailable as error:
            if error.message != self._trouble:
                log.warning("nobody can log in by %s: %s", self.name, error.message)
            self._trouble = error.message
            return
        self._fetched_at, self._trouble = time.monotonic(), ""

    def address(self, attempt: Attempt) -> str:
        return login_address(self._known(), self._settings, attempt)

    def identify(self, code: str, attempt: Attempt) -> Key:
        found, began = self._known(), time.monotonic()
        if began < self._free_at:
            raise NotYet("others are logging in", "this goes on by itself")
        asked: Future[Key] = Future()
        threading.Thread(target=self._ask, args=[asked, code, found, attempt], name="log-in", daemon=True).start()
        try:
            return asked.result(self._patience)
        except TimeoutError:
            raise ProviderUnavailable(f"{self.name} takes longer than {self._patience:g} seconds") from None
        finally:
            now = time.monotonic()
            self._free_at = now + 2 * (now - began)

    def is_issuer(self, issuer: str) -> bool:
        return issuer == self._settings.issuer

    def _known(self) -> Found:
        if self._found is None:
            raise ProviderUnavailable(f"{self.name} cannot be asked: {self._trouble}", "log in with a key meanwhile")
        return self._found

    def _ask(self, asked: Future[Key], code: str, found: Found, attempt: Attempt) -> None:
        try:
            token = token_for(code, found, self._settings, attempt)
            asked.set_result(key_of(self._claims(token, found, attempt), self._settings))
        except RolloutError as error:
            asked.set_exception(error)
        except Exception as error:  # whatever a provider may send
            log.exception("a log-in failed")
            asked.set_exception(NotAuthenticated(f"the provider's answer cannot be used: {type(error).__name__}"))

    def _claims(self, token: str, found: Found, attempt: Attempt) -> dict[str, object]:
        """With the provider's keys of now, where none that we know signed it: it may have changed them."""
        try:
            return dict(signed_claims(token, found.keys, attempt.nonce, self._settings))
        except (JoseError, ValueError):
            keys = fetch_keys(found.keys_at)
        try:
            return dict(signed_claims(token, keys, attempt.nonce, self._settings))
        except (JoseError, ValueError) as error:
            raise NotAuthenticated(f"the provider did not sign what it says of you: {error}", "log in again") from None
