"""The client keeps up with the service, and goes on with the last good answers whatever the service does."""

from __future__ import annotations

import gzip
import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clientkit import POLL, Hosted, eventually
from werkzeug.wrappers import Request, Response

from rollout.client import Rollout
from rollout.core.errors import InvalidInput
from tests.web.webkit import FLAGS

EVERYBODY = "everybody"
ONE_PERCENT = {"user_id": "u-58", "country": "IN", "app_version": "3.0.0"}


def test_what_the_service_says_is_answered_here(hosted: Hosted) -> None:
    hosted.change(share="1%")
    flags = hosted.client()
    assert flags.ready()
    assert flags.is_on("payments", user_id="u-1")
    assert flags.value("theme", {"mine": 1}, country="GB") == {"background": "#000", "zoom": 2.0}
    assert flags.variant("per-account", account_id="1") in {"large", "small"}
    details = flags.details("everybody")
    assert (details.on, details.reason, details.revision, details.stale) == (True, "STATIC", 2, False)
    assert flags.stale_seconds < 60


def test_a_change_is_answered_soon_and_told(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.ready()
    told: list[frozenset[str]] = []
    flags.on_change(told.append)
    hosted.change(share="50%")
    eventually(lambda: flags.revision == 2)
    assert told == [frozenset({"payments"})]


def test_only_what_changed_is_fetched_again(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.ready()
    hosted.change(share="50%")
    eventually(lambda: flags.revision == 2)
    fetched = [request for request in hosted.asked if request.path == "/v1/ruleset"]
    assert [bool(request.args.get("have")) for request in fetched[:2]] == [False, True]
    assert len([request for request in hosted.asked if "/members/" in request.path]) == 1
    theme = flags._edition.evaluator.flags["theme"]
    hosted.change(share="40%")
    eventually(lambda: flags.revision == 3)
    assert flags._edition.evaluator.flags["theme"] is theme, "what did not change is not compiled again"


def test_nothing_is_known_before_the_first_answer_and_nothing_raises(hosted: Hosted) -> None:
    hosted.stop()
    flags = hosted.client()
    assert not flags.is_on(EVERYBODY)
    assert flags.value(EVERYBODY, "mine") == "mine"
    assert flags.details(EVERYBODY).error_code == "PROVIDER_NOT_READY"
    assert flags.explain(EVERYBODY).answer.error_code == "PROVIDER_NOT_READY"
    assert not flags.ready(timeout=0)
    assert flags.stale_seconds == math.inf
    hosted.misbehave = lambda _: None
    hosted.start()
    eventually(lambda: flags.is_on(EVERYBODY))


def garbage(_: Request) -> Response:
    return Response(b"\x00\xff" * 1000, content_type="application/json")


def another_page(_: Request) -> Response:
    return Response("<html>Log in</html>", content_type="text/html")


def other_json(_: Request) -> Response:
    return Response('{"flags": {"everybody": 1}, "format": 1, "revision": 9, "attributes": [], "segments": 3}')


def later_format(_: Request) -> Response:
    return Response('{"flags": {}, "format": 2, "revision": 9}')


def deep(_: Request) -> Response:
    return Response("[" * 100_000)


def truncated(_: Request) -> Response:
    return Response(b'{"format": 1, "flags": {', headers={"Content-Length": "5000", "Connection": "close"})


def cut_gzip(_: Request) -> Response:
    return Response(gzip.compress(b'{"format": 1}' * 1000)[:-20], headers={"Content-Encoding": "gzip"})


def no_gzip(_: Request) -> Response:
    return Response(b"plain", headers={"Content-Encoding": "gzip"})


def elsewhere(_: Request) -> Response:
    return Response(status=302, headers={"Location": "http://127.0.0.1:9/"})


def unchanged_out_of_the_blue(_: Request) -> Response:
    return Response(status=204)


def unauthorized(_: Request) -> Response:
    return Response('{"error": {"code": "unauthorized"}}', 401)


def failing(_: Request) -> Response:
    return Response("oh no", 500)


def overloaded(_: Request) -> Response:
    return Response("later", 503, headers={"Retry-After": "0"})


WAYS_TO_FAIL = [
    garbage,
    another_page,
    other_json,
    later_format,
    deep,
    truncated,
    cut_gzip,
    no_gzip,
    elsewhere,
    unchanged_out_of_the_blue,
    unauthorized,
    failing,
    overloaded,
]


@pytest.mark.parametrize("fail", WAYS_TO_FAIL, ids=lambda fail: fail.__name__)
def test_whatever_the_service_answers_the_last_good_answers_stay(
    hosted: Hosted, fail: Callable[[Request], Response]
) -> None:
    flags = hosted.client()
    assert flags.ready()
    hosted.misbehave = fail
    eventually(lambda: flags.stale)
    before = len(hosted.asked)
    since = time.monotonic()
    eventually(lambda: len(hosted.asked) >= before + 3)
    assert flags.is_on(EVERYBODY)
    assert flags.revision == 1
    assert flags.details(EVERYBODY).stale
    # However it fails, it is not asked in a tight loop: at most once in three quarters of a poll, by three threads.
    assert len(hosted.asked) - before <= 3 + 3 * (time.monotonic() - since) / (POLL * 0.75)
    hosted.misbehave = lambda _: None
    hosted.change(share="50%")
    eventually(lambda: flags.revision == 2 and not flags.stale)


def test_a_service_that_comes_back_is_found_by_itself(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.ready()
    troubles: list[str | None] = []
    flags.on_trouble(troubles.append)
    hosted.stop()
    eventually(lambda: flags.stale)
    assert flags.is_on(EVERYBODY)
    hosted.misbehave = lambda _: None
    hosted.start()
    hosted.change(share="50%")
    eventually(lambda: flags.revision == 2)
    eventually(lambda: troubles[-1] is None)
    assert troubles[0]


def test_a_service_that_hangs_delays_nobody(hosted: Hosted) -> None:
    flags = hosted.client(timeout=0.2)
    flags.ready()
    let_go = threading.Event()

    def hang(_: Request) -> None:
        let_go.wait(60)

    hosted.misbehave = hang
    eventually(lambda: flags.stale)
    assert flags.is_on(EVERYBODY)
    flags.outcome("x", flag="everybody", ok=True)
    let_go.set()
    hosted.misbehave = lambda _: None
    eventually(lambda: not flags.stale)


def test_an_answer_that_drips_in_is_given_up(hosted: Hosted) -> None:
    stop = threading.Event()

    def drip(_: Request) -> Response:
        def bytes_without_end() -> Any:
            while not stop.wait(0.01):
                yield b" "

        return Response(bytes_without_end())

    hosted.misbehave = drip
    flags = hosted.client(timeout=0.3)
    eventually(lambda: "come to an end" in (flags.trouble or ""))
    stop.set()


def test_news_that_cannot_be_used_are_followed_by_the_whole(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.ready()

    def broken_news(request: Request) -> Response | None:
        if request.args.get("have"):
            return Response(json.dumps({"format": 1, "flags": {}, "revision": 2, "since": "another"}))
        return None

    hosted.misbehave = broken_news
    hosted.change(share="50%")
    eventually(lambda: flags.revision == 2)


def lagging(hosted: Hosted, *, stale: bool) -> Callable[[Request], Response]:
    """Answers as a server does that is still at what the service says now."""
    response = hosted.site.get("/v1/ruleset")
    headers = {"Rollout-Stale": "true" if stale else "false"}
    return lambda _: Response(response.data, headers=headers)


def test_a_server_that_lags_behind_brings_nothing_back(hosted: Hosted) -> None:
    behind = lagging(hosted, stale=False)
    flags = hosted.client()
    hosted.change("/v1/flags/everybody/kill")
    eventually(lambda: flags.revision == 2)
    hosted.misbehave = behind
    eventually(lambda: "behind 2" in (flags.trouble or ""))
    assert not flags.is_on(EVERYBODY)
    hosted.misbehave = lambda _: None
    eventually(lambda: not flags.stale)


def test_a_store_that_was_restored_is_followed_back_after_a_while(hosted: Hosted) -> None:
    before = lagging(hosted, stale=False)
    flags = hosted.client(restored_after=0.3)
    hosted.change("/v1/flags/everybody/kill")
    eventually(lambda: flags.revision == 2)
    hosted.misbehave = before
    eventually(lambda: flags.revision == 1)
    assert flags.is_on(EVERYBODY)


def test_a_server_without_its_store_is_never_followed_back(hosted: Hosted) -> None:
    before = lagging(hosted, stale=True)
    flags = hosted.client(restored_after=0.01)
    hosted.change("/v1/flags/everybody/kill")
    eventually(lambda: flags.revision == 2)
    hosted.misbehave = before
    asked = len(hosted.asked)
    eventually(lambda: len(hosted.asked) > asked + 5)
    assert (flags.revision, flags.stale) == (2, True)


def test_a_service_without_its_store_is_trusted_and_said_to_be_stale(hosted: Hosted) -> None:
    hosted.site.lose_store()
    flags = hosted.client()
    eventually(lambda: flags.revision == 1)
    eventually(lambda: "cannot reach its store" in (flags.trouble or ""))
    assert flags.is_on(EVERYBODY)
    assert flags.stale_seconds == math.inf


def test_a_start_while_the_service_is_down_answers_from_disk(hosted: Hosted, tmp_path: Path) -> None:
    hosted.change(share="1%")
    first = hosted.client(cache_dir=tmp_path / "cache")
    first.ready()
    first.close()
    hosted.stop()
    flags = hosted.client(cache_dir=tmp_path / "cache")
    assert flags.is_on("payments", user_id="u-1"), "at once, member lists and all"
    assert flags.stale
    assert 0 <= flags.stale_seconds < 3600
    assert flags.ready(timeout=0)
    hosted.misbehave = lambda _: None
    hosted.start()
    hosted.change(share="50%")
    eventually(lambda: flags.revision == 3)
    assert any(request.args.get("have") for request in hosted.asked), "with news alone"


def test_lists_that_are_out_of_force_do_not_stay_on_disk(hosted: Hosted, tmp_path: Path) -> None:
    flags = hosted.client(cache_dir=tmp_path)
    eventually(lambda: list(tmp_path.glob("members-*")))
    hosted.site.load(FLAGS.replace("members: { file: employees.txt }", "match: { country: GB }"))
    eventually(lambda: flags.revision == 2)
    eventually(lambda: not list(tmp_path.glob("members-*")))


def test_how_old_what_is_on_disk_is_goes_by_when_the_service_last_said_so(hosted: Hosted, tmp_path: Path) -> None:
    first = hosted.client(cache_dir=tmp_path)
    first.ready()
    first.close()
    [file] = tmp_path.glob("ruleset-*.json")
    os.utime(file, (time.time() - 1000, time.time() - 1000))
    hosted.stop()
    assert 990 < hosted.client(cache_dir=tmp_path).stale_seconds < 1000 + 3600
    hosted.misbehave = lambda _: None
    hosted.start()
    hosted.client(cache_dir=tmp_path)
    eventually(lambda: time.time() - file.stat().st_mtime < 900)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-100],
        lambda text: text.replace("everybody", "somebody"),
        lambda text: "",
        lambda text: "null",
        lambda text: text.replace('"revision"', '"noisiver"'),
    ],
)
def test_what_is_damaged_on_disk_is_not_used(hosted: Hosted, tmp_path: Path, spoil: Callable[[str], str]) -> None:
    first = hosted.client(cache_dir=tmp_path)
    first.ready()
    first.close()
    for file in tmp_path.glob("ruleset-*.json"):
        file.write_text(spoil(file.read_text()))
    hosted.stop()
    assert not hosted.client(cache_dir=tmp_path).is_on(EVERYBODY)


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(hosted: Hosted, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    flags = hosted.client(cache_dir=tmp_path / "file")
    assert flags.ready()
    assert flags.is_on(EVERYBODY)


def test_a_restart_of_another_service_at_another_address_does_not_read_this_ones_flags(
    hosted: Hosted, tmp_path: Path
) -> None:
    hosted.client(cache_dir=tmp_path).ready()
    other = Rollout("http://127.0.0.1:9", cache_dir=tmp_path)
    assert not other.is_on(EVERYBODY)
    other.close()


def test_the_key_goes_along_and_may_be_renewed(hosted: Hosted, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("first\n")
    flags = hosted.client(key_file=secret)
    flags.ready()
    secret.write_text("second\n")
    eventually(lambda: hosted.asked[-1].headers.get("Authorization") == "Bearer second")
    assert hosted.asked[0].headers["Authorization"] == "Bearer first"
    secret.unlink()
    eventually(lambda: "key file" in (flags.trouble or ""))
    assert flags.is_on(EVERYBODY)
    with_key = hosted.client(key="mine")
    with_key.ready()
    eventually(lambda: hosted.asked[-1].headers.get("Authorization") == "Bearer mine")


@pytest.mark.parametrize(
    "wrong", [{"url": "flags.example.com"}, {"url": "ftp://x"}, {"url": "http://"}, {"url": "http://x:y"}]
)
def test_an_address_that_is_none_is_said_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Rollout(**wrong)


@pytest.mark.parametrize("wrong", [{"poll": 0}, {"timeout": -1}, {"key": "a", "key_file": "b"}])
def test_options_that_cannot_be_are_said_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Rollout("http://127.0.0.1:9", **wrong)


def test_a_listener_that_fails_is_logged_and_nothing_else(hosted: Hosted, caplog: pytest.LogCaptureFixture) -> None:
    flags = hosted.client()
    flags.ready()

    @flags.on_change
    def fail(_: frozenset[str]) -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR, "rollout.client"):
        hosted.change(share="50%")
        eventually(lambda: flags.revision == 2)
        eventually(lambda: "listens for changes failed" in caplog.text)
    hosted.change(share="40%")
    eventually(lambda: flags.revision == 3)


def test_a_closed_client_leaves_no_thread_and_goes_on_answering(hosted: Hosted) -> None:
    with hosted.client() as flags:
        flags.ready()
        threads = flags._threads
    assert not any(thread.is_alive() for thread in threads)
    assert flags.is_on(EVERYBODY)
    flags.close()


def test_many_threads_may_ask_while_flags_change(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.ready()
    stop, wrong = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            if not flags.is_on(EVERYBODY, user_id="u-1", country="IN") or flags.details(EVERYBODY).error_code:
                wrong.append(flags.revision)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for number in range(20):
        hosted.change(share=f"{number + 1}%")
    eventually(lambda: flags.revision == 21)
    stop.set()
    for asker in askers:
        asker.join()
    assert wrong == []
