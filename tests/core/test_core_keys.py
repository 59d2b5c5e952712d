"""Keys: what each role may do, and that nobody is ever locked out by the last key that could make another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.core.documents import key_document, read_key
from rollout.core.errors import InvalidInput, RefusedByRule, UnknownKey
from rollout.core.keys import (
    MOST_KEYS,
    PERMISSIONS,
    Key,
    Keys,
    Permission,
    Role,
    condition,
    digest_of_token,
    key_with,
    token_of,
    with_key,
    with_revoked,
    with_rotated,
)
from rollout.core.progress import Stop

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECRET = "A" * 43


def key(number: int, role: Role = Role.ADMIN, **more: object) -> Key:
    key_id = f"{number:012}"
    digest = digest_of_token(token_of(role, key_id, SECRET))
    return replace(Key(key_id, role, f"name-{number}", digest, NOW, "anna"), **more)


def keys(*each: Key) -> Keys:
    return {one.id: one for one in each}


def stop(at: datetime = NOW) -> Stop:
    return Stop("anna", at, "lost")


def test_every_role_may_do_something_and_an_admin_what_an_operator_may() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert PERMISSIONS[Role.CLIENT] == {Permission.EVALUATE}
    assert PERMISSIONS[Role.SUPPORT] < PERMISSIONS[Role.OPERATOR] < PERMISSIONS[Role.ADMIN]
    assert Permission.CHANGE not in PERMISSIONS[Role.AUDITOR] | PERMISSIONS[Role.SERVER]
    assert {permission for each in PERMISSIONS.values() for permission in each} == set(Permission)


def test_a_token_is_known_by_its_id_and_its_whole_text() -> None:
    one, other = key(1), key(2)
    both = keys(one, other)
    token = token_of(Role.ADMIN, one.id, SECRET)
    assert key_with(token, both) is one
    for wrong in (
        token[:-1] + "B",
        token + "A",
        token[:-1],
        token.replace("admin", "server"),
        token_of(Role.ADMIN, other.id, "B" * 43),
        token_of(Role.ADMIN, "never0000000", SECRET),
        "",
        "rk_admin_",
        token.upper(),
        "é" * 60,
        token + "\n",
    ):
        assert key_with(wrong, both) is None


def test_a_key_works_until_it_expires_or_is_revoked() -> None:
    ends = key(1, expires_at=NOW + HOUR)
    assert condition(ends, NOW) == "live"
    assert condition(ends, NOW + HOUR) == "expired"
    assert condition(replace(ends, revoked=stop()), NOW) == "revoked"


def test_the_first_key_is_an_admins() -> None:
    with pytest.raises(RefusedByRule, match="no admin's key"):
        with_key({}, key(1, Role.CLIENT), NOW)
    with pytest.raises(RefusedByRule):
        with_key(keys(key(1, expires_at=NOW)), key(2, Role.CLIENT), NOW)
    first = with_key({}, key(1), NOW)
    assert list(with_key(first, key(2, Role.CLIENT), NOW)) == [key(1).id, key(2).id]


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "x" * 65}, {"name": "a\nb"}, {"rate": 0}, {"rate": 10**7}, {"expires_at": NOW}],
)
def test_a_key_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        with_key({}, key(1, **wrong), NOW)


def test_a_revoked_key_stays_revoked_and_the_last_admins_cannot_be() -> None:
    known = keys(key(1), key(2), key(3, Role.CLIENT))
    revoked = with_revoked(known, key(1).id, stop())
    assert condition(revoked[key(1).id], NOW) == "revoked"
    assert with_revoked(revoked, key(1).id, stop(NOW + HOUR)) == revoked
    with pytest.raises(RefusedByRule, match="only admin's key"):
        with_revoked(revoked, key(2).id, stop())
    assert condition(with_revoked(revoked, key(2).id, stop(), even_last=True)[key(2).id], NOW) == "revoked"
    with pytest.raises(UnknownKey):
        with_revoked(known, "nobody", stop())


def test_both_keys_work_while_one_takes_over_from_the_other() -> None:
    known = keys(key(1), key(2, Role.SERVER, expires_at=NOW + 10 * HOUR))
    rotated = with_rotated(known, key(2).id, key(3, Role.SERVER), HOUR, NOW)
    assert (rotated[key(2).id].replaced_by, rotated[key(2).id].expires_at) == (key(3).id, NOW + HOUR)
    assert condition(rotated[key(3).id], NOW) == "live"
    longer = with_rotated(known, key(2).id, key(3, Role.SERVER), 99 * HOUR, NOW)
    assert longer[key(2).id].expires_at == NOW + 10 * HOUR  # an overlap makes nothing last longer
    with pytest.raises(RefusedByRule, match="expired"):
        with_rotated(rotated, key(2).id, key(4, Role.SERVER), HOUR, NOW + HOUR)


def test_the_last_admins_key_can_be_replaced_at_once() -> None:
    rotated = with_rotated(keys(key(1)), key(1).id, key(2), timedelta(0), NOW)
    assert [condition(each, NOW) for each in rotated.values()] == ["expired", "live"]


def test_of_many_keys_those_that_no_longer_work_are_forgotten_first() -> None:
    full = keys(*(key(number) for number in range(MOST_KEYS)))
    with pytest.raises(RefusedByRule, match="all of which work"):
        with_key(full, key(MOST_KEYS), NOW)
    spent = with_revoked(full, key(7).id, stop())
    after = with_key(spent, key(MOST_KEYS), NOW)
    assert len(after) == MOST_KEYS
    assert key(7).id not in after


def test_a_key_reads_back_as_it_was_written_and_does_not_show_its_digest() -> None:
    for one in (
        key(1),
        key(2, Role.CLIENT, expires_at=NOW + HOUR, revoked=stop(), rate=5, replaced_by="k" * 12),
    ):
        assert read_key(key_document(one)) == one
        assert one.digest not in repr(one)
