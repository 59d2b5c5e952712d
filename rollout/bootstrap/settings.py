"""What `rollout serve` is told, by options or by ROLLOUT_… in the environment, read and checked in one place; and what
the server process tells those that answer over HTTP, in one variable of theirs.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from rollout.bootstrap.log_in_settings import read_log_in
from rollout.bootstrap.stream_settings import OFF, StreamSettings, read_cap, read_heartbeat, read_stream_url
from rollout.core.errors import InvalidInput
from rollout.identity.settings import OpenIdSettings

DEFAULTS = {
    "file": "flags.yaml",
    "bind": "127.0.0.1:8080",
    "admin_bind": "",
    "workers": "2",
    "data_dir": ".rollout",
    "redis_url": "",
    "namespace": "rollout",
    "fast_path": "on",
    "stream_bind": "",
    "stream_url": "",
    "stream_cap": "10000",
    "stream_heartbeat": "15s",
    "context_keys": "",
    "cors_origins": "",
    "console_url": "",
    "oidc_issuer": "",
    "oidc_client_id": "",
    "oidc_client_secret_file": "",
    "oidc_roles": "",
    "oidc_groups": "groups",
    "oidc_name": "email",
    "tls_cert": "",
    "tls_key": "",
}
MOST_WORKERS = 256
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
WEB_VARIABLE = "ROLLOUT_WEB"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the service listens. Port 0: any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self}"

    @property
    def is_loopback(self) -> bool:
        """Nobody but this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two PEM files: the certificate with its chain, and its private key."""

    cert: str
    key: str


@dataclass(frozen=True, slots=True)
class Settings:
    file: Path
    bind: Address
    workers: int
    data_dir: Path
    redis_url: str | None  # None: the embedded store
    namespace: str
    stream: StreamSettings | None = None  # None: no streams
    context_keys: Path | None = None  # a file with the keys of signed contexts
    cors_origins: tuple[str, ...] = ()  # of web pages that may ask for checks
    tls: Certificate | None = None
    fast_path: bool = True  # the usual checks are answered in front of Flask
    log_in: OpenIdSettings | None = None  # besides keys
    admin: Address | None = None  # a second port, for /metrics and the details of /readyz; None: they are on the first

    @property
    def origin(self) -> str:
        """Which store this is, without the password: what is kept on disk belongs to it alone."""
        if self.redis_url is None:
            return f"embedded {self.namespace}"
        url = urlsplit(self.redis_url)
        return f"{url.hostname or ''}:{url.port or 6379}{url.path} {self.namespace}"


def settings_from(options: Mapping[str, str | None], environ: Mapping[str, str] = os.environ) -> Settings:
    """An option counts more than the environment. `options` has the names of DEFAULTS. Raises InvalidInput, naming what
    was wrong and what would be right."""

    def given(name: str) -> str:
        return options.get(name) or environ.get(f"ROLLOUT_{name.upper()}") or DEFAULTS[name]

    bind = read_address(given("bind"))
    return Settings(
        file=Path(given("file")),
        bind=bind,
        workers=_read_workers(given("workers")),
        data_dir=Path(given("data_dir")),
        redis_url=_read_redis_url(given("redis_url")),
        namespace=given("namespace"),
        stream=_read_stream(given, bind),
        context_keys=Path(given("context_keys")) if given("context_keys") else None,
        cors_origins=_read_origins(given("cors_origins")),
        tls=_read_certificate(given("tls_cert"), given("tls_key")),
        fast_path=_read_switch("--fast-path", given("fast_path")),
        log_in=read_log_in(given),
        admin=_read_admin(given, bind),
    )


def read_address(text: str, option: str = "--bind") -> Address:
    """Raises InvalidInput for what is no address."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(f"{option} {text!r} is not an address with a port", "write 127.0.0.1:8080")
    name = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if name == "localhost" else name)
    except ValueError:
        raise InvalidInput(f"{option} {text!r} names a host, not an address", "write 127.0.0.1:8080") from None
    return Address(str(address), int(port))


