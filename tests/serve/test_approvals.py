"""Approvals in a running service: an edit of the file that raises far is held back on every worker, told everywhere,
and served once two people said yes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from servekit import FOUNDING, Service, eventually

TEXT = (FOUNDING / "flags.yaml").read_text().replace("version: 1", "version: 1\napprovals: { raise: 2, above: 10% }", 1)


class People:
    def __init__(self, service: Service) -> None:
        self.service = service
        for name in ("asha", "bela"):
            first = ("--key-file", "asha.key") if name != "asha" else ()
            made = service.command("keys", "create", "--role", "admin", "--name", name, *first)
            assert made.returncode == 0, made.stderr
            (service.folder / f"{name}.key").write_text(made.stdout)
            eventually(lambda name=name: service.every_worker(lambda: self.ask(name, "/v1/keys").status == 200))

    def ask(self, name: str, path: str) -> Any:
        return self.service.ask(path, key=(self.service.folder / f"{name}.key").read_text().strip())

    def says(self, name: str, *words: str, code: int = 0) -> str:
        done = self.service.command(*words, "--key-file", f"{name}.key")
        assert done.returncode == code, done
        return done.stdout + done.stderr

    def file_state(self) -> str:
        return str(self.ask("asha", "/readyz").document["file"]["state"])


def test_an_edit_that_raises_far_is_served_once_two_people_said_yes(
    service_in: Callable[..., Service], tmp_path: Path
) -> None:
    service = service_in(tmp_path / "site")
    service.flags_file.write_text(TEXT)
    people = People(service.start())
    key = {"key": (service.folder / "asha.key").read_text().strip()}
    wide = TEXT.replace("country: [GB, US]", "country: [GB, US, NO]")
    assert wide != TEXT
    service.flags_file.write_text(wide)
    eventually(lambda: people.file_state() == "waits for approval")

    def has_it() -> bool:
        return bool(service.check("business-app", **key, country="NO", platform="android")["on"])

    assert service.every_worker(lambda: not has_it())
    change_id = people.ask("asha", "/v1/pending").document["pending"][0]["id"]
    assert f"waits for approval {change_id}" in people.says("bela", "status")
    people.says("asha", "approve", change_id)
    people.says("asha", "approve", change_id, code=4)
    assert service.every_worker(lambda: not has_it())
    people.says("bela", "approve", change_id)
    eventually(lambda: service.every_worker(has_it))
    eventually(lambda: people.file_state() == "in force")
    assert "waits for approval" not in people.says("bela", "status")
