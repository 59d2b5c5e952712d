"""Three weeks behind it, and a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import browserkit
import pytest
from browserkit import Watched, browsing
from consolekit import World, after_three_weeks, served
from playwright.sync_api import Browser, expect, sync_playwright

Browse = Callable[..., AbstractContextManager[Watched]]

collect_ignore_glob = [] if browserkit.wanted() else ["test_browser_*.py"]


def pytest_report_header() -> str | None:
    return (
        "no Chromium, and none may be installed: the console is not tried in a browser" if collect_ignore_glob else None
    )


@pytest.fixture
def world() -> World:
    """A few weeks on, with flags in every state."""
    return after_three_weeks()


@pytest.fixture(scope="module")
def steady_world() -> World:
    """The same, for all who change nothing."""
    return after_three_weeks()


@pytest.fixture(autouse=True, scope="session")
def patience() -> None:
    expect.set_options(timeout=browserkit.PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for longer: while it runs, so does an event loop in this thread, and other tests need one of their own."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=browserkit.chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield launched
        launched.close()


@pytest.fixture
def browse(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens a browser on a world: `browse(world, java_script_enabled=False)`. What went wrong on a page is told at the
    end."""
    with ExitStack() as stack:

        def begin(world: World, **how: Any) -> Watched:
            return stack.enter_context(browsing(browser, stack.enter_context(served(world)), **how))

        yield begin


@pytest.fixture(scope="module")
def steady_home(steady_world: World) -> Iterator[str]:
    with served(steady_world) as home:
        yield home
