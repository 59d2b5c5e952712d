"""Operations: whatever happens to a request, its change is made once or not at all, and the audit says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from rollout.core.audit import Actor, canonical_line
from rollout.core.chain import entry_hash
from rollout.core.errors import (
    InvalidInput,
    OutdatedView,
    RefusedByRule,
    RevisionConflict,
    RolloutError,
    StoreUnavailable,
    UnknownFlag,
)
from rollout.core.members import digest_of
from rollout.core.progress import FileInForce, State
from rollout.core.shares import Share
from rollout.service.operations import Operations, Request, with_earlier
from rollout.service.replay import replay
from tests.service.servicekit import (
    AMIT,
    FLAGS,
    PAYMENTS,
    START_MS,
    SWITCH,
    Place,
    Wrapped,
    file_of,
    flag,
    losing_replies,
    request,
)

Verb = Callable[[Operations, Request], dict[str, Any]]
VERBS: dict[str, Verb] = {
    "set": lambda operations, asked: operations.set_share("payments", Share.parse("1%"), asked),
    "kill": lambda operations, asked: operations.kill("payments", asked),
    "revive": lambda operations, asked: operations.revive("wallet", asked),
    "advance": lambda operations, asked: operations.advance("payments", asked),
    "halt": lambda operations, asked: operations.halt("payments", asked),
    "resume": lambda operations, asked: operations.resume("plain-two", asked),
    "rollback": lambda operations, asked: operations.rollback("plain-two", asked, to="0%"),
    "enter": lambda operations, asked: operations.enter("payments", 0, asked),
    "load": lambda operations, asked: operations.load(file_of(*FLAGS, flag("plain-two", "1%"), flag("new")), asked),
}
ONE_AFTER_ANOTHER = ("enter", "advance", "set", "halt", "resume", "rollback", "revive", "load", "kill")
every_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)


@pytest.fixture
def place() -> Place:
    """A place where every verb has something to do."""
    place = Place(flags=(*FLAGS, flag("plain-two", "1%")))
    place.operations.kill("wallet", request())
    place.operations.set_share("plain-two", Share.parse("1%"), request())
    return place


@every_verb
def test_a_change_is_made_and_written_down_once(place: Place, verb: Verb) -> None:
    before = place.store.revision()
    answer = verb(place.operations, request("because", request_id="r-1"))
    assert (answer["changed"], answer["revision"], answer["request_id"]) == (True, before + 1, "r-1")
    entry = place.entries()[-1]
    assert (entry["revision"], entry["request_id"], entry["reason"]) == (before + 1, "r-1", "because")
    assert len(place.lines()) == before + 1


@every_verb
def test_a_repeated_request_gets_the_first_answer_and_does_nothing(place: Place, verb: Verb) -> None:
    first = verb(place.operations, request(request_id="r-1"))
    after = place.contents()
    assert verb(place.operations, request(request_id="r-1")) == first
    assert verb(Operations(place.store), request("another reason", request_id="r-1")) == first
    assert place.contents() == after


@every_verb
def test_a_request_whose_answer_was_lost_is_answered_when_it_is_repeated(place: Place, verb: Verb) -> None:
    broken = Operations(losing_replies(place.store))
    before = place.store.revision()
    try:
        first = verb(broken, request(request_id="r-1"))
    except StoreUnavailable:
        first = None
    assert place.store.revision() == before + 1
    after = place.contents()
    answer = verb(broken, request(request_id="r-1"))
    assert (answer["changed"], answer["revision"]) == (True, before + 1)
    assert first in (None, answer)
    assert place.contents() == after


@every_verb
def test_a_repeated_request_gets_the_first_answer_also_after_others_moved_the_state(place: Place, verb: Verb) -> None:
    first = verb(place.operations, request(request_id="r-1"))
    for key in ("payments", "plain-two", "wallet"):
        place.operations.kill(key, request())
        place.operations.revive(key, request())
    after = place.contents()
    assert verb(place.operations, request(request_id="r-1")) == first
    assert verb(place.operations, request(request_id="r-1", seen_revision=0)) == first
    assert place.contents() == after


def test_a_kill_that_is_repeated_after_a_revive_kills_nobody_again(place: Place) -> None:
    place.operations.kill("payments", request(request_id="r-1"))
    place.operations.revive("payments", request())
    assert place.operations.kill("payments", request(request_id="r-1"))["changed"]
    assert place.record().progress.killed is None


@every_verb
def test_a_dry_run_says_what_would_happen_and_writes_nothing(place: Place, verb: Verb) -> None:
    before = place.contents()
    asked = verb(place.operations, request(request_id="r-1", dry_run=True))
    assert place.contents() == before
    assert place.store.answered("r-1") is None
    assert (asked["dry_run"], asked["changed"], asked["revision"]) == (True, False, place.store.revision())
    done = verb(place.operations, request(request_id="r-1"))
    same = {"dry_run", "changed", "revision"}
    assert {key: value for key, value in asked.items() if key not in same} == {
        key: value for key, value in done.items() if key not in same
    }


@every_verb
def test_a_change_that_the_store_could_not_take_is_not_made(place: Place, verb: Verb) -> None:
    def hindrance(name: str, call: Callable[[], Any]) -> Any:
        if name == "commit":
            raise StoreUnavailable("no answer in 0.5 s")
        return call()

    before = place.contents()
    with pytest.raises(StoreUnavailable, match=r"no answer in 0\.5 s"):
        verb(Operations(Wrapped(place.store, hindrance)), request())
    assert place.contents() == before


@every_verb
def test_a_change_is_tried_anew_when_others_write_in_between(place: Place, verb: Verb) -> None:
    others = Operations(place.store)
    left = [3]

    def hindrance(name: str, call: Callable[[], Any]) -> Any:
        if name == "commit" and left[0]:
            left[0] -= 1
            (others.kill if left[0] % 2 == 0 else others.revive)("plain", request())
        return call()

    others.kill("plain", request())
    before = place.store.revision()
    others.revive("plain", request())
    others.kill("plain", request())
    others.revive("plain", request())
    answer = verb(Operations(Wrapped(place.store, hindrance)), request())
    assert answer["revision"] == place.store.revision() > before
    assert [entry["revision"] for entry in place.entries()] == list(range(1, place.store.revision() + 1))


def test_a_change_gives_up_when_others_never_stop(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def hindrance(name: str, call: Callable[[], Any]) -> Any:
        if name == "commit":
            raise RevisionConflict("somebody was quicker")
        return call()

    monkeypatch.setattr("rollout.service.operations.ATTEMPTS", 3)
    with pytest.raises(RevisionConflict, match="others keep changing the state"):
        Operations(Wrapped(place.store, hindrance)).kill("payments", request())


def test_an_outdated_view_is_a_conflict_only_if_that_flag_changed(place: Place) -> None:
    seen = place.store.revision()
    place.operations.kill("plain", request())
    place.operations.set_share("payments", Share.parse("1%"), request(seen_revision=seen))
    with pytest.raises(OutdatedView) as refused:
        place.operations.set_share("payments", Share.parse("5%"), request(seen_revision=seen))
    assert refused.value.message == f"payments changed at revision {seen + 2}, after revision {seen} that you saw"
    assert refused.value.hint == "look at it again, then decide"
    place.operations.set_share("payments", Share.parse("5%"), request(seen_revision=seen + 2))
    place.operations.kill("payments", request(seen_revision=10**9))


def test_an_edit_of_the_flag_in_the_file_is_a_change_of_the_flag(place: Place) -> None:
    seen = place.store.revision()
    place.load(*FLAGS, flag("plain-two", "1%", owner="x"))
    place.operations.kill("payments", request(seen_revision=seen))
    with pytest.raises(OutdatedView):
        place.operations.kill("plain-two", request(seen_revision=seen))


def test_what_a_file_does_to_people_depends_on_every_flag(place: Place) -> None:
    seen = place.store.revision()
    place.operations.kill("plain", request())
    with pytest.raises(OutdatedView, match="the state changed at revision"):
        place.load(*FLAGS, seen_revision=seen)
    place.load(*FLAGS, seen_revision=seen + 1)


@every_verb
def test_an_outdated_view_writes_nothing(place: Place, verb: Verb) -> None:
    before = place.contents()
    with pytest.raises(OutdatedView):
        verb(place.operations, request(seen_revision=0))
    assert place.contents() == before


def check_refused(place: Place, change: Callable[[], Any], error: type[RolloutError], message: str) -> None:
    before = place.contents()
    with pytest.raises(error) as refused:
        change()
    assert type(refused.value) is error
    assert refused.value.message == message
    assert place.contents() == before


def test_what_is_refused_writes_nothing(place: Place) -> None:
    operations = place.operations
    check_refused(place, lambda: operations.kill("nothing", request()), UnknownFlag, "no flag called 'nothing'")
    for odd in ("", "Payments", "no such flag", "x" * 64, "\ud800", "a\n", "payments\n", "{x}:flags", "पेमेंट", "a\x00"):
        check_refused(place, lambda key=odd: operations.kill(key, request()), UnknownFlag, "no flag has this name")
    killed = "payments is not killed"
    check_refused(place, lambda: operations.revive("payments", request()), RefusedByRule, killed)
    check_refused(
        place, lambda: operations.kill("nothing", request(dry_run=True)), UnknownFlag, "no flag called 'nothing'"
    )
    dropped = "the file drops 4 of 5 flags, more than half"
    check_refused(place, lambda: operations.load(file_of(PAYMENTS), request()), RefusedByRule, dropped)
    check_refused(place, lambda: operations.plan(file_of(PAYMENTS)), RefusedByRule, dropped)
    stage = "payments has no stage called 'x'"
    check_refused(place, lambda: operations.advance("payments", request(), to="x"), InvalidInput, stage)


def test_a_set_beyond_the_plan_has_to_be_asked_for(place: Place) -> None:
    place.load(flag("payments", "1%", "5%"), *FLAGS[1:], flag("plain-two", "1%"))
    message = "7% is beyond the plan of payments, which ends at 5% of india"
    check_refused(
        place, lambda: place.operations.set_share("payments", Share.parse("7%"), request()), RefusedByRule, message
    )
    place.operations.set_share("payments", Share.parse("7%"), request(), beyond_plan=True)
    assert place.live() == {"india": "7%"}


def test_a_rollout_that_was_taken_out_half_way_is_finished_by_hand(place: Place) -> None:
    place.operations.set_share("payments", Share.parse("1%"), request())
    (edited,) = place.load(flag("payments", audience="india"), *FLAGS[1:], flag("plain-two", "1%"))["flags"]
    assert edited["held_back"]
    assert place.live() == {"india": "1%"}
    place.operations.set_share("payments", Share.parse("100%"), request())
    assert place.live() == {"india": "100%"}


def test_a_plan_archives_nothing_unless_it_is_told_to(place: Place) -> None:
    before = place.contents()
    assert place.operations.plan(file_of(*FLAGS))["not_in_file"] == ["plain-two"]
    assert place.operations.plan(file_of(*FLAGS), prune=True)["archived"] == ["plain-two"]
    assert place.contents() == before


def test_the_files_that_were_in_force_are_known_for_a_thousand_versions() -> None:
    force = FileInForce("flags.yaml", "now", "t", "l", 1, datetime(2026, 11, 23, tzinfo=UTC))
    many = tuple(map(str, range(1000)))
    assert with_earlier(State()) == ()
    assert with_earlier(State(earlier_files=many)) == many
    assert with_earlier(State(file=force, earlier_files=("a",))) == ("a", "now")
    assert with_earlier(State(file=force, earlier_files=many)) == (*many[1:], "now")


def check_text_refused(place: Place, asked: Request, message: str) -> None:
    check_refused(place, lambda: place.operations.kill("payments", asked), InvalidInput, message)
    check_refused(place, lambda: place.load(PAYMENTS, **vars_of(asked)), InvalidInput, message)


def vars_of(asked: Request) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in ("actor", "reason", "request_id")}


def test_words_that_cannot_be_kept_are_refused(place: Place) -> None:
    check_text_refused(place, request("x" * 1001), "a reason of 1001 characters")
    check_text_refused(place, request("a \udcff b"), "'a \\udcff b' is not text")
    check_text_refused(place, request(actor=Actor("\ud83d")), "'\\ud83d' is not text")
    check_text_refused(place, request(actor=Actor("amit", host="\udc00")), "'\\udc00' is not text")
    check_text_refused(place, request(request_id="\udfff"), "'\\udfff' is not text")
    place.operations.kill("payments", request("कारण 😀\n\t\x00\u2028" + "x" * 900, request_id="अ"))
    assert place.entries()[-1]["reason"].startswith("कारण 😀\n\t\x00\u2028")
    stop = place.record().progress.killed
    assert stop is not None
    assert stop.reason == place.entries()[-1]["reason"]


def test_an_answer_says_what_was_and_what_is_and_who_gains(place: Place) -> None:
    answer = place.operations.set_share("payments", Share.parse("1%"), request())
    assert answer["before"] == {"state": "rolling"}
    assert answer["after"]["state"] == "halted"
    assert answer["after"]["exposure"] == {"india": "1%", "employees": "100%"}
    assert answer["after"]["halted"]["by"] == "amit"
    assert answer["moves"] == [
        {"audience": "india", "before": "0%", "after": "1%"},
        {"audience": "employees", "before": "0%", "after": "100%"},
    ]
    assert (answer["flag"], answer["action"], answer["raises"]) == ("payments", "set", True)


def check_undo(undo: str | None, place: Place) -> None:
    """Carries out the command that an answer proposes."""
    assert undo is not None
    rollout, verb, key, *rest = undo.split()
    assert (rollout, key) == ("rollout", "payments")
    to = rest[rest.index("--to") + 1] if "--to" in rest else None
    audience = rest[rest.index("--audience") + 1] if "--audience" in rest else None
    if verb == "set":
        place.operations.set_share(key, Share.parse(rest[0]), request(), audience=audience)
    elif verb == "rollback":
        place.operations.rollback(key, request(), to=to)
    else:
        getattr(place.operations, verb)(key, request())


@pytest.mark.parametrize("share", ["0%", "1%", "3%", "5%", "100%", "50% of employees"])
@pytest.mark.parametrize("first", [None, "100% of employees", "1%", "3%", "100%"])
def test_the_command_that_undoes_a_set_brings_back_who_had_it(first: str | None, share: str) -> None:
    place = Place()
    if first:
        set_words(place, first)
    before = place.live()
    answer = set_words(place, share)
    if answer["moves"]:
        check_undo(answer["undo"], place)
        assert place.live() == before


def set_words(place: Place, words: str) -> dict[str, Any]:
    share, _, audience = words.partition(" of ")
    return place.operations.set_share("payments", Share.parse(share), request(), audience=audience or None)


def check_raises(place: Place, change: Callable[[Request], dict[str, Any]], raises: bool) -> None:
    """What a terminal asks about, and what goes through at once."""
    assert change(request(dry_run=True))["raises"] is raises
    assert change(request())["raises"] is raises


def test_an_answer_says_whether_anybody_gains(place: Place) -> None:
    operations = place.operations
    check_raises(place, lambda asked: operations.set_share("payments", Share.parse("5%"), asked), True)
    check_raises(place, lambda asked: operations.set_share("payments", Share.parse("1%"), asked), False)
    check_raises(place, lambda asked: operations.kill("payments", asked), False)
    check_raises(place, lambda asked: operations.set_share("payments", Share.parse("5%"), asked), False)
    check_raises(place, lambda asked: operations.revive("payments", asked), True)
    check_raises(place, lambda asked: operations.resume("payments", asked), False)
    check_raises(place, lambda asked: operations.halt("payments", asked), False)
    check_raises(place, lambda asked: operations.rollback("payments", asked), False)
    check_raises(place, lambda asked: operations.revive("wallet", asked), False)  # nobody had it
    check_raises(place, lambda asked: operations.kill("switch", asked), False)
    check_raises(place, lambda asked: operations.revive("switch", asked), True)  # its rules let people in again


def test_what_is_so_already_is_no_change_and_no_entry(place: Place) -> None:
    place.operations.kill("payments", request())
    place.operations.set_share("wallet", Share.parse("1%"), request())
    before = place.contents()
    assert not place.operations.kill("payments", request())["changed"]
    assert not place.operations.set_share("wallet", Share.parse("1%"), request())["changed"]
    assert not place.operations.halt("wallet", request())["changed"]
    assert not place.load(*FLAGS, flag("plain-two", "1%"))["changed"]
    assert place.contents() == before
    first = place.record("wallet").progress.halted
    assert first is not None
    place.now_ms += 5000
    place.operations.set_share("wallet", Share.parse("100%"), request("further"))
    assert place.record("wallet").progress.halted != first


def test_a_file_that_says_the_same_in_other_words_comes_in_force_and_changes_no_flag(place: Place) -> None:
    flags = (*FLAGS, flag("plain-two", "1%"))
    revisions = {key: record.revision for key, record in place.state().records.items()}
    other = file_of(*flags, text="# a comment")
    answer = place.operations.load(other, request())
    assert (answer["changed"], answer["flags"]) == (True, [])
    state = place.state()
    assert state.file is not None
    assert state.file.digest == other.digest
    assert state.earlier_files == (file_of(*flags).digest,)
    assert {key: record.revision for key, record in state.records.items()} == revisions


def test_a_load_says_which_flags_it_adds_edits_and_drops(place: Place) -> None:
    answer = place.load(PAYMENTS, flag("wallet", "2%"), SWITCH, flag("plain"), flag("new", "1%"))
    assert [(one["flag"], one["change"]) for one in answer["flags"]] == [
        ("wallet", "edit"), ("new", "add"), ("plain-two", "drop"),
    ]  # fmt: skip
    assert answer["not_in_file"] == ["plain-two"]
    pruned = place.operations.load(file_of(PAYMENTS, SWITCH, flag("plain"), flag("new", "1%")), request(), prune=True)
    assert pruned["archived"] == ["wallet", "plain-two"]
    assert set(place.state().records) == {"payments", "switch", "plain", "new"}
    with pytest.raises(RefusedByRule, match="an archived key is never used again"):
        place.load(PAYMENTS, SWITCH, flag("plain"), flag("new", "1%"), flag("wallet"))


def test_what_a_file_wants_and_may_not_have_is_held_back(place: Place) -> None:
    place.operations.set_share("payments", Share.parse("1%"), request())
    answer = place.load(flag("payments", "employees", "2%", "100%"), *FLAGS[1:], flag("plain-two", "1%"))
    (edited,) = answer["flags"]
    assert (edited["moves"], edited["held_back"], edited["state"]) == ([], ["halted by amit"], "halted")
    place.operations.kill("payments", request())
    (edited,) = place.load(flag("payments", "2%", enabled=False), *FLAGS[1:], flag("plain-two", "1%"))["flags"]
    assert edited["held_back"] == []
    (edited,) = place.load(flag("payments", "2%"), *FLAGS[1:], flag("plain-two", "1%"))["flags"]
    assert edited["held_back"] == ["killed by amit"]


def texts_and_whole_numbers(document: object) -> bool:
    if isinstance(document, dict):
        return all(isinstance(key, str) and texts_and_whole_numbers(value) for key, value in document.items())
    if isinstance(document, list):
        return all(map(texts_and_whole_numbers, document))
    return type(document) in (str, int)


def test_every_entry_says_who_what_when_before_after_and_why(place: Place) -> None:
    place.now_ms += 1234
    place.operations.set_share("payments", Share.parse("1%"), request("a first step", request_id="r-1"))
    assert place.entries()[-1] == {
        "version": 1,
        "revision": 4,
        "at": "2026-11-23T09:00:01.234Z",
        "actor": {"id": "amit", "kind": "human", "authenticated": ""},
        "origin": {"host": "laptop", "address": "", "tool": "rollout set"},
        "action": "set",
        "flag": "payments",
        "before": {},
        "after": place.entries()[-1]["after"],
        "reason": "a first step",
        "ticket": "",
        "approvals": [],
        "previous": entry_hash(place.lines()[-2]),
        "request_id": "r-1",
    }
    after = place.entries()[-1]["after"]
    assert after["exposure"] == {"india": "1%", "employees": "100%"}
    assert after["halted"] == {"by": "amit", "at": "2026-11-23T09:00:01.234Z", "reason": "a first step"}


def test_an_entry_of_a_load_says_which_file_and_where_every_changed_flag_stands(place: Place) -> None:
    before = place.state().file
    assert before is not None
    file = file_of(*FLAGS, flag("plain-two", "2%"))
    place.operations.load(file, request("v2"), action="apply")
    entry = place.entries()[-1]
    assert (entry["action"], entry["flag"], entry["reason"]) == ("apply", "", "v2")
    assert entry["before"] == {"file": before.digest}
    assert entry["after"]["file"] == file.digest
    assert set(entry["after"]["progress"]) == {"plain-two"}
    for kept in ("text", "lines", "definitions"):
        assert digest_of(place.store.blob(entry["after"][kept])) == entry["after"][kept]


def test_every_entry_is_canonical_json_of_texts_and_whole_numbers(place: Place) -> None:
    for name in ONE_AFTER_ANOTHER:
        VERBS[name](place.operations, request('कारण "q" \\ \n 😀'))
    place.operations.load(file_of(*FLAGS), request(), prune=True)
    for line in place.lines():
        document = json.loads(line)
        assert canonical_line(document) == line
        assert line == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        assert texts_and_whole_numbers(document), document
        assert b"\n" not in line


def test_replaying_the_audit_gives_the_state(place: Place) -> None:
    for name in ONE_AFTER_ANOTHER:
        VERBS[name](place.operations, request())
        assert replay(place.lines(), place.store.blob) == place.state()
    place.operations.load(file_of(*FLAGS), request(), prune=True)
    assert replay(place.lines(), place.store.blob) == place.state()


def test_time_in_the_audit_never_goes_back() -> None:
    place = Place()
    for step_ms in (60_000, -3_600_000, 5, -1, 0):
        place.now_ms += step_ms
        key = ("payments", "wallet", "plain", "switch")[place.store.revision() % 4]
        place.operations.kill(key, request())
        place.operations.revive(key, request())
    instants = [entry["at"] for entry in place.entries()]
    assert instants == sorted(instants)
    assert place.store.read().written_at_ms == START_MS + 60_000


def test_an_empty_store_takes_a_first_file_and_refuses_all_else() -> None:
    place = Place(flags=())
    with pytest.raises(UnknownFlag):
        place.operations.kill("payments", request())
    answer = place.load(*FLAGS)
    assert answer["file"] == {"in_force": None, "revision": 0, "since": None}
    assert place.state().revision == 1
    assert place.live("plain") == {"everyone": "100%"}
    assert place.live("payments") == {}
    assert AMIT.id == place.entries()[0]["actor"]["id"]
