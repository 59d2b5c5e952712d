"""The operator's, the developer's and support's calls: HTTP around the desk. A worker has one thread, so whoever waits
here holds up checks: while the store is known to be out of reach, changes are refused at once, and what this worker's
own snapshot can say is said from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

import structlog
from flask import Blueprint, Response, request

from rollout.core.audit import Actor
from rollout.core.errors import NotAllowed, RolloutError, StoreUnavailable
from rollout.core.keys import Permission
from rollout.service import reports
from rollout.service.doctor import without_store as doctor_without_store
from rollout.service.follower import Follower
from rollout.service.operations import Request
from rollout.web.authorisation import caller, needs
from rollout.web.bodies import (
    AuditQuery,
    ChangeBody,
    CreateKeyBody,
    DiffQuery,
    ExportBody,
    FilesBody,
    FilesOptions,
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
from rollout.web.machines import this_server
from rollout.web.parts import Parts
from rollout.web.reading import (
    FILES_BODY,
    check_host,
    is_yaml,
    read_body,
    read_json_object,
    text_of,
)
from rollout.web.responses import json_response

Document: TypeAlias = dict[str, Any]

FLAGS_FILE = "flags.yaml"
"""What a body of bare YAML is called in problems and in the audit."""

UNKNOWN = "unknown"
"""Who somebody is that does not say it."""

MAX_TOOL = 100  # characters of a User-Agent that go into the audit

WAITS = 202
"""The status of a change that waits for somebody else's approval."""

log = structlog.get_logger("rollout.web")


def admin(parts: Parts) -> Blueprint:
    blueprint = Blueprint("admin", __name__, url_prefix="/v1")
    blueprint.before_request(lambda: _check_host(parts))
    _add_questions(blueprint, parts)
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
    desk, follower = parts.desk, parts.follower

    @blueprint.get("/status")
    @needs(Permission.STATUS)
    def status() -> Response:
        at = read_options(StatusQuery, request.query_string).at
        if at is not None:
            _check_store(follower)
            return json_response(desk.status(at=at))
        document = _from_store_or_snapshot(follower, desk.status, lambda: reports.status_report(follower.current, {}))
        return json_response(document | {"this_server": this_server(parts)})

    @blueprint.get("/status/<key>")
    @needs(Permission.STATUS)
    def flag_status(key: str) -> Response:
        at = read_options(StatusQuery, request.query_string).at
        if at is not None:
            _check_store(follower)
            return json_response(desk.flag_status(key, at=at))
        document = _from_store_or_snapshot(
            follower, lambda: desk.flag_status(key), lambda: reports.flag_status_report(follower.current, key)
        )
        return json_response(document)

    @blueprint.get("/explain/<key>")
    @needs(Permission.EXPLAIN)
    def explain(key: str) -> Response:
        given, asked = read_explained(request.query_string)
        at, words = asked.get("at"), asked.get("words")
        if at is not None:
            _check_store(follower)
            return json_response(desk.explain(key, given, at=at, words=words))
        document = _from_store_or_snapshot(
            follower,
            lambda: desk.explain(key, given, words=words),
            lambda: reports.explain_report(follower.current, key, given, {}, words),
        )
        return json_response(document)

    @blueprint.get("/diff")
    @needs(Permission.AUDIT)
    def diff() -> Response:
        query = read_options(DiffQuery, request.query_string)
        _check_store(follower)
        return json_response(desk.diff(query.since, query.until, reader=_actor(None)))

    @blueprint.get("/simulate/<key>")
    @needs(Permission.STATUS)
    def simulate(key: str) -> Response:
        verdicts = read_verdicts(request.query_string)
        _check_store(follower)
        return json_response(desk.simulate(key, verdicts))

    @blueprint.get("/doctor")
    @needs(Permission.STATUS)
    def doctor() -> Response:
        def without_store() -> Document:
            return doctor_without_store(follower.trouble or "the store does not answer")

        return json_response(_from_store_or_snapshot(follower, desk.doctor, without_store))

    @blueprint.get("/audit")
    @needs(Permission.AUDIT)
    def audit() -> Response:
        query = read_options(AuditQuery, request.query_string)
        _check_store(follower)
        reader = _actor(None)
        return json_response(desk.audit(flag=query.flag, limit=query.limit, before=query.before, reader=reader))

    @blueprint.get("/audit/notes")
    @needs(Permission.AUDIT)
    def notes() -> Response:
        query = read_options(NotesQuery, request.query_string)
        _check_store(follower)
        return json_response(desk.notes(limit=query.limit, before=query.before, reader=_actor(None)))

    @blueprint.post("/audit/exports")
    @needs(Permission.EXPORT)
    def exports() -> Response:
        body = read_model(ExportBody, read_json_object(request))
        _check_store(follower)
        about = body.model_dump(exclude={"reason", "actor"})
        desk.note_export(about, Request(_actor(body.actor), body.reason))
        return json_response({"noted": True})


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
        body = _read_files()
        _check_store(parts.follower)
        return json_response(desk.plan(body.files, prune=body.prune))

    @blueprint.post("/apply")
    @needs(Permission.APPLY)
    def apply() -> Response:
        body = _read_files()
        return _change(parts, "apply", body, lambda change: desk.apply(body.files, change, prune=body.prune))


