"""Changes that take more than one person, at the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clikit import FLAGS, Cli, Result, run, service

TEXT = FLAGS.replace("version: 1\n", "version: 1\napprovals: { raise: 2, above: 10% }\n", 1)
FAR = ("set", "payments", "50%", "--yes")


class Office:
    """A service with its address, and people with their keys in files."""

    def __init__(self, cli: Cli, url: str) -> None:
        self.cli = cli
        self.url = url
        for name, role in (("asha", "admin"), ("bela", "admin"), ("omar", "operator")):
            secret = cli("keys", "create", "--role", role, "--name", name).out
            (cli.folder / name).write_text(secret)

    def __call__(self, who: str, *words: str, code: int = 0) -> Result:
        result = run(*words, "--url", self.url, "--key-file", str(self.cli.folder / who), cwd=self.cli.folder)
        assert result.code == code, (words, result)
        return result


@pytest.fixture
def office(empty_cli: Cli) -> Iterator[Office]:
    empty_cli.apply(TEXT)
    with service(empty_cli.store) as url:
        yield Office(empty_cli, url)


def test_a_change_that_takes_two_waits_and_says_for_whom(office: Office) -> None:
    said = office("omar", *FAR, "-m", "Diwali", code=7).out
    document = office("omar", "pending", "--json").json
    (one,) = document["pending"]
    assert f"waits for approval {one['id']}: 1 person to agree; nothing was changed" in said
    assert "payments: 50% of india have it" in said
    assert f"rollout approve {one['id']}" in said
    header, row = office("bela", "pending").rows
    assert header[:5] == ["id", "state", "left", "what", "by"]
    assert (row[:5], row[7]) == ([one["id"], "waits", "1", "set payments 50%", "omar"], "Diwali")
    warning = office("omar", "status").err
    assert f"set payments 50%, wanted by omar, waits for `rollout approve {one['id']}`" in warning
    assert office("omar", *FAR, "--json", code=7).json["pending"]["id"] == one["id"]
    assert office("asha", "approve", one["id"]).out.startswith(
        f"{one['id']} is approved and done: set payments, revision "
    )
    assert office("asha", "status", "payments", "--json").json["live"][0]["share"] in ("100%", "50%")


def test_nobody_approves_their_own(office: Office) -> None:
    change_id = office("asha", *FAR, "--json", code=7).json["pending"]["id"]
    assert "nobody approves their own change" in office("asha", "approve", change_id, code=4).err
    assert "may not" in office("omar", "approve", change_id, code=4).err
    assert f"{change_id} is rejected: set payments 50%" in office("bela", "reject", change_id, "-m", "no").out
    assert "bela rejected this" in office("asha", *FAR, code=7).err


def test_a_dry_run_and_the_plan_of_a_file_say_that_it_takes_more(office: Office) -> None:
    assert "this takes 2 persons:" in office("omar", *FAR, "--dry-run").out
    longer = TEXT.replace("{ percentage: 50%, approval: true }, 100%", "50%, 100%")
    file = office.cli.write(longer)
    assert "this takes 2 persons:" in office("asha", "plan", file).out
    said = office("asha", "apply", file, "--yes", code=7).out
    assert "waits for approval" in said
    change_id = office("bela", "pending", "--json").json["pending"][0]["id"]
    assert "apply" in office("bela", "approve", change_id).out
    assert "this takes" not in office("asha", "plan", file).out


def test_what_was_done_alone_is_shown_until_another_admin_has_seen_it(office: Office) -> None:
    assert "say why" in office("asha", *FAR, "--break-glass", code=2).err
    said = office("asha", *FAR, "--break-glass", "-m", "the bank waits").out
    assert "done alone, break-glass: shown until another admin has seen it" in said
    change_id = office("asha", "pending", "--json").json["pending"][0]["id"]
    warning = office("omar", "status").err
    assert "set payments 50% was done by asha alone, break-glass (the bank waits)" in warning
    assert f"{change_id} was seen: set payments 50%" in office("bela", "approve", change_id).out
    assert "break-glass" not in office("omar", "status").err
    assert len(office("omar", "pending").rows) == 1


def test_straight_on_the_store_only_the_glass_can_be_broken(empty_cli: Cli) -> None:
    empty_cli.apply(TEXT)
    assert "without keys nobody can tell" in empty_cli(*FAR, code=7).err
    empty_cli("keys", "create", "--role", "admin", "--name", "asha")
    refused = empty_cli(*FAR, code=7)
    assert "nothing proves who asks" in refused.err
    assert "--break-glass" in refused.err
    assert "no change 'nonsense' waits" in empty_cli("approve", "nonsense", code=2).err
    assert "break-glass" in empty_cli(*FAR, "--break-glass", "-m", "the web is down").out
    change_id = empty_cli("pending", "--json").json["pending"][0]["id"]
    assert "nothing proves who approves" in empty_cli("approve", change_id, code=4).err


def test_an_approval_of_what_has_moved_is_refused(office: Office) -> None:
    change_id = office("omar", *FAR, "--json", code=7).json["pending"]["id"]
    office("omar", "halt", "payments")
    assert "is void" in office("asha", "approve", change_id, code=7).err
    assert office("omar", "pending").rows[1][1] == "void"


def test_the_audit_says_what_was_proposed_and_who_agreed(office: Office) -> None:
    change_id = office("omar", *FAR, "--json", code=7).json["pending"]["id"]
    file = office.cli.write(TEXT.replace("audience: india, bake: 7d", "audience: india, bake: 1d"))
    of_a_file = office("asha", "apply", file, "--yes", "--json", code=7).json["pending"]["id"]
    rows = office("asha", "audit").rows
    assert (rows[1][3], rows[1][6]) == ("propose", f"{of_a_file}: apply flags.yaml")
    assert (rows[2][3], rows[2][4]) == ("propose", "payments")
    office("asha", "approve", change_id)
    newest = office("asha", "audit", "--json").json["entries"][0]
    assert (newest["action"], [one["by"] for one in newest["approvals"]]) == ("set", ["asha"])
