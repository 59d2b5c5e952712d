"""docs/openfeature.md: its programs run, and print what their comments say."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sdkkit import NODE, SCRIPTS
from servekit import Service

from rollout.core.evaluation import Reason

PAGE = (Path(__file__).parents[2] / "docs" / "openfeature.md").read_text()
ADDRESS = "http://127.0.0.1:8080"
PROGRAMS = re.findall(r"^```(python|js)\n(.*?)^```$", PAGE, re.M | re.S)
PRINTED = re.compile(r"^(?:print|console\.log)\(.*\);?\s+(?:#|//) (.*)$", re.M)


@pytest.fixture(scope="module")
def founding_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("founding"))
    try:
        yield service.start()
    finally:
        service.clean_up()


@pytest.mark.parametrize(("language", "program"), PROGRAMS)
def test_a_program_on_the_page_prints_what_it_says(
    packages: None, founding_service: Service, language: str, program: str
) -> None:
    assert ADDRESS in program
    program = program.replace(ADDRESS, f"http://{founding_service.address}").replace("timeout=0.5", "timeout=20")
    words = [sys.executable, "-c"] if language == "python" else [NODE, "--input-type=module", "-e"]
    program += "" if language == "python" else "\nprocess.exit();"
    done = subprocess.run([*words, program], cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:-1] == PRINTED.findall(program), done.stderr


def test_the_page_has_a_program_for_each_client_that_can_run_alone() -> None:
    assert [language for language, _ in PROGRAMS] == ["python", "js", "js"]


def test_the_page_explains_every_reason() -> None:
    rows = PAGE[PAGE.index("## What comes back") :]
    assert all(f"`{reason}`" in rows for reason in Reason)
