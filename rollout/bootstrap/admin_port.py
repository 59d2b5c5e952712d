"""A second port, for those who look after the service: the same application, answered by one worker of its own, so that
what tells of the server (`/metrics`, the details of `/readyz`) can stay inside a network into which no app gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollout.bootstrap.port import free_port
from rollout.bootstrap.settings import Address, WebSettings
from rollout.bootstrap.supervised import Supervised


def admin_port(wanted: Address, web: Address) -> Address:
    """The address, with a port that is free there and not the web's. Raises PortTaken."""
    while (found := free_port(wanted, option="--admin-bind")).port == web.port:  # nobody listens there as yet
        continue
    return found


def admin_settings(settings: WebSettings) -> WebSettings | None:
    """What the process behind that port is told; None where there is none."""
    if settings.admin is None:
        return None
    return replace(settings, bind=settings.admin, workers=1, admin=None, is_admin=True)


def admin_server(settings: WebSettings, environment: Mapping[str, str]) -> Supervised | None:
    """`environment`: besides what the settings say."""
    own = admin_settings(settings)
    if own is None:
        return None
    return Supervised("admin server", "rollout.bootstrap.web_process", {**environment, **own.to_environment()})
