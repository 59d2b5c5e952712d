"""What `rollout serve` accepts as settings, and what it says of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.bootstrap.settings import Address, Settings, WebSettings, settings_from
from rollout.core.errors import InvalidInput


def test_without_any_setting_the_founding_case_is_served_on_this_machine_alone():
    assert settings_from({}, {}) == Settings(
        Path("flags.yaml"), Address("127.0.0.1", 8080), 2, Path(".rollout"), None, "rollout"
    )


def test_an_option_counts_more_than_the_environment():
    environ = {"ROLLOUT_FILE": "theirs.yaml", "ROLLOUT_WORKERS": "4", "ROLLOUT_REDIS_URL": ""}
    settings = settings_from({"file": "mine.yaml", "workers": None}, environ)
    assert (settings.file, settings.workers, settings.redis_url) == (Path("mine.yaml"), 4, None)


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("127.3.2.1:0", "127.3.2.1:0"),
        ("localhost:80", "127.0.0.1:80"),
        ("[::1]:8080", "[::1]:8080"),
        ("::1:8080", "[::1]:8080"),
    ],
)
def test_an_address_of_this_machine_is_taken(bind, address):
    assert str(settings_from({"bind": bind}, {}).bind) == address


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bind": "8080"}, "write 127.0.0.1:8080"),
        ({"bind": ":8080"}, "write 127.0.0.1:8080"),
        ({"bind": "127.0.0.1:"}, "write 127.0.0.1:8080"),
        ({"bind": "127.0.0.1:65536"}, "write 127.0.0.1:8080"),
        ({"bind": "127.0.0.1:٣"}, "write 127.0.0.1:8080"),
        ({"bind": "example.com:80"}, "names a host"),
        ({"bind": "0.0.0.0:8080"}, "no keys yet"),
        ({"bind": "10.0.0.1:8080"}, "no keys yet"),
        ({"bind": "[::]:8080"}, "no keys yet"),
        ({"workers": "0"}, "write 1 to 256"),
        ({"workers": "-1"}, "write 1 to 256"),
        ({"workers": "two"}, "write 1 to 256"),
        ({"workers": "257"}, "write 1 to 256"),
        ({"redis_url": "http://host"}, "redis://"),
        ({"redis_url": "redis://host:port"}, "redis://"),
        ({"redis_url": "redis://[host"}, "redis://"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(options, said):
    with pytest.raises(InvalidInput) as refused:
        settings_from(options, {})
    assert said in f"{refused.value.message}; {refused.value.hint}"


def test_a_password_is_neither_shown_nor_part_of_where_the_state_comes_from():
    with pytest.raises(InvalidInput) as refused:
        settings_from({"redis_url": "https://user:secret@host"}, {})
    assert "secret" not in f"{refused.value} {refused.value.hint}"
    origins = {settings_from({"redis_url": f"redis://:{word}@host:6379/1"}, {}).origin for word in ("secret", "other")}
    assert origins == {"host:6379/1 rollout"}


def test_stores_and_namespaces_are_told_apart():
    urls = ["", "redis://a", "redis://a:1", "redis://a/1", "redis://b", "unix:///a/b.sock", "unix:///a/c.sock"]
    settings = [{"redis_url": url, "namespace": name} for url in urls for name in ("rollout", "other")]
    assert len({settings_from(options, {}).origin for options in settings}) == len(settings)


def test_web_processes_are_told_their_settings_by_the_environment():
    settings = WebSettings("unix:///s", "rollout", "embedded", "/data", "host:80", 12, Address("::1", 80), 3)
    assert WebSettings.from_environment(settings.to_environment()) == settings
