"""Pages are for everybody: in light and dark, on a phone, at twice the size, without motion, with whatever helps people
to read; and what others wrote is text, never more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browserkit import ALL, COLOURS, browsing, obstacles, overflow
from consolekit import FILE, World, served
from playwright.sync_api import Browser

PAGES = (
    "/",
    "/flags/payments",
    "/flags/call-waiting",
    "/flags/payment-requests/advance",
    "/flags/payments/set?share=4%25",
    "/explain?flag=payments&a.user_id=u-58&a.country=IN&a.app_version=2.20.0&a.bank=SBI",
    "/explain?flag=payments&a.user_id=u-58&at=2h+ago&words=hi",
    "/explain?flag=payments&a.user_id=u-58&at=tuesday",
    "/activity",
    "/activity/9",
    "/definitions",
    "/config",
    "/config/1",
    "/servers",
    "/pending",
    "/flags/nothing",
)


@pytest.mark.parametrize(("scheme", "rules"), [("light", ALL), ("dark", COLOURS)], ids=["light", "dark"])
def test_axe_finds_nothing_that_keeps_people_out(
    browser: Browser, steady_home: str, scheme: str, rules: dict[str, Any]
) -> None:
    with browsing(browser, steady_home, color_scheme=scheme, reduced_motion="reduce") as watched:
        for path in PAGES:
            assert obstacles(watched.open(path), rules) == [], path
        page = watched.open("/flags/payments")
        page.get_by_role("link", name="Kill", exact=True).click()
        page.get_by_role("dialog").wait_for()
        assert obstacles(page, rules) == [], "in a dialog"


@pytest.mark.parametrize(("width", "scale"), [(360, 1), (640, 2), (1280, 1)], ids=["phone", "200%", "desk"])
def test_no_page_scrolls_sideways(browser: Browser, steady_home: str, width: int, scale: int) -> None:
    size = {"width": width, "height": 740}
    with browsing(browser, steady_home, viewport=size, device_scale_factor=scale) as watched:
        for path in PAGES:
            assert overflow(watched.open(path)) == 0, path


def test_nothing_moves_for_those_who_asked_for_that(browser: Browser, steady_home: str) -> None:
    with browsing(browser, steady_home, reduced_motion="reduce") as watched:
        page = watched.open("/flags/payments")
        moves = "(({transitionDuration, animationName}) => transitionDuration !== '0s' || animationName !== 'none')"
        moving = f"[...document.querySelectorAll('*')].filter(one => {moves}(getComputedStyle(one))"
        assert page.evaluate(f"{moving}).length") == 0


PAYLOADS = (
    "<script>window.hit=1</script>",
    '"><img src=x onerror=window.hit=1>',
    "'onfocus=window.hit=1 autofocus='",
    "</textarea></title></pre><svg onload=window.hit=1>",
    "{{ 7*7 }}{% raw %}",
    "javascript:window.hit=1",
    "`<b onmouseover=window.hit=1>`",
)
PAYLOAD = " ".join(PAYLOADS)


def hostile() -> World:
    """Wherever people or files supply a text, it is this one."""
    quoted = "'" + PAYLOAD.replace("'", "''") + "'"
    text = FILE.replace("description: Pay a shop", f"description: {quoted}")
    text = text.replace("owner: merchants@example.com", f"owner: {quoted}")
    text = text.replace("description: Where the regulator has agreed", f"description: {quoted}")
    text = text.replace("description: All banks together", f"description: {quoted}")
    text = text.replace("values: [SBI, ICICI, HDFC]", f"values: [SBI, ICICI, {quoted}]")
    world = World(text)
    world.operations.kill("merchant-payments", world.ask(PAYLOAD, PAYLOAD))
    world.minutes(3, **{PAYLOADS[1]: (240, 1), PAYLOAD: (200, 40)})
    world.site.report = {
        "name": PAYLOAD,
        "state": "broken",
        "problems": [
            {"file": PAYLOAD, "line": 8, "column": 7, "severity": "error"}
            | {"message": PAYLOAD, "hint": PAYLOAD, "source": PAYLOAD}
        ],
    }
    world.settle_all()
    return world


def test_what_others_wrote_is_text_on_every_page(browser: Browser) -> None:
    from urllib.parse import quote

    asked = quote(PAYLOAD)
    with served(hostile()) as home, browsing(browser, home) as watched:
        for path, shown in (
            ("/", True),
            (f"/?q={asked}&owner={asked}&state={asked}&tag={asked}", False),
            ("/flags/merchant-payments", True),
            ("/flags/payments", True),
            (f"/flags/{asked.replace('/', '')}", False),
            (f"/flags/payments/set?share={asked}&audience={asked}", False),
            (f"/flags/payments/resume?value={asked}", True),
            (f"/explain?a.user_id={asked}&a.bank={asked}&flag={asked}", False),
            (f"/explain?a.user_id={asked}&flag=payments", True),
            (f"/explain?a.user_id={asked}&flag={asked}&at={asked}&words={asked}", False),
            ("/activity", True),
            (f"/activity?by={asked}&flag=payments", False),
            ("/activity/2", False),
            ("/definitions", True),
            ("/config", True),
            ("/config/1", True),
            ("/servers", True),
        ):
            page = watched.open(path)
            page.locator("body").press("Tab")
            assert page.evaluate("window.hit") is None, path
            assert page.locator("img, b[onmouseover], svg[onload]").count() == 0, path
            said = page.locator("body").inner_text() + "".join(
                page.locator("textarea").evaluate_all("l=>l.map(o=>o.value)")
            )
            assert not shown or all(part.strip("`") in said for part in PAYLOADS), path
        page = watched.open("/flags/merchant-payments")
        page.get_by_role("link", name="Revive").click()
        page.get_by_label("Why").fill(PAYLOAD)
        page.get_by_label("Who are you").fill(PAYLOAD[:200])
        page.get_by_role("button", name="Revive merchant-payments").click()
        page.get_by_role("heading", name="Done", exact=True).wait_for()
        watched.open("/flags/merchant-payments/kill")
        assert page.evaluate("window.hit") is None


def test_what_is_pasted_is_text_too(browser: Browser, steady_home: str, tmp_path: Path) -> None:
    with browsing(browser, steady_home) as watched:
        page = watched.open("/config")
        page.get_by_label("Paste it").fill(f"version: 1\n{PAYLOAD}")
        page.get_by_role("button", name="Show what it would do").click()
        page.locator("#outcome").wait_for()
        assert page.evaluate("window.hit") is None
        assert "<script>window.hit=1</script>" in page.locator("#outcome").inner_text()
