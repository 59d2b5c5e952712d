"""How a change is made from a page: a look first (a dry run says who would gain and who would lose, at which revision),
then the form, which carries that revision and a request id. Nothing is applied that somebody has not seen: where the
flag moved meanwhile, or more people would get it than the page showed, the page is shown anew instead.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from rollout.core.audit import Actor
from rollout.core.errors import RefusedByRule, RevisionConflict, RolloutError, StoreUnavailable
from rollout.core.keys import Permission
from rollout.service.operations import Request
from rollout.service.words import BY_RULES, Document, move_words, readmitted_words
from rollout.web.asking import carry_out, check_store
from rollout.web.authorisation import needs
from rollout.web.bodies import ChangeBody, read_model
from rollout.web.console.forms import NAME_COOKIE, TOKEN, read_form
from rollout.web.console.pages import NOBODY_SAYS, Console
from rollout.web.console.verbs import VERBS, Target, Verb, command
from rollout.web.console.words import is_raise
from rollout.web.errors import STATUS, NotFound
from rollout.web.evaluate import read_query

A_YEAR = 365 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Asking:
    """One form: what is to be done to which flag."""

    console: Console
    verb: Verb
    flag: str
    target: Target

    def show(self, status: int = 200, notice: str = "", reason: str = "") -> Response:
        """The form, after a look. `notice`: why it is shown anew; `reason`: what was written
        into it."""
        check_store(self.console.parts.follower)
        facts = self._looked()
        return self.console.page(
            "dialog.html",
            status,
            verb=self.verb,
            flag=self.flag,
            target=self.target,
            notice=notice,
            reason=reason,
            request_id=uuid.uuid4().hex,
            command=command(self.verb, self.flag, self.target, reason),
            shown=fingerprint(self.target),
            **facts,
        )

    def _looked(self) -> dict[str, Any]:
        desk = self.console.parts.desk
        standing = desk.flag_status(self.flag)
        facts: dict[str, Any] = {"standing": standing, "preview": None, "refusal": None, "gains": [], "losses": []}
        if self.verb.name == "set" and not self.target.share:
            return facts
        try:
            preview = self.verb.act(desk, self.flag, Request(Actor(NOBODY_SAYS), dry_run=True), self.target)
        except StoreUnavailable:
            raise
        except RolloutError as error:
            return facts | {"refusal": error}
        return facts | {"preview": preview, "gains": gains(preview), "losses": losses(preview)}

    def carry_out(self, fields: dict[str, str]) -> Response:
        body, reason = self._body(fields), fields.get("reason", "")
        if fingerprint(self.target) != fields.get("shown") and self._raises():
            return self.show(notice="This is what it would do now. Nothing was applied yet.", reason=reason)
        try:
            answer = carry_out(self.console.parts, self.verb.name, body, self._act)
        except RevisionConflict as error:
            return self.show(STATUS[error.code], f"Changed meanwhile: {error.message}. Nothing was applied.", reason)
        except RefusedByRule as error:
            return self.show(STATUS[error.code], f"Refused: {error.message}. Nothing was applied.", reason)
        response = self.console.page(
            "done.html", verb=self.verb, flag=self.flag, answer=answer, gains=gains(answer), losses=losses(answer)
        )
        if body.actor:
            response.set_cookie(NAME_COOKIE, body.actor, max_age=A_YEAR, httponly=True, samesite="Lax")
        return response

    def _body(self, fields: dict[str, str]) -> ChangeBody:
        revision = fields.get("revision", "")
        sent = {
            "reason": fields.get("reason", "").strip(),
            "actor": fields.get("name", "").strip() or None,
            "request_id": fields.get("request_id"),
            "revision": int(revision) if revision.isdecimal() and len(revision) < 17 else -1,
        }
        return read_model(ChangeBody, sent)

    def _act(self, change: Request) -> dict[str, Any]:
        return self.verb.act(self.console.parts.desk, self.flag, change, self.target)

    def _raises(self) -> bool:
        return bool(self._act(Request(Actor(NOBODY_SAYS), dry_run=True))["raises"])


def add(blueprint: Blueprint, console: Console) -> None:
    @blueprint.get("/flags/<flag>/<verb>")
    @needs(Permission.CHANGE)
    def ask(flag: str, verb: str) -> Response:
        return _asking(console, flag, verb, read_query(request.query_string)).show()

    @blueprint.post("/flags/<flag>/<verb>")
    @needs(Permission.CHANGE)
    def act(flag: str, verb: str) -> Response:
        fields = read_form(request)
        console.seal.check(request, fields.get(TOKEN, ""))
        return _asking(console, flag, verb, fields).carry_out(fields)


def _asking(console: Console, flag: str, verb: str, fields: Mapping[str, str]) -> Asking:
    if verb not in VERBS:
        raise NotFound(f"a flag has no page called {verb[:100]!r}", f"what can be done is {', '.join(VERBS)}")
    return Asking(console, VERBS[verb], flag, Target.of(fields))


def gains(answer: Document) -> list[str]:
    """Who gets the flag by it."""
    found = [move_words(move) for move in answer["moves"] if is_raise(move)]
    found += map(readmitted_words, answer["readmitted"])
    return found or ([BY_RULES] if answer["raises"] else [])


def losses(answer: Document) -> list[str]:
    """Who loses it."""
    return [move_words(move) for move in answer["moves"] if not is_raise(move)]


def fingerprint(target: Target) -> str:
    """What the page showed the consequences of."""
    return "|".join((target.to, target.share, target.audience, target.value))
