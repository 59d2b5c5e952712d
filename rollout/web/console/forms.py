"""What forms send, and the proof that it was our own form: a token that only we can make from a cookie that only the
browser has (a signed double submit), and the browser's own word on where a request comes from.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from urllib.parse import parse_qsl

from flask import Request, Response

from rollout.core.errors import InvalidInput, NotAllowed
from rollout.web.errors import UnsupportedMediaType
from rollout.web.reading import SMALL_BODY, read_body

COOKIE = "rollout_form"
NAME_COOKIE = "rollout_name"
TOKEN = "token"  # the name of a field

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 50

_NONCE = re.compile(r"[0-9a-f]{32}")


class Seal:
    """`secret` is the same in all workers; None for one that ends with this process."""

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    def nonce(self, request: Request) -> tuple[str, bool]:
        """The browser's, or, with True, one to give to it."""
        known = request.cookies.get(COOKIE, "")
        return (known, False) if _NONCE.fullmatch(known) else (secrets.token_hex(16), True)

    def mark(self, text: str) -> str:
        """By which we know again that we wrote this. `text` begins with what it is for."""
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def token(self, nonce: str) -> str:
        return self.mark(f"form {nonce}")

    def give(self, response: Response, nonce: str, *, secure: bool) -> None:
        response.set_cookie(COOKIE, nonce, httponly=True, samesite="Lax", secure=secure)

    def check(self, request: Request, token: str) -> None:
        """Raises NotAllowed for what no form of ours sent from this browser."""
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        known = request.cookies.get(COOKIE, "")
        good = _NONCE.fullmatch(known) and hmac.compare_digest(self.token(known).encode(), token.encode())
        if site != "same-origin" or not good:
            raise NotAllowed(
                "this form is not one that this server gave to this browser, so nothing was done",
                "open the page anew and send it from there; cookies must be allowed",
            )


def read_form(request: Request, limit: int = SMALL_BODY) -> dict[str, str]:
    """The fields of a form, each once. Raises UnsupportedMediaType, TooLarge, InvalidInput."""
    if request.mimetype != FORM:
        raise UnsupportedMediaType("this takes a form", f"send {FORM}")
    body = read_body(request, limit)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:  # also what is not UTF-8
        raise InvalidInput("this form cannot be read", "send it from the page") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidInput("a field of this form is given twice", "send it once")
    return fields
