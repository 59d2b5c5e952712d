"""The operator's, the developer's and support's calls: HTTP around the desk, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flask import Blueprint, Response, request

from rollout.core.keys import Permission
from rollout.service import reports
from rollout.service.doctor import without_store as doctor_without_store
from rollout.service.operations import Request
from rollout.web.asking import Document, actor_of, carry_out, check_store, from_store_or_snapshot, waits
from rollout.web.authorisation import caller, needs
from rollout.web.bodies import (
    AuditQuery,
    ChangeBody,
    CreateKeyBody,
    DiffQuery,
    ExportBody,
    FileQuery,
    LoadsQuery,
    MoveBody,
    NotesQuery,
    ResumeBody,
    RotateKeyBody,
    SetBody,
    StatusQuery,
    read_explained,
    read_model,
    read_options,
    read_verdicts,
)
from rollout.web.files import read_files
from rollout.web.large_files import add_large_files, is_large, take_whole
from rollout.web.machines import this_server
from rollout.web.parts import Parts
from rollout.web.reading import check_host, read_json_object
from rollout.web.responses import json_response

WAITS = 202
"""The status of a change that waits for somebody else's approval."""


def admin(parts: Parts) -> Blueprint:
    blueprint = Blueprint("admin", __name__, url_prefix="/v1")
    blueprint.before_request(lambda: _check_host(parts))
    _add_questions(blueprint, parts)
    _add_record(blueprint, parts)
    _add_file_in_force(blueprint, parts)
    _add_changes(blueprint, parts)
    _add_files(blueprint, parts)
    _add_approvals(blueprint, parts)
    _add_keys(blueprint, parts)
    return blueprint


def _check_host(parts: Parts) -> None:
    """A key cannot be borrowed by somebody else's page, so where one was shown the name does not matter."""
    if request.method != "OPTIONS" and caller().key is None:
        check_host(request, parts.hosts)


def _add_questions(blueprint: Blueprint, parts: Parts) -> None:
    """Where rollouts stand or stood, why, and what comes."""
    desk, follower = parts.desk, parts.follower

    @blueprint.get("/status")
    @needs(Permission.STATUS)
    def status() -> Response:
        at = read_options(StatusQuery, request.query_string).at
        if at is not None:
            check_store(follower)
            return json_response(desk.status(at=at))
        document = from_store_or_snapshot(follower, desk.status, lambda: reports.status_report(follower.current, {}))
        return json_response(document | {"this_server": this_server(parts)})

    @blueprint.get("/status/<key>")
    @needs(Permission.STATUS)
    def flag_status(key: str) -> Response:
        at = read_options(StatusQuery, request.query_string).at
        if at is not None:
            check_store(follower)
            return json_response(desk.flag_status(key, at=at))
        document = from_store_or_snapshot(
            follower, lambda: desk.flag_status(key), lambda: reports.flag_status_report(follower.current, key)
        )
        return json_response(document)

    @blueprint.get("/explain/<key>")
    @needs(Permission.EXPLAIN)
    def explain(key: str) -> Response:
        given, asked = read_explained(request.query_string)
        at, words = asked.get("at"), asked.get("words")
        if at is not None:
            check_store(follower)
            return json_response(desk.explain(key, given, at=at, words=words))
        document = from_store_or_snapshot(
            follower,
            lambda: desk.explain(key, given, words=words),
            lambda: reports.explain_report(follower.current, key, given, {}, words),
        )
        return json_response(document)

    @blueprint.get("/simulate/<key>")
    @needs(Permission.STATUS)
    def simulate(key: str) -> Response:
        verdicts = read_verdicts(request.query_string)
        check_store(follower)
        return json_response(desk.simulate(key, verdicts))

    @blueprint.get("/doctor")
    @needs(Permission.STATUS)
    def doctor() -> Response:
        def without_store() -> Document:
            return doctor_without_store(follower.trouble or "the store does not answer")

        return json_response(from_store_or_snapshot(follower, desk.doctor, without_store))


def _add_record(blueprint: Blueprint, parts: Parts) -> None:
    """What was done, by whom, and what it changed."""
    desk, follower = parts.desk, parts.follower

    @blueprint.get("/diff")
    @needs(Permission.AUDIT)
    def diff() -> Response:
        query = read_options(DiffQuery, request.query_string)
        check_store(follower)
        return json_response(desk.diff(query.since, query.until, reader=actor_of(None)))

    @blueprint.get("/audit")
    @needs(Permission.AUDIT)
    def audit() -> Response:
        query = read_options(AuditQuery, request.query_string)
        check_store(follower)
        reader = actor_of(None)
        return json_response(desk.audit(flag=query.flag, limit=query.limit, before=query.before, reader=reader))

    @blueprint.get("/audit/notes")
    @needs(Permission.AUDIT)
    def notes() -> Response:
        query = read_options(NotesQuery, request.query_string)
        check_store(follower)
        return json_response(desk.notes(limit=query.limit, before=query.before, reader=actor_of(None)))

    @blueprint.post("/audit/exports")
    @needs(Permission.EXPORT)
    def exports() -> Response:
        body = read_model(ExportBody, read_json_object(request))
        check_store(follower)
        about = body.model_dump(exclude={"reason", "actor"})
        desk.note_export(about, Request(actor_of(body.actor), body.reason))
        return json_response({"noted": True})


