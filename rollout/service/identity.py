"""What pages need of the company's own log-in, an OpenID provider: where to send a browser, and who came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rollout.core.keys import Key


@dataclass(frozen=True, slots=True)
class Attempt:
    """One log-in, under way in one browser. `state` comes back with the browser, `nonce` in what the provider signs;
    `verifier` proves that whoever brings the code began the log-in (PKCE, RFC 7636)."""

    state: str
    nonce: str
    verifier: str


class Provider(Protocol):
    name: str  # for people
    realm: str  # whom it lets in and as what; sessions end when that is set otherwise
    over_https: bool  # how browsers come back to us, whatever a proxy makes of it

    def address(self, attempt: Attempt) -> str:
        """Where a browser goes to log in. Raises ProviderUnavailable."""

    def identify(self, code: str, attempt: Attempt) -> Key:
        """Who came back with this code; waits for the provider, not for long. Raises NotAuthenticated, NotAllowed,
        ProviderUnavailable, and NotYet, before anything was asked, where others were asked about just now."""

    def is_issuer(self, issuer: str) -> bool:
        """Whether this is the provider's own name for itself."""
