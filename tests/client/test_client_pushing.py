"""Where the service has a stream, the client asks when it is told to, and at its usual pace when the stream is gone."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from clientkit import Hosted, eventually
from werkzeug.wrappers import Request, Response

from rollout.client import Rollout

NEVER = 600.0  # seconds between questions, if the stream does not say otherwise
EVENT = b'id: 2\nevent: message\ndata: {"type":"refetchEvaluation","etag":"r2"}\n\n'


class Stream:
    """The stream's end at the service, in the test's hands."""

    def __init__(self, hosted: Hosted) -> None:
        self.requests: list[Request] = []
        self.status = 200
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        hosted.misbehave = self._answer
        hosted.site.parts = replace(hosted.site.parts, stream=lambda: hosted.url)
        hosted.site.serve()

    def say(self, line: bytes) -> None:
        self._lines.put(line)

    def end(self) -> None:
        self._lines.put(None)

    def _answer(self, request: Request) -> Response | None:
        if request.path != "/v1/stream":
            return None
        self.requests.append(request)
        return Response(self._said(), self.status, content_type="text/event-stream")

    def _said(self) -> Iterator[bytes]:
        yield b": hello\nretry: 1000\n\n"
        while (line := self._lines.get()) is not None:
            yield line


@pytest.fixture
def stream(hosted: Hosted) -> Iterator[Stream]:
    made = Stream(hosted)
    yield made
    made.end()


def listening(hosted: Hosted, **options: Any) -> Rollout:
    flags = hosted.client(poll=NEVER, **options)
    assert flags.ready()
    eventually(lambda: flags._parts[0].pushed)
    return flags


def test_a_change_that_is_pushed_is_fetched_at_once(hosted: Hosted, stream: Stream) -> None:
    flags = listening(hosted)
    hosted.change(share="50%")
    stream.say(EVENT)
    eventually(lambda: flags.revision == 2)
    assert stream.requests[0].headers["Accept"] == "text/event-stream"
    assert "Last-Event-ID" not in stream.requests[0].headers


def test_a_server_that_is_behind_the_stream_is_asked_again(hosted: Hosted, stream: Stream) -> None:
    flags = listening(hosted)
    before = hosted.site.get("/v1/ruleset")
    behind = iter([Response(before.data, headers={"Rollout-Revision": "1"})] * 2)
    otherwise = hosted.misbehave
    hosted.misbehave = lambda request: otherwise(request) or next(behind, None)
    hosted.change(share="50%")
    stream.say(EVENT)
    eventually(lambda: flags.revision == 2)


def test_it_begins_again_where_it_was_after_a_break(hosted: Hosted, stream: Stream) -> None:
    flags = listening(hosted)
    stream.say(EVENT)
    stream.end()
    hosted.change(share="50%")
    eventually(lambda: flags.revision == 2)
    eventually(lambda: len(stream.requests) >= 2)
    assert stream.requests[-1].headers["Last-Event-ID"] == "2"


def test_heartbeats_and_what_is_no_event_ask_for_nothing(hosted: Hosted, stream: Stream) -> None:
    flags = listening(hosted)
    asked = eventually(
        lambda: len([request for request in hosted.asked if request.path == "/v1/ruleset"]) >= 2 and len(hosted.asked)
    )
    for line in (b": heartbeat\n\n", b"\n\n", b"event: message\n\n", b"id: 3\n\n", b"nonsense\n\n", b"\xff\xfe\n\n"):
        stream.say(line)
    hosted.change(share="50%")
    assert flags.revision == 1
    assert len(hosted.asked) == asked
    stream.say(EVENT)
    eventually(lambda: flags.revision == 2)


def test_a_stream_that_cannot_be_had_leaves_the_usual_pace(hosted: Hosted, stream: Stream) -> None:
    stream.status = 503
    flags = hosted.client()
    flags.ready()
    eventually(lambda: stream.requests)
    hosted.change(share="50%")
    eventually(lambda: flags.revision == 2)


def test_closing_does_not_wait_for_the_stream(hosted: Hosted, stream: Stream) -> None:
    flags = listening(hosted)
    flags.close()
    assert not any(thread.is_alive() for thread in flags._threads)


def test_the_key_is_not_told_to_a_stream_elsewhere(hosted: Hosted, stream: Stream) -> None:
    elsewhere = hosted.url.replace("127.0.0.1", "localhost")
    hosted.site.parts = replace(hosted.site.parts, stream=lambda: elsewhere)
    hosted.site.serve()
    listening(hosted, key="secret")
    assert "Authorization" not in stream.requests[0].headers
