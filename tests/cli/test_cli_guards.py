"""What operators see of guards, and how they lift what a guard did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from clikit import EMPLOYEES, Cli, at_terminal, entries, service

from rollout.core.outcomes import SUCCESS, Outcome, Side, group_name
from rollout.service.controller import Controller
from rollout.service.follower import Follower
from rollout.service.operations import Operations
from rollout.service.ports import Counted
from rollout.stores.memory import MemoryFlagStore, wall_clock_ms

FLAGS = """\
version: 1

attributes:
  user_id: { type: string }
  bank: { type: string, values: [SBI, "O'Neil & Co"] }

segments:
  employees:
    description: On the payroll
    members: { file: employees.txt }

guards:
  upi-failures: { metric: upi-transfer, max: 2%, by: bank, action: exclude }
  overall: { metric: upi-transfer, max: 20%, action: halt }

flags:
  payments:
    description: Send money
    owner: payments@example.com
    enabled: true
    rollout: { audience: employees, bake: 7d, guards: [upi-failures, overall], stages: [1%, 100%] }
"""


class Shop:
    """A service whose minutes pass when told."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = wall_clock_ms()
        self.store = MemoryFlagStore(lambda: self.now_ms)
        self.cli = Cli(folder, self.store)
        self.cli.write(EMPLOYEES, "employees.txt")
        self.cli.apply(FLAGS)
        self.follower = Follower(self.store)
        self.controller = Controller(self.store, Operations(self.store), self.follower, "server-1")
        self.intents = 0
        self.tick()

    def tick(self) -> None:
        self.follower.follow(timedelta(0))
        self.controller.tick()

    def minute(self, bank: str, ok: int, failed: int) -> None:
        for count, failure in ((ok, SUCCESS), (failed, "technical")):
            outcome = Outcome("payments", "upi-transfer", Side.ON, failure, failure, (group_name("bank", bank),))
            self.intents += 1
            self.store.count([Counted("payments", self.intents, outcome.fields, count)])
        self.now_ms += 60_000
        self.tick()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    yield Shop(tmp_path)


def test_status_says_what_each_guard_read_and_how_near_it_is_to_acting(shop: Shop) -> None:
    shop.minute("SBI", 0, 0)  # the minute in which the stage began
    shop.minute("SBI", 98, 2)
    line = shop.cli("status", "--json").json["flags"][0]
    assert line["health"] == "healthy"
    guards = shop.cli.standing("payments")["guards"]
    assert [guard["name"] for guard in guards] == ["upi-failures", "overall"]
    (sbi,) = guards[0]["groups"]
    assert (sbi["value"], sbi["reading"], sbi["outcomes"], sbi["excluded"]) == ("SBI", "2% (2 of 100)", 100, False)
    assert 0 <= sbi["evidence_percent"] < 100
    rows = [row for row in shop.cli("status", "payments").rows if row[0] in ("guard", "group")]
    assert rows[0] == ["guard", "upi-failures", "healthy", "at most 2%", "exclude"]
    assert rows[1][:4] == ["group", "upi-failures", "SBI", "2% (2 of 100)"]


def test_a_guard_that_nobody_reports_to_is_called_silent(shop: Shop) -> None:
    shop.now_ms += 60_000
    shop.tick()
    line = shop.cli("status", "--json").json["flags"][0]
    assert (line["health"], line["coming"]["why"]) == ("source silent", "cannot judge health: source silent")
    with service(shop.store) as url:
        _, shown = at_terminal("status", "payments", "--url", url)
    assert "source silent" in shown


def test_who_was_excluded_is_told_why_and_what_lifts_it(shop: Shop) -> None:
    for _ in range(3):
        shop.minute("O'Neil & Co", 90, 10)
    (out,) = shop.cli.standing("payments")["excluded"]
    assert (out["attribute"], out["value"], out["by"]) == ("bank", "O'Neil & Co", "guard:upi-failures")
    assert "without bank O'Neil & Co" in shop.cli("status").out
    told = shop.cli("explain", "payments", "--user", "u-1", "-c", "bank=O'Neil & Co").out
    assert told.startswith("payments is OFF for u-1")
    assert "guard upi-failures excluded bank O'Neil & Co" in told
    assert "rollout resume payments --value 'O'\"'\"'Neil & Co'" in told
    assert shop.cli("explain", "payments", "--user", "u-1", "-c", "bank=SBI", "--json").json["because"] != told
    with service(shop.store) as url:
        _, shown = at_terminal("status", "payments", "--url", url)
    assert "excluded" in shown
    assert "100% of what would exclude it" in shown


