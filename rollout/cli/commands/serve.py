"""`serve` runs the service; what that means is the bootstrap's business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rollout.bootstrap import serve
from rollout.bootstrap.settings import DEFAULTS, settings_from

F = TypeVar("F", bound=Callable[..., Any])

UNSET = {
    "redis_url": "an embedded one",
    "admin_bind": "none: they are on the first",
    "stream_bind": "the port after --bind's, or one that is free",
    "stream_url": "http:// and where they listen",
}
"""What it means that these were not given."""


def _option(*names: str, says: str) -> Callable[[F], F]:
    """With its variable and its default; what it may be is read in `settings_from`."""
    name = names[-1].removeprefix("--").replace("-", "_")
    default = DEFAULTS[name] or UNSET.get(name, "none")
    return click.option(
        *names, envvar=f"ROLLOUT_{name.upper()}", show_envvar=True, help=f"{says}  [default: {default}]"
    )


@click.command()
@_option("-f", "--file", says="The flags file.")
@_option("--bind", says="Where to listen.")
@_option("--admin-bind", says="A second port, for /metrics and the details of /readyz.")
@_option("--workers", says="How many processes answer.")
@_option("--data-dir", says="The folder of the embedded store, and of what is kept for when the store is away.")
@_option("--redis-url", says="A Redis or Valkey server: redis://, rediss:// or unix://.")
@_option("--namespace", says="The prefix of all keys in the store.")
@_option("--fast-path", says="Whether usual checks are answered in front of Flask: `on` or `off`.")
@_option("--stream-bind", says="Where streams of changes listen, or `off`.")
@_option("--stream-url", says="How clients reach that, where a proxy stands in front.")
@_option("--stream-cap", says="How many streams may be open.")
@_option("--stream-heartbeat", says="How often a silent stream shows that it is alive.")
@_option("--context-keys", says="A file with the keys by which signed contexts are verified (a JWK set).")
@_option("--cors-origins", says="Origins of web pages that may ask for checks, such as https://app.example.com.")
@_option("--console-url", says="How browsers reach the console, such as https://flags.example.com.")
@_option("--oidc-issuer", says="An OpenID provider by which people log in to the console, besides keys.")
@_option("--oidc-client-id", says="What the provider calls this service.")
@_option("--oidc-client-secret-file", says="A file with the secret that the provider gave to it.")
@_option("--oidc-roles", says="Which role each group gives: `flags-admins=admin; on call=operator`.")
@_option("--oidc-groups", says="The claim that has somebody's groups.")
@_option("--oidc-name", says="The claim that has somebody's name, for the record.")
@_option("--tls-cert", says="A PEM file with the certificate and its chain: then the service speaks https alone.")
@_option("--tls-key", says="A PEM file with the certificate's private key.")
@click.pass_context
def command(context: click.Context, /, **options: str | None) -> None:
    """Run the service.

    Prints one line when it is ready to answer. Ctrl-C stops it; starting it again finds everything where it was.
    """
    context.exit(serve(settings_from(options)))
