"""How operators are answered, as JSON and on pages alike. A worker has one thread, so whoever waits here holds up
checks: while the store is known to be out of reach, changes are refused at once, and what this worker's own snapshot
can say is said from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import structlog
from flask import request

from rollout.core.audit import Actor
from rollout.core.errors import NotAllowed, RolloutError, StoreUnavailable
from rollout.core.log_ins import is_person, proof_of
from rollout.service.follower import Follower
from rollout.service.loads import Asker
from rollout.service.operations import Request
from rollout.web.authorisation import caller
from rollout.web.bodies import ChangeBody
from rollout.web.parts import Parts

Document: TypeAlias = dict[str, Any]

UNKNOWN = "unknown"
"""Who somebody is that does not say it."""

MAX_TOOL = 100  # characters of a User-Agent that go into the audit

log = structlog.get_logger("rollout.web")


def carry_out(parts: Parts, action: str, body: ChangeBody, call: Callable[[Request], Document]) -> Document:
    """Carries a change out, and says so in the log and in the metrics."""
    change = request_of(body, actor_of(body.actor))
    try:
        check_store(parts.follower)
        answer = call(change)
    except RolloutError as error:
        parts.counters.change_asked(action, error.code)
        raise
    outcome = outcome_of(change, answer)
    parts.counters.change_asked(action, outcome)
    if not change.dry_run:
        log_change(action, outcome, change, answer)
    return answer


def waits(answer: Document) -> bool:
    """For somebody else's approval."""
    return "approval" in answer and "pending" in answer


def outcome_of(change: Request, answer: Document) -> str:
    """One word for the log and the metrics."""
    return "dry run" if change.dry_run else "changed" if answer["changed"] else _unchanged(answer)


def _unchanged(answer: Document) -> str:
    return "waits" if waits(answer) else "unchanged"


def log_change(action: str, outcome: str, change: Request, answer: Document) -> None:
    """The audit has it too, but the log is what one looks at while things happen."""
    who = {"actor": change.actor.id, "host": change.actor.host, "reason": change.reason}
    what = {"flag": answer.get("flag"), "revision": answer["revision"], "request_id": change.request_id}
    log.info(action, outcome=outcome, **who, **what)


def request_of(body: ChangeBody, actor: Actor) -> Request:
    """The circumstances of a change. Raises NotAllowed."""
    if body.break_glass and not actor.authenticated:
        raise NotAllowed(
            "without a key nobody breaks the glass here", "straight on the store it can be done: --url redis://…"
        )
    circumstances = Request(
        actor,
        body.reason,
        body.revision,
        dry_run=body.dry_run,
        ticket=body.ticket or "",
        break_glass=body.break_glass,
    )
    return circumstances if body.request_id is None else replace(circumstances, request_id=body.request_id)


def asker() -> Asker:
    """Who sent the request in hand."""
    tool = "".join(filter(str.isprintable, request.headers.get("User-Agent", "")))[:MAX_TOOL]
    address, key = request.remote_addr or "", caller().key
    return Asker(address, tool) if key is None else Asker(address, tool, key.id, key.name)


def actor_of(name: str | None) -> Actor:
    """Who is asking, and where from: by key or log-in, whatever the body says; without keys, as it says."""
    key = caller().key
    actor = actor_by(asker(), name)
    return replace(actor, person=key) if key is not None and is_person(key.id) else actor


def actor_by(by: Asker, name: str | None) -> Actor:
    """The same of who asked before, as far as that was kept."""
    if not by.key:
        return Actor(name or UNKNOWN, host=by.address, address=by.address, tool=by.tool)
    return Actor(by.name, "human", by.address, by.tool, by.address, proof_of(by.key), name or "")


def from_store_or_snapshot(
    follower: Follower, ask: Callable[[], Document], from_snapshot: Callable[[], Document]
) -> Document:
    """The whole answer, or, while the store is out of reach, what this worker knows of it."""
    if follower.trouble is not None:
        return from_snapshot()
    try:
        return ask()
    except StoreUnavailable:
        return from_snapshot()


def check_store(follower: Follower) -> None:
    if follower.trouble is not None:
        raise StoreUnavailable(
            f"this server cannot reach the store: {follower.trouble}",
            "checks go on; to change something now, go straight to the store with a redis:// URL",
        )
