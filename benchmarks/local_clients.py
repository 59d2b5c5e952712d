"""Clients that decide in the app's own process, each with the same flag from data in memory or in a file: on in Norway,
and for 1 % of the people in India. Each function gives one that answers for a person and a country.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

Ask = Callable[[str, str], bool]

NOWHERE = "http://127.0.0.1:9"  # for clients that insist on an address; nothing answers there
FLAGS = """\
version: 1
attributes:
  user_id: { type: string }
  country: { type: string }
segments:
  norway: { description: d, match: { country: NO } }
  india: { description: d, match: { country: IN } }
flags:
  payments:
    description: d
    owner: o@example.com
    enabled: true
    rollout: { audience: india, stages: [norway, 1%] }
"""


def rollout(folder: Path) -> Ask:
    from dataclasses import replace

    from rollout.bootstrap.flags_file import read_flags
    from rollout.client import Rollout
    from rollout.client.editions import edition_of
    from rollout.core.ruleset import Admission
    from rollout.core.shares import EVERYBODY, Share

    path = folder / "flags.yaml"
    path.write_text(FLAGS)
    flags = Rollout.from_file(path)
    ruleset, members = read_flags(path)
    admissions = (
        Admission("norway", EVERYBODY, "norway", by_segment=True),
        Admission("india", Share.parse("1%"), "1%", by_segment=False),
    )
    rules = replace(ruleset.flags["payments"], admissions=admissions)
    flags._accept(edition_of(replace(ruleset, flags={"payments": rules}), members))
    return lambda user, country: flags.is_on("payments", user_id=user, country=country)


def eppo(_: Path) -> Ask:
    from eppo_client import AssignmentLogger, ClientConfig, Configuration, init

    def allocation(key: str, country: str, splits: list[Any]) -> dict[str, Any]:
        conditions = [{"attribute": "country", "operator": "ONE_OF", "value": [country]}]
        return {"key": key, "rules": [{"conditions": conditions}], "splits": splits, "doLog": False}

    def split(variant: str, start: int, end: int) -> dict[str, Any]:
        return {"variationKey": variant, "shards": [{"salt": "salt", "ranges": [{"start": start, "end": end}]}]}

    flag = {
        "key": "payments",
        "enabled": True,
        "variationType": "BOOLEAN",
        "variations": {"on": {"key": "on", "value": True}, "off": {"key": "off", "value": False}},
        "totalShards": 10000,
        "allocations": [
            allocation("segment", "NO", [{"variationKey": "on", "shards": []}]),
            allocation("share", "IN", [split("on", 0, 100), split("off", 100, 10000)]),
        ],
    }
    text = {
        "createdAt": "2026-01-01T00:00:00.000Z",
        "format": "SERVER",
        "environment": {"name": "benchmark"},
        "flags": {"payments": flag},
    }
    client = init(
        ClientConfig(
            api_key="none",
            base_url=NOWHERE,
            assignment_logger=AssignmentLogger(),
            poll_interval_seconds=None,
            initial_configuration=Configuration(flags_configuration=json.dumps(text).encode()),
        )
    )
    return lambda user, country: client.get_boolean_assignment("payments", user, {"country": country}, False)


def statsig(_: Path) -> Ask:
    from statsig_python_core import (
        DataStore,
        DataStoreResponse,
        FeatureGateEvaluationOptions,
        Statsig,
        StatsigOptions,
        StatsigUser,
    )

    def condition(country: str) -> dict[str, Any]:
        return {"type": "user_field", "targetValue": [country], "operator": "any", "field": "country"} | {
            "additionalValues": {},
            "idType": "userID",
        }

    def rule(name: str, share: float, one: str) -> dict[str, Any]:
        return {"name": name, "id": name, "salt": name, "passPercentage": share, "conditions": [one]} | {
            "returnValue": True,
            "idType": "userID",
            "groupName": name,
        }

    gate = {
        "type": "feature_gate",
        "salt": "salt",
        "enabled": True,
        "defaultValue": False,
        "rules": [rule("segment", 100, "1"), rule("share", 1, "2")],
        "idType": "userID",
        "entity": "feature_gate",
        "isDeviceBased": False,
    }
    text = json.dumps(
        {
            "dynamic_configs": {},
            "feature_gates": {"payments": gate},
            "layer_configs": {},
            "layers": {},
            "condition_map": {"1": condition("NO"), "2": condition("IN")},
            "experiment_to_layer": {},
            "has_updates": True,
            "time": 1767225600000,
        }
    )

    class Store(DataStore):
        def get(self, _: str) -> Any:
            return DataStoreResponse(result=text, time=1767225600000)

    options = StatsigOptions()
    options.disable_network, options.disable_all_logging, options.data_store = True, True, Store()
    client = Statsig("secret-none", options)
    client.initialize().wait()
    silent = FeatureGateEvaluationOptions(disable_exposure_logging=True)
    return lambda user, country: client.check_gate(StatsigUser(user_id=user, country=country), "payments", silent)


def growthbook(_: Path) -> Ask:
    from growthbook import GrowthBook

    rules = [
        {"condition": {"country": "NO"}, "force": True},
        {"condition": {"country": "IN"}, "force": True, "coverage": 0.01, "hashAttribute": "id"},
    ]
    client = GrowthBook(features={"payments": {"defaultValue": False, "rules": rules}})

    def ask(user: str, country: str) -> bool:
        client.set_attributes({"id": user, "country": country})
        return bool(client.is_on("payments"))

    return ask


def flagd(folder: Path) -> Ask:
    from openfeature import api
    from openfeature.contrib.provider.flagd import FlagdProvider
    from openfeature.contrib.provider.flagd.config import ResolverType
    from openfeature.evaluation_context import EvaluationContext

    share = {"fractional": [["on", 1], ["off", 99]]}
    india = {"if": [{"==": [{"var": "country"}, "IN"]}, share, "off"]}
    flag = {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "off",
        "targeting": {"if": [{"==": [{"var": "country"}, "NO"]}, "on", india]},
    }
    path = folder / "flagd.json"
    path.write_text(json.dumps({"flags": {"payments": flag}}))
    api.set_provider(FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(path)))
    client = api.get_client()
    return lambda user, country: client.get_boolean_value(
        "payments", False, EvaluationContext(user, {"country": country})
    )


def unleash(folder: Path) -> Ask:
    from UnleashClient import UnleashClient
    from UnleashClient.cache import FileCache

    def constraint(country: str) -> list[dict[str, Any]]:
        return [{"contextName": "country", "operator": "IN", "values": [country]}]

    share = {"rollout": "1", "stickiness": "userId", "groupId": "payments"}
    strategies = [
        {"name": "default", "parameters": {}, "constraints": constraint("NO")},
        {"name": "flexibleRollout", "parameters": share, "constraints": constraint("IN")},
    ]
    cache = FileCache("benchmark", directory=str(folder))
    features = [{"name": "payments", "enabled": True, "type": "release", "strategies": strategies}]
    cache.bootstrap_from_dict({"version": 2, "features": features})
    client = UnleashClient(NOWHERE, "benchmark", cache=cache, disable_metrics=True, disable_registration=True)
    client.initialize_client(fetch_toggles=False)
    return lambda user, country: client.is_enabled("payments", {"userId": user, "properties": {"country": country}})


def flagsmith(folder: Path) -> Ask:
    from flagsmith import Flagsmith
    from flagsmith.offline_handlers import LocalFileHandler

    def segment(number: int, country: str, *more: dict[str, Any]) -> dict[str, Any]:
        conditions = [{"operator": "EQUAL", "property_": "country", "value": country}, *more]
        rule = {"type": "ALL", "conditions": conditions, "rules": []}
        return {
            "id": number,
            "name": f"segment-{number}",
            "rules": [rule],
            "feature_states": [state(number + 1, True)],
        }

    def state(number: int, enabled: bool) -> dict[str, Any]:
        return {
            "django_id": number,
            "featurestate_uuid": f"00000000-0000-0000-0000-00000000000{number}",
            "feature": {"id": 1, "name": "payments", "type": "STANDARD"},
            "enabled": enabled,
            "feature_state_value": None,
            "feature_segment": None,
            "multivariate_feature_state_values": [],
        }

    one_percent = {"operator": "PERCENTAGE_SPLIT", "property_": "$.identity.key", "value": "1"}
    document = {
        "id": 1,
        "api_key": "none",
        "name": "benchmark",
        "updated_at": "2026-01-01T00:00:00Z",
        "identity_overrides": [],
        "feature_states": [state(1, False)],
        "project": {
            "id": 1,
            "name": "benchmark",
            "hide_disabled_flags": False,
            "organisation": {"id": 1, "name": "b", "feature_analytics": False, "persist_trait_data": False}
            | {"stop_serving_flags": False},
            "segments": [segment(1, "NO"), segment(2, "IN", one_percent)],
        },
    }
    path = folder / "flagsmith.json"
    path.write_text(json.dumps(document))
    client = Flagsmith(offline_mode=True, offline_handler=LocalFileHandler(str(path)))
    return lambda user, country: client.get_identity_flags(user, {"country": country}).is_feature_enabled("payments")


def posthog(_: Path) -> Ask:
    from posthog import Posthog

    def group(country: str, share: int) -> dict[str, Any]:
        properties = [{"key": "country", "value": [country], "operator": "exact", "type": "person"}]
        return {"properties": properties, "rollout_percentage": share}

    client = Posthog("none", host=NOWHERE, sync_mode=False, disabled=False, enable_local_evaluation=False)
    filters = {"groups": [group("NO", 100), group("IN", 1)]}
    client.feature_flags = [{"id": 1, "key": "payments", "active": True, "filters": filters}]
    return lambda user, country: bool(
        client.feature_enabled(
            "payments",
            user,
            person_properties={"country": country},
            only_evaluate_locally=True,
            send_feature_flag_events=False,
        )
    )


def configcat(folder: Path) -> Ask:
    from configcatclient import ConfigCatClient, ConfigCatOptions
    from configcatclient.localfiledatasource import LocalFileFlagOverrides
    from configcatclient.overridedatasource import OverrideBehaviour
    from configcatclient.user import User

    def rule(country: str, then: dict[str, Any]) -> dict[str, Any]:
        return {"c": [{"u": {"a": "Country", "c": 0, "l": [country]}}], **then}

    def served(value: bool) -> dict[str, Any]:
        return {"v": {"b": value}}

    shares = [{"p": 1, **served(True)}, {"p": 99, **served(False)}]
    setting = {"t": 0, **served(False), "r": [rule("NO", {"s": served(True)}), rule("IN", {"p": shares})]}
    path = folder / "configcat.json"
    path.write_text(json.dumps({"p": {"u": "", "r": 0, "s": "salt"}, "f": {"payments": setting}}))
    overrides = LocalFileFlagOverrides(str(path), OverrideBehaviour.LocalOnly)
    client = ConfigCatClient.get("localhost", ConfigCatOptions(flag_overrides=overrides))
    return lambda user, country: client.get_value("payments", False, User(user, country=country))


def launchdarkly(folder: Path) -> Ask:
    from ldclient import Config, Context, LDClient
    from ldclient.integrations import Files

    def rule(country: str, then: dict[str, Any]) -> dict[str, Any]:
        clause = {"attribute": "country", "op": "in", "values": [country], "contextKind": "user"}
        return {"id": country, "clauses": [clause], **then}

    shares = [{"variation": 0, "weight": 1000}, {"variation": 1, "weight": 99000}]
    flag = {
        "key": "payments",
        "version": 1,
        "on": True,
        "variations": [True, False],
        "salt": "salt",
        "offVariation": 1,
        "fallthrough": {"variation": 1},
        "rules": [rule("NO", {"variation": 0}), rule("IN", {"rollout": {"variations": shares, "bucketBy": "key"}})],
    }
    path = folder / "launchdarkly.json"
    path.write_text(json.dumps({"flags": {"payments": flag}}))
    source = Files.new_data_source(paths=[str(path)])
    client = LDClient(Config("none", update_processor_class=source, send_events=False), 5)

    def ask(user: str, country: str) -> bool:
        return client.variation("payments", Context.builder(user).set("country", country).build(), False)

    return ask


CLIENTS: dict[str, Callable[[Path], Ask]] = {
    "rollout": rollout,
    "eppo-server-sdk": eppo,
    "statsig-python-core": statsig,
    "growthbook": growthbook,
    "openfeature-provider-flagd": flagd,
    "UnleashClient": unleash,
    "flagsmith": flagsmith,
    "posthog": posthog,
    "configcat-client": configcat,
    "launchdarkly-server-sdk": launchdarkly,
}


def quiet() -> None:
    logging.disable(logging.CRITICAL)
