"""The way to the operator's desk: over HTTP, or straight to the store when the web tier is what is broken. Commands are
the same for both. An error about a flag that does not exist says which one was probably meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rollout.core.errors import InvalidInput, RolloutError, UnknownFlag

if TYPE_CHECKING:
    from rollout.service.desk import Desk

STRAIGHT = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the desk is, and how long to wait for an answer."""

    url: str
    namespace: str
    timeout: float  # seconds
    data_dir: Path | None = None  # of the service, where a question about the past may need its copy of the record
    key: str | None = field(default=None, repr=False)  # the caller's, over HTTP


OpenDesk: TypeAlias = Callable[[Address], AbstractContextManager["Desk"]]


def open_desk(address: Address) -> AbstractContextManager[Desk]:
    """The desk at this address. Nothing is connected before something is asked."""
    if address.url.startswith(STRAIGHT):
        return _straight(address)
    if address.url.startswith(("http://", "https://")):
        return _over_http(address)
    raise InvalidInput(
        "the address of the service begins with http://, https://, redis://, rediss:// or unix://",
        "write --url http://127.0.0.1:8080, or set ROLLOUT_URL",
    )


@contextmanager
def desk_for(open_desk: OpenDesk, address: Address, flag: str | None = None) -> Iterator[Desk]:
    """The desk, whose UnknownFlag says which flag was probably meant by `flag`."""
    with open_desk(address) as desk:
        try:
            yield desk
        except UnknownFlag as error:
            raise UnknownFlag(error.message, _meant(desk, flag or "") or error.hint) from None


def _meant(desk: Desk, flag: str) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415  # only for whoever mistypes

    with suppress(RolloutError):
        close = get_close_matches(flag, [line["flag"] for line in desk.status()["flags"]], n=1)
        return f"did you mean {close[0]}?" if close else None
    return None


@contextmanager
def _over_http(address: Address) -> Iterator[Desk]:
    from rollout.cli.http_desk import HttpDesk  # noqa: PLC0415

    yield HttpDesk(address.url, address.timeout, address.key)


@contextmanager
def _straight(address: Address) -> Iterator[Desk]:
    from rollout.cli.straight import straight_desk  # noqa: PLC0415  # drags in Redis and YAML, which HTTP does without

    with straight_desk(address.url, address.namespace, address.timeout, address.data_dir) as desk:
        yield desk
