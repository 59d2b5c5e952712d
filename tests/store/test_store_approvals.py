"""What waits for a second person is kept and carried out on every store alike."""

from __future__ import annotations

from contextlib import suppress

from storekit import at_once, eventually

from rollout.core.approvals import Approvals
from rollout.core.errors import RolloutError
from rollout.core.shares import Share
from rollout.service.operations import Operations
from rollout.service.ports import FlagStore
from rollout.service.replay import replay
from tests.service.approvalkit import Company


def later(store: FlagStore) -> None:
    """The store's clock has moved on."""
    before = store.read([]).now_ms
    eventually(lambda: store.read([]).now_ms > before)


def test_what_waits_is_kept_and_carried_out_once(store: FlagStore) -> None:
    company = Company(store=store, approvals=Approvals(3, Share.parse("10%")))
    company.hire("chitra", "admin")
    later(store)
    waits = company.operations.set_share("payments", Share.parse("50%"), company.by("omar"))["pending"]
    assert [one["id"] for one in company.waiting()] == [waits["id"]]

    def approve(name: str) -> None:
        with suppress(RolloutError):  # where others were quicker, there is nothing left to approve, or to look at again
            company.desk.approve(waits["id"], company.by(name))

    at_once([lambda name=name: approve(name) for name in ("asha", "bela", "chitra")])  # type: ignore[misc]
    for name in ("asha", "bela", "chitra"):
        approve(name)
    assert company.live() == {"employees": "100%", "india": "50%"}
    entries = company.entries()
    assert [entry["action"] for entry in entries].count("set") == 1
    made = next(entry for entry in entries if entry["action"] == "set")
    assert len({one["by"] for one in made["approvals"]}) == 2
    assert replay(list(store.audit(limit=1000)), store.blob) == company.state()


def test_a_file_that_waits_is_kept_whole_with_its_member_lists(store: FlagStore) -> None:
    company = Company(store=store)
    later(store)
    Operations(store).set_share("wallet", Share.parse("5%"), company.by("asha"))
    file = company.file(*company.flags, approvals=None)
    waits = company.operations.load(file, company.by("asha"), action="apply")["pending"]
    assert company.state().definitions.approvals is not None
    company.desk.approve(waits["id"], company.by("bela"))
    assert company.state().definitions.approvals is None
    assert company.state().file.digest == file.digest
