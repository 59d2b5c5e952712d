"""An edit of flags.yaml is served by every worker within two seconds, however it was written; an edit that cannot be
read changes nothing, is told everywhere, and the next good one loads. The tests share one service and leave it with a
good file."""

from __future__ import annotations

import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servekit import FOUNDING, Service, eventually

VERSION = """\
version: 1
attributes: {{ user_id: {{ type: string }} }}
segments:
  testers: {{ description: People who test, members: {{ file: testers.txt }} }}
flags:
  number:
    description: Which version is served
    owner: test@example.com
    enabled: true
    variants: {{ this: {number}, none: 0 }}
    on: this
    off: none
    audience: testers
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("reload")
    (folder / "testers.txt").write_text("tester\n")
    (folder / "flags.yaml").write_text(VERSION.format(number=1))
    with ExitStack() as stack:
        service = Service(folder)
        stack.callback(service.clean_up)
        yield service.start()


class Editor:
    """Writes versions and looks what is served."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.path = service.flags_file
        self.number = service.check("number", user_id="tester")["value"]

    def text(self) -> str:
        """The next version."""
        self.number += 1
        return VERSION.format(number=self.number)

    def served(self) -> None:
        """The version that was written last arrives everywhere."""
        eventually(lambda: self.service.every_worker(self._is_served))

    def refused(self, state: str) -> dict:
        """The copy is told to be in this state, and what was served before is still served."""
        eventually(lambda: self.service.file_report()["state"] == state)
        assert self.service.every_worker(self._is_served)
        assert self.service.every_worker(lambda: self.service.file_report()["state"] == state)
        return self.service.file_report()

    def _is_served(self) -> bool:
        return self.service.check("number", user_id="tester")["value"] == self.number


@pytest.fixture
def editor(service: Service) -> Iterator[Editor]:
    editor = Editor(service)
    yield editor
    if editor.path.is_symlink() or service.file_report()["state"] != "in force":
        _remove(editor.path)
        editor.path.write_text(editor.text())
        editor.served()
    eventually(lambda: service.file_report()["state"] == "in force")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def test_written_over(editor: Editor):
    editor.path.write_text(editor.text())
    editor.served()


def test_renamed_over(editor: Editor):
    beside = editor.path.with_suffix(".swp")
    beside.write_text(editor.text())
    beside.replace(editor.path)
    editor.served()


def test_deleted_and_created_again(editor: Editor):
    text = editor.text()
    editor.path.unlink()
    editor.path.write_text(text)
    editor.served()


def test_missing_for_a_while(editor: Editor):
    editor.path.unlink()
    report = editor.refused("missing")
    assert "not there" in report["problems"][0]["message"]
    editor.path.write_text(editor.text())
    editor.served()


def test_swapped_behind_symbolic_links_as_kubernetes_does(editor: Editor):
    folder = editor.path.parent
    (folder / "1").mkdir()
    (folder / "1" / "flags.yaml").write_text(editor.text())
    shutil.copy(folder / "testers.txt", folder / "1")
    (folder / "..data").symlink_to("1")
    editor.path.unlink()
    editor.path.symlink_to("..data/flags.yaml")
    editor.served()
    shutil.copytree(folder / "1", folder / "2")
    (folder / "2" / "flags.yaml").write_text(editor.text())
    (folder / "..new").symlink_to("2")
    (folder / "..new").replace(folder / "..data")
    editor.served()


def test_the_same_size_and_time(editor: Editor):
    before = editor.path.stat()
    editor.path.write_text(editor.text())
    os.utime(editor.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    editor.served()


def test_a_member_list_that_changes(editor: Editor):
    service, members = editor.service, editor.path.parent / "testers.txt"
    members.write_text("tester\nsomebody\n")
    eventually(lambda: service.every_worker(lambda: service.check("number", user_id="somebody")["on"]))


@pytest.mark.parametrize("content", ["", "version: 1\nflags:\n  number: {", "version: 1\nflags: []\n", "\0", "- a\n"])
def test_broken_content_changes_nothing_and_is_told(editor: Editor, content: str):
    editor.path.write_text(content)
    report = editor.refused("broken")
    assert report["problem_count"] >= 1
    assert report["problems"][0]["line"] >= 1


def test_half_a_file(editor: Editor):
    text = editor.path.read_text()
    editor.path.write_text(text[: text.index("owner")])
    editor.refused("broken")


def test_a_file_that_cannot_be_opened(editor: Editor):
    editor.path.unlink()
    editor.path.mkdir()  # root may open anything else
    editor.refused("broken")


def test_a_file_that_drops_most_flags_is_refused(editor: Editor):
    editor.path.write_text("version: 1\nflags: {}\n")
    report = editor.refused("refused")
    assert "more than half" in report["problems"][0]["message"]


def test_a_broken_file_is_told_by_the_command_line_and_the_metrics(editor: Editor):
    service = editor.service
    editor.path.write_text(editor.path.read_text().replace("owner:", "ownr:"))
    problems = editor.refused("broken")["problem_count"]
    eventually(lambda: "did you mean 'owner'" in service.command("status").stderr)
    eventually(lambda: f"rollout_file_problems {problems}.0" in _metrics(service))


def _metrics(service: Service) -> str:
    with urllib.request.urlopen(f"http://{service.address}/metrics") as response:
        return response.read().decode()


def test_a_restart_after_an_edit_loads_the_edit(service_in: Callable[..., Service], tmp_path: Path):
    service = service_in(tmp_path / "site").start()
    assert service.interrupt() == 0
    text = (FOUNDING / "flags.yaml").read_text()
    service.flags_file.write_text(text.replace("country: [GB, US]", "country: [NO]"))
    service.start()
    assert service.check("business-app", country="NO", platform="android")["on"] is True


def test_a_first_start_with_a_broken_file_says_what_is_wrong_and_is_ready_once_it_is_good(
    service_in: Callable[..., Service], tmp_path: Path
):
    service = service_in(tmp_path / "site")
    text = service.flags_file.read_text()
    service.flags_file.write_text(text.replace("owner:", "ownr:", 1))
    service.launch()
    eventually(lambda: "did you mean 'owner'" in service.said())
    assert service.printed() == ""
    service.flags_file.write_text(text)
    service.wait_until_ready()
    assert service.printed().endswith("3 flags, revision 2\n")
