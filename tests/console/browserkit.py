"""A real Chromium: the one that the machine has, or, where we may, one that is installed. Every page that is opened by
it is watched: it may ask no other host, break no policy and throw nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PACKAGES = ("chromium", "fonts-noto-core")  # the second for Hindi
PATIENCE = 60_000  # milliseconds: the machine may be busy with other things

ALL = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""What can differ between light and dark: the elements are the same."""


def found() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def can_install() -> bool:
    return os.getuid() == 0 and shutil.which("apt-get") is not None


def wanted() -> bool:
    """Whether pages are tried in a browser: wherever there is one or may be one, and in CI whatever happens."""
    return bool(found() or can_install() or os.environ.get("CI"))


def chromium() -> str:
    """Where it is."""
    if found() is None:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
        subprocess.run(["apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES], check=True, env=quiet)
    path = found()
    assert path, "there is no Chromium, and none could be installed"
    return path


@dataclass
class Watched:
    """A page, and what should not happen on it. `beside`: others that it may ask."""

    page: Page
    home: str
    wrong: list[str] = field(default_factory=list)
    beside: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)  # paths, in order

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.on("request", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"threw {error}"))
        self.page.on("dialog", lambda dialog: self.wrong.append(f"said {dialog.message}") or dialog.dismiss())

    def _asked(self, request: Request) -> None:
        self.asked.append(urlsplit(request.url).path)
        if urlsplit(request.url).netloc not in (urlsplit(self.home).netloc, *self.beside):
            self.wrong.append(f"asked {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        refused = "Failed to load resource" in message.text  # a 409 is an answer too
        if message.type in ("error", "warning") and not refused:
            self.wrong.append(message.text)

    def open(self, path: str) -> Page:
        self.page.goto(self.home + path, wait_until="load")
        return self.page

    def check(self) -> None:
        assert not self.wrong, self.wrong


@contextmanager
def browsing(browser: Browser, home: str, **how: Any) -> Iterator[Watched]:
    """A browser that knows nothing yet. `how`: as Playwright's `new_context`."""
    context = browser.new_context(**{"locale": "en-GB", "timezone_id": "Asia/Kolkata", **how})
    try:
        watched = Watched(context.new_page(), home)
        yield watched
        watched.check()
    finally:
        context.close()


def obstacles(page: Page, rules: Mapping[str, Any] = ALL) -> list[str]:
    """What axe finds that would keep somebody out."""
    results = Axe().run(page, options={"runOnly": rules})
    return [f"{one['id']}: {node['html'][:200]}" for one in results.response["violations"] for node in one["nodes"]]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
