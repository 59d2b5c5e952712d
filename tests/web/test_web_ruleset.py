"""The ruleset over HTTP: whole once, then what changed, compressed, with the member lists apart."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from webkit import EMPLOYEES, FLAGS, Site, read
from werkzeug.test import TestResponse

from rollout.core.evaluation import compile_ruleset
from rollout.core.members import PackedMembers
from rollout.core.ruleset import Ruleset
from rollout.core.ruleset_documents import read_ruleset
from rollout.service.publishing import AT_ONCE, REMEMBERED, Publisher

GZIP = {"Accept-Encoding": "gzip"}


def fetch(site: Site, have: str = "", **headers: str) -> tuple[TestResponse, Any]:
    query = {"have": have} if have else {}
    response = site.get("/v1/ruleset", query_string=query, headers={**GZIP, **headers})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Encoding"] == "gzip"
    return response, json.loads(gzip.decompress(response.data))


def etag_of(response: TestResponse) -> str:
    return response.get_etag()[0] or ""


def served(site: Site) -> Ruleset:
    return site.follower.current.evaluator.ruleset


def check_same(site: Site, ruleset: Ruleset) -> None:
    assert ruleset.flags == served(site).flags
    assert list(ruleset.segments) == list(served(site).segments)
    assert ruleset.revision == served(site).revision


def test_the_ruleset_says_all_that_evaluation_needs(site: Site) -> None:
    response, document = fetch(site)
    check_same(site, read_ruleset(document)[0])
    assert document["etag"] == etag_of(response)
    assert response.headers["Rollout-Revision"] == "1"
    assert response.headers["Rollout-Stale"] == "false"
    assert response.headers["Vary"] == "Accept-Encoding"


def test_it_is_also_had_uncompressed(site: Site) -> None:
    for headers in ({}, {"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip;q=0"}):
        response = site.get("/v1/ruleset", headers=headers)
        assert "Content-Encoding" not in response.headers
        assert response.get_json() == fetch(site)[1]


def test_whoever_has_it_is_told_so_in_few_bytes(site: Site) -> None:
    etag = etag_of(fetch(site)[0])
    for known in (f'"{etag}"', f'W/"{etag}"', f'"other", "{etag}"', "*"):
        response = site.get("/v1/ruleset", headers={"If-None-Match": known})
        assert (response.status_code, response.data, etag_of(response)) == (304, b"", etag)
        assert response.headers["Rollout-Revision"] == "1"


def test_only_what_changed_travels_again(site: Site) -> None:
    response, document = fetch(site)
    ruleset, etag = read_ruleset(document)[0], etag_of(response)
    site.change("/v1/flags/payments/set", share="1%")
    response, news = fetch(site, etag, **{"If-None-Match": f'"{etag}"'})
    assert (list(news["flags"]), news["removed"], news["since"]) == (["payments"], [], etag)
    assert "segments" not in news
    check_same(site, read_ruleset(news, ruleset)[0])
    site.change("/v1/flags/beta-people/kill")
    assert set(fetch(site, etag)[1]["flags"]) == {"payments", "beta-people"}
    assert set(fetch(site, etag_of(response))[1]["flags"]) == {"beta-people"}


def test_news_bring_segments_that_changed_and_flags_that_came_and_went(site: Site) -> None:
    response, document = fetch(site)
    ruleset = read_ruleset(document)[0]
    text = FLAGS.replace("match: { country: IN }", "match: { country: [IN, GB] }")
    text = text.replace("  beta-people:", "  beta-2:")
    site.change("/v1/apply", files={"flags.yaml": text, "employees.txt": EMPLOYEES}, prune=True)
    _, news = fetch(site, etag_of(response))
    assert (set(news["flags"]), news["removed"]) == ({"beta-2"}, ["beta-people"])
    merged = read_ruleset(news, ruleset)[0]
    check_same(site, merged)
    assert merged.segments["india"].matches == served(site).segments["india"].matches


def test_an_edition_that_nobody_remembers_is_answered_with_the_whole(site: Site) -> None:
    first = etag_of(fetch(site)[0])
    for have in ("nonsense", "r1-0", "%00", "x" * 5000):
        assert "since" not in fetch(site, have)[1]
    for number in range(REMEMBERED + 1):
        site.change("/v1/flags/payments/set", share=f"{number % 2 + 1}%")
        fetch(site)
    assert "since" not in fetch(site, first)[1]


def test_two_servers_of_a_store_call_an_edition_the_same(site: Site) -> None:
    other = Site()
    other.store, other.follower._store = site.store, site.store
    other.follow()
    assert etag_of(fetch(other)[0]) == etag_of(fetch(site)[0])
    site.change("/v1/flags/payments/set", share="1%")
    etag = etag_of(fetch(other)[0])
    other.follow()
    assert list(fetch(other, etag)[1]["flags"]) == ["payments"]


def test_nothing_is_made_twice(site: Site) -> None:
    publisher = Publisher(lambda: site.follower.current)
    edition = publisher.edition()
    assert publisher.edition() is edition
    assert publisher.whole(edition) is publisher.whole(edition)
    site.change("/v1/flags/payments/set", share="1%")
    publisher.prepare()
    later = publisher.edition()
    assert publisher.news(later, edition.etag) is publisher.news(later, edition.etag)
    assert later.parts["everybody"] is edition.parts["everybody"]


def members_address(site: Site) -> str:
    members = served(site).segments["employees"].members
    assert members is not None
    return f"/v1/ruleset/members/{members.digest}"


def test_a_member_list_is_had_under_its_digest_packed(site: Site) -> None:
    plain = site.get(members_address(site))
    zipped = site.get(members_address(site), headers=GZIP)
    assert gzip.decompress(zipped.data) == plain.data
    assert plain.mimetype == "application/octet-stream"
    packed = PackedMembers(plain.data)
    assert all(key in packed for key in EMPLOYEES.split())
    assert site.get("/v1/ruleset/members/abc").get_json()["error"]["code"] == "not_found"


def test_a_long_member_list_is_compressed_by_somebody_who_has_the_time() -> None:
    lines = "\n".join(f"u-{number}" for number in range(AT_ONCE // 4))
    site = Site()
    publisher = Publisher(lambda: site.follower.current)
    site.parts = replace(site.parts, publisher=publisher)
    site.serve()
    site.load_file(read(load=lambda _: lines.encode()))
    first = site.get(members_address(site), headers=GZIP)
    assert (first.status_code, first.get_json()["error"]["code"]) == (503, "not_prepared")
    assert first.headers["Retry-After"].isdecimal()
    publisher.prepare()
    second = site.get(members_address(site), headers=GZIP)
    assert PackedMembers(gzip.decompress(second.data)).count == AT_ONCE // 4
    assert site.get(members_address(site)).data == gzip.decompress(second.data)
    site.load()
    publisher.prepare()
    assert publisher.gzipped_members(members_address(site).rpartition("/")[2]) is not None
    assert len(publisher._lists) == 1, "a list that is out of force is let go"


def test_a_server_without_its_store_says_that_it_may_be_behind(site: Site) -> None:
    site.lose_store()
    assert fetch(site)[0].headers["Rollout-Stale"] == "true"


def test_a_server_that_never_saw_flags_has_no_ruleset(empty_site: Site) -> None:
    assert empty_site.get("/v1/ruleset").status_code == 503
    empty_site.follow()
    assert read_ruleset(fetch(empty_site)[1])[0].flags == {}


def test_where_the_stream_is_is_said_while_there_is_one(site: Site) -> None:
    assert "Rollout-Stream" not in fetch(site)[0].headers
    site.parts = replace(site.parts, stream=lambda: "http://127.0.0.1:9")
    site.serve()
    assert fetch(site)[0].headers["Rollout-Stream"] == "http://127.0.0.1:9/v1/stream"


@pytest.mark.parametrize("address", ["/v1/ruleset", "/v1/ruleset/members/abc"])
def test_it_is_only_read(site: Site, address: str) -> None:
    assert site.post(address, {}).status_code == 405


def test_a_client_that_follows_news_alone_stays_right(site: Site) -> None:
    response, document = fetch(site)
    ruleset = read_ruleset(document)[0]
    for share in ("1%", "50%", "2%", "40%"):
        site.change("/v1/flags/payments/set", share=share)
        response, news = fetch(site, etag_of(response))
        ruleset = read_ruleset(news, ruleset)[0]
    check_same(site, ruleset)
    members = site.follower.current.members
    context = {"user_id": "u-9", "country": "IN", "app_version": "1"}
    ours = compile_ruleset(ruleset, members).flags["payments"](context)
    assert ours.on == site.get("/v1/flags/payments", query_string=context).get_json()["on"]


def test_a_page_of_somebody_else_cannot_read_it_through_a_browser(site: Site) -> None:
    for address in ("/v1/ruleset", members_address(site)):
        assert site.get(address, headers={"Host": "evil.example.net"}).status_code == 403
        assert site.get(address, headers={"Host": "flags.example.com"}).status_code == 200
