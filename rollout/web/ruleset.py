"""The ruleset for clients that evaluate by themselves: whole, or what changed since the edition that they have, and the
member lists apart, each under its digest. Bytes go out as they were prepared, since a worker has one thread.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from rollout.core.errors import RolloutError
from rollout.core.keys import Permission
from rollout.service.publishing import Content, Edition, Publisher
from rollout.web.authorisation import caller, needs
from rollout.web.errors import NotFound
from rollout.web.evaluate import check_ready
from rollout.web.parts import Parts
from rollout.web.reading import check_host
from rollout.web.responses import JsonResponse


class NotPreparedYet(RolloutError):
    code = "not_prepared"


def ruleset(parts: Parts, publisher: Publisher) -> Blueprint:
    blueprint = Blueprint("ruleset", __name__, url_prefix="/v1/ruleset")

    @blueprint.before_request
    def only_by_our_names() -> None:
        if request.method != "OPTIONS" and caller().key is None:
            check_host(request, parts.hosts)  # a page of somebody else must not read member lists through a browser

    @blueprint.get("")
    @needs(Permission.RULESET)
    def fetch_ruleset() -> Response:
        stale = parts.follower.stale
        edition = publisher.edition()
        check_ready(edition.snapshot, stale)
        if request.if_none_match.contains_weak(edition.etag):
            response: Response = JsonResponse(status=304)
        else:
            response = _compressed(_content(publisher, edition, request.args.get("have")))
        response.set_etag(edition.etag)
        response.headers["Rollout-Revision"] = str(edition.revision)
        if stream := parts.stream():
            response.headers["Rollout-Stream"] = f"{stream.rstrip('/')}/v1/stream"
        response.headers["Rollout-Stale"] = "true" if stale else "false"
        return response

    @blueprint.get("/members/<digest>")
    @needs(Permission.RULESET)
    def fetch_members(digest: str) -> Response:
        if digest not in parts.follower.current.members:
            raise NotFound("no member list has this digest", "the ruleset names those that are in force")
        if not _takes_gzip():
            return _octets(publisher.members(digest) or b"")
        gzipped = publisher.gzipped_members(digest)
        if gzipped is None:
            raise NotPreparedYet("this member list is being compressed", "ask again in a moment")
        response = _octets(gzipped)
        response.headers["Content-Encoding"] = "gzip"
        return response

    return blueprint


def _content(publisher: Publisher, edition: Edition, have: str | None) -> Content:
    return (publisher.news(edition, have) if have else None) or publisher.whole(edition)


def _compressed(content: Content) -> Response:
    gzips = _takes_gzip()
    response = JsonResponse(content.gzipped if gzips else content.plain)
    response.headers["Vary"] = "Accept-Encoding"
    if gzips:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _octets(content: bytes) -> Response:
    response = JsonResponse(content, mimetype="application/octet-stream")
    response.headers["Vary"] = "Accept-Encoding"
    return response


def _takes_gzip() -> bool:
    return bool(request.accept_encodings["gzip"] > 0)
