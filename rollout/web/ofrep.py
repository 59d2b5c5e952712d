"""OpenFeature's calls (OpenFeature Remote Evaluation Protocol 0.3): the same evaluations, in its words. A flag without
a value has no member `value`, and an SDK then serves its caller's own default; an answer with an `errorCode` is never
a success.
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from flask import Blueprint, Response, request

from rollout.core.attributes import Attribute, AttributeType, read_value
from rollout.core.errors import InvalidInput
from rollout.core.evaluation import Answer
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.web.evaluate import Checked, Checker, Given
from rollout.web.reading import read_json_object
from rollout.web.responses import JsonResponse, json_response

TARGETING_KEY = "targetingKey"


def ofrep(checker: Checker) -> Blueprint:
    blueprint = Blueprint("ofrep", __name__, url_prefix="/ofrep/v1/evaluate/flags")

    @blueprint.post("/<key>")
    def evaluate_one(key: str) -> Response:
        answer, revision, stale = checker.one(key, context_in(read_json_object(request)))
        status = 200 if answer.error_code is None else 400
        return json_response(evaluation_body(answer, revision, stale), status)

    @blueprint.post("")
    def evaluate_all() -> Response:
        body = bulk_body(checker.all(context_in(read_json_object(request))))
        etag = hashlib.blake2b(body, digest_size=16).hexdigest()
        known = request.if_none_match.contains_weak(etag)
        response = JsonResponse(status=304) if known else json_response(body)
        response.set_etag(etag)
        return response

    return blueprint


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
        read_value(Attribute(TARGETING_KEY, AttributeType.STRING), targeting_key)
        if context.get(TARGETING_ATTRIBUTE) is None:
            context[TARGETING_ATTRIBUTE] = targeting_key
    return context


def evaluation_document(answer: Answer, revision: int, stale: bool) -> dict[str, Any]:
    if answer.error_code is not None:
        return {"key": answer.flag, "errorCode": answer.error_code, "errorDetails": answer.error}
    value = {} if answer.value is None else {"value": answer.value}
    return {
        "key": answer.flag,
        **value,
        "variant": answer.variant,
        "reason": answer.reason,
        "metadata": {"revision": revision, "stale": stale, "because": answer.because},
    }


def evaluation_body(answer: Answer, revision: int, stale: bool) -> bytes:
    """The answer to `POST /ofrep/v1/evaluate/flags/{key}`."""
    return orjson.dumps(evaluation_document(answer, revision, stale))


def bulk_body(checked: Checked) -> bytes:
    """The answer to `POST /ofrep/v1/evaluate/flags`. A flag that cannot be evaluated is one failed item."""
    revision, stale = checked.revision, checked.stale
    flags = [evaluation_document(answer, revision, stale) for answer in checked.answers.values()]
    return orjson.dumps({"flags": flags, "metadata": {"revision": revision, "stale": stale}})
