"""Callers' keys, for admins: who has one, when it was used, and making, replacing and revoking them. A key's secret is
on the one page that answers its making, and nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from flask import Blueprint, Response, request

from rollout.core.errors import InvalidInput, RefusedByRule, RevisionConflict
from rollout.core.keys import Permission, Role
from rollout.service.desk import Desk
from rollout.service.operations import Request
from rollout.web.asking import carry_out, check_store
from rollout.web.authorisation import needs
from rollout.web.bodies import ChangeBody, CreateKeyBody, read_model
from rollout.web.console.forms import TOKEN, read_form
from rollout.web.console.pages import Console
from rollout.web.errors import STATUS, NotFound

Document: TypeAlias = dict[str, Any]
Act: TypeAlias = Callable[[Request], Document]


def add(blueprint: Blueprint, console: Console) -> None:
    desk = console.parts.desk

    @blueprint.get("/keys")
    @needs(Permission.KEYS)
    def keys_page() -> Response:
        return _keys(console)

    @blueprint.post("/keys")
    @needs(Permission.KEYS)
    def make_key() -> Response:
        fields = _sent(console)
        body = _create_body(fields)
        return _carried_out(console, "create_key", body, lambda change: _create(desk, body, change))

    @blueprint.get("/keys/<key>/<verb>")
    @needs(Permission.KEYS)
    def key_dialog(key: str, verb: str) -> Response:
        check_store(console.parts.follower)
        return console.page("key.html", key=_line(console, key), verb=_known(verb), request_id=uuid.uuid4().hex)

    @blueprint.post("/keys/<key>/<verb>")
    @needs(Permission.KEYS)
    def change_key(key: str, verb: str) -> Response:
        fields = _sent(console)
        _known(verb)
        body = read_model(ChangeBody, _circumstances(fields))
        if verb == "revoke":
            return _carried_out(console, "revoke_key", body, lambda change: desk.revoke_key(key, change))
        overlap = fields.get("overlap", "").strip() or None
        return _carried_out(console, "rotate_key", body, lambda change: desk.rotate_key(key, change, overlap=overlap))


def _keys(console: Console, status: int = 200, **outcome: Any) -> Response:
    check_store(console.parts.follower)
    nothing = {"made": None, "refusal": None, "said": ""}
    keys = sorted(console.parts.desk.list_keys()["keys"], key=lambda key: key["state"] != "live")
    return console.page(
        "keys.html", status, keys=keys, roles=list(Role), request_id=uuid.uuid4().hex, **(nothing | outcome)
    )


def _carried_out(console: Console, action: str, body: ChangeBody, act: Act) -> Response:
    try:
        answer = carry_out(console.parts, action, body, act)
    except (InvalidInput, RefusedByRule, RevisionConflict) as error:
        return _keys(console, STATUS[error.code], refusal=error)
    said = "Done." if answer["changed"] else "There was nothing to change."
    return _keys(console, made=answer.get("secret"), said=said)


def _create(desk: Desk, body: CreateKeyBody, change: Request) -> Document:
    return desk.create_key(body.role, body.name, change, expires=body.expires, rate=body.rate)


def _create_body(fields: Mapping[str, str]) -> CreateKeyBody:
    wanted = {name: fields.get(name, "").strip() for name in ("role", "name")}
    return read_model(CreateKeyBody, _circumstances(fields) | wanted | {"expires": fields.get("expires") or None})


def _circumstances(fields: Mapping[str, str]) -> dict[str, Any]:
    return {"reason": fields.get("reason", "").strip(), "request_id": fields.get("request_id") or None}


def _sent(console: Console) -> dict[str, str]:
    fields = read_form(request)
    console.seal.check(request, fields.get(TOKEN, ""))
    return fields


def _known(verb: str) -> str:
    if verb not in ("rotate", "revoke"):
        raise NotFound(f"a key has no page called {verb[:100]!r}", "what can be done is rotate and revoke")
    return verb


def _line(console: Console, key: str) -> Document:
    found: list[Document] = [line for line in console.parts.desk.list_keys()["keys"] if line["id"] == key]
    if not found:
        raise NotFound("no key has this id", "/keys lists them")
    return found[0]
