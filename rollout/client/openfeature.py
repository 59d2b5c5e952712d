"""The client as a provider for OpenFeature's SDK: `api.set_provider(RolloutProvider(flags))`. Answers come from memory;
its events say when flags change, when they may be out of date, and when that is over. Takes openfeature-sdk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata

from rollout.client.answering import Details
from rollout.client.rollout import Rollout
from rollout.core.evaluation import decided_by
from rollout.core.flags import TARGETING_ATTRIBUTE

Default = TypeVar("Default")


class RolloutProvider(AbstractProvider):
    """`flags` stays the caller's to close, unless `owned`: then it is closed when the provider is shut down.

    `ready_within`: seconds that OpenFeature's start waits for the first ruleset.
    """

    def __init__(self, flags: Rollout, *, ready_within: float = 5.0, owned: bool = False) -> None:
        super().__init__()
        self._flags = flags
        self._ready_within = ready_within
        self._owned = owned
        self._stale = False
        self._attended = False
        self._begun = False  # before that nobody asked, so nothing has changed for anybody

    def get_metadata(self) -> Metadata:
        return Metadata(name="rollout")

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002
        """Raises ProviderNotReadyError where there is nothing to answer from; it goes on trying, and says READY."""
        if not self._attended:
            self._attended = True
            self._flags.on_change(self._changed)
            self._flags.on_trouble(self._troubled)
        if not self._flags.ready(self._ready_within):
            self._stale = True
            raise ProviderNotReadyError(self._flags.trouble)
        self._begun = True

    def shutdown(self) -> None:
        if self._owned:
            self._flags.close()

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return self._resolved(flag_key, default_value, evaluation_context, bool)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self._resolved(flag_key, default_value, evaluation_context, str)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return self._resolved(flag_key, default_value, evaluation_context, int)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return self._resolved(flag_key, default_value, evaluation_context, float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return self._resolved(flag_key, default_value, evaluation_context, dict)

    def _resolved(
        self, key: str, default: Default, context: EvaluationContext | None, kind: type
    ) -> FlagResolutionDetails[Default]:
        details = self._flags.details(key, default, **_attributes(context))
        if details.error_code is not None:
            code = ErrorCode(details.error_code)
            return FlagResolutionDetails(default, code, details.error, reason="ERROR", flag_metadata=_metadata(details))
        if details.value is not default and not _is(details.value, kind):
            message = f"{key} is of another type than {kind.__name__}"
            return FlagResolutionDetails(default, ErrorCode.TYPE_MISMATCH, message, reason="ERROR")
        value: Any = float(details.value) if kind is float and details.value is not default else details.value
        return FlagResolutionDetails(
            value, reason=details.reason, variant=details.variant, flag_metadata=_metadata(details)
        )

    def _changed(self, keys: frozenset[str]) -> None:
        if self._begun:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=sorted(keys)))

    def _troubled(self, trouble: str | None) -> None:
        if trouble is None and self._stale:
            self._stale, self._begun = False, True
            self.emit_provider_ready(ProviderEventDetails())
        elif trouble is not None and not self._stale:
            self._stale = True
            self.emit_provider_stale(ProviderEventDetails(message=trouble))


def _attributes(context: EvaluationContext | None) -> dict[str, Any]:
    """The targeting key is the attribute user_id, where that is not given."""
    if context is None:
        return {}
    attributes = {str(name): value for name, value in context.attributes.items()}
    if context.targeting_key is not None and attributes.get(TARGETING_ATTRIBUTE) is None:
        attributes[TARGETING_ATTRIBUTE] = context.targeting_key
    return attributes


def _metadata(details: Details) -> dict[str, bool | int | float | str]:
    """As the service has it in its answers to OFREP."""
    because = details.because
    return {"revision": details.revision, "stale": details.stale, "because": because, **decided_by(because)}


def _is(value: object, kind: type) -> bool:
    """A whole number is also a float; True is no number."""
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind
