"""A server's copy of the file that raises further than one person may: held back as a whole until enough people say
yes, asked for once, and asked for anew where what it was made on has moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.core.audit import Actor
from rollout.core.plans import Rollout
from rollout.service.file_loader import FileLoader, FileReport
from rollout.service.follower import Follower
from rollout.service.operations import Operations
from rollout.stores.disk import HandledFile
from tests.service.approvalkit import FLAGS, WALLET, Company, stages_of
from tests.service.servicekit import START_MS, request

LONGER = replace(WALLET, rollout=Rollout("india", stages_of("1%", "5%", "100%")))
WANTED = (FLAGS[0], LONGER, FLAGS[2])


class Server:
    def __init__(self, company: Company, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.company = company
        self.follower = Follower(company.store)
        handled = HandledFile(folder, "one store")
        actor = Actor("file:flags.yaml", "file")
        self.loader = FileLoader(company.store, lambda: self.follower.current.state, handled, actor, now=self.now)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.company.now_ms / 1000, UTC)

    def sees(self, *flags: object) -> FileReport:
        self.follower.follow(timedelta(0))
        return self.loader.bring_in_force(self.company.file(*flags))  # type: ignore[arg-type]


@pytest.fixture
def company() -> Company:
    return Company()


@pytest.fixture
def server(company: Company, tmp_path: Path) -> Server:
    server = Server(company, tmp_path / "server")
    assert server.sees(*FLAGS).state == "in force"
    return server


def only(company: Company) -> str:
    (one,) = [one["id"] for one in company.waiting() if one["state"] == "waits"]
    return str(one)


def test_the_file_is_held_back_as_a_whole_until_enough_people_agree(company: Company, server: Server) -> None:
    before = company.state()
    report = server.sees(*WANTED)
    change_id = only(company)
    assert report.state == "waits for approval"
    assert (
        f"waits for approval {change_id}: wallet: it goes on by itself to 100% of india" in report.problems[0].message
    )
    assert report.problems[0].hint == (
        f"`rollout approve {change_id}` brings it in force; until then the file that was approved last is"
    )
    assert company.state() == replace(before, revision=before.revision + 1, pending=company.state().pending)
    company.desk.approve(change_id, company.by("asha"))
    assert server.sees(*WANTED).state == "waits for approval"
    company.desk.approve(change_id, company.by("bela"))
    assert server.sees(*WANTED).state == "in force"
    assert company.state().records["wallet"].flag == LONGER


def test_it_is_asked_for_once_by_however_many_servers_and_after_a_restart(
    company: Company, server: Server, tmp_path: Path
) -> None:
    server.sees(*WANTED)
    revision = company.store.revision()
    for another in (server, Server(company, tmp_path / "another"), Server(company, tmp_path / "server")):
        for _ in range(3):
            assert another.sees(*WANTED).state == "waits for approval"
    assert (company.store.revision(), len(company.waiting())) == (revision, 1)


def test_what_is_void_is_asked_for_anew(company: Company, server: Server) -> None:
    server.sees(*WANTED)
    first = only(company)
    Operations(company.store).halt("wallet", request())
    Operations(company.store).resume("wallet", request())
    assert server.sees(*WANTED).state == "waits for approval"
    assert only(company) != first
    assert len(company.waiting()) == 1


def test_what_nobody_decided_on_for_a_day_is_asked_for_anew(company: Company, server: Server) -> None:
    server.sees(*WANTED)
    company.now_ms = START_MS + 25 * 3_600_000
    assert server.sees(*WANTED).state == "waits for approval"
    assert [one["state"] for one in company.waiting()] == ["waits"]


def test_what_was_rejected_is_not_asked_for_again_and_says_so(company: Company, server: Server) -> None:
    server.sees(*WANTED)
    company.desk.reject(only(company), company.by("bela", "not before Diwali"))
    Operations(company.store).halt("wallet", request())
    Operations(company.store).resume("wallet", request())  # on other ground it would be another change
    for _ in range(2):
        report = server.sees(*WANTED)
        assert (report.state, "bela rejected this" in report.problems[0].message) == ("refused", True)
    assert server.sees(*FLAGS).state == "in force"


def test_without_keys_it_is_refused_until_there_are_some(tmp_path: Path) -> None:
    company = Company(with_keys=False)
    server = Server(company, tmp_path / "server")
    report = server.sees(*WANTED)
    assert (report.state, "without keys" in report.problems[0].message) == ("refused", True)
    company.hire("asha", "admin")
    assert server.sees(*WANTED).state == "waits for approval"


def test_a_longer_plan_that_is_halted_comes_in_force_and_takes_two_to_resume(company: Company, server: Server) -> None:
    Operations(company.store).halt("wallet", request())
    assert server.sees(*WANTED).state == "in force"
    assert "pending" in company.operations.resume("wallet", company.by("asha"))
    assert company.state().records["wallet"].progress.halted


def test_a_file_that_raises_less_needs_nobody(company: Company, server: Server) -> None:
    assert server.sees(*FLAGS, replace(WALLET, key="another", salt="another")).state == "in force"
