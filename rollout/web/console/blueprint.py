"""Joins the pages, and keeps for all of them: hosts that are not ours are refused, errors are pages, and what is served
may load nothing from elsewhere.
"""

from __future__ import annotations

import hashlib
from importlib import resources

from flask import Blueprint, Response, g, request

from rollout.service.gate import Caller
from rollout.web.authorisation import open_to_all
from rollout.web.console import (
    activity,
    dialogs,
    explaining,
    files,
    flag_list,
    flag_page,
    keys,
    live,
    login,
    oidc,
    pending,
    servers,
)
from rollout.web.console.forms import Seal
from rollout.web.console.pages import Console, answer_errors
from rollout.web.console.sessions import Sessions
from rollout.web.errors import NotFound
from rollout.web.parts import Parts
from rollout.web.reading import check_host

PAGES = (flag_list, flag_page, dialogs, explaining, activity, files, servers, keys, login, oidc, pending, live)

TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "woff2": "font/woff2"}

FOR_A_YEAR = "public, max-age=31536000, immutable"


def console(parts: Parts, seal: Seal, sessions: Sessions) -> Blueprint:
    """The pages, around these parts."""
    blueprint = Blueprint("console", __name__)
    blueprint.before_request(lambda: _check_host(parts))
    assets = _read_assets()
    joined = Console(parts, seal, sessions, {name: _address(name, content) for name, content in assets.items()})
    for pages in PAGES:
        pages.add(blueprint, joined)
    answer_errors(blueprint, joined)
    login.answer_strangers(blueprint, joined)

    @blueprint.get("/console/<name>")
    @open_to_all
    def asset(name: str) -> Response:
        if name not in assets:
            raise NotFound("there is nothing at this address", "the console begins at /")
        response = Response(assets[name], mimetype=TYPES[name.rpartition(".")[2]])
        response.headers["Cache-Control"] = FOR_A_YEAR  # its address names its content
        return response

    return blueprint


def _check_host(parts: Parts) -> None:
    """A session is bound to the name under which it began, so where there is one another page's name is of no use."""
    found: Caller | None = g.get("caller")
    if found is not None and found.key is None:
        check_host(request, parts.hosts)


def _read_assets() -> dict[str, bytes]:
    folder = resources.files(__package__) / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in TYPES}


def _address(name: str, content: bytes) -> str:
    return f"/console/{name}?{hashlib.sha256(content).hexdigest()[:12]}"
