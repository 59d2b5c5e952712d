"""Whom a stream is opened for, on a real listener: a key in a header, a ticket in the URL, and nobody else once there
is a key."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from test_stream_connections import PATIENCE, answer, eventually, request, run, sent

from rollout.core.keys import Key, Role, digest_of_token, token_of
from rollout.core.progress import Stop
from rollout.core.tickets import LASTS, ticket_of
from rollout.service.gate import Gate
from rollout.streams.connection import House

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = NOW.timestamp()


def token(role: Role) -> str:
    return token_of(role, f"{list(Role).index(role):012}", "A" * 43)


def key(role: Role) -> Key:
    return Key(token(role).split("_")[2], role, str(role), digest_of_token(token(role)), NOW, "anna")


class Keyed:
    """A gate whose keys can be changed."""

    def __init__(self) -> None:
        self.keys = {one.id: one for one in map(key, Role)}
        self.gate = Gate(lambda: self.keys, open_without_keys=True, clock=lambda: AT, elapsed=lambda: 0.0)

    def revoke(self, role: Role) -> None:
        ended = replace(key(role), revoked=Stop("anna", NOW, ""))
        self.keys = {**self.keys, ended.id: ended}


def stream(query: str = "", *headers: str) -> bytes:
    return request(f"GET /v1/stream{query}".encode(), *(header.encode() for header in headers))


def bearing(role: Role) -> str:
    return f"Authorization: Bearer {token(role)}"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (stream(), 401, "not_authenticated"),
        (stream("", "Authorization: Bearer nonsense"), 401, "not_authenticated"),
        (stream("?ticket=nonsense"), 401, "not_authenticated"),
        (stream(f"?ticket={ticket_of(key(Role.CLIENT), AT - LASTS)}"), 401, "not_authenticated"),
        (stream(f"?key={token(Role.CLIENT)}"), 401, "not_authenticated"),
        (stream("", bearing(Role.AUDITOR)), 403, "not_allowed"),
    ],
)
def test_whoever_shows_no_key_that_may_is_told_so(asked: bytes, status: int, code: str) -> None:
    async def ask(house: House, port: int) -> None:
        house.gate = Keyed().gate
        got, headers, body = await answer(port, asked)
        assert (got, json.loads(body)["error"]["code"]) == (status, code)
        assert ("www-authenticate" in headers) == (status == 401)
        assert house.hub.refused["key"] == 1
        assert house.hub.open == 0

    run(ask)


@pytest.mark.parametrize(
    "asked",
    [
        stream("", bearing(Role.SERVER)),
        stream("", f"X-API-Key: {token(Role.CLIENT)}"),
        stream(f"?ticket={ticket_of(key(Role.CLIENT), AT)}"),
        stream(f"?ticket={ticket_of(key(Role.AUDITOR), AT)}"),
    ],
)
def test_a_key_in_a_header_or_a_ticket_in_the_url_opens_a_stream(asked: bytes) -> None:
    async def ask(house: House, port: int) -> None:
        house.gate = Keyed().gate
        reader, writer = await sent(port, asked)
        assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 200 ")
        await eventually(lambda: house.hub.open == 1)
        writer.close()

    run(ask)


def test_a_key_that_was_in_a_url_is_to_be_revoked() -> None:
    async def ask(house: House, port: int) -> None:
        house.gate = Keyed().gate
        await answer(port, stream(f"?key={token(Role.SERVER).replace('_', '%5f')}"))
        assert house.gate.leaked() == [key(Role.SERVER).id]
        assert (await answer(port, stream("", bearing(Role.SERVER))))[0] == 401

    run(ask)


def test_a_key_that_asks_too_often_is_told_when_to_come_back() -> None:
    async def ask(house: House, port: int) -> None:
        keyed = Keyed()
        keyed.keys = {key(Role.ADMIN).id: replace(key(Role.ADMIN), rate=1)}
        house.gate = keyed.gate
        for _ in range(2):
            _, writer = await sent(port, stream("", bearing(Role.ADMIN)))
            writer.close()
        await eventually(lambda: house.connections == 0)
        status, headers, _ = await answer(port, stream("", bearing(Role.ADMIN)))
        assert (status, headers["retry-after"]) == (429, "1")

    run(ask)


def test_streams_end_with_the_key_that_opened_them() -> None:
    async def ask(house: House, port: int) -> None:
        keyed = Keyed()
        house.gate = keyed.gate
        (app, page), (_server, shop) = [
            await sent(port, asked)
            for asked in (stream(f"?ticket={ticket_of(key(Role.CLIENT), AT)}"), stream("", bearing(Role.SERVER)))
        ]
        await eventually(lambda: house.hub.open == 2)
        keyed.revoke(Role.CLIENT)
        house.end_those_without_keys()
        assert b"200 OK" in await asyncio.wait_for(app.read(), PATIENCE)
        assert house.hub.open == 1
        page.close()
        shop.close()

    run(ask)
