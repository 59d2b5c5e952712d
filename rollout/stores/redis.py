"""The store on any Redis-compatible server from Redis 6.2 or Valkey 7.2 up. State is written by commit.lua alone, which
also says what every key means. No call hangs and none is retried silently: whoever gets StoreUnavailable for a commit
does not know whether it was made, and finds out by repeating it with the same request id.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from redis import ConnectionPool, Redis, exceptions
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from rollout.core.chain import Place, entry_hash
from rollout.core.errors import InvalidInput, RevisionConflict, StoreUnavailable
from rollout.service.ports import (
    COUNTS_KEPT,
    DRAWS_KEPT,
    EXPOSED_KEPT,
    GROUPS_UNTIL,
    HOUR_MS,
    MAX_TICK_GAP,
    MOST_FIELDS,
    Change,
    Commit,
    Committed,
    Counted,
    Drawn,
    Heard,
    Judged,
    Note,
    Restoration,
    Stored,
    Ticked,
    Vitals,
)
from rollout.stores import FORKED, told

DEADLINE = timedelta(seconds=0.5)  # for a connection, and for each answer
WAITING_SLICE = timedelta(seconds=0.5)  # while waiting for changes, a server that hangs is noticed after this
PEOPLE_AT_ONCE = 1000  # in one command
PEOPLE_IN = "people "
BULKY = 256 * 1024  # bytes of a commit from which on it gets
BULKY_DEADLINE = timedelta(seconds=10)  # because sending and syncing a member list takes longer
LONGEST_GAP_MS = str(MAX_TICK_GAP // timedelta(milliseconds=1))
INTENT_BUCKETS = 16384  # of count.lua: small enough sets up to 4,600 outcomes a second
LONGEST_LIFETIME_MS = 24 * 60 * 60 * 1000  # of a server's report: ids that were not heard for longer are dropped


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What to say when a call ends with this kind of error."""

    kind: type[Exception]
    what: str
    hint: str
    sign: str | None = None  # by which the same is known within a script, where older servers give it no code

    def fits(self, error: Exception) -> bool:
        return isinstance(error, self.kind) or (self.sign is not None and self.sign in str(error))


_SEE_WHETHER_IT_RUNS = "see whether it is running and ROLLOUT_REDIS_URL is right"
_A_PLACE_OF_ITS_OWN = "give the service a namespace or a database of its own"

TROUBLES = (  # the first that fits
    _Trouble(
        exceptions.TimeoutError,
        "did not answer in time",
        "see whether it is stopped or overloaded; a change may have been made: repeat it with the same request id",
    ),
    _Trouble(exceptions.BusyLoadingError, "is still loading its data", "try again in a moment"),
    _Trouble(
        exceptions.AuthenticationError,
        "does not accept the user or password",
        "see ROLLOUT_REDIS_URL; special characters in a password are percent-encoded",
    ),
    _Trouble(
        exceptions.NoPermissionError,
        "does not permit a command",
        "give its user the keys ~{namespace}:* and +@read +@write +@scripting +@connection +time",
        sign="The user executing the script can't run",
    ),
    _Trouble(
        exceptions.ReadOnlyError,
        "is a replica and takes no writes",
        "point ROLLOUT_REDIS_URL at the primary",
        sign=" -READONLY ",
    ),
    _Trouble(
        exceptions.OutOfMemoryError,
        "has used up its memory; nothing was written",
        "raise its maxmemory, and keep maxmemory-policy noeviction",
        sign=" -OOM ",
    ),
    _Trouble(
        exceptions.MovedError,
        "keeps these keys on another node",
        "point ROLLOUT_REDIS_URL at the node that has them",
    ),
    _Trouble(exceptions.ConnectionError, "cannot be reached", _SEE_WHETHER_IT_RUNS),
    _Trouble(OSError, "cannot be reached", _SEE_WHETHER_IT_RUNS),
    _Trouble(ValueError, "holds something that is not ours", _A_PLACE_OF_ITS_OWN),
    _Trouble(Exception, "refused", "see its log"),
)


