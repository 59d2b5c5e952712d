"""A small OpenID provider that tests run: it describes itself, asks who somebody is, gives codes that are good once,
and signs with a key of its own. It can be told to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

CLIENT, SECRET = "rollout", "a secret of this client + more"
ROLES = "flags-admins=admin; on call=operator; helpdesk=support"

Claims = dict[str, Any]

PEOPLE: Mapping[str, Claims] = {
    "asha": {"email": "asha@example.com", "groups": ["everyone", "flags-admins"]},
    "ravi": {"email": "ravi@example.com", "groups": ["flags-admins"]},
    "joost": {"email": "joost@example.com", "groups": ["helpdesk", "on call"]},
    "mina": {"email": "mina@example.com", "groups": "helpdesk"},
    "stranger": {"email": "stranger@example.com", "groups": ["everyone"]},
    "nobody": {"email": "nobody@example.com"},
    "fraud": {"email": "asha@example.com", "email_verified": False, "groups": ["flags-admins"]},
}


def signed(claims: Claims, key: RSAKey) -> str:
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


class Provider:
    """`lie` makes of right claims what is signed; `sign` how; `refuses` is what it says to every code."""

    def __init__(self) -> None:
        self.key = self.fresh_key()
        self.lie: Callable[[Claims], Claims] = dict
        self.sign: Callable[[Claims, RSAKey], str] = signed
        self.refuses = ""
        self.hangs = threading.Event()
        self.hangs.set()  # it does not
        self.calls: list[str] = []
        self.redirect_uri = ""  # of the client
        self._codes: dict[str, tuple[str, dict[str, str]]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="provider", daemon=True).start()

    @staticmethod
    def fresh_key() -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})

    def stop(self) -> None:
        self.hangs.set()
        self._server.shutdown()
        self._server.server_close()

    def configuration(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def page(self, query: dict[str, str]) -> str:
        """Who is it? Everything that a client has to send was sent."""
        assert query["client_id"] == CLIENT
        assert query["redirect_uri"] == self.redirect_uri
        assert query["response_type"] == "code" and "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256" and query["code_challenge"]
        assert len(query["state"]) >= 16 and len(query["nonce"]) >= 16
        links = (f'<li><a href="/as/{who}?{escape(urlencode(query))}">{who}</a></li>' for who in PEOPLE)
        return f"<!doctype html><title>Example</title><h1>Who are you?</h1><ul>{''.join(links)}</ul>"

    def back(self, who: str, query: dict[str, str]) -> str:
        """Where the browser goes, with a code."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = (who, query)
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, Claims]:
        wanted = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != f"Basic {wanted}":
            return 401, {"error": "invalid_client"}
        who, query = self._codes.pop(form.get("code", ""), ("", {}))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        right = challenge == query.get("code_challenge") and form.get("redirect_uri") == query.get("redirect_uri")
        if self.refuses or not who or not right:
            return 400, {"error": self.refuses or "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": f"id-of-{who}", "iat": now, "exp": now + 300}
        token = self.sign(self.lie({**claims, "nonce": query["nonce"], **PEOPLE[who]}), self.key)
        return 200, {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": token}

    def _handler(provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                provider.calls.append(url.path)
                if url.path == "/.well-known/openid-configuration":
                    self.answer(200, provider.configuration())
                elif url.path == "/keys":
                    self.answer(200, KeySet([provider.key]).as_dict(private=False))
                elif url.path == "/authorize":
                    self.answer(200, provider.page(query))
                elif url.path.startswith("/as/"):
                    self.answer(302, "", Location=provider.back(url.path.removeprefix("/as/"), query))
                else:
                    self.answer(404, "")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.calls.append(self.path)
                provider.hangs.wait(60)
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self.answer(*provider.redeem(form, self.headers.get("Authorization", "")))

            def answer(self, status: int, content: Claims | str, **headers: str) -> None:
                text = content if isinstance(content, str) else json.dumps(content)
                self.send_response(status)
                kind = "text/html" if isinstance(content, str) else "application/json"
                for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *said: Any) -> None:
                """What goes right need not be told."""

        return Handler


@contextmanager
def running_provider() -> Iterator[Provider]:
    provider = Provider()
    try:
        yield provider
    finally:
        provider.stop()


def unsigned(claims: Claims, key: RSAKey) -> str:
    """By "none", as in RFC 7515, appendix A.5."""
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def by_our_secret(claims: Claims, key: RSAKey) -> str:
    """Signed with what the client knows as well."""
    return jwt.encode({"alg": "HS256", "kid": key.kid}, claims, OctKey.import_key(SECRET * 2))


def by_the_public_key(claims: Claims, key: RSAKey) -> str:
    """The public key taken for a shared secret."""
    header = {"alg": "HS256", "kid": key.kid}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    digest = hashlib.sha256(key.as_pem(private=False) + ".".join(parts).encode()).digest()
    return ".".join([*parts, base64.urlsafe_b64encode(digest).decode().rstrip("=")])


def by_another_key(claims: Claims, key: RSAKey) -> str:
    other = RSAKey.generate_key(2048, {"kid": key.kid})
    return signed(claims, other)
