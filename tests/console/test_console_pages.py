"""The console's pages as a server answers them: what is on them, and what they may load."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from datetime import datetime, timedelta
from importlib import resources
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from consolekit import DUTCH, FILE, HINDI, World, form_on, send
from webkit import Site, read
from werkzeug.test import TestResponse

from rollout.service.desk import StoreDesk
from rollout.service.past import STEP, Past
from rollout.web.console.pages import POLICY

PAGES = (
    "/",
    "/flags/payments",
    "/flags/call-waiting",
    "/flags/business-app",
    "/flags/payments/kill",
    "/flags/payments/set",
    "/flags/payments/set?share=4%25",
    "/explain",
    "/explain?flag=payments&a.user_id=u-58&a.country=IN",
    "/explain?a.user_id=u-58&a.country=IN",
    "/explain?flag=payments&a.user_id=u-58&at=2h+ago&words=hi",
    "/activity",
    "/activity/3",
    "/definitions",
    "/config",
    "/config/1",
    "/servers",
)


def page(site: Site, path: str, status: int = 200) -> str:
    response = site.get(path)
    assert (response.status_code, response.mimetype) == (status, "text/html"), response.text
    return response.text


def words_on(text: str) -> str:
    """What is to be read on a page."""
    shown = re.sub(r"<(script|style|head).*?</\1>", " ", text, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", shown).split())


def rows_on(text: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/flags/([a-z0-9-]+)">', text)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_its_own_files_alone_and_has_nothing_inline(steady_world: World, path: str) -> None:
    response = steady_world.site.get(path)
    assert response.status_code == 200, response.text
    text = response.text
    policy = response.headers["Content-Security-Policy"]
    assert policy == POLICY.format(streams="")
    assert "connect-src 'self';" in policy and "unsafe" not in policy and "*" not in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)
    for address in re.findall(r'(?:src|href|action|hx-get|hx-post)="([^"]*)"', text):
        assert address.startswith(("/", "#")) and not address.startswith("//"), address
    for address in re.findall(r'(?:src|href)="(/console/[^"]*)"', text):
        loaded = steady_world.site.get(address)
        assert loaded.status_code == 200
        assert "immutable" in loaded.headers["Cache-Control"]


def test_what_pages_load_from_others_is_what_was_published() -> None:
    folder = resources.files("rollout.web.console") / "static"
    vendored = json.loads((folder / "vendor.json").read_text())
    ours = {"console.css", "console.js", "charts.js", "live.js", "icon.svg", "vendor.json"}
    ours |= {"inter-LICENSE.txt", "uplot-LICENSE.txt"}
    assert {file.name for file in folder.iterdir()} == ours | set(vendored)
    for name, known in vendored.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == known["sha256"], name
        assert known["package"] and known["version"] and known["license"]


def test_flags_that_are_stopped_or_fail_come_first(steady_world: World) -> None:
    rows = rows_on(page(steady_world.site, "/"))
    assert rows[0] == "payments"
    assert set(rows[1:3]) == {"call-waiting", "large-groups"}
    assert rows[-1] == "merchant-payments"
    assert len(rows) == 8


def test_a_row_says_what_is_live_what_is_wrong_and_what_comes_next(steady_world: World) -> None:
    said = words_on(page(steady_world.site, "/?q=payments&owner=payments-oncall@example.com"))
    for words in ("halted payments", "3/6", "100% of employees, 5% of india without bank SBI", "breached", "held back"):
        assert words in said
    assert '<svg class="spark"' in page(steady_world.site, "/")


def test_a_flag_says_what_was_served_of_its_share_and_what_looks_broken(world: World) -> None:
    said = words_on(page(world.site, "/flags/payments"))
    assert "Served: as intended. Of 32,480 checks of people in india since" in said
    assert "of about 16,020 people 5.13%; intended 5%" in said
    assert "Served:" not in words_on(page(world.site, "/flags/business-app"))
    world.checks(inside=3000, control=0)
    said = words_on(page(world.site, "/flags/payments"))
    assert "Served: look at it." in said
    assert "a client asks for some of them only, keeps old answers, or decides by itself" in said


def test_filters_are_in_the_address(steady_world: World) -> None:
    def check(query: str, *keys: str) -> None:
        assert sorted(rows_on(page(steady_world.site, f"/?{query}"))) == sorted(keys), query

    check("state=killed", "call-waiting")
    check("state=failing", "payments")
    check("tag=europe", "payment-requests")
    check("owner=status@example.com", "status-music", "new-emoji")
    check("q=PAYMENT", "payments", "payment-requests", "merchant-payments")
    check("q=nothing-like-this")
    check("state=sideways")


def test_a_broken_file_is_said_on_every_page_with_its_line(world: World) -> None:
    problem = {"file": "flags.yaml", "line": 8, "column": 7, "severity": "error"}
    problem |= {"message": "no attribute called 'contry'", "hint": "did you mean 'country'?", "source": ""}
    world.site.report = {"name": "flags.yaml", "state": "broken", "problems": [problem]}
    for path in ("/", "/flags/payments", "/servers"):
        said = words_on(page(world.site, path)).replace("&#39;", "'")
        assert "flags.yaml:8:7: no attribute called 'contry' did you mean 'country'?" in said


def test_servers_that_lag_are_said_on_the_first_page(world: World) -> None:
    world.operations.kill("new-emoji", world.ask("anna", "late"))
    world.settle()
    assert "server blr-2:8080 lags" in words_on(page(world.site, "/"))
    assert "lags" in words_on(page(world.site, "/servers"))


def test_while_the_store_is_away_pages_say_so_and_what_is_known(world: World) -> None:
    world.site.store.away = True
    world.site.follow()
    for path in ("/", "/flags/payments", "/servers", "/explain?flag=payments&a.user_id=u-58"):
        assert "The store cannot be reached" in words_on(page(world.site, path))
    assert "payments is halted" in words_on(page(world.site, "/flags/payments"))
    for path in ("/activity", "/config", "/definitions", "/flags/payments/kill"):
        assert "this server cannot reach the store" in words_on(page(world.site, path, 503))


def test_a_flag_says_in_a_sentence_where_it_stands_and_why(steady_world: World) -> None:
    text = page(steady_world.site, "/flags/payments")
    said = words_on(text)
    assert "payments is halted, at 100% of employees, 5% of india without bank SBI." in said
    assert "Halted by guard:upi-failures-overall" in said
    assert "Without bank SBI , by guard:upi-failures" in said
    assert HINDI in said
    assert "50% later 50% of india, bakes 7d, needs approval" in said
    assert '<span class="ln">38</span>  payments:' in text
    for bank in ("SBI", "ICICI", "HDFC"):
        assert f'<th scope="row">{bank}' in text
    assert text.count('<svg class="chart"') == 4
    assert DUTCH.replace("'", "&#39;") in page(steady_world.site, "/flags/payment-requests")


def test_only_what_is_of_use_is_offered(steady_world: World) -> None:
    def check(flag: str, *verbs: str) -> None:
        acts = re.findall(
            rf'<a class="b \w+" href="/flags/{flag}/(\w+)" hx-get', page(steady_world.site, f"/flags/{flag}")
        )
        assert acts == list(verbs)

    check("payments", "kill", "rollback", "resume", "set")
    check("payment-requests", "halt", "kill", "rollback", "advance", "set")
    check("call-waiting", "revive")
    check("new-emoji", "kill")
    check("merchant-payments", "halt", "kill", "set")


def test_times_name_their_zone_without_scripts(steady_world: World) -> None:
    times = re.findall(r"<time [^>]*>([^<]*)</time>", page(steady_world.site, "/flags/payments"))
    assert times
    for time in times:
        assert re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d UTC", time)


def test_what_is_not_there_is_a_page_that_says_so(steady_world: World) -> None:
    assert "no flag has this name" in words_on(page(steady_world.site, "/flags/nothing", 404))
    assert "no page called" in words_on(page(steady_world.site, "/flags/payments/disable", 404))
    assert "no revision 99" in words_on(page(steady_world.site, "/activity/99", 404))
    page(steady_world.site, "/config/2", 400)
    page(steady_world.site, "/activity?before=yesterday", 400)


def test_pages_are_for_our_own_names_alone(steady_world: World) -> None:
    response = steady_world.site.get("/", headers={"Host": "evil.example.com"})
    assert response.status_code == 403
    assert steady_world.site.get("/", headers={"Host": "flags.example.com"}).status_code == 200


def test_explain_says_in_a_sentence_why_and_what_would_change_it(steady_world: World) -> None:
    asked = "/explain?flag=payments&a.user_id=u-58&a.country=IN&a.app_version=2.18.0&a.bank=HDFC"
    text = page(steady_world.site, asked)
    said = words_on(text)
    assert "u-58 does not have payments" in said
    assert "It would change:" in said
    assert "flags.yaml:49" in said or "flags.yaml:50" in said
    assert "Asked with: user_id u-58, country IN, app_version 2.18.0, bank HDFC." in said
    assert words_on(page(steady_world.site, "/explain?a.user_id=u-58")).count("Step by step") == 8


ASKED = "/explain?flag=payments&a.user_id=u-58&a.country=IN&a.app_version=2.20.0&a.bank=SBI"


def test_explain_says_how_it_was_at_a_past_moment_and_what_was_in_force(world: World) -> None:
    def ask(at: str) -> str:
        return words_on(page(world.site, f"{ASKED}&at={quote(at)}"))

    file = world.site.follower.current.state.file
    assert file is not None
    by_file = f"by flags.yaml ({file.digest[:12]}), in force since"
    world.wait(timedelta(hours=1), step=timedelta(hours=1))
    world.operations.kill("payments", world.ask("anna", "All banks are down"))
    killed = datetime.fromtimestamp(world.clock() / 1000, ZoneInfo("Asia/Kolkata"))
    world.wait(timedelta(hours=2), step=timedelta(hours=2))
    world.load(FILE.replace("bake: 7d", "bake: 5d"))
    world.operations.revive("payments", world.ask("anna"))
    world.settle()

    for at in ("90m ago", killed.isoformat(), f"{killed:%Y-%m-%d %H:%M:%S.%f} IST"):
        said = ask(at)
        assert "u-58 did not have payments then: killed by anna" in said
        assert by_file in said
        assert "with the attributes given in this question; what the app sent then is not recorded" in said
    assert "u-58 had payments then" in ask("6h ago")
    assert by_file not in ask("now")


def test_a_ticket_about_the_past_says_what_was_in_force(steady_world: World) -> None:
    text = page(steady_world.site, f"{ASKED}&at=6h+ago&words=nl")
    lines = re.findall(r"<textarea[^>]*>([^<]*)</textarea>", text)[0].splitlines()
    assert lines[0].startswith("u-58 had payments then: ")
    assert lines[1] == "Asked with: user_id u-58, country IN, app_version 2.20.0, bank SBI."
    assert "For them: U had deze functie op dat moment." in lines
    assert re.match(r"As of .* UTC: revision \d+, in force since .* UTC, by flags.yaml \(\w{12}\), in force", lines[-1])


def test_explain_has_words_for_the_person_in_their_language(steady_world: World) -> None:
    for language, sentence in (("en", "We have paused this feature for you"), ("hi", "हमने इसे अभी आपके लिए रोक रखा है")):
        text = page(steady_world.site, f"{ASKED}&words={language}")
        assert f'<option value="{language}" lang="{language}" selected>' in text
        assert re.search(rf'<q lang="{language}" dir="auto">[^<]*{sentence}', text)
        assert sentence in text.partition("<textarea")[2]
    assert '<q lang="en"' in page(steady_world.site, f"{ASKED}&words=tlh")


def test_a_moment_that_cannot_be_told_is_said_beside_what_was_asked(steady_world: World) -> None:
    def check(asked: str, *said: str) -> None:
        text = page(steady_world.site, asked, 400)
        assert 'value="u-58"' in text  # nothing is to be written twice
        for words in said:
            assert words in words_on(text)

    check(f"{ASKED}&at=tuesday", "is not a moment", "or 2h ago")
    check(f"{ASKED}&at=2018-02-13+18:00", "does not say in which zone", "write 2018-02-13 18:00 UTC")
    check(f"{ASKED}&at=2018-02-13+18:00+IST", "is before the record began", "it begins at")
    check(f"{ASKED}&at=2218-02-13+18:00+IST", "is still to come")
    check("/explain?a.user_id=u-58&at=2h+ago", "one flag at a time", "choose the flag")
    assert "no flag has this name" in words_on(page(steady_world.site, "/explain?a.user_id=u-58&flag=nope", 404))


def test_when_the_past_cannot_be_reached_now_one_may_ask_again(world: World) -> None:
    store = world.site.store
    for _ in range(STEP):
        world.operations.halt("payment-requests", world.ask("anna"))
        world.operations.resume("payment-requests", world.ask("anna"))
    hasty = StoreDesk(store, read, lambda: world.site.follower.current, past=Past(store, patience=timedelta(0)))
    world.site.serve_with(desk=hasty)
    asked = f"{ASKED}&at=now"
    text = page(world.site, asked, 503)
    assert "ask again, it goes on from there" in words_on(text)
    assert f'href="{asked.replace("&", "&amp;")}">Ask again' in text
    store.away = True
    world.site.follow()
    assert "this server cannot reach the store" in words_on(page(world.site, asked, 503))


def test_activity_is_filtered_and_each_entry_has_an_address(steady_world: World) -> None:
    said = words_on(page(steady_world.site, "/activity?by=priya"))
    assert "kill call-waiting by priya" in said and "by anna" not in said
    assert "Double ringing on old phones, ticket CALLS-812" in words_on(page(steady_world.site, "/activity/9"))
    assert "kill" not in words_on(page(steady_world.site, "/activity?flag=payments&action=set")).partition("Filter")[2]


def test_activity_says_whose_key_was_made_and_revoked(world: World) -> None:
    desk = world.site.parts.desk
    secret = desk.create_key("admin", "asha", world.ask("asha"))["secret"]
    desk.create_key("support", "ravi", world.ask("asha"))
    made = next(key["id"] for key in desk.list_keys()["keys"] if key["name"] == "ravi")
    desk.revoke_key(made, world.ask("asha"))
    world.settle()
    said = words_on(world.site.get("/activity", headers={"Authorization": f"Bearer {secret}"}).text)
    assert said.count(f"support key {made} of ravi") == 2
    assert "no file → no file" not in said


def test_who_reads_the_activity_is_noted(world: World) -> None:
    world.site.get("/activity")
    world.site.get("/servers")
    notes = world.site.get("/v1/audit/notes").get_json()["entries"]
    assert any(note["action"] == "read audit" for note in notes)


def test_csv_has_what_the_page_has_and_no_spreadsheet_computes_it(world: World) -> None:
    for reason in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://evil.example")'):
        world.operations.halt("payment-requests", world.ask("=cmd|'/C calc'!A1", reason))
        world.operations.resume("payment-requests", world.ask("anna"))
    response = world.site.get("/activity.csv?flag=payment-requests")
    assert response.mimetype == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(response.text.removeprefix("\ufeff"))))
    assert rows[0][:3] == ["revision", "at", "by"]
    assert len(rows) > 12
    for row in rows[1:]:
        for cell in row[1:]:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
    assert "'=1+1" in [row[rows[0].index("reason")] for row in rows]


def test_the_file_in_force_is_shown_with_its_lines_and_its_versions(world: World) -> None:
    world.load(FILE.replace("bake: 7d", "bake: 5d"))
    text = page(world.site, "/config")
    assert '<span class="ln">45</span>      bake: 5d' in text
    newest = re.findall(r'<a class="num" href="/config/(\d+)">', text)[0]
    difference = page(world.site, f"/config/{newest}")
    assert '<span class="lose">-      bake: 7d</span>' in difference
    assert '<span class="gain">+      bake: 5d</span>' in difference


def test_another_version_is_planned_and_nothing_is_applied(world: World) -> None:
    before = world.site.follower.current.revision
    wanted = FILE.replace("- { name: first-million, percentage: 1% }", "- { name: first-million, percentage: 2% }")
    said = words_on(send(world.site, "/config/plan", "/config", text=wanted).text)
    assert "What this version would do" in said and "payments" in said
    world.site.follow()
    assert world.site.follower.current.revision == before


def test_a_file_is_planned_from_an_upload_too(world: World) -> None:
    fields = form_on(world.site, "/config").fields
    upload = (io.BytesIO(FILE.replace("enabled: false", "enabled: true").encode()), "flags.yaml")
    response = world.site.http.post("/config/plan", data={**fields, "file": upload}, content_type="multipart/form-data")
    assert response.status_code == 200, response.text
    assert "merchant-payments" in words_on(response.text).partition("What this version would do")[2]


def test_what_is_wrong_with_a_version_is_shown_in_its_place(world: World) -> None:
    response = send(
        world.site, "/config/plan", "/config", text=FILE.replace("match: { country: IN,", "match: { contry: IN,")
    )
    said = words_on(response.text).replace("&#39;", "'")
    assert response.status_code == 400
    assert "flags.yaml:15:14" in said and "no attribute called 'contry'" in said and "did you mean" in said
    assert "contry: IN" in response.text.partition("<textarea")[2]  # what was pasted is still there


def test_segments_and_guards_are_in_words_with_who_uses_them(steady_world: World) -> None:
    said = words_on(page(steady_world.site, "/definitions"))
    assert "country is IN and app_version is &gt;=2.18.9" in said
    assert "one of 2 in employees.txt" in said
    assert "upi-transfer, at most 2% of technical failures, for each bank; then exclude" in said
    assert "payments breached" in said


def test_a_thousand_flags_are_less_than_a_megabyte(world: World) -> None:
    more = "".join(
        f"\n  flag-{number}:\n    description: One of many\n    owner: team-{number % 40}@example.com\n"
        f"    enabled: true\n    rollout: {{ audience: india, bake: 3d, stages: [employees, 1%, 10%, 100%] }}\n"
        for number in range(1000)
    )
    world.load(FILE + more)
    response: TestResponse = world.site.get("/")
    assert len(rows_on(response.text)) == 1008
    assert len(response.data) < 2**20