def connect(url: str, timeout: timedelta) -> Redis:
    """A client of the server at `url` that gives up after `timeout` and never sends anything twice.

    Its pool looks at each connection before lending it and replaces one that the server closed meanwhile, so a server
    that was restarted costs no error, and nothing needs a retry.
    """
    options = _options(url) | {
        "socket_timeout": timeout.total_seconds(),
        "socket_connect_timeout": min(timeout, DEADLINE).total_seconds(),
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,  # the same shape of answers from redis-py 6 to 8
        "decode_responses": False,
    }
    pool = ConnectionPool(**options)
    try:
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing, but knows its options
    except TypeError as error:
        raise InvalidInput(
            f"the store's URL has an option that is not known: {error}", hint="see redis-py for those that are"
        ) from None
    return Redis.from_pool(pool)


class RedisFlagStore:
    """A FlagStore that several threads may share. `url` is redis://, rediss:// or unix://; its password never shows up
    in a message. Every key begins with `{namespace}:`."""

    def __init__(
        self, url: str, namespace: str = "rollout", connect: Callable[[str, timedelta], Redis] = connect
    ) -> None:
        self._keys = _Keys(namespace)
        self._address = _address(url)
        self._access = _access(url)
        # Any: redis-py types an answer as the union over all protocols and decodings, of which `connect` leaves one.
        self._client: Any = connect(url, DEADLINE)
        self._follower: Any = connect(url, DEADLINE + WAITING_SLICE)
        self._patient: Any = connect(url, BULKY_DEADLINE)
        self._closed = False

    def read(self, keys: Sequence[str] | None = None) -> Stored:
        with self._plainly():
            places = [self._keys.head, self._keys.shared, self._keys.flags, self._keys.ticks, self._keys.lost]
            wanted = ["all"] if keys is None else ["some", *keys]
            arguments = [LONGEST_GAP_MS, *wanted]
            revision, at_ms, ticked_ms, now, shared, found, head_hash, notes, lost = _run(
                self._client, READ, places, arguments
            )
            return Stored(
                revision=int(revision or 0),
                written_at_ms=int(at_ms or 0),
                now_ms=_ms(now),
                shared=shared,
                flags={key.decode(): document for key, document in zip(found[::2], found[1::2], strict=True)},
                ticked_ms=int(ticked_ms or 0),
                head_hash=(head_hash or b"").decode(),
                notes=int(notes or 0),
                lost=lost,
            )

    def revision(self) -> int:
        with self._plainly():
            return int(self._client.hget(self._keys.head, "revision") or 0)

    def commit(self, commit: Commit) -> Committed:
        with self._plainly():
            keys, arguments = _script_input(self._keys, commit)
            client = self._patient if sum(map(len, arguments)) > BULKY else self._client
            outcome, *facts = _run(client, COMMIT, keys, arguments)
            if outcome == b"committed":
                return Committed(commit.expected_revision + 1, commit.answer, repeated=False)
            if outcome == b"repeated":
                return _repeated(facts[0])
            raise self._refusal(commit, outcome.decode(), facts)

    def answered(self, request_id: str) -> bytes | None:
        with self._plainly():
            record = self._client.get(self._keys.request(request_id))
            return None if record is None else _repeated(record).answer

    def changes(self, after: int, wait: timedelta) -> list[Change] | None:
        deadline = time.monotonic() + wait.total_seconds()
        with self._plainly():
            revision, entries = self._changes_now(after)
            if revision > after and not entries:
                return None
            while not entries and (left := deadline - time.monotonic()) > 0:
                entries = self._changes_within(after, min(left, WAITING_SLICE.total_seconds()))
            since = [_change(id_, fields) for id_, fields in entries]
            if since and since[0].revision != after + 1:
                return None
            return since

    def audit(
        self, *, after: int = 0, before: int | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[bytes]:
        first, last = after + 1, "+" if before is None else before - 1
        if limit <= 0 or (before is not None and before <= first):
            return []
        with self._plainly():
            if newest_first:
                entries = self._client.xrevrange(self._keys.audit, last, first, count=limit)
            else:
                entries = self._client.xrange(self._keys.audit, first, last, count=limit)
            return [fields[b"entry"] for _, fields in entries]

    def note(self, note: Note) -> None:
        with self._plainly():
            facts = [b"%d" % note.revision, b"%d" % note.notes, note.head_hash.encode(), b"%d" % note.at_ms]
            hashed = entry_hash(note.entry).encode()
            keys = [self._keys.head, self._keys.notes]
            outcome, *found = _run(self._client, NOTE, keys, [*facts, note.entry, hashed])
            if outcome == b"conflict":
                raise RevisionConflict(FORKED)
            if outcome == b"earlier":
                raise InvalidInput(f"a note at {note.at_ms} ms is earlier than the last entry, at {int(found[0])}")
            if outcome == b"type":
                raise self._not_ours(*found)

    def notes(
        self, *, after: Place = (0, 0), before: Place | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[bytes]:
        first, last = f"({after[0]}-{after[1]}", "+" if before is None else f"({before[0]}-{before[1]}"
        if limit <= 0 or before == (0, 0):
            return []
        with self._plainly():
            if newest_first:
                entries = self._client.xrevrange(self._keys.notes, last, first, count=limit)
            else:
                entries = self._client.xrange(self._keys.notes, first, last, count=limit)
            return [fields[b"entry"] for _, fields in entries]

    def mark_lost(self, document: bytes | None) -> None:
        with self._plainly():
            if document is None:
                self._client.delete(self._keys.lost)
            else:
                self._client.set(self._keys.lost, document)

    def restore(self, lost: Restoration) -> None:
        with self._plainly(), self._patient.pipeline(transaction=True) as pipeline:
            pipeline.watch(self._keys.head, self._keys.audit, self._keys.notes)
            last = pipeline.hmget(self._keys.head, "revision", "notes", "hash")
            if (int(last[0] or 0), int(last[1] or 0), (last[2] or b"").decode()) != (
                lost.revision,
                lost.notes,
                lost.head_hash,
            ):
                raise RevisionConflict(FORKED)
            pipeline.multi()
            _queue_restoration(pipeline, self._keys, lost)
            try:
                pipeline.execute()
            except exceptions.WatchError:
                raise RevisionConflict(FORKED) from None

    def blob(self, digest: str) -> bytes | None:
        with self._plainly():
            content: bytes | None = self._client.get(self._keys.blob(digest))
            return content

    def tick(self) -> Ticked:
        with self._plainly():
            now_ms, ticked_ms = _run(self._client, TICK, [self._keys.ticks], [LONGEST_GAP_MS])
            return Ticked(int(now_ms), int(ticked_ms))

    def beat(self, server_id: str, report: bytes, lifetime: timedelta) -> None:
        with self._plainly():
            now_ms = _ms(self._client.time())
            lifetime_ms = lifetime // timedelta(milliseconds=1)
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.set(self._keys.server(server_id), report, px=lifetime_ms)
                pipeline.zadd(self._keys.servers, {server_id: now_ms})
                pipeline.zremrangebyscore(self._keys.servers, "-inf", now_ms - LONGEST_LIFETIME_MS)
                pipeline.execute()

    def servers(self) -> Mapping[str, Heard]:
        with self._plainly():
            heard = self._client.zrange(self._keys.servers, 0, -1, withscores=True)
            ids = [id_.decode() for id_, _ in heard]
            reports = self._client.mget([self._keys.server(id_) for id_ in ids]) if ids else []
            now_ms = _ms(self._client.time())
            ages = [timedelta(milliseconds=max(now_ms - int(at_ms), 0)) for _, at_ms in heard]
            known = zip(ids, reports, ages, strict=True)
            return {id_: Heard(report, age) for id_, report, age in known if report is not None}

    def count(self, items: Sequence[Counted]) -> int:
        with self._plainly():
            return int(_run(self._client, COUNT, [self._keys.outcomes], _count_input(self._keys, items)))

    def outcome_counts(self, flag: str, first_minute: int, last_minute: int) -> Mapping[int, Mapping[str, int]]:
        minutes = range(first_minute, last_minute + 1)
        with self._plainly(), self._client.pipeline(transaction=False) as pipeline:
            for minute in minutes:
                pipeline.hgetall(self._keys.outcomes_of(flag, minute))
            counted = zip(minutes, pipeline.execute(), strict=True)
            return {
                minute: {field.decode(): int(count) for field, count in counts.items()}
                for minute, counts in counted
                if counts
            }

    def evidence(self) -> Mapping[str, bytes]:
        with self._plainly():
            found = self._client.hgetall(self._keys.evidence)
            return {flag.decode(): document for flag, document in found.items()}

    def judge(self, flag: str, expected: bytes | None, document: bytes | None) -> bool:
        with self._plainly():
            arguments = [flag.encode(), *_optional(expected), *_optional(document)]
            return bool(_run(self._client, JUDGE, [self._keys.evidence], arguments))

    def use_keys(self, ids: Collection[str]) -> None:
        with self._plainly():
            if ids:
                hour = _ms(self._client.time()) // HOUR_MS
                self._client.hset(self._keys.key_uses, mapping=dict.fromkeys(ids, hour))

    def key_uses(self) -> Mapping[str, int]:
        with self._plainly():
            return {id_.decode(): int(hour) for id_, hour in self._client.hgetall(self._keys.key_uses).items()}

    def vitals(self) -> Vitals:
        with self._plainly():
            try:
                found = self._client.info()
            except exceptions.NoPermissionError:
                return Vitals(None)
            return _vitals(found, self._access)

    def expose(self, day: str, people: Mapping[str, Sequence[bytes]]) -> None:
        with self._plainly(), self._client.pipeline(transaction=False) as pipeline:
            for name, hashes in people.items():
                for first in range(0, len(hashes), PEOPLE_AT_ONCE):
                    pipeline.pfadd(self._keys.people(day, name), *hashes[first : first + PEOPLE_AT_ONCE])
                pipeline.expire(self._keys.people(day, name), EXPOSED_KEPT)
                pipeline.sadd(self._keys.exposed(day), name)
            pipeline.expire(self._keys.exposed(day), EXPOSED_KEPT)
            pipeline.execute()

    def exposed(self, day: str) -> Mapping[str, int]:
        with self._plainly():
            names = self._counters(day)
            with self._client.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.pfcount(self._keys.people(day, name))
                return dict(zip(names, pipeline.execute(), strict=True))

    def forget_exposed(self, day: str) -> None:
        with self._plainly():
            names = self._counters(day)
            self._client.delete(self._keys.exposed(day), *(self._keys.people(day, name) for name in names))

    def _counters(self, day: str) -> list[str]:
        return sorted(name.decode() for name in self._client.smembers(self._keys.exposed(day)))

    def draw(self, flag: str, period: int, counts: Mapping[str, int], people: Mapping[str, Sequence[bytes]]) -> None:
        with self._plainly(), self._client.pipeline(transaction=False) as pipeline:
            counted = self._keys.drawn(flag, period)
            for name, count in counts.items():
                pipeline.hincrby(counted, name, count)
            for name, hashes in people.items():
                pipeline.hincrby(counted, PEOPLE_IN + name, len(hashes))  # says that there is such a counter
                pipeline.pfadd(self._keys.people_drawn(flag, period, name), *hashes)
                pipeline.expire(self._keys.people_drawn(flag, period, name), DRAWS_KEPT)
            pipeline.expire(counted, DRAWS_KEPT)
            pipeline.execute()

    def drawn(self, flag: str, periods: Sequence[int]) -> Drawn:
        with self._plainly():
            counts: Counter[str] = Counter()
            with self._client.pipeline(transaction=False) as pipeline:
                for period in periods:
                    pipeline.hgetall(self._keys.drawn(flag, period))
                for found in pipeline.execute():
                    counts.update({name.decode(): int(count) for name, count in found.items()})
            names = [name.removeprefix(PEOPLE_IN) for name in counts if name.startswith(PEOPLE_IN)]
            with self._client.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.pfcount(*(self._keys.people_drawn(flag, period, name) for period in periods))
                people = dict(zip(names, pipeline.execute(), strict=True)) if names else {}
            return Drawn({name: count for name, count in counts.items() if not name.startswith(PEOPLE_IN)}, people)

    def claim(self, name: str, lifetime: timedelta) -> bool:
        with self._plainly():
            lifetime_ms = lifetime // timedelta(milliseconds=1)
            return bool(self._client.set(self._keys.claim(name), b"", nx=True, px=lifetime_ms))

    def close(self) -> None:
        self._closed = True
        for client in (self._client, self._follower, self._patient):
            client.close()

    def _refusal(self, commit: Commit, outcome: str, facts: list[bytes]) -> Exception:
        if outcome == "conflict":
            return RevisionConflict(f"the store is at revision {int(facts[0])}, not {commit.expected_revision}")
        if outcome == "judged":
            return RevisionConflict(f"there is other evidence of {facts[0].decode()} by now")
        if outcome == "forked":
            return RevisionConflict(FORKED)
        if outcome == "earlier":
            return InvalidInput(f"a commit at {commit.at_ms} ms is earlier than the last, at {int(facts[0])}")
        if outcome == "ahead":
            return StoreUnavailable(
                f"the store at {self._address} is at revision {commit.expected_revision}, but its audit log goes up to "
                f"{int(facts[0])}; nothing was written",
                hint="its data was damaged: restore a backup",
            )
        return self._not_ours(*facts)

    def _not_ours(self, key: bytes, found: bytes) -> StoreUnavailable:
        return StoreUnavailable(
            f"the store at {self._address} holds a {found.decode()} as {key.decode()}, which is not ours; nothing was "
            "written",
            hint=_A_PLACE_OF_ITS_OWN,
        )

    def _changes_now(self, after: int) -> tuple[int, list[Any]]:
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.hget(self._keys.head, "revision")  # first: whatever it counts was told before
            pipeline.xrange(self._keys.changes, after + 1, "+")
            revision, entries = pipeline.execute()
            return int(revision or 0), entries

    def _changes_within(self, after: int, seconds: float) -> list[Any]:
        block_ms = max(1, round(seconds * 1000))  # 0 would mean for ever
        streams = self._follower.xread({self._keys.changes: f"{after}-0"}, block=block_ms)
        return streams[0][1] if streams else []

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Says in our words what went wrong between us and the server."""
        if self._closed:
            raise StoreUnavailable("the store was closed")
        try:
            yield
        except (exceptions.RedisError, OSError, ValueError) as error:
            trouble = next(trouble for trouble in TROUBLES if trouble.fits(error))
            raise StoreUnavailable(f"the store at {self._address} {trouble.what}: {error}", trouble.hint) from error


@dataclass(frozen=True, slots=True)
class _Script:
    text: str
    digest: str  # by which a server that has seen it knows it


def _script(name: str) -> _Script:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return _Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


COMMIT = _script("commit.lua")
NOTE = _script("note.lua")
READ = _script("read.lua")
TICK = _script("tick.lua")
COUNT = _script("count.lua")
JUDGE = _script("judge.lua")


def _run(client: Any, script: _Script, keys: Sequence[str], arguments: Sequence[bytes | str]) -> Any:
    try:
        return client.evalsha(script.digest, len(keys), *keys, *arguments)
    except exceptions.NoScriptError:  # the server was started since, or another one took over
        return client.eval(script.text, len(keys), *keys, *arguments)


class _Keys:
    """The names of commit.lua's data model in one namespace."""

    def __init__(self, namespace: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._:-]+", namespace):
            raise InvalidInput(f"namespace {namespace!r} must be letters, digits and . _ : - only")
        self._prefix = f"{{{namespace}}}:"
        self.head = self._prefix + "head"
        self.shared = self._prefix + "shared"
        self.flags = self._prefix + "flags"
        self.audit = self._prefix + "audit"
        self.notes = self._prefix + "notes"
        self.lost = self._prefix + "lost"
        self.changes = self._prefix + "changes"
        self.ticks = self._prefix + "ticks"
        self.servers = self._prefix + "servers"
        self.evidence = self._prefix + "evidence"
        self.outcomes = self._prefix + "outcomes"
        self.intents = self._prefix + "intents"
        self.key_uses = self._prefix + "key-uses"

    def blob(self, digest: str) -> str:
        return f"{self._prefix}blob:{digest}"

    def exposed(self, day: str) -> str:
        return f"{self._prefix}exposed:{day}"

    def people(self, day: str, name: str) -> str:
        return f"{self._prefix}people:{day}:{name}"

    def drawn(self, flag: str, period: int) -> str:
        return f"{self._prefix}drawn:{flag}:{period}"

    def people_drawn(self, flag: str, period: int, name: str) -> str:
        return f"{self._prefix}people-drawn:{flag}:{period}:{name}"

    def claim(self, name: str) -> str:
        return f"{self._prefix}claim:{name}"

    def request(self, request_id: str) -> str:
        return f"{self._prefix}request:{request_id}"

    def outcomes_of(self, flag: str, minute: int) -> str:
        return f"{self.outcomes}:{flag}:{minute}"

    def server(self, server_id: str) -> str:
        return f"{self._prefix}server:{server_id}"


def _options(url: str) -> dict[str, Any]:
    try:
        options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]  # redis-py gives it no types
    except ValueError:  # which may quote the password: so not told, and not chained
        raise InvalidInput(
            "the store's URL cannot be read",
            hint="redis://host:6379/0, rediss://… or unix:///path; a password's special characters percent-encoded",
        ) from None
    return options


def _address(url: str) -> str:
    """What a message may show of `url`: all but user, password and options."""
    options = _options(url)
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db', 0)}"


@dataclass(frozen=True, slots=True)
class _Access:
    local: bool
    authenticated: bool


def _access(url: str) -> _Access:
    options = _options(url)
    return _Access("path" in options, bool(options.get("password")))


def _vitals(found: Mapping[str, Any], access: _Access) -> Vitals:
    """Of what INFO says. Valkey calls itself Redis 7.2 as well, for clients that look no further."""
    valkey = found.get("valkey_version")
    return Vitals(
        software="valkey" if valkey else "redis",
        version=_numbers(str(valkey or found.get("redis_version", ""))),
        is_replica=found.get("role") == "slave",
        is_local=access.local,
        authenticated=access.authenticated,
        eviction_policy=str(found.get("maxmemory_policy", "")),
        append_only=bool(found.get("aof_enabled")),
        persists=found.get("aof_last_write_status", "ok") == "ok",
        memory_used=int(found.get("used_memory", 0)),
        memory_limit=int(found.get("maxmemory", 0)),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _script_input(names: _Keys, commit: Commit) -> tuple[list[str], list[bytes]]:
    """KEYS and ARGV of commit.lua."""
    change = told(commit)
    written = {key: document for key, document in commit.flags.items() if document is not None}
    removed = [key.encode() for key, document in commit.flags.items() if document is None]
    keys = [
        names.head,
        names.shared,
        names.flags,
        names.audit,
        names.changes,
        names.request(commit.request_id),
        names.evidence,
        *map(names.blob, commit.blobs),
    ]
    arguments = [
        b"%d" % commit.expected_revision,
        b"%d" % change.revision,
        b"%d" % commit.at_ms,
        commit.entry,
        b"%d\n%b" % (change.revision, commit.answer),
        b"1" if change.whole else b"0",
        entry_hash(commit.entry).encode(),
        b"*" if commit.head_hash is None else commit.head_hash.encode(),
        *_group([] if commit.shared is None else [commit.shared]),
        *_group(list(chain.from_iterable((key.encode(), document) for key, document in written.items()))),
        *_group(removed),
        *_group(list(chain.from_iterable(_judged(flag, judged) for flag, judged in commit.evidence.items()))),
        *commit.blobs.values(),
    ]
    return keys, arguments


def _judged(flag: str, judged: Judged) -> tuple[bytes, ...]:
    return flag.encode(), *_optional(judged.before), *_optional(judged.after)


def _optional(document: bytes | None) -> tuple[bytes, bytes]:
    """A script has no arguments that are missing."""
    return (b"0", b"") if document is None else (b"1", document)


def _count_input(names: _Keys, items: Sequence[Counted]) -> list[str]:
    """ARGV of count.lua. What outcomes have in common is said once, and they are one argument, since a worker that
    packs them answers checks at the same time."""
    kinds: dict[tuple[str, tuple[str, ...]], int] = {}
    lines = [
        f"{item.fingerprint} {item.fingerprint % INTENT_BUCKETS} "
        f"{kinds.setdefault((item.flag, item.fields), len(kinds) + 1)} {item.amount}\n"
        for item in items
    ]
    said = chain.from_iterable((flag, str(len(fields)), *fields) for flag, fields in kinds)
    kept_s = COUNTS_KEPT // timedelta(seconds=1)
    limits = map(str, (kept_s, GROUPS_UNTIL, MOST_FIELDS, len(kinds)))
    return [names.intents, *limits, *said, "".join(lines)]


def _queue_restoration(pipeline: Any, names: _Keys, lost: Restoration) -> None:
    after = lost.after
    for (revision, note), line in lost.lines:
        pipeline.xadd(names.notes if note else names.audit, {"entry": line}, id=f"{revision}-{note}")
    for digest, content in lost.blobs.items():
        pipeline.set(names.blob(digest), content, nx=True)
    pipeline.delete(names.flags)
    if after.flags:
        pipeline.hset(names.flags, mapping=dict(after.flags))
    if after.shared is not None:
        pipeline.set(names.shared, after.shared)
    facts = {"revision": after.revision, "notes": after.notes, "hash": after.head_hash, "at_ms": after.written_at_ms}
    pipeline.hset(names.head, mapping=facts)
    pipeline.delete(names.changes)
    if after.revision:
        pipeline.xadd(names.changes, {"whole": "1"}, id=f"{after.revision}-0")


def _group(members: list[bytes]) -> list[bytes]:
    return [b"%d" % len(members), *members]


def _repeated(record: bytes) -> Committed:
    revision, _, answer = record.partition(b"\n")
    return Committed(int(revision), answer, repeated=True)


def _change(id_: bytes, fields: dict[bytes, bytes]) -> Change:
    revision = int(id_.partition(b"-")[0])
    if fields.get(b"whole") != b"0":
        return Change(revision, whole=True)
    named = ((name.decode(), document) for name, document in fields.items() if name != b"whole")
    return Change(revision, {name[1:]: document if name[0] == "+" else None for name, document in named})


def _ms(now: Sequence[bytes | int]) -> int:
    """What TIME says, in milliseconds since 1970."""
    seconds, microseconds = map(int, now)
    return seconds * 1000 + microseconds // 1000
