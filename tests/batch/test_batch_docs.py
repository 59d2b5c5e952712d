"""What docs/populations.md shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "populations.md").read_text(encoding="utf-8")


def test_the_example_in_python_answers_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    example = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]
    people = {"user_id": ["u-employee-1", "u-1"], "country": ["IN", "GB"], "app_version": ["2.18.9", "3.0"]}
    names = {"batches": [pa.RecordBatch.from_pydict(people)]}
    exec(example, names)
    assert names["answers"].column("on").to_pylist() == [True, False]