def _read_stream(given: Callable[[str], str], web: Address) -> StreamSettings | None:
    bind = given("stream_bind")
    if bind == OFF:
        return None
    where = read_address(bind, "--stream-bind") if bind else _next_to(web)
    if where == web and web.port:
        raise InvalidInput(f"--stream-bind {bind!r} is where checks are answered", f"write {_next_to(web)}, or `off`")
    return StreamSettings(
        bind=where,
        chosen=bool(bind),
        url=read_stream_url(given("stream_url")),
        cap=read_cap(given("stream_cap")),
        heartbeat=read_heartbeat(given("stream_heartbeat")),
    )


def _read_admin(given: Callable[[str], str], web: Address) -> Address | None:
    bind = given("admin_bind")
    if not bind:
        return None
    where, streams = read_address(bind, "--admin-bind"), given("stream_bind")
    taken = [web] + ([read_address(streams, "--stream-bind")] if streams not in ("", OFF) else [])
    if where.port and where.port in {address.port for address in taken}:
        raise InvalidInput(f"--admin-bind {bind!r} has the port of another address", "write a port of its own")
    return where


def _next_to(web: Address) -> Address:
    return Address(web.host, web.port + 1 if 0 < web.port < 65535 else 0)


def _read_workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_WORKERS:
        raise InvalidInput(f"--workers {text!r} is not a number of processes", f"write 1 to {MOST_WORKERS}")
    return int(text)


def _read_origins(text: str) -> tuple[str, ...]:
    origins = tuple(text.replace(",", " ").split())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidInput(
                f"--cors-origins {origin!r} is not the origin of a page", "write https://app.example.com, each in full"
            )
    return origins


def _read_certificate(cert: str, key: str) -> Certificate | None:
    if bool(cert) != bool(key):
        raise InvalidInput("--tls-cert and --tls-key go together", "give both, as PEM files")
    if not cert:
        return None
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(
            f"--tls-cert {cert} with --tls-key {key} cannot be used: {error}", "give a PEM certificate and its key"
        ) from None
    return Certificate(str(Path(cert).absolute()), str(Path(key).absolute()))


def _read_switch(option: str, text: str) -> bool:
    if text not in {"on", "off"}:
        raise InvalidInput(f"{option} {text!r} is neither on nor off", "write on or off")
    return text == "on"


def _read_redis_url(text: str) -> str | None:
    if not text:
        return None
    try:
        url = urlsplit(text)
        readable = url.scheme in {"redis", "rediss", "unix"} and url.port != 0
    except ValueError:
        readable = False
    if not readable:  # the URL itself may have a password, so it is not shown
        raise InvalidInput("the store's URL cannot be read", "write redis://host:6379/0, rediss://… or unix:///path")
    return text


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What the processes that answer over HTTP need to know."""

    redis_url: str
    namespace: str
    origin: str
    data_dir: str  # absolute
    server_id: str
    server_pid: int
    bind: Address
    workers: int
    stream: StreamSettings | None = None
    context_keys: str = ""  # what is in the file of that name
    cors_origins: tuple[str, ...] = ()
    tls: Certificate | None = None
    fast_path: bool = True
    log_in: OpenIdSettings | None = None
    admin: Address | None = None  # where /metrics and the details of /readyz are instead
    is_admin: bool = False  # this is that place

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.bind}"

    def to_environment(self) -> dict[str, str]:
        return {WEB_VARIABLE: orjson.dumps(asdict(self)).decode()}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> WebSettings:
        told = orjson.loads(environ[WEB_VARIABLE])
        stream = told["stream"] and StreamSettings(**told["stream"] | {"bind": Address(**told["stream"]["bind"])})
        tls = Certificate(**told["tls"]) if told["tls"] else None
        log_in = OpenIdSettings(**told["log_in"]) if told["log_in"] else None
        admin = Address(**told["admin"]) if told["admin"] else None
        read = {"bind": Address(**told["bind"]), "stream": stream, "tls": tls, "log_in": log_in, "admin": admin}
        return cls(**told | read | {"cors_origins": tuple(told["cors_origins"])})
