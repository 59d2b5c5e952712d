"""For Flask apps: `@flags.required("payments")` on a view, `{{ flag("payments") }}` in a template. Takes Flask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, abort

from rollout.client.answering import Answering

Given = ParamSpec("Given")
Result = TypeVar("Result")


class FlaskFlags:
    """`context` says who is asking, in the request that is under way: `lambda: {"user_id": current_user.id}`."""

    def __init__(
        self, flags: Answering, context: Callable[[], Mapping[str, object]] = dict, app: Flask | None = None
    ) -> None:
        self._flags = flags
        self._context = context
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Makes `flag(key, **attributes)` known to templates, true where the flag is on."""
        app.jinja_env.globals["flag"] = self.is_on

    def is_on(self, key: str, /, **more: object) -> bool:
        """For whoever is asking. `more` attributes come before what `context` says."""
        return self._flags.is_on(key, **{**self._context(), **more})

    def value(self, key: str, default: Any = None, /, **more: object) -> Any:
        return self._flags.value(key, default, **{**self._context(), **more})

    def required(
        self, key: str, *, otherwise: Callable[[], Any] | None = None, status: int = 404
    ) -> Callable[[Callable[Given, Result]], Callable[Given, Result | Any]]:
        """The view is there only for those who have the flag; the others get what `otherwise` gives, or this status."""

        def decorate(view: Callable[Given, Result]) -> Callable[Given, Result | Any]:
            @wraps(view)
            def guarded(*args: Given.args, **kwargs: Given.kwargs) -> Result | Any:
                if self.is_on(key):
                    return view(*args, **kwargs)
                return abort(status) if otherwise is None else otherwise()

            return guarded

        return decorate
