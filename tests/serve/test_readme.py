"""The README's first minute, carried out word by word: what it prints is what a newcomer sees."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from servekit import FOUNDING, PATIENCE, Service, eventually

README = (FOUNDING / "README.md").read_text()
HERE = {"http://127.0.0.1:8080": "http://{address}", ".venv/bin/rollout": f"{sys.executable} -m rollout.cli"}


def commands() -> Iterator[tuple[str, str]]:
    """Each command of the README's console blocks, and what it says is printed."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for part in block.removeprefix("$ ").split("\n$ "):
            command, _, printed = part.partition("\n")
            yield command, printed.strip()


def run(service: Service, command: str) -> str:
    for written, meant in HERE.items():
        command = command.replace(written, meant.format(address=service.address))
    environment = {"PATH": "/usr/bin:/bin", "ROLLOUT_URL": f"http://{service.address}", "LANG": "C.UTF-8"}
    done = subprocess.run(
        command.replace("curl ", "curl -s "),
        shell=True,
        cwd=service.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_first_minute_prints_what_the_readme_says(service: Service):
    service.start()
    eventually(lambda: service.every_worker(lambda: service.check(user_id="u-employee-1")["revision"] == 2))
    for command, printed in commands():
        if printed.startswith("{"):  # a check, of which each worker may be a moment behind
            eventually(partial(prints, service, command, printed))
        else:
            assert run(service, command) == printed or not printed


def prints(service: Service, command: str, printed: str) -> bool:
    return service.every_worker(lambda: run(service, command) == printed, times=4)


def test_every_page_that_the_readme_links_to_is_there():
    linked = re.findall(r"\]\(([^)#]+)\)", README)
    assert linked
    assert [page for page in linked if not (Path(FOUNDING) / page).exists()] == []
