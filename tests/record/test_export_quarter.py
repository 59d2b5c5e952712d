"""Three months of a rollout as it goes: stages that move by themselves, a bank that fails, a stop at night, people who
let it go on, and the counts of each day; and what an auditor is handed of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.cli.verifying import public_key
from rollout.core.shares import Share
from rollout.service.export.quarters import Quarter
from rollout.service.exposed_days import note_days
from tests.progression.test_guarding import BY_BANK, OVERALL, minutes
from tests.progression.worlds import World, payments, stage
from tests.record.exportkit import Site, auditor_says, manifest_of, rows_of

DAY = timedelta(days=1)
LAST = Quarter(2026, 4)
ALL_BANKS = replace(OVERALL, max_failures=Share.parse("20%"))
WELL = {"SBI": (100, 0), "ICICI": (100, 0), "HDFC": (100, 0)}


def load(world: World, *percentages: str) -> None:
    bake = timedelta(minutes=40)  # in which a server ticks: nine of each day
    stages = [stage("employees", bake), *(stage(words, bake, approval=words == "25%") for words in percentages)]
    flag = payments(*stages)
    assert flag.rollout is not None
    guarded = replace(flag.rollout, guards=(BY_BANK.name, ALL_BANKS.name))
    shops = replace(flag, key="shops", rollout=None, enabled=False)
    world.load(replace(flag, rollout=guarded), shops, guards=(BY_BANK, ALL_BANKS))


def days(world: World, count: int, people: int) -> None:
    """So many days in which all goes well, and so many people are served."""
    for _ in range(count):
        day = world.now.date().isoformat()
        minutes(world, 8, **WELL)
        world.store.expose(day, {"key/payments": [b"%d" % number for number in range(people)]})
        world.sleep(DAY - timedelta(minutes=8))
        note_days(world.store, world.operations, "server-0")


def live_through_the_quarter(world: World) -> None:
    load(world, "1%", "5%", "25%", "100%")
    world.server()
    days(world, 20, 40)
    minutes(world, 4, **WELL | {"SBI": (60, 40)})
    days(world, 2, 900)
    world.operations.resume("payments", world.request("SBI says that it is repaired", "priya"), value="SBI")
    days(world, 20, 4000)
    minutes(world, 4, **dict.fromkeys(WELL, (50, 50)))
    world.operations.kill("payments", world.request("=every bank fails", "amit", ticket="INC-41"))
    days(world, 3, 0)
    world.operations.revive("payments", world.request("banks are back", "amit"))
    load(world, "1%", "5%", "10%", "25%", "100%")
    world.operations.resume("payments", world.request("go on", "priya"))
    days(world, 20, 7000)
    world.operations.advance("payments", world.request("approved by the board", "priya"))
    days(world, 12, 20_000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    world = World(int(datetime(2026, 10, 2, 5, tzinfo=UTC).timestamp() * 1000))
    live_through_the_quarter(world)
    site = Site(tmp_path_factory.mktemp("site"), world)
    site.ship()
    site.export("shown", LAST)
    return site


def test_the_auditor_finds_that_all_holds(site: Site) -> None:
    assert auditor_says(site.data / "shown", "--key", public_key(site.data)) == (0, "all holds \n")


def test_each_act_of_a_guard_is_there_with_its_numbers(site: Site) -> None:
    bank, *night = rows_of(site.data / "shown", "trips.csv")
    assert (bank["guard"], bank["metric"], bank["bound"], bank["about"]) == (
        "upi-failures",
        "upi-transfer",
        "max 2%",
        "SBI",
    )
    overall = next(row for row in night if row["guard"] == "overall")
    assert (overall["bound"], overall["about"]) == ("max 20%", "")
    for row in (bank, overall):
        assert 0 < int(row["failures"]) <= int(row["of"])
    assert "without bank SBI" in bank["stands then"]
    assert "halted" in overall["stands then"]


def test_who_let_more_people_have_it_is_there(site: Site) -> None:
    rows = rows_of(site.data / "shown", "approvals.csv")
    told = {(row["approved by"], row["how"], row["reason"]) for row in rows}
    assert ("priya", "in person", "approved by the board") in told


def test_people_are_there_by_the_day(site: Site) -> None:
    counted = [int(row["people, about"]) for row in rows_of(site.data / "shown", "exposed.csv")]
    assert (len(counted), counted[0], counted[-1]) == (77, 40, 20_000)


def test_the_report_tells_it(site: Site) -> None:
    folder = site.data / "shown"
    text = (folder / "report.html").read_text()
    for words in ("INC-41", "guard:upi-failures", "SBI says that it is repaired", "up to about 20,000"):
        assert words in text
    assert len(manifest_of(folder)["versions"]) == 2
