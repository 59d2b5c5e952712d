"""Keys at the command line: the secret alone on standard output, never in an error, and sent with every question."""

from __future__ import annotations

from pathlib import Path

import pytest
from clikit import Cli, Result, answers, entries, run, scripted, service

from rollout.cli.caller_key import read_key
from rollout.core.errors import InvalidInput


def secret_of(result: Result) -> str:
    return result.out.strip()


def create(cli: Cli, role: str = "admin", name: str = "anna", *more: str) -> str:
    return secret_of(cli("keys", "create", "--role", role, "--name", name, *more))


def id_of(secret: str) -> str:
    return secret.split("_")[2]


def test_a_new_key_is_alone_on_standard_output(cli: Cli) -> None:
    result = cli("keys", "create", "--role", "admin", "--name", "anna", "--expires", "90d", "-m", "the first")
    assert result.out.startswith("rk_admin_")
    assert result.out.count("\n") == 1
    assert f"admin key {id_of(result.out)} for anna, until " in result.err
    assert secret_of(result) not in result.err


def test_keys_are_listed_without_their_secrets(cli: Cli) -> None:
    first, second = create(cli), create(cli, "client", "app", "--rate", "50")
    cli("keys", "revoke", id_of(second), "-m", "lost")
    result = cli("keys", "list")
    header, *rows = result.rows
    assert header[:5] == ["id", "role", "name", "state", "expires"]
    assert [row[:5] for row in rows] == [
        [id_of(first), "admin", "anna", "live", "never"],
        [id_of(second), "client", "app", "revoked", "never"],
    ]
    for secret in (first, second):
        assert secret.split("_", 3)[3] not in result.out + cli("keys", "list", "--json").out + cli("audit").out
    assert [entry["action"] for entry in entries(cli)[:3]] == ["revoke_key", "create_key", "create_key"]
    assert f"revoked client key {id_of(second)} for app" in cli("audit").out


def test_a_rotated_key_is_followed_by_another(cli: Cli) -> None:
    first = create(cli)
    second = secret_of(cli("keys", "rotate", id_of(first), "--overlap", "0s"))
    states = {key["id"]: key["state"] for key in cli("keys", "list", "--json").json["keys"]}
    assert states == {id_of(first): "expired", id_of(second): "live"}


def test_what_is_refused_ends_with_the_code_of_its_kind(cli: Cli) -> None:
    assert "make that one first" in cli("keys", "create", "--role", "client", "--name", "app", code=7).err
    first = create(cli)
    assert "--overlap 0s" in cli("keys", "revoke", id_of(first), code=7).err
    cli("keys", "revoke", "nobody", code=2)
    cli("keys", "create", "--role", "root", "--name", "x", code=2)
    cli("keys", "create", "--role", "client", "--name", "x", "--expires", "90", code=2)


def test_a_secret_that_was_lost_on_the_way_is_said(cli: Cli) -> None:
    made = {"id": "k" * 12, "role": "admin", "name": "anna", "expires_at": None}
    with scripted(answers({"keys": [made], "secret": None, "changed": True})) as (url, _):
        result = run("keys", "create", "--role", "admin", "--name", "anna", "--url", url)
    assert result.code == 1
    assert f"rollout keys rotate {'k' * 12} --overlap 0s" in result.err


def test_the_key_goes_over_http_in_a_header_alone(cli: Cli, tmp_path: Path) -> None:
    admin = create(cli)
    with service(cli.store) as url:
        assert run("status", "--url", url).code == 4
        assert run("status", "--url", url, env={"ROLLOUT_KEY": admin}).code == 0
        file = tmp_path / "key"
        file.write_text(admin + "\n")
        assert run("status", "--url", url, "--key-file", str(file)).code == 0
        assert run("--url", url, "keys", "list", env={"ROLLOUT_KEY_FILE": str(file)}).code == 0
        listed = run("keys", "list", "--json", "--url", url, env={"ROLLOUT_KEY": admin}).json["keys"]
        assert [key["last_used"] for key in listed] == [None]
        made = run("keys", "create", "--role", "client", "--name", "app", "--url", url, env={"ROLLOUT_KEY": admin})
        assert made.out.startswith("rk_client_")
        refused = run("status", "--url", url, env={"ROLLOUT_KEY": made.out.strip()})
    assert refused.code == 4
    assert made.out.strip() not in refused.err
    assert entries(cli)[0]["actor"] == {"id": "anna", "kind": "human", "authenticated": f"key:{id_of(admin)}"}


@pytest.mark.parametrize("content", ["", "two words", "é", "a\x00b"])
def test_a_file_without_a_key_is_refused_without_showing_what_is_in_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(InvalidInput) as refused:
        read_key(str(file))
    assert not content or content not in f"{refused.value.message} {refused.value.hint}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        read_key(str(tmp_path / "key"))
    assert read_key(None) is None
