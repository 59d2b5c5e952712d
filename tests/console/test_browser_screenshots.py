"""The pictures in docs/console.md are of the real pages: this takes them. `make screenshots` keeps them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from browserkit import browsing
from consolekit import FILE, World, after_three_weeks, served
from playwright.sync_api import Browser, Page

from rollout.core.audit import Actor
from rollout.service.operations import Request

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "console.md"

SHOTS: dict[str, tuple[str, Literal["light", "dark"], int]] = {
    "flags": ("/", "light", 760),
    "flags-dark": ("/", "dark", 760),
    "flag": ("/flags/payments", "light", 1220),
    "dialog": ("/flags/payment-requests", "light", 760),
    "explain": ("/explain?flag=payments&a.user_id=u-58&a.country=IN&a.app_version=2.20.0&a.bank=SBI", "light", 920),
    "explain-then": (
        "/explain?flag=payments&a.user_id=u-58&a.country=IN&a.app_version=2.20.0&a.bank=SBI&at=2h+ago&words=hi",
        "light",
        920,
    ),
    "activity": ("/activity", "light", 640),
    "definitions": ("/definitions", "dark", 560),
    "config": ("/config", "light", 700),
    "servers": ("/servers", "light", 640),
    "keys": ("/keys", "light", 480),
    "pending": ("/pending", "light", 480),
}


PEOPLE = (("asha", "admin"), ("joost", "operator"), ("ravi", "support"), ("payments back end", "server"))


def peopled() -> tuple[World, str]:
    """Three weeks behind it, and keys; with that of the admin."""
    world = after_three_weeks()
    desk = world.site.parts.desk
    made = [desk.create_key(role, name, world.ask("asha")) for name, role in PEOPLE]
    world.settle()
    world.beats()
    return world, made[0]["secret"]


def test_each_page_is_taken(browser: Browser, tmp_path: Path) -> None:
    folder = Path(os.environ.get("ROLLOUT_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    world, key = peopled()
    with served(world) as home, browsing(browser, home, reduced_motion="reduce") as watched:
        page = watched.open("/login")
        take(page, folder / "login.png", 420)
        page.get_by_label("Your key").fill(key)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name="Log out").wait_for()
        for name, (path, scheme, height) in SHOTS.items():
            page.emulate_media(color_scheme=scheme)
            if name == "pending":
                ask_for_two(world)
            world.beats()
            watched.open(path)
            if name == "dialog":
                ask(page)
            take(page, folder / f"{name}.png", height)


def take(page: Page, file: Path, height: int) -> None:
    page.set_viewport_size({"width": 1280, "height": height})
    page.locator("#pulse.live, main:not(:has([hx-trigger*='every']))").first.wait_for()
    page.evaluate("document.fonts.ready")
    assert page.screenshot(path=file).startswith(b"\x89PNG")


def ask_for_two(world: World) -> None:
    """Something that waits for a second person."""
    world.load(FILE.replace("version: 1\n", "version: 1\napprovals: { raise: 2, above: 10% }\n", 1))
    desk = world.site.parts.desk
    key = next(one["id"] for one in desk.list_keys()["keys"] if one["name"] == "joost")
    asked = Request(Actor("joost", authenticated=f"key:{key}"), "The regulator has no objections, letter of Tuesday")
    desk.set("payment-requests", "50%", asked, audience="europe")
    world.settle()


def ask(page: Page) -> None:
    page.get_by_role("link", name="Advance", exact=True).click()
    page.get_by_label("Why").fill("Employees had no complaints for two days")


def test_the_guide_shows_each_of_them() -> None:
    shown = set(re.findall(r"\]\(console/([a-z-]+)\.png\)", GUIDE.read_text()))
    assert shown == {"login", *SHOTS}
    for name in shown:
        assert (ROOT / "docs" / "console" / f"{name}.png").stat().st_size > 0
