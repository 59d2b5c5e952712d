"""Changes that wait for somebody else's approval: what each would do, who asked for it and why, and a word on it. Who
may approve, and that it is not whoever asked, the desk knows.
"""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, Response, request

from rollout.core.errors import NotAllowed, RefusedByRule, RevisionConflict
from rollout.core.keys import Permission
from rollout.web.asking import carry_out, check_store
from rollout.web.authorisation import needs
from rollout.web.bodies import ChangeBody, read_model
from rollout.web.console.forms import TOKEN, read_form
from rollout.web.console.pages import Console
from rollout.web.errors import STATUS, NotFound


def add(blueprint: Blueprint, console: Console) -> None:
    desk = console.parts.desk
    words = {"approve": desk.approve, "reject": desk.reject}

    @blueprint.get("/pending")
    @needs(Permission.STATUS)
    def pending_page() -> Response:
        return _pending(console)

    @blueprint.post("/pending/<change>/<verb>")
    @needs(Permission.APPROVE)
    def decide(change: str, verb: str) -> Response:
        fields = read_form(request)
        console.seal.check(request, fields.get(TOKEN, ""))
        if verb not in words:
            raise NotFound(f"a change has no page called {verb[:100]!r}", "what can be done is approve and reject")
        sent = {"reason": fields.get("reason", "").strip(), "request_id": fields.get(f"{verb}_id") or None}
        body = read_model(ChangeBody, sent)
        try:
            answer = carry_out(console.parts, verb, body, lambda asked: words[verb](change, asked))
        except (NotAllowed, RefusedByRule, RevisionConflict) as error:
            return _pending(console, STATUS[error.code], refusal=error)
        return _pending(console, said=_outcome(verb, answer))


def _pending(console: Console, status: int = 200, **outcome: Any) -> Response:
    check_store(console.parts.follower)
    document = console.parts.desk.pending()
    nothing = {"refusal": None, "said": ""}
    ids = {one["id"]: {verb: uuid.uuid4().hex for verb in ("approve", "reject")} for one in document["pending"]}
    return console.page("pending.html", status, document=document, ids=ids, **(nothing | outcome))


def _outcome(verb: str, answer: dict[str, Any]) -> str:
    if verb == "reject":
        return "Rejected: it will not be done."
    if answer["changed"] and answer["action"] != "approve":
        return f"Approved, and done: revision {answer['revision']}."
    return "Approved."
