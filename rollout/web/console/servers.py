"""What was heard of servers lately (who serves which revision, who lags), and what is wrong with the installation."""

from __future__ import annotations

from flask import Blueprint, Response

from rollout.core.keys import Permission
from rollout.service import reports
from rollout.service.doctor import without_store
from rollout.service.servers import troubles
from rollout.web.asking import from_store_or_snapshot
from rollout.web.authorisation import needs
from rollout.web.console.pages import Console


def add(blueprint: Blueprint, console: Console) -> None:
    follower = console.parts.follower

    @blueprint.get("/servers")
    @needs(Permission.STATUS)
    def servers_page() -> Response:
        document = from_store_or_snapshot(
            follower, console.parts.desk.status, lambda: reports.status_report(follower.current, {})
        )
        installation = from_store_or_snapshot(
            follower, console.parts.desk.doctor, lambda: without_store(follower.trouble or "the store does not answer")
        )
        return console.page(
            "servers.html", document=document, troubles=list(troubles(document)), checks=installation["checks"]
        )
