"""The cases in which a file, a person and the controller want different things, on real processes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

import pytest
from servekit import OwnStore, Service, eventually

FILE = """\
version: 1
segments:
  employees: {{ description: Staff, members: {{ file: employees.txt }} }}
flags:
  payments:
    description: {description}
    owner: oncall@example.com
    enabled: {enabled}
    rollout:
      bake: 7d
      stages: {stages}
"""


class Site:
    """A running service with one flag, whose file is written anew from its parts."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.parts = {"description": "Pay", "enabled": "true", "stages": "[employees, 1%, 5%, 100%]"}

    def start(self) -> Site:
        self._write()
        self.service.start()
        eventually(lambda: self.live() == {"employees": "100%"})
        return self

    def edit(self, **parts: str) -> None:
        """Returns when the edit is in force."""
        before = self.service.status()["file"]["digest"]
        self.parts |= parts
        self._write()
        eventually(lambda: self.service.status()["file"]["digest"] != before)

    def _write(self) -> None:
        self.service.flags_file.write_text(FILE.format(**self.parts))

    def line(self) -> dict[str, object]:
        return self.service.status()["flags"][0]

    def live(self) -> dict[str, str]:
        return {one["audience"]: one["share"] for one in self.line()["live"]}  # type: ignore[attr-defined]

    def rollout(self, *words: str) -> tuple[int, str]:
        done = self.service.command(*words)
        return done.returncode, done.stdout + done.stderr

    def set(self, share: str, *more: str) -> None:
        code, said = self.rollout("set", "payments", share, "--yes", *more)
        assert code == 0, said


@pytest.fixture
def site(service: Service) -> Site:
    return Site(service)


LIVE_3 = {"employees": "100%", "everyone": "3%"}


def test_an_override_outlives_an_edit_of_the_description(site: Site):
    site.start().set("3%")
    site.edit(description="Pay a friend")
    assert site.live() == LIVE_3
    assert site.line()["state"] == "halted"


def test_an_override_outlives_an_edit_of_a_later_stage(site: Site):
    site.start().set("3%")
    site.edit(stages="[employees, 1%, 10%, 100%]")
    assert site.live() == LIVE_3
    assert site.line()["stage"]["next"] == "10%"  # type: ignore[index]


def test_an_override_above_a_plan_that_now_ends_lower_comes_down_to_its_end(site: Site):
    site.start().set("3%")
    site.edit(stages="[employees, 1%, 2%]")
    assert site.live() == {"employees": "100%", "everyone": "2%"}


def test_a_share_above_the_plan_is_refused_unless_it_is_meant(site: Site):
    site.parts["stages"] = "[employees, 1%]"
    site.start()
    code, said = site.rollout("set", "payments", "3%", "--yes")
    assert code == 7
    assert "--beyond-plan" in said
    assert site.live() == {"employees": "100%"}
    site.set("3%", "--beyond-plan")
    assert site.live() == LIVE_3


def test_a_merged_file_that_raises_does_not_undo_a_halt(site: Site):
    site.start()
    assert site.rollout("halt", "payments", "-m", "odd numbers")[0] == 0
    site.edit(stages="[employees, 100%]")
    assert site.live() == {"employees": "100%"}
    assert site.line()["held_back"]
    assert site.line()["state"] == "halted"


def test_editing_enabled_does_not_lift_a_kill(site: Site):
    site.start()
    assert site.rollout("kill", "payments", "-m", "double debits")[0] == 0
    site.edit(enabled="false")
    site.edit(enabled="true")
    assert site.line()["state"] == "killed"
    assert site.live() == {}
    assert not site.service.check(user_id="u-employee-1")["on"]


def test_a_broken_file_changes_nothing_and_is_named_with_its_line(site: Site):
    site.start().set("3%")
    site.service.flags_file.write_text(FILE.format(**site.parts).replace("bake: 7d", "bake: 7"))
    report = eventually(lambda: site.service.file_report() if site.service.file_report()["problems"] else None)
    assert report["problems"][0]["line"] == 10
    assert site.live() == LIVE_3


def test_of_two_people_at_once_the_second_is_told_that_the_state_moved(site: Site):
    site.start()
    seen = site.line()["revision"]
    first = site.service.ask("/v1/flags/payments/set", body={"share": "1%", "revision": seen, "reason": "one"})
    second = site.service.ask("/v1/flags/payments/set", body={"share": "5%", "revision": seen, "reason": "two"})
    assert (first.status, second.status) == (200, 409)
    assert re.search(r"changed at revision \d+", second.document["error"]["message"])
    assert site.live() == {"employees": "100%", "everyone": "1%"}


def test_a_lost_store_is_served_from_disk_and_nothing_moves_by_what_came_back(
    service_in: Callable[..., Service], own_store: OwnStore, tmp_path
):
    """A backup that is older than what people were told must not be written on."""
    site = Site(service_in(tmp_path / "site", redis_url=own_store.url)).start()
    site.set("1%")
    site.service.interrupt()
    own_store.kill()
    shutil.rmtree(own_store.folder)
    own_store.folder.mkdir()
    own_store.start()
    site.service.launch()
    site.service.wait_until_ready()
    answer = site.service.check(user_id="u-employee-1")
    assert (answer["on"], answer["stale"]) == (True, True)
    assert site.service.ask("/v1/flags/payments/set", body={"share": "5%"}).status == 503