def _add_file_in_force(blueprint: Blueprint, parts: Parts) -> None:
    """What the file says that counts, and those before it."""
    desk, follower = parts.desk, parts.follower

    @blueprint.get("/file")
    @needs(Permission.STATUS)
    def file() -> Response:
        query = read_options(FileQuery, request.query_string)
        check_store(follower)
        return json_response(desk.file(revision=query.revision))

    @blueprint.get("/loads")
    @needs(Permission.STATUS)
    def loads() -> Response:
        query = read_options(LoadsQuery, request.query_string)
        check_store(follower)
        return json_response(desk.loads(before=query.before))

    @blueprint.get("/definitions")
    @needs(Permission.STATUS)
    def definitions() -> Response:
        check_store(follower)
        return json_response(desk.definitions())


def _add_changes(blueprint: Blueprint, parts: Parts) -> None:
    desk = parts.desk

    @blueprint.post("/flags/<key>/set")
    @needs(Permission.CHANGE)
    def set_share(key: str) -> Response:
        body = read_model(SetBody, read_json_object(request))

        def call(change: Request) -> Document:
            return desk.set(key, body.share, change, audience=body.audience, beyond_plan=body.beyond_plan)

        return _change(parts, "set", body, call)

    @blueprint.post("/flags/<key>/resume")
    @needs(Permission.CHANGE)
    def resume(key: str) -> Response:
        body = read_model(ResumeBody, read_json_object(request, empty={}))
        return _change(parts, "resume", body, lambda change: desk.resume(key, change, value=body.value))

    plain = {"kill": desk.kill, "revive": desk.revive, "halt": desk.halt}
    for verb, do in plain.items():
        blueprint.add_url_rule(f"/flags/<key>/{verb}", verb, _plain_change(parts, verb, do), methods=["POST"])
    for verb, move in {"advance": desk.advance, "rollback": desk.rollback}.items():
        blueprint.add_url_rule(f"/flags/<key>/{verb}", verb, _move(parts, verb, move), methods=["POST"])


def _plain_change(parts: Parts, verb: str, do: Callable[[str, Request], Document]) -> Callable[[str], Response]:
    """A change that needs nothing but its circumstances."""

    @needs(Permission.CHANGE)
    def answer(key: str) -> Response:
        body = read_model(ChangeBody, read_json_object(request, empty={}))
        return _change(parts, verb, body, lambda change: do(key, change))

    return answer


class _Moves(Protocol):
    def __call__(self, flag: str, request: Request, *, to: str | None = None) -> Document: ...


def _move(parts: Parts, verb: str, do: _Moves) -> Callable[[str], Response]:
    """A change that may go to a stage of one's choice."""

    @needs(Permission.CHANGE)
    def answer(key: str) -> Response:
        body = read_model(MoveBody, read_json_object(request, empty={}))
        return _change(parts, verb, body, lambda change: do(key, change, to=body.to))

    return answer


def _add_files(blueprint: Blueprint, parts: Parts) -> None:
    desk = parts.desk

    @blueprint.post("/plan")
    @needs(Permission.CHANGE)
    def plan() -> Response:
        if is_large():
            return take_whole(parts, "plan")
        body = read_files(request)
        check_store(parts.follower)
        return json_response(desk.plan(body.files, prune=body.prune))

    @blueprint.post("/apply")
    @needs(Permission.APPLY)
    def apply() -> Response:
        if is_large():
            return take_whole(parts, "apply")
        body = read_files(request)
        return _change(parts, "apply", body, lambda change: desk.apply(body.files, change, prune=body.prune))

    add_large_files(blueprint, parts)


def _add_approvals(blueprint: Blueprint, parts: Parts) -> None:
    desk = parts.desk

    @blueprint.get("/pending")
    @needs(Permission.STATUS)
    def pending() -> Response:
        check_store(parts.follower)
        return json_response(desk.pending())

    @blueprint.post("/pending/<change>/approve")
    @needs(Permission.APPROVE)
    def approve(change: str) -> Response:
        body = read_model(ChangeBody, read_json_object(request, empty={}))
        return _change(parts, "approve", body, lambda asked: desk.approve(change, asked))

    @blueprint.post("/pending/<change>/reject")
    @needs(Permission.APPROVE)
    def reject(change: str) -> Response:
        body = read_model(ChangeBody, read_json_object(request, empty={}))
        return _change(parts, "reject", body, lambda asked: desk.reject(change, asked))


def _add_keys(blueprint: Blueprint, parts: Parts) -> None:
    desk = parts.desk

    @blueprint.get("/keys")
    @needs(Permission.KEYS)
    def list_keys() -> Response:
        check_store(parts.follower)
        return json_response(desk.list_keys())

    @blueprint.post("/keys")
    @needs(Permission.KEYS)
    def create_key() -> Response:
        body = read_model(CreateKeyBody, read_json_object(request))

        def call(change: Request) -> Document:
            return desk.create_key(body.role, body.name, change, expires=body.expires, rate=body.rate)

        return _change(parts, "create_key", body, call)

    @blueprint.post("/keys/<key>/rotate")
    @needs(Permission.KEYS)
    def rotate_key(key: str) -> Response:
        body = read_model(RotateKeyBody, read_json_object(request, empty={}))

        def call(change: Request) -> Document:
            return desk.rotate_key(key, change, overlap=body.overlap, expires=body.expires)

        return _change(parts, "rotate_key", body, call)

    @blueprint.post("/keys/<key>/revoke")
    @needs(Permission.KEYS)
    def revoke_key(key: str) -> Response:
        body = read_model(ChangeBody, read_json_object(request, empty={}))
        return _change(parts, "revoke_key", body, lambda change: desk.revoke_key(key, change))


def _change(parts: Parts, action: str, body: ChangeBody, call: Callable[[Request], Document]) -> Response:
    answer = carry_out(parts, action, body, call)
    return json_response(answer, WAITS if waits(answer) else 200)
