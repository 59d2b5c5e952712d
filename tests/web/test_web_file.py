"""The file in force over HTTP: its text, the versions before it, and what it defines."""

from __future__ import annotations

from typing import Any

import pytest
from webkit import FLAGS, Site, read


def document(site: Site, path: str, status: int = 200) -> dict[str, Any]:
    response = site.get(path)
    assert response.status_code == status, response.text
    return response.get_json()


def test_the_text_in_force_comes_with_its_lines(site: Site) -> None:
    file = document(site, "/v1/file")
    assert file["text"] == FLAGS
    assert file["revision"] == 1
    assert FLAGS.splitlines()[file["lines"]["flags.payments"] - 1].strip() == "payments:"


def test_without_a_file_there_is_none(empty_site: Site) -> None:
    empty_site.follow()
    file = document(empty_site, "/v1/file")
    assert (file["name"], file["text"]) == (None, "")
    assert document(empty_site, "/v1/loads")["loads"] == []
    assert document(empty_site, "/v1/definitions")["segments"] == []


def test_a_version_is_found_by_the_revision_that_brought_it(site: Site) -> None:
    site.change("/v1/flags/everybody/kill")
    edited = f"# edited\n{FLAGS}"
    site.load_file(read(edited))
    loads = document(site, "/v1/loads")["loads"]
    assert [load["revision"] for load in loads] == [3, 1]
    assert [load["revision"] for load in document(site, "/v1/loads?before=3")["loads"]] == [1]
    assert document(site, "/v1/file?revision=1")["text"] == FLAGS
    assert document(site, "/v1/file?revision=3")["text"] == document(site, "/v1/file")["text"] == edited


@pytest.mark.parametrize("query", ["revision=2", "revision=99", "revision=0", "revision=x", "before=1"])
def test_a_revision_that_brought_no_file_has_none(site: Site, query: str) -> None:
    site.change("/v1/flags/everybody/kill")
    document(site, f"/v1/file?{query}", 400)


def test_segments_say_who_uses_them(site: Site) -> None:
    definitions = document(site, "/v1/definitions")
    used = {one["name"]: (one["flags"], one["segments"]) for one in definitions["segments"]}
    assert "payments" in used["employees"][0]
    for one in definitions["segments"]:
        assert one["any"] or one["members"]
