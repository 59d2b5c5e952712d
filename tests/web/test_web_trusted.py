"""Trusted attributes: what an app says of itself does not count, what a server says or signed does."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webkit import FLAGS, Site, bearing, read

from rollout.core.errors import InvalidInput
from rollout.web.signed_context import LONGEST_TOKEN, read_context_keys

SECRET = b"a secret of at least 32 bytes in length"
PRIVATE = Ed25519PrivateKey.generate()
STAFF_ONLY = FLAGS.replace(
    "  since: { type: datetime }\n", "  since: { type: datetime }\n  employee: { type: boolean, trusted: true }\n"
).replace(
    "flags:\n",
    """\
flags:
  staff-only:
    description: For staff
    owner: web@example.com
    enabled: true
    rules:
      - { match: { employee: true, country: IN }, serve: on }

""",
    1,
)


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


PUBLIC = encoded(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
KEYS: list[dict[str, Any]] = [
    {"kty": "oct", "alg": "HS256", "kid": "shared", "k": encoded(SECRET)},
    {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "ours", "x": PUBLIC},
]
EMPLOYEE = {"employee": True, "country": "IN"}


def key_set(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": list(keys)})


def signed(
    attributes: Any = EMPLOYEE,
    *,
    key: Any = SECRET,
    kid: str | None = "shared",
    algorithm: str = "HS256",
    **claims: Any,
) -> str:
    every = {"exp": int(time.time()) + 600, "attributes": attributes, **claims}
    kept = {name: value for name, value in every.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


@pytest.fixture
def site() -> Site:
    site = Site(contexts=read_context_keys(key_set(*KEYS)))
    site.load_file(read(STAFF_ONLY))
    return site


@pytest.fixture
def tokens(site: Site) -> dict[str, str]:
    return site.make_keys()


def on(site: Site, headers: dict[str, str], **query: str) -> bool:
    response = site.get("/v1/flags/staff-only", query_string={"country": "IN", **query}, headers=headers)
    assert response.status_code == 200, response.text
    everything = site.get("/v1/flags", query_string={"country": "IN", **query}, headers=headers).get_json()
    body = {"context": {"country": "IN", **query}}
    ofrep = site.post("/ofrep/v1/evaluate/flags/staff-only", body, headers=headers).get_json()
    bulk = site.post("/ofrep/v1/evaluate/flags", body, headers=headers).get_json()["flags"]
    answers = {
        response.get_json()["on"],
        everything["flags"]["staff-only"]["on"],
        ofrep["value"],
        next(flag["value"] for flag in bulk if flag["key"] == "staff-only"),
    }
    assert len(answers) == 1
    return answers.pop()


@pytest.mark.parametrize(("role", "believed"), [("client", False), ("server", True), ("support", True)])
def test_a_trusted_attribute_counts_from_all_but_apps(
    site: Site, tokens: dict[str, str], role: str, believed: bool
) -> None:
    assert on(site, bearing(tokens[role]), employee="true") is believed
    assert on(site, bearing(tokens[role])) is False


@pytest.mark.parametrize(
    "token",
    [
        signed,
        lambda: signed(key=PRIVATE, kid="ours", algorithm="EdDSA"),
        lambda: signed({**EMPLOYEE, "user_id": "u-1"}, sub="u-2"),
    ],
    ids=["HS256", "EdDSA", "with a subject"],
)
def test_what_a_back_end_signed_counts_also_from_an_app(
    site: Site, tokens: dict[str, str], token: Callable[[], str]
) -> None:
    client = bearing(tokens["client"]) | {"Rollout-Context": token()}
    assert on(site, client)
    assert on(site, client, employee="false")  # what was signed counts more
    assert on(site, client, country="GB")


def test_whom_a_context_was_signed_for_is_the_targeting_key(site: Site, tokens: dict[str, str]) -> None:
    keys = read_context_keys(key_set(*KEYS))
    assert keys.attributes_in(signed({}, sub="u-2")) == {"user_id": "u-2"}
    assert keys.attributes_in(signed({"user_id": "u-1"}, sub="u-2")) == {"user_id": "u-1"}


ANOTHER = Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (lambda: "", "not valid"),
        (lambda: "a.b.c", "not valid"),
        (lambda: "é", "not valid"),
        (lambda: "x" * (LONGEST_TOKEN + 1), "send at most"),
        (lambda: signed(exp=int(time.time()) - 3600), "expired"),
        (lambda: signed(exp=int(time.time()) + 9000), "more than an hour"),
        (lambda: signed(exp=None), "not valid"),
        (lambda: signed(None), "not valid"),
        (lambda: signed([]), "not an object"),
        (lambda: signed(key=SECRET + b"!"), "not valid"),
        (lambda: signed(kid="other"), "not known here"),
        (lambda: signed(kid=None), "not known here"),
        (lambda: signed(key=ANOTHER, kid="ours", algorithm="EdDSA"), "not valid"),
        (lambda: signed(kid="ours"), "not valid"),  # signed as HS256 under the name of the public key
        (lambda: signed({"employee": "perhaps"}), "employee"),
        (lambda: signed(key=SECRET * 2, kid="shared", algorithm="HS512"), "not valid"),
    ],
)
def test_a_context_that_is_not_validly_signed_is_refused(
    site: Site, tokens: dict[str, str], token: Callable[[], str], said: str
) -> None:
    sent = token()  # signed now, since it expires
    headers = bearing(tokens["server"]) | {"Rollout-Context": sent}
    for response in (
        site.get("/v1/flags/staff-only", headers=headers),
        site.post("/ofrep/v1/evaluate/flags", {}, headers=headers),
    ):
        assert response.status_code == 400
        assert said in response.text
        assert not sent or len(sent) < 20 or sent not in response.text


def test_a_token_without_a_signature_is_refused(site: Site, tokens: dict[str, str]) -> None:
    body = encoded(json.dumps({"exp": int(time.time()) + 60, "attributes": EMPLOYEE}).encode())
    for algorithm in ("none", "None", "HS256"):
        head = encoded(json.dumps({"alg": algorithm, "kid": "shared"}).encode())
        headers = bearing(tokens["client"]) | {"Rollout-Context": f"{head}.{body}."}
        assert site.get("/v1/flags/staff-only", headers=headers).status_code == 400


def test_where_nobody_can_verify_it_a_signed_context_is_refused() -> None:
    site = Site.with_flags()
    response = site.get("/v1/flags/everybody", headers={"Rollout-Context": signed()})
    assert (response.status_code, "--context-keys" in response.text) == (400, True)


def test_explain_says_what_would_not_count_from_an_app(site: Site, tokens: dict[str, str]) -> None:
    support = bearing(tokens["support"])
    document = site.get("/v1/explain/staff-only?employee=true&country=IN", headers=support).get_json()
    assert (document["on"], document["trusted"]) == (True, ["employee"])
    assert site.get("/v1/explain/staff-only?country=IN", headers=support).get_json()["trusted"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JWK set"),
        ("[]", "JWK set"),
        ("{}", "JWK set"),
        ('{"keys": []}', "JWK set"),
        ('{"keys": [1]}', "JWK set"),
        (key_set({"kty": "oct", "k": encoded(b"short")}), "too short"),
        (key_set({"kty": "oct", "alg": "HS512", "k": encoded(SECRET * 2)}), "HS256 or EdDSA"),
        (key_set(KEYS[0], KEYS[0]), "same `kid`"),
    ],
)
def test_keys_that_cannot_verify_anything_are_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_context_keys(text)
    assert said in f"{refused.value.message} {refused.value.hint}"


def test_one_key_alone_needs_no_name() -> None:
    keys = read_context_keys(key_set({"kty": "oct", "k": encoded(SECRET)}))
    assert keys.attributes_in(signed(kid=None)) == EMPLOYEE


def test_as_many_contexts_as_one_likes_leave_little_behind(site: Site) -> None:
    keys = read_context_keys(key_set(*KEYS))
    for number in range(1500):
        keys.attributes_in(signed({"user_id": f"u-{number}"}))
    assert keys.remembered <= 1024
