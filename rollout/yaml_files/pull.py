"""Writes into flags.yaml what became of its rollouts: a stage for a share that somebody set between two stages, and a
finished rollout without the stages that it has behind it. Only characters of those lists of stages change, and nobody
gains or loses a flag when the new text is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from rollout.core.definitions import Definitions, FlagFile
from rollout.core.errors import InvalidFile, InvalidInput, RolloutError
from rollout.core.flags import Flag
from rollout.core.members import member_lines
from rollout.core.plans import Exposure, Rollout, Stage, ceiling, no_more_than, stages_done
from rollout.core.shares import EVERYBODY, NOBODY, Share
from rollout.yaml_files.nodes import ListNode, MapNode, Node, parse
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.reader import read_seen, read_text
from rollout.yaml_files.replacing import replace_file
from rollout.yaml_files.source import Source
from rollout.yaml_files.splicing import Edit, added, edited, without

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class AddStage:
    """A bare percentage becomes the stage with this index."""

    index: int
    share: Share


@dataclass(frozen=True, slots=True)
class DropStages:
    """The stages with these indices go."""

    indices: tuple[int, ...]


Change: TypeAlias = AddStage | DropStages


@dataclass(frozen=True, slots=True)
class Pull:
    """Where the file lags behind one flag. `said`: a sentence on what is live and what becomes of the stages."""

    flag: str
    said: str
    change: Change | None = None  # None: it cannot be pulled, `said` has the reason


def pulls(file: FlagFile, exposures: Mapping[str, Exposure], held: Collection[str]) -> list[Pull]:
    """What of the live state is worth writing into this file, flag by flag in its order.

    `exposures`: to whom each flag is served by its rollout (`core.changes.served`); one that is left out, to nobody.
    `held`: the flags that are halted. A share between two stages counts where it is held, as `set` does; one that is
    not is on its way through a plan that was edited. A rollout that is held is not finished: it may be rolled back.
    """
    flags = file.definitions.flags.values()
    found = (_pull(flag, flag.rollout, exposures.get(flag.key, {}), flag.key in held) for flag in flags)
    return [pull for pull in found if pull]


def _pull(flag: Flag, rollout: Rollout | None, exposure: Exposure, held: bool) -> Pull | None:
    if rollout is None or not flag.enabled:
        return None
    live = exposure.get(rollout.audience, NOBODY)
    shares = [stage.share for stage in rollout.stages if stage.audience == rollout.audience]
    if live == NOBODY or not shares:
        return None
    if live > max(shares) or (held and live not in shares):
        return _override(flag.key, rollout, exposure, live)
    if live == EVERYBODY and stages_done(rollout.stages, exposure) == len(rollout.stages):
        return _finished(flag.key, rollout, exposure, held)
    return None


def _override(key: str, rollout: Rollout, exposure: Exposure, live: Share) -> Pull:
    index = next(
        (i for i, stage in enumerate(rollout.stages) if stage.audience == rollout.audience and stage.share > live),
        len(rollout.stages),
    )
    said = f"{live} of {rollout.audience} is live, {_where(rollout, live)}"
    if rollout.plan:
        return Pull(key, f"{said}; cannot be pulled: stages come from plan {rollout.plan}")
    if any(stage.name == str(live) for stage in rollout.stages):
        return Pull(key, f"{said}; cannot be pulled: another audience has a stage {live}, give that one a name")
    return _unless_it_takes(Pull(key, f"{said}: {live} becomes a stage", AddStage(index, live)), rollout, exposure)


def _where(rollout: Rollout, live: Share) -> str:
    shares = [stage.share for stage in rollout.stages if stage.audience == rollout.audience]
    below = [share for share in shares if share < live]
    if not below:
        return f"held before the first stage, {min(shares)}"
    if len(below) == len(shares):
        return f"beyond the last stage, {max(shares)}"
    return f"held between {max(below)} and {min(share for share in shares if share > live)}"


def _finished(key: str, rollout: Rollout, exposure: Exposure, held: bool) -> Pull | None:
    """A plan that others may use as well stays as it is."""
    passed = _passed(rollout)
    if rollout.plan or not passed:
        return None
    if held:
        return Pull(key, f"at the end of its stages, but halted; cannot be pulled: `rollout resume {key}` first")
    names = [stage.name for stage in rollout.stages]
    gone = ", ".join(names[index] for index in passed)
    kept = ", ".join(name for index, name in enumerate(names) if index not in passed)
    said = f"finished, 100% of {rollout.audience} is live: of its stages {gone} can go, and {kept} stays"
    return _unless_it_takes(Pull(key, said, DropStages(passed)), rollout, exposure)


def _passed(rollout: Rollout) -> tuple[int, ...]:
    """The stages of the audience before its last, which admits all of theirs. One that brought a guard stays, or the
    guard would stop watching; so do those of other audiences, by which these have the flag."""
    stages = rollout.stages
    own = [index for index, stage in enumerate(stages) if stage.audience == rollout.audience]
    staying = [stage.guards for index, stage in enumerate(stages) if index not in own[:-1]]
    watching = set(rollout.guards).union(*staying)
    return tuple(index for index in own[:-1] if watching.issuperset(stages[index].guards))


def _unless_it_takes(pull: Pull, rollout: Rollout, exposure: Exposure) -> Pull:
    """Loading a plan whose path was edited pulls down whatever stands beyond it, of every audience."""
    top = ceiling(_stages_after(rollout, pull.change))
    if no_more_than(exposure, top):
        return pull
    beyond = ", ".join(name for name, share in exposure.items() if share > top.get(name, NOBODY))
    return Pull(pull.flag, f"cannot be pulled: {beyond} has more than the plan gives, and would lose it")


def _stages_after(rollout: Rollout, change: Change | None) -> tuple[Stage, ...]:
    stages = rollout.stages
    if isinstance(change, AddStage):
        new = Stage(str(change.share), rollout.audience, change.share, rollout.bake)
        return (*stages[: change.index], new, *stages[change.index :])
    if isinstance(change, DropStages):
        return tuple(stage for index, stage in enumerate(stages) if index not in change.indices)
    return stages


def splice(text: str, found: Sequence[Pull]) -> str:
    """The text with the stages changed as `pulls` said of it."""
    source = Source("flags.yaml", text)
    root = parse(source, Notes(source))
    changes = [(_stages_node(root, pull.flag), pull.change) for pull in found if pull.change]
    return edited(text, (edit for node, change in changes for edit in _edits(text, node, change)))


def _edits(text: str, node: ListNode, change: Change) -> list[Edit]:
    if isinstance(change, AddStage):
        return added(text, node, change.index, str(change.share))
    return without(text, node, change.indices)


def _stages_node(root: Node | None, flag: str) -> ListNode:
    node = root
    for key in ("flags", flag, "rollout", "stages"):
        node = node.value(key) if isinstance(node, MapNode) else None
    if not isinstance(node, ListNode):
        raise InvalidInput(f"{flag} has no stages in this text")
    return node


def pulled(file: FlagFile, found: Sequence[Pull]) -> FlagFile:
    """The file after these pulls, read again. Raises RolloutError when anything but the stages would differ."""
    try:
        after = read_text(splice(file.text, found), name=file.name, load_members=_members_of(file))
    except InvalidFile as invalid:
        raise _not_what_was_meant(file, str(invalid.problems[0])) from invalid
    if after.definitions != _definitions_after(file.definitions, found):
        raise _not_what_was_meant(file, "it would say something else")
    return after


def _definitions_after(before: Definitions, found: Sequence[Pull]) -> Definitions:
    flags = dict(before.flags)
    for pull in found:
        flag = flags[pull.flag]
        if flag.rollout:
            rollout = replace(flag.rollout, stages=_stages_after(flag.rollout, pull.change))
            flags[pull.flag] = replace(flag, rollout=rollout)
    return replace(before, flags=flags)


def _members_of(file: FlagFile) -> Callable[[str], bytes]:
    """The member lists as they were when the file was read."""
    lists = [segment.members for segment in file.definitions.segments.values() if segment.members]
    digests = {one.file: one.digest for one in lists}
    return lambda name: member_lines(file.members[digests[name]])


def _not_what_was_meant(file: FlagFile, why: str) -> RolloutError:
    return RolloutError(f"pulling into {file.name} went wrong, nothing was written: {why}", "edit the stages by hand")


def pull_file(path: Path, exposures: Mapping[str, Exposure], held: Collection[str]) -> list[Pull]:
    """Writes what `pulls` finds into the file, and says what that was; the file is touched only where it changes.

    Raises InvalidFile, RevisionConflict when somebody else changed the file meanwhile, and RolloutError where it cannot
    be written.
    """
    reading = read_seen(path)
    if not isinstance(reading.outcome, FlagFile):
        raise InvalidFile(reading.outcome)
    file = reading.outcome
    found = pulls(file, exposures, held)
    if any(pull.change for pull in found):
        replace_file(path, _mark(path) + pulled(file, found).text.encode(), reading.seen[path])
    return found


def _mark(path: Path) -> bytes:
    with path.open("rb") as file:
        return _BYTE_ORDER_MARK if file.read(3) == _BYTE_ORDER_MARK else b""
