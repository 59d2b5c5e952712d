"""Flags files that are too large for one request: who may send them, what is refused before it comes, and that a worker
takes them in without looking into them."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from webkit import FLAGS, Site, bearing
from werkzeug.test import TestResponse

from rollout.service.loads import Outcome
from rollout.web.large_files import largest_body

MEBIBYTE = 1024 * 1024
LARGE = f"# {'x' * 100}\n".encode() * 20_000 + FLAGS.encode()
YAML = "application/yaml"


def send(site: Site, path: str, content: bytes, **headers: str) -> TestResponse:
    return site.http.post(path, data=content, content_type=YAML, headers=headers)


def begin(site: Site, headers: dict[str, str] | None = None, size: int = len(LARGE), call: str = "apply") -> str:
    response = site.post(f"/v1/{call}/in-parts?reason=why", {"size": size, "type": YAML}, headers=headers)
    assert response.status_code == 202, response.text
    location = response.headers["Location"]
    assert location == f"/v1/loads/{response.get_json()['load']}"
    return location


def part(site: Site, location: str, offset: int, content: bytes, headers: dict[str, str] | None = None) -> TestResponse:
    return site.http.post(
        f"{location}/parts?offset={offset}", data=content, content_type="application/octet-stream", headers=headers
    )


def body(site: Site, location: str) -> bytes:
    found: bytes = site.parts.large_files.body(location.rpartition("/")[2]).read_bytes()  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("call", ["apply", "plan"])
def test_a_large_body_is_taken_in_and_told_where_to_ask(site: Site, call: str) -> None:
    site.store.asked.clear()
    response = send(site, f"/v1/{call}?reason=why", LARGE)
    assert response.status_code == 202
    document = site.get(response.headers["Location"]).get_json()
    assert document == response.get_json()
    assert (document["action"], document["state"], document["size"]) == (call, "waiting", len(LARGE))
    assert body(site, response.headers["Location"]) == LARGE
    assert site.store.asked == []  # it is somebody else who looks into it


def test_it_comes_in_parts_as_well(site: Site) -> None:
    location = begin(site)
    for offset in range(0, len(LARGE), MEBIBYTE):
        response = part(site, location, offset, LARGE[offset : offset + MEBIBYTE])
        assert response.status_code == 200
        assert response.get_json()["received"] == min(offset + MEBIBYTE, len(LARGE))
    assert site.get(location).get_json()["state"] == "waiting"
    assert body(site, location) == LARGE


def test_a_part_that_does_not_fit_is_a_conflict_which_says_where_to_go_on(site: Site) -> None:
    location = begin(site)
    assert part(site, location, 0, b"12345").status_code == 200
    response = part(site, location, 7, b"12345")
    assert response.status_code == 409
    assert response.get_json()["error"]["hint"] == "send those from 5 on"
    assert site.get(location).get_json()["received"] == 5


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/octet-stream", 400),
        (b"x" * (MEBIBYTE + 1), "application/octet-stream", 413),
        (b"x", "application/json", 415),
        (b"x", "text/plain", 415),
    ],
)
def test_a_part_is_some_bytes_and_not_too_many(site: Site, content: bytes, kind: str, status: int) -> None:
    location = begin(site)
    response = site.http.post(f"{location}/parts?offset=0", data=content, content_type=kind)
    assert response.status_code == status
    assert site.get(location).get_json()["received"] == 0


class Untouched(BytesIO):
    """A body that nobody may look at."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("somebody read it")


def announced(site: Site, size: int, key: str | None = None) -> TestResponse:
    headers = bearing(key) if key else {}
    return site.http.post(
        "/v1/apply",
        input_stream=Untouched(),
        content_type=YAML,
        headers=headers,
        environ_overrides={"CONTENT_LENGTH": str(size)},
    )


def test_more_than_50_mb_are_refused_before_they_come(site: Site) -> None:
    response = announced(site, 50_000_001)
    assert response.status_code == 413
    assert "larger than 50 MB" in response.get_json()["error"]["message"]
    response = site.post("/v1/apply/in-parts", {"size": 50_000_001})
    assert response.status_code == 413
    assert begin(site, size=50_000_000)


def test_a_key_is_looked_at_before_the_first_byte(site: Site) -> None:
    keys = site.make_keys()
    assert announced(site, 2 * MEBIBYTE).status_code == 401
    for role in ("client", "server", "support", "operator", "auditor"):
        assert announced(site, 2 * MEBIBYTE, keys[role]).status_code == 403


