"""OpenFeature's calls (OpenFeature Remote Evaluation Protocol 0.3): the same evaluations, in its words. A flag without
a value has no member `value`, and an SDK then serves its caller's own default; an answer with an `errorCode` is never
a success.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import mmh3
import orjson
from flask import Blueprint, Response, request

from rollout.core.attributes import Attribute, AttributeType, read_value
from rollout.core.errors import InvalidInput
from rollout.core.evaluation import Answer, decided_by
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.keys import Permission
from rollout.service.gate import ANYBODY, Caller, Gate
from rollout.web.authorisation import caller, needs
from rollout.web.catch_up import CatchUp, told_revision
from rollout.web.evaluate import Checker, Given, as_told_to
from rollout.web.reading import read_json_object
from rollout.web.responses import JsonResponse, json_response
from rollout.web.signed_context import ContextKeys, signed_in

TARGETING_KEY = "targetingKey"
_TARGETING = Attribute(TARGETING_KEY, AttributeType.STRING)
TOLD = "flagConfigEtag"
"""The parameter in which a client that was told of a change by the stream repeats what it was told."""

INACTIVITY_DELAY = 120
"""Seconds, the protocol's own default: a client that nobody has looked at for so long leaves the stream."""

WRITTEN_LIMIT = 16 * 1024 * 1024  # bytes of items that are kept written


def ofrep(
    checker: Checker, catch_up: CatchUp, stream: Callable[[], str | None], contexts: ContextKeys | None, gate: Gate
) -> Blueprint:
    blueprint = Blueprint("ofrep", __name__, url_prefix="/ofrep/v1/evaluate/flags")
    items = WrittenItems()

    @blueprint.post("/<path:key>")
    @needs(Permission.EVALUATE)
    def evaluate_one(key: str) -> Response:
        given = context_in(read_json_object(request))
        answer, revision, stale = checker.one(key, given, caller(), signed_in(request, contexts))
        return json_response(evaluation_body(answer, revision, stale), evaluation_status(answer))

    @blueprint.post("")
    @needs(Permission.EVALUATE)
    def evaluate_all() -> Response:
        given, told = context_in(read_json_object(request)), request.args.get(TOLD, "")
        behind = not _caught_up(catch_up, told)
        checked = checker.all(given, caller(), signed_in(request, contexts))
        streams = event_streams(stream(), gate.ticket(caller()))
        # An app is told other answers, which are made anew each time.
        write = items_body if caller().is_app else items.of
        rest = after_items(checked.revision, checked.stale or behind, streams)
        body = bulk_body(write(checked.answers.values()), rest)
        etag = etag_of(body)
        known = request.if_none_match.contains_weak(etag) and _agrees(told, checked.revision, etag)
        response = JsonResponse(status=304) if known else json_response(body)
        response.set_etag(etag)
        return response

    return blueprint


def _caught_up(catch_up: CatchUp, told: str) -> bool:
    revision = told_revision(told)
    return revision is None or catch_up.to(revision)


def _agrees(told: str, revision: int, etag: str) -> bool:
    """Whether what a client was told is what it gets. Where it is not, the client must have the answer itself (decision
    record 0008 of the protocol: a `flagConfigEtag` that differs is never downgraded to a 304)."""
    return not told or told_revision(told) == revision or told.removeprefix("W/").strip('"') == etag


def context_in(document: dict[str, Any]) -> Given:
    """The attributes in a request. No context, or null, is an empty one. Raises InvalidInput."""
    context = document.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise InvalidInput("context is not an object", 'send {"context": {"targetingKey": "u-1"}}')
    return _with_targeting_key(context)


def _with_targeting_key(context: dict[str, Any]) -> Given:
    """`targetingKey` is the attribute user_id, where that is not given."""
    targeting_key = context.pop(TARGETING_KEY, None)
    if targeting_key is not None:
        read_value(_TARGETING, targeting_key)
        if context.get(TARGETING_ATTRIBUTE) is None:
            context[TARGETING_ATTRIBUTE] = targeting_key
    return context


def evaluation_document(answer: Answer, **metadata: bool | int) -> dict[str, Any]:
    if answer.error_code is not None:
        return {"key": answer.flag, "errorCode": answer.error_code, "errorDetails": answer.error}
    value = {} if answer.value is None else {"value": answer.value}
    decided = {"because": answer.because, **decided_by(answer.because)} if answer.because else {}
    return {
        "key": answer.flag,
        **value,
        "variant": answer.variant,
        "reason": answer.reason,
        "metadata": {**metadata, **decided},
    }


def evaluation_status(answer: Answer) -> int:
    return 200 if answer.error_code is None else 400


def evaluation_body(answer: Answer, revision: int, stale: bool) -> bytes:
    """The answer to `POST /ofrep/v1/evaluate/flags/{key}`."""
    return orjson.dumps(evaluation_document(answer, revision=revision, stale=stale))


def item_body(answer: Answer) -> bytes:
    """One flag among all. The revision is not in it: clients compare items to find the flags that changed."""
    return orjson.dumps(evaluation_document(answer))


def items_body(answers: Iterable[Answer]) -> bytes:
    return b",".join(map(item_body, answers))


def bulk_body(items: bytes, rest: bytes) -> bytes:
    """The answer to `POST /ofrep/v1/evaluate/flags`. A flag that cannot be evaluated is one failed item."""
    return b'{"flags":[' + items + rest


def after_items(revision: int, stale: bool, streams: list[dict[str, Any]]) -> bytes:
    """What that answer says of all flags."""
    rest: dict[str, Any] = {"metadata": {"revision": revision, "stale": stale}}
    if streams:
        rest["eventStreams"] = streams
    return b"]," + orjson.dumps(rest)[1:]


def etag_of(body: bytes) -> str:
    """MurmurHash3 of 128 bits, in a tenth of a cryptographic hash's time: nobody gains by two answers with one etag."""
    return mmh3.mmh3_x64_128_digest(body).hex()


class WrittenItems:
    """Items are written once for each answer that a flag can give, not for each request: most of what a page with many
    flags costs, also where it ends in a 304, would be writing them. They are written for `caller` and all like it."""

    def __init__(self, caller: Caller = ANYBODY, limit: int = WRITTEN_LIMIT) -> None:
        self._caller = caller
        self._limit = limit
        self.size = 0
        self._written: dict[Answer, bytes] = {}

    def of(self, answers: Iterable[Answer]) -> bytes:
        written = self._written
        try:
            return b",".join([written[answer] for answer in answers])
        except KeyError:
            return b",".join([self._item(answer) for answer in answers])

    def _item(self, answer: Answer) -> bytes:
        item = self._written.get(answer)
        if item is None:
            item = item_body(as_told_to(self._caller, answer))
            self._keep(answer, item)
        return item

    def _keep(self, answer: Answer, item: bytes) -> None:
        """Answers of flags that changed are asked for no more; when there are too many, all are forgotten."""
        if self.size + len(item) > self._limit:
            self._written.clear()
            self.size = 0
        self._written[answer] = item
        self.size += len(item)


def event_streams(address: str | None, ticket: str | None = None) -> list[dict[str, Any]]:
    """Where clients are told of changes: the stream at this public address, if there is one, with what opens it."""
    if address is None:
        return []
    url = f"{address.rstrip('/')}/v1/stream" + (f"?ticket={ticket}" if ticket else "")
    return [{"type": "sse", "url": url, "inactivityDelaySec": INACTIVITY_DELAY}]
