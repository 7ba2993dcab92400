"""What is compared: rows of finished experiments, and the networks that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from launcher.figures.finished import FinishedRun
from launcher.load import load_experiment
from launcher.outcome import ADAPTED, Outcome, load_outcome
from launcher.results.inputs import stage_folders
from launcher.runs import Stage, read_record
from launcher.settings import Experiment, variant_source
from steadyface.errors import InputError
from steadyface.tracking.landmark_track import LandmarkTrack, load_landmarks
from steadyface.tracking.smoothing import smooth_track
from steadyface.tracking.track import Track

SOURCE, SMOOTHED = "source", "_smoothed"
TOGETHER = "+"  # runs of one setting, each with a source network of its own


@dataclass(frozen=True)
class Member:
    """One row of one finished experiment.

    word: as the user wrote it; outcome: where the networks of the experiment lie.
    """

    word: str
    run: FinishedRun
    row: str
    experiment: Experiment
    outcome: Outcome

    @property
    def base(self) -> str:
        """The row whose tracks are kept; a smoothed row is made from it."""
        return self.row.removesuffix(SMOOTHED)

    @property
    def seeds(self) -> list[int]:
        """The seeds of the adaptation; none where no seed changes the row."""
        return [seed for variant, seed in self.outcome.adapted if variant == self.base]

    @property
    def source_name(self) -> str:
        """The name, in the experiment's ``sources``, of the network behind the row; empty for its own."""
        if self.seeds:
            return variant_source(self.experiment, self.base)
        return self.base if self.base in self.outcome.sources else ""

    @cached_property
    def network(self) -> str:
        """What tells the source network behind the row from any other."""
        name = self.source_name
        return network_identity(self.outcome.sources[name] if name else self.outcome.source)

    @cached_property
    def identity(self) -> tuple[str, frozenset[str]]:
        """What tells the networks of the row from those of any other: its kind, and each network."""
        smoothed = self.row != self.base
        if self.seeds:
            adapted = {network_identity(self.outcome.adapted[self.base, seed]) for seed in self.seeds}
            return f"adapted {smoothed}", frozenset(adapted)
        kind = SOURCE if self.base in self.outcome.sources else self.base
        return f"{kind} {smoothed}", frozenset([self.network])

    def track_files(self, clip: str) -> list[Path]:
        """The files of the row's tracks, a seed each; one where no seed changes the row."""
        names = [f"{self.base}-seed{seed}" for seed in self.seeds] or [self.base]
        return [self.run.folder / "tracks" / clip / f"{name}.npz" for name in names]

    def scored_tracks(self, clip: str) -> list[Track] | list[LandmarkTrack]:
        """What the row is scored by: its tracks, a seed each, or the landmarks of a tracker without a mesh."""
        landmarks = [found for path in self.track_files(clip) if (found := load_landmarks(path)) is not None]
        return landmarks or self.tracks(clip)

    def tracks(self, clip: str) -> list[Track]:
        """The row's tracks, a seed each.

        Raises:
            InputError: a row of landmarks, which has no mesh to draw.
        """
        for path in self.track_files(clip):
            if load_landmarks(path) is not None:
                raise InputError(self.word, "a row with meshes", "landmarks alone", "compare it without --html")
        found = [Track.load(path) for path in self.track_files(clip)]
        return [smooth_track(track) for track in found] if self.row != self.base else found


@dataclass(frozen=True)
class Side:
    """One side of the comparison: a row of one experiment, or of several that differ in seeds only."""

    label: str
    members: tuple[Member, ...]

    @property
    def networks(self) -> list[str]:
        """The source networks behind the side, each once."""
        return list(dict.fromkeys(member.network for member in self.members))

    @property
    def seeded(self) -> bool:
        """Whether the adaptation's seed changes the side."""
        return any(member.seeds for member in self.members)

    @property
    def seed_count(self) -> int:
        return sum(len(member.seeds) for member in self.members)


def read_sides(words: Sequence[str], row: str = "") -> list[Side]:
    """``RUN``, ``RUN:ROW`` or ``RUN+RUN`` words to sides.

    Args:
        words: as on the command line, two or more.
        row: of the words without ``:ROW``; empty: ``adapted`` where a run has it, else ``source``.

    Raises:
        InputError: for fewer than two sides, a side given twice, a folder that holds no finished experiment or one of
            another layout, a row that it does not have, or runs joined by + that differ in more than seeds.
    """
    if len(words) < 2:
        raise InputError("compare", "two runs or more", f"{len(words)}", "write steadyface compare runs/a runs/b")
    groups = [[read_member(word, row) for word in joined_words(joined)] for joined in words]
    check_repeats([member for group in groups for member in group])
    labels = side_labels(groups)
    return [Side(label, tuple(group)) for label, group in zip(labels, groups, strict=True)]


def joined_words(word: str) -> list[str]:
    """The runs that a word joins by +; a folder whose own name has a + is one run.

    >>> joined_words("runs/a+runs/b:source")
    ['runs/a', 'runs/b:source']
    """
    whole = Path(word).is_dir() or Path(word.rpartition(":")[0] or word).is_dir()
    return [word] if whole else [part for part in word.split(TOGETHER) if part]


def read_member(word: str, default_row: str) -> Member:
    """One ``RUN`` or ``RUN:ROW``."""
    folder, _, named = (word, "", "") if Path(word).is_dir() else word.rpartition(":")
    path = Path(folder or word)
    named = named if folder else ""
    check_layout(path)
    run = FinishedRun(path)
    outcome = load_outcome(path)
    for stage in stage_folders(outcome):
        check_layout(stage)
    experiment = load_experiment(path / "experiment.yaml")
    return Member(word, run, choose_row(run, named or default_row), experiment, outcome)


def check_layout(folder: Path) -> None:
    """Raise InputError for a stage's record of another version of the layout, or that cannot be read."""
    read_record(folder)


def choose_row(run: FinishedRun, named: str) -> str:
    """The row that is meant: the named one, else ``adapted``, else ``source``."""
    known = list(dict.fromkeys(row for clip in run.clip_names for row in run.rows(clip)))
    wanted = named or next((row for row in (ADAPTED, SOURCE) if row in known), "")
    if wanted not in known:
        got = f"no row '{named}'" if named else "neither adapted nor source"
        raise InputError(run.folder, f"a row out of {', '.join(known)}", got, "write RUN:ROW with one of them")
    return wanted


def check_repeats(members: Sequence[Member]) -> None:
    """Refuse a row that is given twice."""
    seen: dict[tuple[Path, str], Member] = {}
    for member in members:
        key = (member.run.folder.resolve(), member.row)
        if key in seen:
            got = f"row {member.row} of it twice"
            raise InputError(member.run.folder, "each run once", got, "leave one out, or name another row: RUN:source")
        seen[key] = member


def side_labels(groups: Sequence[Sequence[Member]]) -> list[str]:
    """The shortest names that tell the sides apart."""
    names = [" + ".join(member.run.name for member in group) for group in groups]
    rows = [group[0].row for group in groups]
    candidates = [names] if len(set(rows)) == 1 else []
    candidates += [[f"{name}:{row}" for name, row in zip(names, rows, strict=True)]]
    candidates += [[" + ".join(member.word for member in group) for group in groups]]
    return next(labels for labels in candidates if len(set(labels)) == len(labels) or labels is candidates[-1])


def network_identity(checkpoint: Path) -> str:
    """The content hash of the stage that a checkpoint is of; of a given file, its place."""
    record = read_record(checkpoint.parent.parent)
    if record is None:
        return str(checkpoint.resolve())
    return Stage(record.kind, record.label, record.settings, record.inputs).digest
