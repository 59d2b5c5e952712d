"""Logging in by a provider, with a real browser, a real service and a provider that signs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import oidckit
import pytest
from browserkit import ALL, Watched, browsing, obstacles, overflow
from oidckit import Provider, running_provider
from playwright.sync_api import Browser, Page, expect
from servekit import Service, eventually

from rollout.bootstrap.port import free_port
from rollout.bootstrap.settings import Address
from rollout.identity.settings import CALLBACK

PATIENCE = 60.0  # seconds


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def service(tmp_path: Path, provider: Provider) -> Iterator[Service]:
    """Whose log-in is the provider's; it has an admin's key, too."""
    bind = str(free_port(Address("127.0.0.1", 0)))
    (tmp_path / "client.secret").write_text(oidckit.SECRET)
    provider.redirect_uri = f"http://{bind}{CALLBACK}"
    made = Service(
        tmp_path / "site",
        bind=bind,
        console_url=f"http://{bind}",
        oidc_issuer=provider.issuer,
        oidc_client_id=oidckit.CLIENT,
        oidc_client_secret_file=tmp_path / "client.secret",
        oidc_roles=oidckit.ROLES,
    )
    made.start()
    key = made.command("keys", "create", "--role", "admin", "--name", "first")
    assert key.returncode == 0, key.stderr
    eventually(lambda: made.every_worker(lambda: made.ask("/v1/status").status == 401), PATIENCE)
    yield made
    made.clean_up()


@pytest.fixture
def watched(browser: Browser, service: Service, provider: Provider) -> Iterator[Watched]:
    with browsing(browser, f"http://{service.address}") as watched:
        stream = eventually((service.folder / ".rollout" / "stream").read_text, PATIENCE)
        watched.beside = (urlsplit(stream).netloc, urlsplit(provider.issuer).netloc)
        yield watched


def log_in(page: Page, provider: Provider, who: str) -> None:
    page.get_by_role("link", name=f"Log in by {urlsplit(provider.issuer).netloc}").click()
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    page.get_by_role("link", name=who, exact=True).click()


def test_an_operator_logs_in_by_the_provider_is_told_of_changes_and_logs_out(
    service: Service, provider: Provider, watched: Watched
) -> None:
    page = watched.open("/flags/payments")
    assert (obstacles(page, ALL), overflow(page)) == ([], 0)
    log_in(page, provider, "joost")
    expect(page.get_by_text("joost@example.com")).to_be_visible()
    assert urlsplit(page.url).path == "/flags/payments"
    expect(page.locator("#pulse[data-by=stream]")).to_have_text("live")
    page.get_by_role("link", name="Kill", exact=True).click()
    page.get_by_label("Why").fill("Complaints")
    page.get_by_role("button", name="Kill payments").click()
    expect(page.get_by_role("dialog")).to_contain_text("off for everyone")
    watched.open("/activity")
    expect(page.locator("#live")).to_contain_text("by joost@example.com")
    cookies = page.context.cookies()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Your key")).to_be_visible()
    page.context.add_cookies(cookies)

    def is_out() -> bool:
        return watched.open("/activity").get_by_label("Your key").is_visible()

    eventually(is_out, PATIENCE)


def test_whoever_has_no_group_of_ours_is_told_so(provider: Provider, watched: Watched) -> None:
    page = watched.open("/")
    log_in(page, provider, "stranger")
    expect(page.get_by_text("none of the groups of stranger@example.com has a role here")).to_be_visible()
    watched.open("/")
    expect(page.get_by_label("Your key")).to_be_visible()


def test_without_scripts_one_logs_in_as_well(browser: Browser, service: Service, provider: Provider) -> None:
    with browsing(browser, f"http://{service.address}", java_script_enabled=False) as watched:
        watched.beside = (urlsplit(provider.issuer).netloc,)
        page = watched.open("/")
        log_in(page, provider, "mina")
        expect(page.get_by_text("mina@example.com")).to_be_visible()
