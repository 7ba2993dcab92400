"""The people of the stress suite: finished experiments with a studio, whose source network every cell starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from datamodules.lab_captures import LabCaptures
from launcher.load import load_experiment
from launcher.outcome import load_outcome
from launcher.plan import DATA
from launcher.runs import fingerprint
from launcher.settings import Experiment
from steadyface.capture.clip_truth import truth_path
from steadyface.errors import InputError

FILMED = Path("clips", "adapt.mp4")


class StressSubject:
    """One person: the experiment that made the source network, and where its parts lie.

    Args:
        run: the experiment's folder.

    Raises:
        InputError: no finished experiment, or one without a studio or a box of the head.
    """

    def __init__(self, run: Path) -> None:
        outcome, path = load_outcome(run), run / "experiment.yaml"
        if not path.is_file():
            raise InputError(run, "the folder of an experiment", f"one without {path.name}", "give runs/<experiment>")
        remedy = "give a finished experiment whose lab and clips are a studio's, such as runs/demo"
        if outcome.studio is None:
            raise InputError(run, "an experiment with a studio", "one of given clips", remedy)
        self.run, self.experiment = run, load_experiment(path)
        self.source, self.data = outcome.source, outcome.studio / DATA
        self.filmed = self.data / FILMED
        for needed in (self.source, self.filmed, truth_path(self.filmed), self.data / "lab"):
            if not needed.exists():
                raise InputError(needed, "a part of a finished experiment", "no such file", remedy)
        if len(self.experiment.clips.box) != 4:
            raise InputError(path, "clips.box, the head's box", "none", remedy)

    @property
    def number(self) -> int:
        """The studio's identity: which person."""
        return self.experiment.studio.identity_seed

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Hashes of what every adaptation of this person reads, but for the clip."""
        return {"lab": fingerprint(self.data / "lab"), "source": fingerprint(self.source)}

    @cached_property
    def lab(self) -> LabCaptures:
        """The lab capture, decoded once for all cells."""
        settings = as_given(self.experiment, self.data).lab
        return LabCaptures(settings, self.experiment.appearance.seed)


def as_given(experiment: Experiment, data: Path) -> Experiment:
    """The experiment with its lab capture named by its path, in place of ``studio:lab``."""
    return replace(experiment, lab=replace(experiment.lab, folder=str(data / "lab")))


def find_subjects(runs: Sequence[Path]) -> dict[int, StressSubject]:
    """Number -> subject, in the order of the runs.

    Raises:
        InputError: no run, one that cannot be used, or two of one person.
    """
    if not runs:
        raise InputError("--sources", "one finished experiment or more", "none", "give runs/demo, for example")
    subjects: dict[int, StressSubject] = {}
    for run in runs:
        subject = StressSubject(run)
        if subject.number in subjects:
            earlier = subjects[subject.number].run
            raise InputError(run, "another person in each run", f"the one of {earlier}", "give each person once")
        subjects[subject.number] = subject
    return subjects
