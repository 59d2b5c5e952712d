"""What docs/python.md shows is carried out, one example after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from clientkit import Hosted
from openfeature import api

from rollout.client import Rollout
from tests.web.webkit import EMPLOYEES, FLAGS

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()


def placed(example: str, here: dict[str, str]) -> str:
    for written, meant in here.items():
        example = example.replace(written, meant)
    return example


def test_every_example_runs(hosted: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flags.yaml").write_text(FLAGS)
    (tmp_path / "employees.txt").write_text(EMPLOYEES)
    (tmp_path / "secret").write_text("a key")
    monkeypatch.chdir(tmp_path)
    hosted.change(share="1%")
    here = {
        "https://flags.example.com": hosted.url,
        "/run/secrets/rollout": str(tmp_path / "secret"),
        "/var/cache/my-app": str(tmp_path / "cache"),
    }
    names: dict[str, Any] = {"__name__": "example"}
    made: list[Rollout] = []
    for example in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(compile(placed(example, here), "docs/python.md", "exec"), names)
        made.append(names["flags"])
    assert names["app"].test_client().get("/pay?user=u-1").text == "paid"
    names["test_paying"](names["flags"])
    api.clear_providers()
    made[0].close()
    assert hosted.outcomes[0]["class"] == "technical"


def test_the_page_names_every_option_and_every_error() -> None:
    for word in ("key_file", "poll", "timeout", "cache_dir", "restored_after", "10,000"):
        assert word in PAGE
    for code in ("FLAG_NOT_FOUND", "INVALID_CONTEXT", "PROVIDER_NOT_READY", "TARGETING_KEY_MISSING"):
        assert f"`{code}`" in PAGE
