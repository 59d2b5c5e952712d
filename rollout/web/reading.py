"""Reading requests: how much of a body, of which type, as strict JSON, and for which host. What is not understood is
refused with what would be right.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection
from typing import IO, Any

import orjson
from flask import Request

from rollout.core.errors import InvalidInput, NotAllowed
from rollout.web.errors import InvalidJson, TooLarge, UnsupportedMediaType

SMALL_BODY = 64 * 1024
FILES_BODY = 1024 * 1024

YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})


def read_json_object(
    request: Request, limit: int = SMALL_BODY, *, empty: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The body as a JSON object; `empty` is what no body at all means, if anything. Raises UnsupportedMediaType,
    TooLarge, InvalidJson."""
    check_json(request)
    body = read_body(request, limit)
    if empty is not None and not body:
        return empty
    return json_object(body)


def json_object(body: bytes) -> dict[str, Any]:
    """Raises InvalidJson."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise InvalidJson("the body is JSON, but not an object", "send {...}")
    return document


def check_json(request: Request) -> None:
    """Raises UnsupportedMediaType for a body that is something else, or does not say what it is."""
    if not is_json(request):
        raise UnsupportedMediaType(_wrong_type(request), "send JSON, with Content-Type: application/json")


def is_json(request: Request) -> bool:
    """A browser's form cannot claim this type, so no page of somebody else can send such a body unasked."""
    return request.mimetype == "application/json" or request.mimetype.endswith("+json")


def is_yaml(request: Request) -> bool:
    return request.mimetype in YAML_TYPES


def _wrong_type(request: Request) -> str:
    return f"a body of type {request.mimetype[:100]!r} is not read here" if request.mimetype else "the body has no type"


def read_body(request: Request, limit: int) -> bytes:
    """The whole body, also where its length is not said in advance. Raises TooLarge without reading on, and
    InvalidInput where less came than was announced: a `dry_run` that was lost on the way must not become the real
    thing."""
    announced = request.content_length or 0
    if announced <= limit:
        body = _read_up_to(limit + 1, request.stream)
        if len(body) < announced or (not body and "Transfer-Encoding" in request.headers):
            raise InvalidInput("the body ended before it was whole", "send it again")
        if len(body) <= limit:
            return body
    raise TooLarge(f"the body is larger than {limit // 1024} KiB", _smaller(limit))


def _read_up_to(size: int, stream: IO[bytes]) -> bytes:
    """One read may give less than there is."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _smaller(limit: int) -> str:
    if limit == FILES_BODY:
        return "say its length in Content-Length, or send it in parts, as `rollout apply` does"
    return "send less"


def parse_json(body: bytes) -> Any:
    """JSON to the letter (RFC 8259, UTF-8, no NaN), where in addition no name stands twice. Raises InvalidJson.

    orjson says what is wrong with text, depth and numbers; the standard library sees names that stand twice, and keeps
    whole numbers exact.
    """
    try:
        orjson.loads(body)
        return json.loads(body, object_pairs_hook=_object)
    except ValueError as error:
        raise InvalidJson(f"this is not JSON: {error}"[:300]) from None
    except RecursionError:
        raise InvalidJson("this JSON is nested too deep", "a few levels are plenty") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidJson(f"{_first_repeated(pairs)[:100]!r} stands twice in one object")
    return found


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]


_PORT = re.compile(r":\d{1,5}$")


def check_host(request: Request, hosts: Collection[str]) -> None:
    """Raises NotAllowed where a request came in under a public name that is not ours: a page can point a name of its
    own at this address, and a browser would then let it talk to us (DNS rebinding). Addresses, and names without a
    dot, cannot be anybody else's."""
    host = _PORT.sub("", request.headers.get("Host", "")).strip("[]").rstrip(".").lower()
    if "." not in host or host in hosts or _is_address(host):
        return
    raise NotAllowed(
        f"this server does not answer operators as {host[:100]!r}", "ask it by its address, or by a name without a dot"
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def text_of(body: bytes) -> str:
    """Raises InvalidInput for what is not UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"byte {error.start + 1} of the body is not UTF-8", "save the file as UTF-8") from None
