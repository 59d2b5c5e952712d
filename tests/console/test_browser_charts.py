"""The guards' charts where scripts run: the mouse and the keyboard read values from them, in light and dark, also after
the page was made anew. Without scripts the server's picture is there."""

from __future__ import annotations

import re
from collections.abc import Callable

from browserkit import Watched, browsing, obstacles, overflow
from consolekit import World
from playwright.sync_api import Browser, Locator, Page, expect

Browse = Callable[..., Watched]
VALUES = re.compile(r"^\d\d:\d\d GMT\+5:30: [\d.]+%, \d+ of \d+ failed(; [\w ]+)*$")


def chart_of(page: Page, name: str = "upi-failures, SBI") -> Locator:
    return page.get_by_role("slider", name=f"{name}, minute by minute")


def reading(chart: Locator) -> str:
    said = chart.get_attribute("aria-valuetext")
    assert said is not None
    expect(chart.locator(".reading")).to_have_text(said)
    return said


def test_arrow_keys_go_from_minute_to_minute_and_say_what_each_was(browser: Browser, steady_home: str) -> None:
    with browsing(browser, steady_home) as watched:
        chart = chart_of(watched.open("/flags/payments"))
        last = reading(chart)
        assert VALUES.match(last)
        chart.focus()
        chart.press("ArrowLeft")
        before = reading(chart)
        assert VALUES.match(before) and before != last
        chart.press("Home")
        first = reading(chart)
        chart.press("ArrowLeft")
        assert reading(chart) == first
        chart.press("End")
        assert reading(chart) == last


def test_the_mouse_reads_values_and_leaves_the_last_minute_behind(browser: Browser, steady_home: str) -> None:
    with browsing(browser, steady_home) as watched:
        page = watched.open("/flags/payments")
        chart = chart_of(page)
        chart.scroll_into_view_if_needed()
        last = reading(chart)
        over = chart.locator(".u-over").bounding_box()
        assert over is not None
        page.mouse.move(over["x"] + 3, over["y"] + 20)
        expect(chart).not_to_have_attribute("aria-valuetext", last)
        page.mouse.move(2, 2)
        expect(chart).to_have_attribute("aria-valuetext", last)


def test_a_chart_keeps_the_keyboard_when_its_page_is_made_anew(browse: Browse, world: World) -> None:
    page = browse(world).open("/flags/payments")
    chart = chart_of(page, "upi-failures, ICICI")
    chart.focus()
    before = chart.get_attribute("data-minutes")
    assert before is not None
    world.minutes(1, SBI=(100, 50), ICICI=(181, 1), HDFC=(122, 0))
    world.operations.halt("payment-requests", world.ask("joost", "Something else moves the revision"))
    world.settle_all()
    expect(chart).not_to_have_attribute("data-minutes", before)
    expect(chart).to_be_focused()
    assert page.locator(".uplot").count() == page.locator(".plot").count()


def test_charts_take_the_colours_of_the_scheme_and_the_width_of_the_page(browser: Browser, steady_home: str) -> None:
    with browsing(browser, steady_home, color_scheme="light", viewport={"width": 1280, "height": 800}) as watched:
        page = watched.open("/flags/payments")
        expect(chart_of(page).locator("canvas")).to_be_visible()
        picture = "document.querySelector('.plot canvas').toDataURL()"
        light = page.evaluate(picture)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(f"light => {picture} !== light", arg=light)
        assert obstacles(page) == []
        page.set_viewport_size({"width": 360, "height": 740})
        fits = "one => one.querySelector('.uplot').offsetWidth <= one.clientWidth"
        page.wait_for_function(f"[...document.querySelectorAll('.plot')].every({fits})")
        assert overflow(page) == 0


def test_without_scripts_the_server_has_drawn_it(browser: Browser, steady_home: str) -> None:
    with browsing(browser, steady_home, java_script_enabled=False) as watched:
        page = watched.open("/flags/payments")
        expect(page.locator(".plot svg.chart").first).to_be_visible()
        assert page.get_by_role("slider").count() == 0
