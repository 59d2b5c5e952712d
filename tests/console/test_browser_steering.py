"""Rollouts are seen and steered in a real browser: with scripts, without them, and by the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable

from browserkit import Watched
from consolekit import World, eventually
from playwright.sync_api import Page, expect

Browse = Callable[..., Watched]

EMPLOYEE = "/v1/flags/payment-requests?user_id=u-1&country=NL"


def is_on(world: World) -> bool:
    world.site.follow()
    return world.site.get(EMPLOYEE).get_json()["on"]


def ask(page: Page, verb: str) -> None:
    page.get_by_role("link", name=verb, exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_flag_is_halted_and_killed_from_its_page_and_checks_change(world: World, browse: Browse) -> None:
    page = browse(world).open("/flags/payment-requests")
    assert is_on(world)
    ask(page, "Halt")
    page.get_by_label("Why").fill("Complaints from Utrecht")
    page.get_by_label("Who are you").fill("joost")
    page.get_by_role("button", name="Halt payment-requests").click()
    expect(page.get_by_role("dialog")).to_contain_text("payment-requests is halted")
    page.get_by_role("link", name="To payment-requests").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#live h1")).to_contain_text("halted")
    ask(page, "Kill")
    expect(page.get_by_label("Who are you")).to_have_value("joost")
    page.get_by_role("button", name="Kill payment-requests").click()
    expect(page.get_by_role("dialog")).to_contain_text("off for everyone")
    assert not is_on(world)


def test_all_of_it_works_without_scripts(world: World, browse: Browse) -> None:
    page = browse(world, java_script_enabled=False).open("/")
    page.get_by_label("Search").fill("requests")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="payment-requests").click()
    expect(page.get_by_text(re.compile(r"\d\d:\d\d:\d\d UTC")).first).to_be_visible()
    page.get_by_role("link", name="Set", exact=True).click()
    page.get_by_label("Share, such as 5%").fill("5%")
    page.get_by_label("Of the audience").select_option("europe")
    page.get_by_role("button", name="Show who gains and loses").click()
    expect(page.get_by_text("europe: 0% → 5%")).to_be_visible()
    page.get_by_label("Why").fill("a first few")
    page.get_by_role("button", name="Set payment-requests").click()
    expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible()
    page.get_by_role("link", name="To payment-requests").click()
    expect(page.get_by_text("at 100% of employees, 5% of europe")).to_be_visible()
    page.get_by_role("link", name="Kill", exact=True).click()
    page.get_by_role("button", name="Kill payment-requests").click()
    assert not is_on(world)


def test_advancing_from_a_stale_page_says_what_changed_and_moves_nobody(world: World, browse: Browse) -> None:
    page = browse(world).open("/flags/payment-requests")
    ask(page, "Advance")
    expect(page.get_by_text("europe: 0% → 10%")).to_be_visible()
    world.operations.halt("payment-requests", world.ask("priya", "wait"))
    page.get_by_label("Why").fill("go on")
    page.get_by_role("button", name="Advance payment-requests").click()
    expect(page.get_by_role("dialog")).to_contain_text("Changed meanwhile")
    expect(page.get_by_role("dialog")).to_contain_text("payment-requests is halted")
    expect(page.get_by_label("Why")).to_have_value("go on")
    world.site.follow()
    live = world.site.get("/v1/status/payment-requests").get_json()["live"]
    assert live == [{"audience": "employees", "share": "100%"}]


def test_what_others_change_appears_in_an_open_page(world: World, browse: Browse) -> None:
    page = browse(world).open("/")
    expect(page.locator("#pulse-words")).to_have_text("live")
    row = page.get_by_role("row").filter(has_text="new-emoji")
    expect(row).to_contain_text("on")
    page.get_by_label("Search").fill("half a wo")
    world.operations.kill("new-emoji", world.ask("priya", "wrong pictures"))
    expect(row).to_contain_text("killed")
    expect(page.get_by_label("Search")).to_have_value("half a wo")  # what somebody is writing stays


def test_a_page_says_when_it_is_no_longer_live(world: World, browse: Browse) -> None:
    watched = browse(world)
    page = watched.open("/")
    expect(page.locator("#pulse-words")).to_have_text("live")
    page.route("**/console/moved*", lambda route: route.abort())
    expect(page.locator("#pulse")).to_contain_text("Not live")
    page.unroute("**/console/moved*")
    expect(page.locator("#pulse-words")).to_have_text("live")
    watched.wrong.clear()  # htmx says in the console that it could not ask


def test_everything_is_reached_by_the_keyboard(world: World, browse: Browse) -> None:
    page = browse(world).open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("requests")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=requests"))
    tab_to(page, "payment-requests")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/flags/payment-requests$"))
    tab_to(page, "Halt")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("link", name="Halt", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.type("by hand")
    tab_to(page, "Halt payment-requests")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="To payment-requests")).to_be_focused()
    eventually(lambda: not world.site.follow() or world.site.get("/v1/status/payment-requests").get_json()["halted"])


def tab_to(page: Page, name: str) -> None:
    """Goes on until what has this name has the focus, which is to be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.innerText || document.activeElement.value || ''")
        if focused.strip() == name:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", name
            return
    raise AssertionError(f"{name!r} is not reached")


def test_times_are_in_the_readers_zone_with_its_name(world: World, browse: Browse) -> None:
    def check(zone: str, named: str) -> None:
        page = browse(world, timezone_id=zone).open("/flags/payments")
        expect(page.locator(".timeline time").first).to_contain_text(named)

    check("Asia/Kolkata", "GMT+5:30")
    check("Europe/Amsterdam", "CET")
    check("UTC", "UTC")
