"""What `rollout serve` accepts as settings, and what it says of the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rollout.bootstrap.settings import Address, Certificate, Settings, WebSettings, settings_from
from rollout.bootstrap.stream_settings import StreamSettings
from rollout.core.errors import InvalidInput


def test_without_any_setting_the_founding_case_is_served_on_this_machine_alone():
    assert settings_from({}, {}) == Settings(
        Path("flags.yaml"),
        Address("127.0.0.1", 8080),
        2,
        Path(".rollout"),
        None,
        "rollout",
        StreamSettings(Address("127.0.0.1", 8081), chosen=False, url="", cap=10_000, heartbeat=15),
    )


def test_an_option_counts_more_than_the_environment():
    environ = {"ROLLOUT_FILE": "theirs.yaml", "ROLLOUT_WORKERS": "4", "ROLLOUT_REDIS_URL": ""}
    settings = settings_from({"file": "mine.yaml", "workers": None}, environ)
    assert (settings.file, settings.workers, settings.redis_url) == (Path("mine.yaml"), 4, None)


def test_the_fast_path_can_be_switched_off():
    assert settings_from({}, {}).fast_path
    assert not settings_from({}, {"ROLLOUT_FAST_PATH": "off"}).fast_path


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
    taken = settings_from({"bind": bind}, {}).bind
    assert (str(taken), taken.is_loopback) == (address, True)


@pytest.mark.parametrize("bind", ["0.0.0.0:8080", "10.0.0.1:8080", "[::]:8080"])
def test_an_address_that_others_can_reach_is_known_as_one(bind):
    taken = settings_from({"bind": bind}, {}).bind
    assert (str(taken), taken.is_loopback) == (bind, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bind": "8080"}, "write 127.0.0.1:8080"),
        ({"bind": ":8080"}, "write 127.0.0.1:8080"),
        ({"bind": "127.0.0.1:"}, "write 127.0.0.1:8080"),
        ({"bind": "127.0.0.1:65536"}, "write 127.0.0.1:8080"),
        ({"bind": "127.0.0.1:٣"}, "write 127.0.0.1:8080"),
        ({"bind": "example.com:80"}, "names a host"),
        ({"fast_path": "no"}, "write on or off"),
        ({"workers": "0"}, "write 1 to 256"),
        ({"workers": "-1"}, "write 1 to 256"),
        ({"workers": "two"}, "write 1 to 256"),
        ({"workers": "257"}, "write 1 to 256"),
        ({"redis_url": "http://host"}, "redis://"),
        ({"redis_url": "redis://host:port"}, "redis://"),
        ({"redis_url": "redis://[host"}, "redis://"),
        ({"stream_bind": "8081"}, "--stream-bind '8081' is not an address"),
        ({"stream_bind": "localhost:8080"}, "is where checks are answered; write 127.0.0.1:8081"),
        ({"admin_bind": "8082"}, "--admin-bind '8082' is not an address"),
        ({"admin_bind": "flags.example.com:80"}, "--admin-bind 'flags.example.com:80' names a host"),
        ({"admin_bind": "10.0.0.1:8080"}, "--admin-bind '10.0.0.1:8080' has the port of another address"),
        ({"admin_bind": "127.0.0.1:7", "stream_bind": "127.0.0.1:7"}, "write a port of its own"),
        ({"stream_url": "flags.example.com"}, "write https://flags.example.com"),
        ({"stream_url": "ftp://flags.example.com"}, "write https://flags.example.com"),
        ({"stream_url": "https://"}, "write https://flags.example.com"),
        ({"stream_url": "https://[flags"}, "write https://flags.example.com"),
        ({"stream_url": "https://me:secret@flags.example.com"}, "write https://flags.example.com"),
        ({"stream_url": "https://flags.example.com/?a=b"}, "write https://flags.example.com"),
        ({"stream_cap": "0"}, "write 1 to 1000000"),
        ({"stream_cap": "many"}, "write 1 to 1000000"),
        ({"stream_heartbeat": "15"}, "write 15s"),
        ({"stream_heartbeat": "0s"}, "write 1s to 1h"),
        ({"stream_heartbeat": "2h"}, "write 1s to 1h"),
        ({"cors_origins": "*"}, "write https://app.example.com"),
        ({"cors_origins": "app.example.com"}, "write https://app.example.com"),
        ({"cors_origins": "https://app.example.com/"}, "write https://app.example.com"),
        ({"cors_origins": "https://a.example null"}, "write https://app.example.com"),
        ({"tls_cert": "cert.pem"}, "give both"),
        ({"tls_key": "key.pem"}, "give both"),
        ({"tls_cert": "/nowhere.pem", "tls_key": "/nowhere.pem"}, "cannot be used"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(options, said):
    with pytest.raises(InvalidInput) as refused:
        settings_from(options, {})
    assert said in f"{refused.value.message}; {refused.value.hint}"


def test_several_origins_are_told_apart_by_commas_or_spaces():
    text = "https://a.example, http://127.0.0.1:3000 http://[::1]:3000"
    origins = settings_from({"cors_origins": text}, {}).cors_origins
    assert origins == ("https://a.example", "http://127.0.0.1:3000", "http://[::1]:3000")


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
    stream = StreamSettings(Address("::1", 81), chosen=True, url="https://flags.example.com", cap=10, heartbeat=1.0)
    for streams in (stream, None):
        settings = WebSettings(
            "unix:///s", "rollout", "embedded", "/data", "host:80", 12, Address("::1", 80), 3, streams
        )
        more = replace(settings, cors_origins=("https://a.example",), tls=Certificate("/cert.pem", "/key.pem"))
        admin = replace(settings, admin=Address("127.0.0.1", 82), is_admin=True)
        for each in (settings, more, admin):
            assert WebSettings.from_environment(each.to_environment()) == each


@pytest.mark.parametrize(
    ("options", "bind"),
    [
        ({"bind": "127.0.0.2:9000"}, "127.0.0.2:9001"),
        ({"bind": "[::1]:9000"}, "[::1]:9001"),
        ({"bind": "127.0.0.1:0"}, "127.0.0.1:0"),
        ({"bind": "127.0.0.1:65535"}, "127.0.0.1:0"),
        ({"bind": "127.0.0.1:9000", "stream_bind": "[::1]:7"}, "[::1]:7"),
    ],
)
def test_streams_listen_next_to_the_web_unless_somebody_says_where(options, bind):
    assert str(settings_from(options, {}).stream.bind) == bind


def test_a_second_port_is_there_for_whoever_wants_one():
    assert settings_from({}, {}).admin is None
    assert settings_from({}, {"ROLLOUT_ADMIN_BIND": "10.0.0.1:0"}).admin == Address("10.0.0.1", 0)


def test_streams_can_be_off():
    assert settings_from({"stream_bind": "off"}, {}).stream is None


def test_clients_are_sent_to_the_proxy_where_there_is_one():
    environ = {"ROLLOUT_STREAM_URL": "https://flags.example.com/live/"}
    assert settings_from({}, environ).stream.url == "https://flags.example.com/live"