def test_lifting_an_exclusion_asks_since_people_get_the_flag_again(shop: Shop) -> None:
    for _ in range(3):
        shop.minute("SBI", 90, 10)
    refused = shop.cli("resume", "payments", "--value", "SBI", code=2)
    assert "bank SBI, whom guard upi-failures excluded" in refused.err
    shop.cli("resume", "payments", "--value", "SBI", "--dry-run")
    assert shop.cli.standing("payments")["excluded"]
    done = shop.cli("resume", "payments", "--value", "SBI", "--yes", "-m", "their fix is live", "--no-wait")
    assert "again: bank SBI" in done.out
    assert "excluded" not in shop.cli.standing("payments")
    entry = entries(shop.cli)[0]
    assert (entry["action"], entry["reason"]) == ("resume", "their fix is live")
    assert "no guard excludes 'SBI'" in shop.cli("resume", "payments", "--value", "SBI", "--yes", code=7).err


def test_raising_what_a_guard_stopped_is_refused_until_it_is_resumed(shop: Shop) -> None:
    for _ in range(3):
        shop.minute("SBI", 50, 50)
    assert "guard overall stopped payments" in shop.cli("set", "payments", "100%", "--yes", code=7).err
    shop.cli("resume", "payments", "--no-wait")
    shop.cli("set", "payments", "100%", "--yes", "--no-wait")


def test_the_evidence_of_what_a_guard_did_is_in_the_audit(shop: Shop) -> None:
    for _ in range(3):
        shop.minute("SBI", 90, 10)
    entry = entries(shop.cli)[0]
    assert (entry["action"], entry["actor"]["id"], entry["actor"]["kind"]) == ("exclude", "guard:upi-failures", "guard")
    assert entry["evidence"]["value"] == "SBI"
    assert entry["evidence"]["alpha"] == "1/200"
    assert sum(minute[2] for minute in entry["evidence"]["minutes"]) >= 100


@contextmanager
def passing_minutes(shop: Shop) -> Iterator[None]:
    """A minute goes by every few moments, and a server ticks."""
    stop = threading.Event()

    def pass_minutes() -> None:
        while not stop.wait(0.05):
            shop.now_ms += 60_000
            shop.tick()

    thread = threading.Thread(target=pass_minutes)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_drill_says_how_soon_each_guard_acts_and_touches_nobody(shop: Shop) -> None:
    shop.minute("SBI", 50, 0)
    before = shop.cli.standing("payments")
    with passing_minutes(shop):
        told = shop.cli("guard", "drill", "payments")
        document = shop.cli("guard", "drill", "payments", "--json").json
    assert told.out.startswith("200 failures sent; waiting for upi-failures, overall")
    assert "upi-failures acted after" in told.out
    assert "drill: upi-transfer 100% (200 of 200)" in told.out
    assert {guard["guard"] for guard in document["guards"]} == {"overall", "upi-failures"}
    after = shop.cli.standing("payments")
    assert (after["state"], after["live"], after["stage"]) == (before["state"], before["live"], before["stage"])
    assert "excluded" not in after
    assert [entry["action"] for entry in entries(shop.cli)][:4] == ["drill"] * 4


def test_a_drill_that_no_server_judges_ends_in_time(shop: Shop) -> None:
    refused = shop.cli("guard", "drill", "payments", "--within", "2s", code=6)
    assert "did not act on the drill in time" in refused.err


def test_a_flag_without_guards_cannot_be_drilled(shop: Shop) -> None:
    shop.cli.apply(FLAGS.replace("guards: [upi-failures, overall], ", ""))
    assert "no guard that could be drilled" in shop.cli("guard", "drill", "payments", code=7).err
