"""Whether a record is what it was: the chain from the first entry to the last, every anchor that was signed on the way,
and that all entries together give the state that is in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rollout.core.anchors import Anchor, Proves
from rollout.core.audit import read_line
from rollout.core.chain import BrokenChain, Chain, next_places, place_text
from rollout.core.documents import read_instant
from rollout.core.errors import RolloutError
from rollout.core.progress import State
from rollout.service.replay import replay
from rollout.service.snapshot import FetchBlob

LONGEST_UNSIGNED = timedelta(hours=2)  # from an entry to one that is not signed either; anchors are made each hour


@dataclass(frozen=True, slots=True)
class Verified:
    """`faults` is empty where all is well. `first_bad`: the first entry that is not, or may not be, as it was."""

    chain: Chain
    anchors: int = 0
    replayed_to: int | None = None
    faults: tuple[str, ...] = ()
    first_bad: str | None = None


@dataclass
class Verifier:
    """`key`: the public key that anchors must be signed with; None trusts the one that the first of them names."""

    anchors: Sequence[Anchor]
    proves: Proves
    key: str | None = None
    _faults: list[str] = field(default_factory=list)
    _good: Chain = field(default_factory=Chain)  # at the last anchor that stands
    _standing: int = 0
    _first_bad: str | None = None

    def verify(
        self, lines: Iterable[bytes], current: State | None = None, blob: FetchBlob = lambda _: None
    ) -> Verified:
        """`current`: the state in force, where it is known."""
        self._check_signatures()
        chain, kept = self._follow(lines)
        replayed_to = None
        if current is not None and not self._faults:
            replayed_to = self._check_state(kept, current, blob)
        return Verified(chain, self._standing, replayed_to, tuple(self._faults), self._first_bad)

    def _check_signatures(self) -> None:
        key = self.key or next((anchor.key for anchor in self.anchors), "")
        others = [anchor for anchor in self.anchors if anchor.key != key]
        if others:
            more = f", and so are {len(others) - 1} more" if len(others) > 1 else ""
            said = f"the anchor of {others[0].at} is signed with another key, {others[0].key[:16]}…{more}"
            self._faults.append(said)
        for anchor in self.anchors:
            if anchor.key == key and not self.proves(key, anchor.message(), anchor.signature):
                self._faults.append(f"the anchor of {anchor.at} is not as it was signed")

    def _follow(self, lines: Iterable[bytes]) -> tuple[Chain, list[bytes]]:
        """Up to the first entry that does not follow; says so, and which anchors do not stand."""
        chain, kept = Chain(), []
        waiting = sorted(self.anchors, key=lambda anchor: anchor.size)
        try:
            waiting = self._check_anchors(waiting, chain)
            for line in lines:
                chain = chain.plus(line)
                kept.append(line)
                waiting = self._check_anchors(waiting, chain)
        except BrokenChain as broken:
            self._found(str(broken), place_text(broken.place) if broken.place else _next(chain))
            return chain, kept
        except OSError as error:
            self._found(str(error), _next(chain))
            return chain, kept
        if waiting:
            last = waiting[-1]
            self._found(
                f"the record ends at entry {place_text(chain.place)}, and was signed up to {place_text(last.place)} at "
                f"{last.at}: its tail was cut off",
                _next(chain),
            )
        self._check_signed(kept)
        return chain, kept

    def _check_signed(self, lines: Sequence[bytes]) -> None:
        """Entries that nothing vouches for may be the last ones alone."""
        unsigned = lines[self._good.size :]
        if self._faults or not unsigned:
            return
        first, last = read_line(unsigned[0])["at"], read_line(unsigned[-1])["at"]
        if read_instant(last) - read_instant(first) > LONGEST_UNSIGNED:
            begins = _next(self._good)
            self._found(
                f"no anchor was signed for the entries from {begins}, of {first}, to the last, of {last}: anchors were "
                "removed, or no server signed for so long",
                begins,
            )

    def _check_anchors(self, waiting: list[Anchor], chain: Chain) -> list[Anchor]:
        while waiting and waiting[0].size == chain.size:
            anchor, *waiting = waiting
            if anchor.stands_on(chain):
                self._good, self._standing = chain, self._standing + 1
            elif self._first_bad is None:
                begins = _next(self._good)
                self._found(
                    f"the entries from {begins} to {place_text(chain.place)} are not those that were signed at "
                    f"{anchor.at}: the chain was rewritten",
                    begins,
                )
        return waiting

    def _check_state(self, lines: Sequence[bytes], current: State, blob: FetchBlob) -> int | None:
        reached = [line for line in lines if read_line(line)["revision"] <= current.revision]
        try:
            state = replay(reached, blob)
        except (RolloutError, KeyError, ValueError) as error:
            self._found(f"the entries cannot be replayed: {error}", None)
            return None
        if state.revision < current.revision:
            said = f"the record ends at revision {state.revision}, and the state in force is of {current.revision}"
            self._found(said, str(state.revision + 1))
        elif state != current:
            self._found(f"the entries up to revision {state.revision} do not give {_differing(state, current)}", None)
        return state.revision

    def _found(self, fault: str, first_bad: str | None) -> None:
        self._faults.append(fault)
        self._first_bad = self._first_bad or first_bad


def _next(chain: Chain) -> str:
    change, note = next_places(chain.place)
    return place_text(change) if chain.size == 0 else f"{place_text(note)} or {place_text(change)}"


def _differing(state: State, current: State) -> str:
    keys = sorted({*state.records, *current.records})
    differing = [key for key in keys if state.records.get(key) != current.records.get(key)]
    return f"the state in force of {', '.join(differing[:5])}" if differing else "the definitions in force"
