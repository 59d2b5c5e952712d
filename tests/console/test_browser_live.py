"""An open page of a real service, in a real browser: told of changes by one event stream, and asking by itself where it
cannot have one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browserkit import Watched, browsing
from playwright.sync_api import Browser, Page, expect
from servekit import Service, eventually, processes_in

PATIENCE = 60.0  # seconds
HALF_A_MINUTE = 30  # seconds, of the page's own clock

Visit = Callable[..., Watched]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "site")
    yield made
    made.clean_up()


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Visit]:
    """Opens a page of the service in a browser of its own."""
    with ExitStack() as stack:

        def open_page(path: str = "/") -> Watched:
            watched = stack.enter_context(browsing(browser, f"http://{service.address}"))
            watched.beside = (urlsplit(where_streams_are(service)).netloc,)
            watched.page.clock.install()
            watched.open(path)
            return watched

        yield open_page


def where_streams_are(service: Service) -> str:
    return eventually((service.folder / ".rollout" / "stream").read_text, PATIENCE)


def is_told(page: Page) -> None:
    expect(page.locator("#pulse[data-by=stream]")).to_have_text("live")


def asks_itself(page: Page) -> None:
    expect(page.locator("#pulse[data-by=asking]")).to_have_text("live")


def kill(service: Service, flag: str = "payments") -> None:
    ended = service.command("kill", flag, "-m", "a test")
    assert ended.returncode == 0, ended.stderr


def shows_killed(page: Page, flag: str = "payments") -> None:
    expect(page.get_by_role("row").filter(has=page.get_by_role("link", name=flag, exact=True))).to_contain_text(
        "killed"
    )


def asked_in_half_a_minute(watched: Watched) -> int:
    """How often it asks what moved, while nothing does. Its clock stands still but for that."""
    page, before = watched.page, watched.asked.count("/console/moved")
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
    for _ in range(HALF_A_MINUTE):
        page.clock.run_for(1000)
    page.clock.resume()
    return watched.asked.count("/console/moved") - before


def goes_on_asking(watched: Watched) -> None:
    before = watched.asked.count("/console/moved")

    def asked() -> bool:
        watched.page.clock.run_for(1000)
        return watched.asked.count("/console/moved") >= before + 10

    eventually(asked, PATIENCE)


def open_streams(service: Service) -> int:
    reports = [server for server in service.status()["servers"] if server["kind"] == "stream"]
    return max(reports, key=lambda report: report["at_ms"])["streams"]["open"] if reports else -1


def look_away(page: Page, hidden: str) -> None:
    page.evaluate(f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_page_is_told_of_a_change_and_does_not_ask_each_second(service: Service, visit: Visit) -> None:
    service.start()
    watched = visit()
    is_told(watched.page)
    assert asked_in_half_a_minute(watched) < HALF_A_MINUTE / 2
    is_told(watched.page)
    kill(service)
    shows_killed(watched.page)
    is_told(watched.page)
    assert watched.asked.count("/v1/stream") == 1


def test_each_tab_has_one_stream_and_one_that_nobody_looks_at_has_none(service: Service, visit: Visit) -> None:
    service.start()
    first, second = visit().page, visit("/activity").page
    is_told(first)
    is_told(second)
    eventually(lambda: open_streams(service) == 2, PATIENCE)
    look_away(first, "true")
    eventually(lambda: open_streams(service) == 1, PATIENCE)
    kill(service)
    expect(second.locator("#live strong").filter(has_text="kill")).to_be_visible()
    look_away(first, "false")
    shows_killed(first)
    is_told(first)
    eventually(lambda: open_streams(service) == 2, PATIENCE)


def test_a_page_whose_stream_ends_asks_itself_until_it_has_another(service: Service, visit: Visit) -> None:
    service.start()
    watched = visit()
    page = watched.page
    is_told(page)
    page.route("**/console/stream", lambda route: route.fulfill(status=204))
    for pid in [pid for pid, said in processes_in(service.folder).items() if "bootstrap.stream_process" in said]:
        os.kill(pid, signal.SIGKILL)
    asks_itself(page)
    goes_on_asking(watched)
    kill(service)
    shows_killed(page)
    asks_itself(page)
    page.unroute("**/console/stream")
    watched.beside = (urlsplit(where_streams_are(service)).netloc,)
    page.clock.run_for(120_000)
    is_told(page)


def test_a_page_beyond_the_cap_asks_itself(service: Service, visit: Visit) -> None:
    service.options["stream_cap"] = 1
    service.start()
    first, second = visit().page, None
    is_told(first)
    second = visit().page
    asks_itself(second)
    kill(service)
    shows_killed(first)
    shows_killed(second)
    is_told(first)


def test_without_streams_pages_ask_themselves(service: Service, browser: Browser) -> None:
    service.options["stream_bind"] = "off"
    service.start()
    with browsing(browser, f"http://{service.address}") as watched:
        page = watched.open("/")
        asks_itself(page)
        kill(service)
        shows_killed(page)


def test_a_stream_takes_being_logged_in_and_ends_with_the_key(service: Service, visit: Visit) -> None:
    service.start()
    made = {role: service.command("keys", "create", "--role", role, "--name", role) for role in ["admin"]}
    key = made["admin"].stdout.strip()
    assert key.startswith("rk_admin_"), made["admin"].stderr
    auditor = service.ask("/v1/keys", body={"role": "auditor", "name": "the auditor"}, key=key).document["secret"]
    watched = visit("/activity")
    page = watched.page
    page.get_by_label("Your key").fill(auditor)
    page.get_by_role("button", name="Log in").click()
    is_told(page)
    service.ask(f"/v1/keys/{auditor.split('_')[2]}/revoke", body={"reason": "left"}, key=key)
    expect(page.locator("#pulse-words")).to_contain_text("you are logged out")
    watched.wrong.clear()  # htmx says in the console that it was refused
