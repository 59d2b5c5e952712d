"""Logging in with a real browser, and what each role does then."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from browserkit import ALL, COLOURS, Watched, obstacles, overflow
from consolekit import World
from playwright.sync_api import Page, expect

Browse = Callable[..., Watched]


@pytest.fixture
def keys(world: World) -> dict[str, str]:
    return world.site.make_keys()


def log_in(page: Page, key: str) -> None:
    page.get_by_label("Your key").fill(key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def test_support_logs_in_explains_and_can_change_nothing(world: World, keys: dict[str, str], browse: Browse) -> None:
    watched = browse(world)
    page = watched.open("/explain?flag=payments")
    log_in(page, keys["support"])
    expect(page).to_have_url(re.compile(r"/explain\?flag=payments$"))
    page.get_by_label("user_id").fill("u-58")
    page.get_by_label("country").select_option("IN")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("heading", name="u-58 does not have payments")).to_be_visible()
    expect(page.get_by_label("For a ticket")).to_have_value(re.compile("Asked with: user_id u-58, country IN"))
    page.get_by_label("At a past moment").fill("6h ago")
    page.get_by_label("Words for them").select_option("हिन्दी")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_role("heading", name="u-58 did not have payments then")).to_be_visible()
    expect(page.get_by_text("यह सुविधा").first).to_be_visible()
    expect(page.get_by_label("For a ticket")).to_have_value(re.compile("As of .* UTC: revision"))
    page.get_by_role("link", name="Flags").click()
    expect(page.get_by_role("row").filter(has_text="new-emoji")).to_be_visible()
    assert page.get_by_role("link", name=re.compile("^(Halt|Kill|Revive)$")).count() == 0
    watched.open("/flags/new-emoji/kill")
    expect(page.get_by_text("a support key may not do this")).to_be_visible()
    assert page.evaluate("document.cookie") == ""  # scripts see no session


def test_an_operator_logs_in_without_scripts_and_halts(world: World, keys: dict[str, str], browse: Browse) -> None:
    watched = browse(world, java_script_enabled=False)
    page = watched.open("/flags/payment-requests")
    log_in(page, keys["operator"])
    page.get_by_role("link", name="Halt", exact=True).click()
    page.get_by_label("Why").fill("Complaints")
    page.get_by_role("button", name="Halt payment-requests").click()
    expect(page.get_by_role("heading", name="Done", exact=True)).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Your key")).to_be_visible()
    watched.open("/")
    expect(page.get_by_label("Your key")).to_be_visible()


def test_an_open_page_says_that_its_session_ended(world: World, keys: dict[str, str], browse: Browse) -> None:
    from rollout.core.audit import Actor
    from rollout.service.operations import Request

    watched = browse(world)
    page = watched.open("/")
    log_in(page, keys["operator"])
    expect(page.locator("#pulse-words")).to_have_text("live")
    world.site.parts.desk.revoke_key(keys["operator"].split("_")[2], Request(Actor("asha")))
    expect(page.locator("#pulse-words")).to_contain_text("you are logged out")
    page.reload()
    expect(page.get_by_text("this key is revoked")).to_be_visible()
    watched.wrong.clear()  # htmx says in the console that it was refused


def test_a_link_from_another_site_finds_one_logged_in(world: World, keys: dict[str, str], browse: Browse) -> None:
    watched = browse(world)
    page = watched.open("/")
    log_in(page, keys["support"])
    elsewhere = f'<a href="{watched.home}/flags/payments">look at this</a>'
    page.route("http://chat.test/", lambda route: route.fulfill(body=elsewhere, content_type="text/html"))
    page.goto("http://chat.test/")
    page.get_by_role("link", name="look at this").click()
    expect(page.get_by_text("payments is halted")).to_be_visible()
    watched.wrong.clear()  # the other site


def test_an_admin_makes_a_key_and_pages_of_keys_are_for_everybody(
    world: World, keys: dict[str, str], browse: Browse
) -> None:
    for scheme, width, rules in (("light", 1280, ALL), ("dark", 360, COLOURS)):
        watched = browse(world, color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce")
        page = watched.open("/login")
        assert (obstacles(page, rules), overflow(page)) == ([], 0)
        log_in(page, keys["admin"])
        watched.open("/keys")
        page.get_by_label("Role").select_option("support")
        page.get_by_label("Whose it is").fill("Ravi")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_label("The key, shown this once")).to_have_value(re.compile("^rk_support_"))
        for path in ("/keys", f"/keys/{keys['support'].split('_')[2]}/revoke", "/flags/payments"):
            watched.open(path)
            assert (obstacles(page, rules), overflow(page)) == ([], 0), path
