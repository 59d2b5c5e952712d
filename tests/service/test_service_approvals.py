"""Raising exposure past the bound takes a second person, by every path, and there is no way around."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from rollout.core.approvals import Approvals
from rollout.core.audit import Actor
from rollout.core.errors import InvalidInput, NotAllowed, OutdatedView, RefusedByRule, UnknownChange
from rollout.core.flags import Flag, Rule
from rollout.core.keys import Role
from rollout.core.members import digest_of, pack_members
from rollout.core.plans import Rollout
from rollout.core.segments import AttributeCondition, Match, MemberList, OneOf, Segment
from rollout.core.shares import Share
from rollout.service.export.tables import APPROVAL_COLUMNS, approval_rows
from rollout.service.keys import KeyDesk
from rollout.service.operations import Operations, Request, moment_of
from rollout.service.replay import replay
from tests.service.approvalkit import ERRORS, FLAGS, PAYMENTS, WALLET, Company, exclude, stages_of
from tests.service.servicekit import IN_INDIA, SEGMENTS, flag, request

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Path:
    """A way to raise exposure: what was before, by people together, and the attempt."""

    attempt: Callable[[Company, Request], dict[str, Any]]
    before: Callable[[Operations, Any], object] = lambda *_: None
    flags: tuple[Flag, ...] = FLAGS
    by_file: bool = False


def plan(*words: str, **more: Any) -> Rollout:
    return Rollout("india", stages_of(*words), **more)


def far(operations: Operations, store: Any = None) -> None:
    operations.set_share("payments", Share.parse("50%"), request())


def excluded(operations: Operations, store: Any) -> None:
    far(operations)
    exclude(operations, store, "payments", "IN")


WATCHED = replace(PAYMENTS, rollout=plan("employees", "5%", "50%", guards=("errors",)))
LOCKED = replace(PAYMENTS, locked=True)
RULED = flag("ruled", rules=(Rule(Match((AttributeCondition("country", (OneOf(("GB",)),)),)), "on"),))
BY_SEGMENT = flag("staff-only", rules=(Rule(IN_INDIA, "on"),))
INDIA_AND_BRITAIN = Segment("india", "India", (Match((AttributeCondition("country", (OneOf(("IN", "GB")),)),)),))
MORE_STAFF = pack_members(["u-7", "u-8", "u-9"])
WIDER = {**SEGMENTS, "employees": Segment("employees", "staff", members=MemberList("e", digest_of(MORE_STAFF), 3))}


def loading(*flags: Flag, **file: Any) -> Callable[[Company, Request], dict[str, Any]]:
    return lambda company, asked: company.operations.load(company.file(*flags, **file), asked, action="apply")


def moving(operations: Operations, store: Any = None) -> None:
    operations.set_share("payments", Share.parse("5%"), request())


TWELVE = {
    "set": Path(lambda company, asked: company.operations.set_share("payments", Share.parse("50%"), asked)),
    "advance": Path(lambda company, asked: company.operations.advance("payments", asked, to="50%")),
    "revive": Path(
        lambda company, asked: company.operations.revive("payments", asked),
        before=lambda operations, _: (far(operations), operations.kill("payments", request())),
    ),
    "resume": Path(lambda company, asked: company.operations.resume("payments", asked), before=moving),
    "resume --value": Path(
        lambda company, asked: company.operations.resume("payments", asked, value="IN"), before=excluded
    ),
    "a longer plan in the file": Path(
        loading(replace(WALLET, rollout=plan("1%", "5%", "100%")), *FLAGS[::2]), by_file=True
    ),
    "rules": Path(
        loading(*FLAGS, replace(RULED, rules=(*RULED.rules, Rule(IN_INDIA, "on")))),
        flags=(*FLAGS, RULED),
        by_file=True,
    ),
    "a wider audience": Path(
        loading(replace(PAYMENTS, rollout=Rollout("everyone", (replace(stages_of("50%")[0], audience="everyone"),)))),
        before=lambda operations, _: operations.advance("payments", request(), to="50%"),
        flags=(PAYMENTS,),
        by_file=True,
    ),
    "a wider segment": Path(
        loading(*FLAGS, BY_SEGMENT, segments={**SEGMENTS, "india": INDIA_AND_BRITAIN}),
        before=far,
        flags=(*FLAGS, BY_SEGMENT),
        by_file=True,
    ),
    "a longer member list": Path(loading(*FLAGS, segments=WIDER, members=MORE_STAFF), before=moving, by_file=True),
    "a looser guard": Path(
        loading(WATCHED, WALLET, guards=(replace(ERRORS, max_failures=Share.parse("50%")),)),
        flags=(WATCHED, WALLET),
        by_file=True,
    ),
    "no guard": Path(
        loading(replace(WATCHED, rollout=plan("employees", "5%", "50%")), WALLET), flags=(WATCHED, WALLET), by_file=True
    ),
    "unlocking": Path(loading(PAYMENTS, WALLET), flags=(LOCKED, WALLET), by_file=True),
    "a flag that is on without a rollout": Path(loading(*FLAGS, flag("at-once")), by_file=True),
    "fewer approvals": Path(loading(*FLAGS, approvals=Approvals(2, Share.parse("90%"))), by_file=True),
    "no approvals": Path(loading(*FLAGS, approvals=None), by_file=True),
}
every_path = pytest.mark.parametrize("path", TWELVE.values(), ids=TWELVE)


def company_for(path: Path, **more: Any) -> Company:
    """What was before came about when nobody had to be asked."""
    company = Company(flags=path.flags, approvals=None, **more)
    quiet = Operations(company.store)
    path.before(quiet, company.store)
    quiet.load(company.file(), request())
    return company


def stands(company: Company) -> Any:
    """All that decides who has what."""
    state = company.state()
    return state.definitions, state.records, state.file


@every_path
def test_one_person_alone_raises_nothing_by_any_path_and_the_attempt_is_in_the_audit(path: Path) -> None:
    company = company_for(path)
    before = stands(company)
    answer = path.attempt(company, company.by("asha", "all at once"))
    assert (answer["changed"], stands(company)) == (False, before)
    waits = answer["pending"]
    entry = company.entries()[-1]
    assert (entry["action"], entry["actor"]["id"], entry["reason"]) == ("propose", "asha", "all at once")
    assert entry["pending"]["changed"] == [waits]
    assert waits["raises"] and answer["approval"]["because"] == waits["raises"]


@every_path
def test_nobody_approves_their_own_by_any_path_and_the_attempt_is_in_the_audit(path: Path) -> None:
    company = company_for(path)
    change_id = path.attempt(company, company.by("asha"))["pending"]["id"]
    before = stands(company)
    with pytest.raises(NotAllowed, match="nobody approves their own change"):
        company.desk.approve(change_id, company.by("asha"))
    assert stands(company) == before
    note = company.noted()[-1]
    assert (note["action"], note["actor"]["id"], note["after"]["action"]) == ("refused", "asha", "approve")
    assert "their own" in note["after"]["message"]


@every_path
def test_a_second_person_has_it_carried_out_at_once_as_it_was_proposed(path: Path) -> None:
    company = company_for(path)
    change_id = path.attempt(company, company.by("asha", "because"))["pending"]["id"]
    before = stands(company)
    answer = company.desk.approve(change_id, company.by("bela", "looked at it"))
    assert answer["changed"]
    assert stands(company) != before
    assert company.waiting() == []
    entry = company.entries()[-1]
    assert (entry["actor"]["id"], entry["reason"], entry["pending"]["gone"]) == ("asha", "because", [change_id])
    assert [(one["by"], one["key"]) for one in entry["approvals"]] == [("bela", company.keys["bela"].id)]
    assert entry["approvals"][0]["at"] == entry["at"]


@every_path
def test_straight_on_the_store_nothing_proves_who_asks_so_nothing_is_raised(path: Path) -> None:
    company = company_for(path)
    before = stands(company)
    for who in (Actor("asha"), Actor("asha", authenticated="key:made-up"), Actor("bela", "controller")):
        with pytest.raises(RefusedByRule, match="nothing proves who asks"):
            path.attempt(company, Request(who, "why"))
        assert company.noted()[-1]["after"]["code"] == "refused"
    assert (stands(company), company.waiting()) == (before, [])


@every_path
def test_without_keys_nobody_can_tell_one_person_from_another_so_nothing_is_raised(path: Path) -> None:
    company = company_for(path, with_keys=False)
    before = stands(company)
    with pytest.raises(RefusedByRule, match="without keys nobody can tell") as refused:
        path.attempt(company, request())
    assert "rollout keys create" in str(refused.value.hint)
    assert (stands(company), company.waiting()) == (before, [])


@every_path
def test_a_dry_run_says_that_it_takes_more_persons_and_asks_nobody(path: Path) -> None:
    company = company_for(path)
    before = company.store.read()
    answer = path.attempt(company, company.by("asha", dry_run=True))
    assert answer["approval"]["persons"] == 2
    assert "pending" not in answer
    assert company.store.read() == before


def move(company: Company, key: str) -> None:
    """Has one flag another revision, by what one person may do."""
    quiet = Operations(company.store)
    if company.state().records[key].progress.exposure:
        quiet.rollback(key, request(), to="0%")
    else:
        quiet.kill(key, request())


@every_path
def test_an_approval_is_void_once_a_flag_that_it_concerns_has_moved(path: Path) -> None:
    company = company_for(path)
    waits = path.attempt(company, company.by("asha"))["pending"]
    concerned = [key for key, revision in waits["on"]["flags"].items() if revision]
    if not concerned:  # it only adds flags, or is about the file alone
        Operations(company.store).load(company.file(*company.flags, flag("another", "1%")), request())
    for key in concerned[:1]:
        move(company, key)
    before = stands(company)
    with pytest.raises(RefusedByRule, match="is void"):
        company.desk.approve(waits["id"], company.by("bela"))
    assert stands(company) == before
    assert [one["state"] for one in company.waiting()] == ["void"]
    assert "is void" in company.noted()[-1]["after"]["message"]


def test_what_was_approved_replays_to_the_same_state() -> None:
    for path in TWELVE.values():
        company = company_for(path)
        ids = [path.attempt(company, company.by("asha"))["pending"]["id"]]
        company.desk.approve(ids[0], company.by("bela"))
        alone = company.by("asha", "now", break_glass=True)
        company.operations.set_share("payments", Share.parse("100%"), alone, beyond_plan=True)
        lines = list(company.store.audit(limit=10**6))
        assert replay(lines, company.store.blob) == company.state()


def test_lowering_needs_nobody_not_even_a_key() -> None:
    company = company_for(TWELVE["resume --value"], with_keys=False)
    nobody = Request(Actor("somebody"))
    for do in (
        lambda: company.operations.set_share("payments", Share.parse("40%"), nobody),
        lambda: company.operations.rollback("payments", nobody),
        lambda: company.operations.halt("wallet", nobody),
        lambda: company.operations.kill("payments", nobody),
        lambda: company.operations.load(company.file(replace(PAYMENTS, enabled=False), *FLAGS[1:]), nobody),
    ):
        assert do()["changed"]


def test_a_shorter_member_list_needs_nobody_and_one_with_somebody_else_in_it_does() -> None:
    company = company_for(Path(loading(), before=moving))
    for keys, changed in ((["u-7"], True), (["u-9"], False), ([], True)):
        packed = pack_members(keys)
        listed = Segment("employees", "staff", members=MemberList("e", digest_of(packed), len(keys)))
        file = company.file(segments={**SEGMENTS, "employees": listed}, members=packed)
        assert company.operations.load(file, company.by("asha"))["changed"] is changed


def test_one_byte_more_is_another_change() -> None:
    company = Company()
    file = company.file(*FLAGS, flag("at-once"))
    longer = replace(file, text=f"{file.text} ", digest=digest_of(f"{file.text} ".encode()))
    first, second = (company.operations.load(one, company.by("asha"))["pending"]["id"] for one in (file, longer))
    assert first != second
    company.desk.approve(first, company.by("bela"))
    assert company.state().file.digest == file.digest
    with pytest.raises(RefusedByRule, match="is void"):
        company.desk.approve(second, company.by("bela"))


def test_below_the_bound_one_person_is_enough() -> None:
    company = Company()
    company.operations.set_share("wallet", Share.parse("5%"), request())
    assert company.live("wallet") == {"india": "5%"}


def test_the_controller_goes_on_as_far_as_was_decided_with_the_plan_and_no_further() -> None:
    asking = replace(PAYMENTS, rollout=Rollout("india", stages_of("50%") + stages_of("100%", approval=True)))
    company = Company(flags=(asking,))
    controller = Actor("controller", "controller")
    assert company.operations.enter("payments", 0, Request(controller))["changed"]
    with pytest.raises(RefusedByRule, match="nothing proves"):
        company.operations.enter("payments", 1, Request(controller))
    waits = company.operations.advance("payments", company.by("omar"))["pending"]
    assert company.live() == {"india": "50%"}
    company.desk.approve(waits["id"], company.by("asha"))
    assert company.live() == {"india": "100%"}


def test_an_operator_proposes_and_does_not_approve() -> None:
    company = Company()
    change_id = company.operations.advance("payments", company.by("omar"))["pending"]["id"]
    company.hire("otto", "operator")
    for name in ("omar", "otto"):
        with pytest.raises(NotAllowed, match="operator key may not approve"):
            company.desk.approve(change_id, company.by(name))
    with pytest.raises(NotAllowed, match="nothing proves who approves"):
        company.desk.approve(change_id, request())
    assert company.live() == {}


def test_a_key_that_was_made_for_the_occasion_approves_nothing() -> None:
    company = Company()
    change_id = company.operations.advance("payments", company.by("asha"))["pending"]["id"]
    company.hire("zoe", "admin")
    with pytest.raises(NotAllowed, match="made after"):
        company.desk.approve(change_id, company.by("zoe"))


def test_what_was_said_by_a_key_that_is_revoked_by_now_does_not_count() -> None:
    company = Company(approvals=Approvals(3, Share.parse("10%")))
    company.hire("chitra", "admin")
    change_id = company.operations.advance("payments", company.by("omar"))["pending"]["id"]
    company.desk.approve(change_id, company.by("asha"))
    KeyDesk(company.store, Operations(company.store)).revoke(company.keys["asha"].id, request("stolen"))
    with pytest.raises(RefusedByRule, match="is revoked"):
        company.desk.approve(change_id, company.by("bela"))
    with pytest.raises(NotAllowed, match="nothing proves who approves"):
        company.desk.approve(change_id, company.by("asha"))
    assert company.live() == {}


def test_two_people_whom_the_provider_knows_are_two_and_somebody_with_a_key_is_not_a_third() -> None:
    company = Company()
    proposed = company.operations.advance("payments", company.logged_in("omar@example.com", Role.OPERATOR))["pending"]
    with pytest.raises(NotAllowed, match="their own"):
        company.desk.approve(proposed["id"], company.logged_in("omar@example.com"))
    with pytest.raises(NotAllowed, match="others spoke by log-in"):
        company.desk.approve(proposed["id"], company.by("asha"))
    with pytest.raises(NotAllowed, match="may not approve"):
        company.desk.approve(proposed["id"], company.logged_in("bela@example.com", Role.OPERATOR))
    assert company.live() == {}
    assert company.desk.approve(proposed["id"], company.logged_in("asha@example.com"))["changed"]
    assert company.live() != {}
    entry = company.entries()[-1]
    assert (entry["action"], entry["actor"]["id"]) == ("advance", "omar@example.com")
    assert entry["actor"]["authenticated"].startswith("oidc:")
    assert [one["by"] for one in entry["approvals"]] == ["asha@example.com"]
    assert replay(company.store.audit(limit=10**6), company.store.blob) == company.state()


def test_whoever_merely_says_to_be_known_by_the_provider_is_not() -> None:
    company = Company()
    claims = company.logged_in("asha@example.com")
    forged = replace(claims, actor=replace(claims.actor, person=None))
    with pytest.raises(RefusedByRule, match="nothing proves who asks"):
        company.operations.advance("payments", forged)


def test_of_a_file_that_raises_everything_only_some_reasons_are_kept() -> None:
    company = Company()
    many = [flag(f"flag-{number}") for number in range(50)]
    waits = company.operations.load(company.file(*FLAGS, *many), company.by("asha"))["pending"]
    assert (len(waits["raises"]), waits["raises"][-1]) == (21, "and 30 more")
    company.desk.approve(waits["id"], company.by("bela"))
    assert company.live("flag-49") == {"everyone": "100%"}


def test_where_it_takes_three_it_takes_three() -> None:
    company = Company(approvals=Approvals(3, Share.parse("10%")))
    change_id = company.operations.advance("payments", company.by("omar"))["pending"]["id"]
    answer = company.desk.approve(change_id, company.by("asha"))
    assert (answer["changed"], company.live(), company.waiting()[0]["left"]) == (True, {}, 1)
    with pytest.raises(NotAllowed, match="already"):
        company.desk.approve(change_id, company.by("asha"))
    company.desk.approve(change_id, company.by("bela"))
    assert company.live() == {"employees": "100%"}
    assert [one["by"] for one in company.entries()[-1]["approvals"]] == ["asha", "bela"]


def test_whoever_asks_again_is_told_of_the_change_that_waits() -> None:
    company = Company()
    first = company.operations.advance("payments", company.by("asha"))
    again = company.operations.advance("payments", company.by("omar"))
    assert (again["pending"], again["revision"]) == (first["pending"], first["revision"])
    assert len(company.waiting()) == 1


def test_what_was_rejected_is_done_by_nobody() -> None:
    company = Company()
    change_id = company.operations.advance("payments", company.by("omar"))["pending"]["id"]
    company.desk.reject(change_id, company.by("bela", "not before Diwali"))
    with pytest.raises(RefusedByRule, match="rejected by bela"):
        company.desk.approve(change_id, company.by("asha"))
    with pytest.raises(RefusedByRule, match="bela rejected this") as refused:
        company.operations.advance("payments", company.by("omar"))
    assert "not before Diwali" in str(refused.value.hint)
    assert company.live() == {}
    assert [entry["action"] for entry in company.entries()[-2:]] == ["propose", "reject"]


def test_after_a_day_nobody_approves_it_any_more() -> None:
    company = Company()
    change_id = company.operations.advance("payments", company.by("omar"))["pending"]["id"]
    company.now_ms += 24 * HOUR_MS
    with pytest.raises(RefusedByRule, match="more than 24 hours"):
        company.desk.approve(change_id, company.by("asha"))
    assert [one["state"] for one in company.waiting()] == ["expired"]
    company.operations.advance("payments", company.by("omar"))
    assert [one["state"] for one in company.waiting()] == ["waits"]


def test_an_approval_of_something_else_is_an_error() -> None:
    company = Company()
    with pytest.raises(UnknownChange, match="no change 'nonsense'"):
        company.desk.approve("nonsense", company.by("asha"))


def test_a_repeated_approval_gets_the_first_answer() -> None:
    company = Company()
    change_id = company.operations.advance("payments", company.by("omar"))["pending"]["id"]
    first = company.desk.approve(change_id, company.by("asha", request_id="r-1"))
    assert company.desk.approve(change_id, company.by("asha", request_id="r-1")) == first


def test_an_approval_of_what_was_seen_before_it_was_proposed_conflicts() -> None:
    company = Company()
    seen = company.state().records["payments"].revision
    company.operations.halt("payments", request())
    with pytest.raises(OutdatedView):
        company.operations.set_share("payments", Share.parse("50%"), company.by("asha", seen_revision=seen))


def test_a_server_proposes_its_file_in_nobodys_name_so_two_have_to_agree() -> None:
    company = Company()
    server = Request(Actor("rollout", "file", "server-1"), "the file changed")
    longer = company.file(replace(WALLET, rollout=plan("1%", "100%")), *FLAGS[::2])
    change_id = company.operations.load(longer, server)["pending"]["id"]
    assert company.state().file.digest != longer.digest
    company.desk.approve(change_id, company.by("asha"))
    assert company.state().file.digest != longer.digest
    company.desk.approve(change_id, company.by("bela"))
    assert company.state().file.digest == longer.digest
    assert company.entries()[-1]["action"] == "load"


def test_an_admin_breaks_the_glass_loudly_until_another_has_seen_it() -> None:
    company = Company()
    with pytest.raises(InvalidInput, match="without a reason"):
        company.operations.set_share("payments", Share.parse("50%"), company.by("asha", " ", break_glass=True))
    with pytest.raises(NotAllowed, match="only an admin"):
        company.operations.set_share("payments", Share.parse("50%"), company.by("omar", "now", break_glass=True))
    answer = company.operations.set_share("payments", Share.parse("50%"), company.by("asha", "now", break_glass=True))
    assert (answer["changed"], company.live()["india"]) == (True, "50%")
    entry = company.entries()[-1]
    assert (entry["action"], entry["reason"]) == ("break_glass", "now")
    assert entry["approvals"] == [{"by": "asha", "at": entry["at"], "break_glass": "set"}]
    company.now_ms += 100 * HOUR_MS
    (shown,) = company.waiting()
    assert (shown["state"], shown["id"], shown["done_at"]) == (
        "done alone",
        answer["break_glass"]["id"],
        entry["revision"],
    )
    with pytest.raises(NotAllowed, match="their own"):
        company.desk.approve(shown["id"], company.by("asha"))
    with pytest.raises(RefusedByRule, match="is done"):
        company.desk.reject(shown["id"], company.by("bela"))
    company.desk.approve(shown["id"], company.by("bela"))
    assert company.waiting() == []
    assert company.entries()[-1]["action"] == "approve"
    rows = [dict(zip(APPROVAL_COLUMNS, row, strict=True)) for row in approval_rows(company.entries())]
    assert [(row["approved by"], row["how"]) for row in rows][:1] == [("asha", "alone, break-glass")]


def test_straight_on_the_store_the_glass_can_be_broken_without_a_key() -> None:
    company = Company()
    company.operations.set_share("payments", Share.parse("50%"), request("the web is down", break_glass=True))
    assert company.live()["india"] == "50%"
    assert company.waiting()[0]["state"] == "done alone"
    server = Request(Actor("rollout", "file"), "the file changed", break_glass=True)
    with pytest.raises(NotAllowed, match="nobody's word"):
        company.operations.load(company.file(*FLAGS, flag("at-once")), server)


def test_the_clock_of_the_store_counts() -> None:
    company = Company()
    waits = company.operations.advance("payments", company.by("omar"))["pending"]
    assert moment_of(company.store.read([])).at.isoformat(timespec="milliseconds").startswith(waits["at"][:-1])