def test_a_body_without_a_length_stays_small(site: Site) -> None:
    response = site.http.post(
        "/v1/apply",
        input_stream=BytesIO(LARGE),
        content_type=YAML,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert response.status_code == 413
    assert "Content-Length" in response.get_json()["error"]["hint"]


def test_a_body_that_breaks_off_leaves_nothing_behind(site: Site) -> None:
    response = site.http.post(
        "/v1/apply",
        input_stream=BytesIO(LARGE),
        content_type=YAML,
        environ_overrides={"CONTENT_LENGTH": str(2 * len(LARGE)), "wsgi.input_terminated": True},
    )
    assert response.status_code == 400
    assert response.get_json()["error"]["message"] == "the body ended before it was whole"
    assert site.parts.large_files.whole() == []  # type: ignore[union-attr]
    for _ in range(8):
        begin(site)


def test_much_is_read_only_of_who_may_send_it(site: Site) -> None:
    largest = largest_body(site.gate)
    assert largest("/v1/apply", {}) == largest("/v1/plan", {}) == 50_000_000
    keys = site.make_keys(admin=1)
    sent = {role: {"AUTHORIZATION": f"Bearer {key}"} for role, key in keys.items()}
    assert {role for role, headers in sent.items() if largest("/v1/apply", headers) > MEBIBYTE} == {"admin"}
    assert {role for role, headers in sent.items() if largest("/v1/plan", headers) > MEBIBYTE} == {"admin", "operator"}
    for _ in range(10):
        assert largest("/v1/apply", {"X_API_KEY": keys["admin"]}) == 50_000_000  # which takes nothing of its rate
    for path, headers in (("/v1/apply", {}), ("/v1/outcomes", sent["admin"]), ("/v1/applyx", sent["admin"])):
        assert largest(path, headers) == MEBIBYTE


def test_options_that_cannot_be_are_refused_before_the_file_comes(site: Site) -> None:
    for query in ("purge=true", "prune=perhaps", "revision=-1"):
        assert site.post(f"/v1/apply/in-parts?{query}", {"size": 5, "type": YAML}).status_code == 400
        assert send(site, f"/v1/apply?{query}", LARGE).status_code == 400


def test_nobody_adds_a_part_to_what_somebody_else_began(site: Site) -> None:
    keys = site.make_keys()
    location = begin(site, bearing(keys["admin"]))
    response = part(site, location, 0, b"x", bearing(keys["operator"]))
    assert response.status_code == 403
    assert site.get(location, headers=bearing(keys["admin"])).get_json()["received"] == 0
    mine = begin(site, bearing(keys["operator"]), call="plan")
    assert part(site, mine, 0, b"x", bearing(keys["operator"])).status_code == 200


def test_who_asks_is_kept_with_it_and_no_secret(site: Site) -> None:
    keys = site.make_keys()
    location = begin(site, bearing(keys["admin"]) | {"User-Agent": "curl/8"})
    spool, load = site.parts.large_files, location.rpartition("/")[2]
    assert spool is not None
    about = spool.about(load)
    assert about is not None
    assert (about.asker.name, about.asker.tool, about.query) == ("the admin", "curl/8", "reason=why")
    assert about.asker.key in keys["admin"]
    assert keys["admin"] not in json.dumps(about.document())


def test_a_load_that_nobody_knows_is_not_found(site: Site) -> None:
    for load in ("nothing-here", "0" * 32):
        assert site.get(f"/v1/loads/{load}").status_code == 404
        assert part(site, f"/v1/loads/{load}", 0, b"x").status_code == 404


def test_what_came_of_it_is_answered_as_it_was_left(site: Site) -> None:
    location = begin(site)
    error = {"code": "refused", "message": "no", "hint": None}
    site.parts.large_files.end(location.rpartition("/")[2], Outcome(422, error=error))  # type: ignore[union-attr]
    document = site.get(location).get_json()
    assert (document["state"], document["status"], document["error"]) == ("failed", 422, error)


def test_while_the_store_is_away_nothing_is_taken_in(site: Site) -> None:
    site.lose_store()
    response = announced(site, 2 * MEBIBYTE)
    assert response.status_code == 503
    assert response.headers["Retry-After"]


def test_where_there_is_no_place_for_them_they_are_too_large(site: Site) -> None:
    site.serve_with(large_files=None)
    assert announced(site, 2 * MEBIBYTE).status_code == 413
    assert site.post("/v1/apply/in-parts", {"size": 5}).status_code == 413
