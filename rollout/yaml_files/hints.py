"""What somebody meant who wrote something else: a name with a slip in it, or a word that another product uses for the
same idea. The words of others are never accepted, only answered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice

LONGEST_COMPARED = 64
MOST_COMPARED = 2_000
MOST_LISTED = 8


def closest(word: str, known: Collection[str]) -> str | None:
    """The known name that `word` is a slip of, if any is near."""
    if len(word) > LONGEST_COMPARED:
        return None
    near = (name for name in known if abs(len(name) - len(word)) <= 3)
    folded = {name.casefold(): name for name in islice(near, MOST_COMPARED)}
    found = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """A hint: the nearest name, or all of them where they are few."""
    near = closest(word, known)
    if near is not None:
        return f"did you mean '{near}'?"
    if not known:
        return None
    return "known: " + ", ".join(known) if len(known) <= MOST_LISTED else None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The keys that one kind of mapping has, and what to say about words that belong elsewhere."""

    kind: str  # "a rollout", as messages name it
    keys: tuple[str, ...]
    foreign: Mapping[str, str] = field(default_factory=dict)  # hints for words that stand for no single key
    instead: str | None = None  # the hint where something else than a mapping stands

    def hint(self, word: str) -> str | None:
        """What to write instead of a key that is none of these."""
        if word in self.foreign:
            return self.foreign[word]
        name, colon, value = word.partition(":")
        if colon and name in self.keys:
            return f"put a space after the colon: '{name}: {value}'"
        ours = self._ours(word)
        return f"write '{ours}'" if ours else did_you_mean(word, self.keys)

    def meant(self, word: str) -> str | None:
        """The key that was meant by a word that is none."""
        return None if word in self.foreign else self._ours(word) or closest(word.partition(":")[0], self.keys)

    def _ours(self, word: str) -> str | None:
        plain = word.replace("_", "").replace("-", "").casefold()
        return next((key for key in _OURS.get(plain, ()) if key in self.keys), None)


_WORDS_OF_OTHERS = {
    "above": "over beyond threshold percentage percent from share",
    "approval": "manual approve manualapproval requireapproval requiresapproval confirm",
    "approvals": "reviews reviewers foureyes changerequests changeapprovals",
    "attributes": "context contextfields properties traits fields",
    "audience": "segment target targets group cohort population filter",
    "avoid": "except exclude excludes excluding skip blackout blackouts holidays freeze freezes closed",
    "bake": "duration delay pause baketime interval soak soaktime hold wait waittime delayminutes every",
    "bucket_by": "bucketby hashattribute stickiness randomizationunit hashby bucketing sticky",
    "client": "clientside clientsideavailability clientavailable public exposed",
    "any": "or anyof oneof",
    "contains": "includes substring strcontains",
    "counts": "classes failures kinds errors",
    "days": "day weekdays weekday dayofweek daysofweek",
    "description": "desc summary comment note title about",
    "enabled": "state active status isenabled isactive",
    "ends_with": "endswith suffix strendswith",
    "expires": "expiry expiration expirydate expiresat sunset removeby expirationdate",
    "flags": "features featureflags toggles flag feature switches experiments",
    "guards": "guardrails guard metrics analysis monitors checks alarms healthchecks",
    "hours": "time times timeofday hour between",
    "locked": "frozen lock archived readonly protected",
    "match": "constraints conditions when if condition where clauses clause filter filters targeting",
    "max": "threshold maximum limit maxrate errorrate upper failurelimit",
    "file": "path filename files",
    "members": "included users userids individual list keys",
    "min": "minimum lower floor",
    "min_samples": "samples samplesize minimumsamples count minrequests",
    "no_data": "timeout silence",
    "not": "notin noneof ne neq nin isnot notequals",
    "off": "defaultvariant defaultvariation default fallback offvariation offvariant defaultvalue fallthrough",
    "on": "onvariation onvariant",
    "owner": "maintainer team contact owners maintainers",
    "percentage": "percent weight rolloutpercentage rate pct setweight share exposure distribution fraction",
    "plans": "templates strategies pipelines",
    "raise": "required requiredapprovals requiredreviewers persons people approvers count minapprovals increase",
    "requires": "prerequisites dependencies dependson prerequisite needs requirements parents dependency",
    "rollout": "gradualrollout schedule release progression canary",
    "rules": "targeting strategies overrides constraints conditions targets experimentation",
    "salt": "seed hashkey hashversion groupid",
    "segments": "groups cohorts audiences lists",
    "serve": "variant variation value then return result variationid",
    "split": "distributions distribution weights weight allocation allocations",
    "stages": "steps phases waves ramp stage step schedule rings",
    "starts_with": "startswith prefix strstartswith",
    "tags": "labels tag label categories",
    "values": "enum options allowed allowedvalues legalvalues",
    "variants": "variations values payloads variant options treatments",
    "version": "apiversion schema schemaversion",
    "windows": "window schedules calendar calendars timewindow timewindows syncwindows businesshours officehours",
    "zone": "timezone tz location",
}


def _by_foreign_word() -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for ours, words in _WORDS_OF_OTHERS.items():
        for word in words.split():
            table.setdefault(word, []).append(ours)
    return table


_OURS = _by_foreign_word()