def _add_approvals(blueprint: Blueprint, parts: Parts) -> None:
    desk = parts.desk

    @blueprint.get("/pending")
    @needs(Permission.STATUS)
    def pending() -> Response:
        _check_store(parts.follower)
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
        _check_store(parts.follower)
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


def _read_files() -> FilesBody:
    """Bare YAML with the options in the query, or JSON with everything in it."""
    if not is_yaml(request):
        body = read_model(FilesBody, read_json_object(request, FILES_BODY))
        return body.model_copy(update={"files": _flags_file_first(body.files)})
    options = read_options(FilesOptions, request.query_string)
    text = text_of(read_body(request, FILES_BODY))
    return FilesBody(**options.model_dump(), files={FLAGS_FILE: text})


def _flags_file_first(files: Mapping[str, str]) -> dict[str, str]:
    """Many clients sort the members of an object, so their order cannot say which file is which."""
    yaml = [name for name in files if name.endswith((".yaml", ".yml"))]
    first = FLAGS_FILE if FLAGS_FILE in files else yaml[0] if len(yaml) == 1 else next(iter(files))
    return {first: files[first], **files}


def _change(parts: Parts, action: str, body: ChangeBody, call: Callable[[Request], Document]) -> Response:
    """Carries a change out, and says so in the log and in the metrics."""
    change = _request(body)
    try:
        _check_store(parts.follower)
        answer = call(change)
    except RolloutError as error:
        parts.counters.change_asked(action, error.code)
        raise
    waits = "approval" in answer and "pending" in answer
    outcome = "dry run" if change.dry_run else "changed" if answer["changed"] else "waits" if waits else "unchanged"
    parts.counters.change_asked(action, outcome)
    if not change.dry_run:
        _log(action, outcome, change, answer)
    return json_response(answer, WAITS if waits else 200)


def _log(action: str, outcome: str, change: Request, answer: Document) -> None:
    """The audit has it too, but the log is what one looks at while things happen."""
    who = {"actor": change.actor.id, "host": change.actor.host, "reason": change.reason}
    what = {"flag": answer.get("flag"), "revision": answer["revision"], "request_id": change.request_id}
    log.info(action, outcome=outcome, **who, **what)


def _request(body: ChangeBody) -> Request:
    if body.break_glass and caller().key is None:
        raise NotAllowed(
            "without a key nobody breaks the glass here", "straight on the store it can be done: --url redis://…"
        )
    circumstances = Request(
        _actor(body.actor),
        body.reason,
        body.revision,
        dry_run=body.dry_run,
        ticket=body.ticket or "",
        break_glass=body.break_glass,
    )
    return circumstances if body.request_id is None else replace(circumstances, request_id=body.request_id)


def _actor(name: str | None) -> Actor:
    """Who is asking, and where from: by the key that was shown, whatever the body says; without keys, as it says."""
    tool = "".join(filter(str.isprintable, request.headers.get("User-Agent", "")))[:MAX_TOOL]
    address, key = request.remote_addr or "", caller().key
    if key is None:
        return Actor(name or UNKNOWN, host=address, address=address, tool=tool)
    return Actor(key.name, host=address, address=address, tool=tool, authenticated=f"key:{key.id}", claimed=name or "")


def _from_store_or_snapshot(
    follower: Follower, ask: Callable[[], Document], from_snapshot: Callable[[], Document]
) -> Document:
    """The whole answer, or, while the store is out of reach, what this worker knows of it."""
    if follower.trouble is not None:
        return from_snapshot()
    try:
        return ask()
    except StoreUnavailable:
        return from_snapshot()


def _check_store(follower: Follower) -> None:
    if follower.trouble is not None:
        raise StoreUnavailable(
            f"this server cannot reach the store: {follower.trouble}",
            "checks go on; to change something now, go straight to the store with a redis:// URL",
        )
