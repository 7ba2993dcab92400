"""``steadyface confidence``: fit the calibration of confidence on some subjects' clips, judge it on others'.

Every trial is tracked once and kept in ``OUT/trials``, so that a run that was stopped goes on, and fitting again
takes seconds. Fitting sees the calibration's conditions and subjects alone; the test's are scored afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from launcher.confidence_plot import draw_reliability
from launcher.confidence_trials import Observed, SyntheticTake, load_observed, load_take, observe, save_observed
from launcher.evaluation import clips_of
from launcher.execution import say
from launcher.load import load_experiment
from launcher.outcome import ADAPTED, load_outcome
from launcher.runs import make_folder, write_atomically
from launcher.tracking import Networks, load_tracker
from steadyface.errors import InputError
from steadyface.metrics.calibration import area_under_roc, expected_calibration_error, reliability
from steadyface.studio.conditions import CALIBRATION, TEST, Trial
from steadyface.studio.occluders import SHAPES
from steadyface.tracking.confidence import Calibration, Logistic, fit_logistic, usual_evidence
from steadyface.tracking.confidence_features import frame_features, region_features
from steadyface.tracking.presence import FEATURES, presence_features, present

ROWS = ("source", ADAPTED)
FOREIGN = tuple(CALIBRATION[place] for place in (0, 3, 12, 22))
"""Of a face that the model does not know: what presence, and no confidence, learns from."""

GROUPS = {
    "occluders": frozenset(SHAPES),
    "cuts": frozenset({"jump", "cut_to_room", "cut_to_card", "covered_lens", "leave"}),
    "light": frozenset({"exposure", "white_balance", "flicker"}),
    "image_quality": frozenset({"motion_blur", "low_resolution", "noise", "compression"}),
}
"""Conditions that are scored together, beside all of them."""

_PRESENCE_RIDGE = 10.0


class Job(NamedTuple):
    """A trial with what it is tracked by and on: a subject's run, a row of its table, and a clip of ``filmed``."""

    run: Path
    row: str
    clip: str
    trial: Trial
    filmed: Path

    @property
    def name(self) -> str:
        """Of its file."""
        whose = "" if self.filmed == self.run else f"-of-{self.filmed.name}"
        return f"{self.run.name}{whose}-{self.row}-{self.clip}-{self.trial.condition}_{self.trial.strength:g}.npz"


def calibration_jobs(runs: Sequence[Path]) -> list[Job]:
    """The calibration's trials on each run, the networks and clips taking turns."""
    jobs = []
    for number, run in enumerate(runs):
        for place, trial in enumerate(CALIBRATION):
            clip = ("adapted_clip", "held_out_clip")[(place // 2 + number) % 2]
            jobs.append(Job(run, ROWS[(place + number) % 2], clip, trial, run))
    return sorted(jobs, key=lambda job: (str(job.run), job.clip))


def foreign_jobs(runs: Sequence[Path]) -> list[Job]:
    """Each run's source on the next run's clip: somebody else's face."""
    pairs = zip(runs, [*runs[1:], runs[0]], strict=True) if len(runs) > 1 else ()
    return [Job(run, ROWS[0], "adapted_clip", trial, other) for run, other in pairs for trial in FOREIGN]


def judged_jobs(runs: Sequence[Path]) -> list[Job]:
    """The test's trials on each run's held-out clip, by both networks."""
    return [Job(run, row, "held_out_clip", trial, run) for run in runs for row in ROWS for trial in TEST]


def observed_jobs(jobs: Sequence[Job], folder: Path) -> Iterator[Observed]:
    """Each job's trial: read where it was kept, else tracked and kept."""
    takes: dict[tuple[Path, str], SyntheticTake] = {}
    networks: dict[tuple[Path, str], Networks] = {}
    for number, job in enumerate(jobs):
        path = folder / job.name
        if not path.is_file():
            key = (job.run, job.row)
            if key not in networks:
                networks[key] = load_tracker(_checkpoint(*key))
            if (job.filmed, job.clip) not in takes:
                takes.clear()  # frames of one clip at a time in memory
                takes[job.filmed, job.clip] = _take(job, networks[key])
            save_observed(observe(networks[key], takes[job.filmed, job.clip], job.trial), path)
            say(f"confidence: {number + 1}/{len(jobs)} {job.name.removesuffix('.npz')}")
        yield load_observed(path)


def _checkpoint(run: Path, row: str) -> Path:
    outcome = load_outcome(run)
    return outcome.source if row == ROWS[0] else outcome.best_known


def _take(job: Job, networks: Networks) -> SyntheticTake:
    experiment, outcome = load_experiment(job.filmed / "experiment.yaml"), load_outcome(job.filmed)
    clips = {clip.name: clip for clip in clips_of(experiment, outcome)}
    clip = clips.get(job.clip)
    if clip is None or clip.truth is None or len(clip.box) != 4:
        raise InputError(job.filmed, f"a {job.clip} with truth and a box", "none", "give runs of the studio's subjects")
    return load_take(clip.path, clip.box, networks.statistics.regions)


def fit(trials: Sequence[Observed], foreign: Sequence[Observed], made: str) -> Calibration:
    """The calibration of trials; foreign ones are seen by its presence model alone."""
    usual = [usual_evidence(trial.evidence) for trial in trials]
    frames = [frame_features(trial.evidence, one) for trial, one in zip(trials, usual, strict=True)]
    regions = [region_features(trial.evidence, one) for trial, one in zip(trials, usual, strict=True)]
    right = np.concatenate([~trial.wrong.numpy() for trial in trials])
    of_regions = np.concatenate([values.reshape(-1, values.shape[2]) for values, _ in regions])
    return Calibration(
        fit_logistic(np.concatenate([values for values, _ in frames]), right[:, 0], frames[0][1]),
        fit_logistic(of_regions, right[:, 1:].reshape(-1), regions[0][1]),
        _fit_presence([*trials, *foreign]),
        made,
    )


def _fit_presence(trials: Sequence[Observed]) -> Logistic:
    """From faces in plain view and no face that can be seen; what is half hidden is neither."""
    features = np.concatenate([presence_features(trial.evidence) for trial in trials])
    there = np.concatenate([trial.present.numpy() for trial in trials])
    plain = np.concatenate([trial.hidden.numpy() <= 0.2 for trial in trials])
    chosen = (there & plain) | ~there
    return fit_logistic(features[chosen], there[chosen], FEATURES, ridge=_PRESENCE_RIDGE, balanced=True)


class Verdict(NamedTuple):
    """Said and true of every frame (n,) or region: probability and whether it was right."""

    probability: NDArray[np.float64]
    right: NDArray[np.bool_]

    def figures(self) -> dict[str, float]:
        """Area under the ROC for what is wrong, calibration error, share that is wrong, number."""
        return {
            "area_under_roc": area_under_roc(-self.probability, ~self.right),
            "expected_calibration_error": expected_calibration_error(self.probability, self.right),
            "wrong_share": float((~self.right).mean()),
            "count": float(len(self.right)),
        }


def judge(calibration: Calibration, trials: Sequence[Observed]) -> tuple[Verdict, Verdict]:
    """What a calibration says of trials' frames and regions, beside the truth."""
    frames = torch.cat([calibration.frame(trial.evidence) for trial in trials]).double().numpy()
    regions = torch.cat([calibration.regions(trial.evidence).flatten() for trial in trials]).double().numpy()
    wrong = torch.cat([trial.wrong[:, 0] for trial in trials]).numpy()
    wrong_regions = torch.cat([trial.wrong[:, 1:].flatten() for trial in trials]).numpy()
    return Verdict(frames, ~wrong), Verdict(regions, ~wrong_regions)


def judge_presence(calibration: Calibration, trials: Sequence[Observed], fps: float = 30.0) -> dict[str, float]:
    """Frames in plain view that were called absent, and faceless ones called present, as shares."""
    lost = plain = invented = empty = 0
    for trial in trials:
        time_s = torch.arange(len(trial.present)) / fps
        said = present(calibration.presence(trial.evidence), trial.evidence.coverage, time_s)
        in_view, none = trial.present & (trial.hidden <= 0.05), ~trial.present & (trial.hidden >= 0.95)
        lost, plain = lost + int((in_view & ~said).sum()), plain + int(in_view.sum())
        invented, empty = invented + int((none & said).sum()), empty + int(none.sum())
    return {
        "plain_frames": plain, "called_absent": lost / max(plain, 1),
        "faceless_frames": empty, "called_present": invented / max(empty, 1),
    }  # fmt: skip


def study_confidence(calibrate_on: Sequence[Path], test_on: Sequence[Path], out: Path) -> None:
    """Fit, judge, and write ``confidence.json``, ``confidence.png`` and ``scores.json`` into a folder.

    Args:
        calibrate_on: experiments' folders, one a subject.
        test_on: those of other subjects.
        out: where to.

    Raises:
        InputError: a run is among both, has not ended, or has no truth.
    """
    both = {run.resolve() for run in calibrate_on} & {run.resolve() for run in test_on}
    if both:
        raise InputError(min(both), "a subject for calibration or for the test", "for both", "name another")
    make_folder(out / "trials")
    torch.set_num_threads(1)
    trials = list(observed_jobs(calibration_jobs(calibrate_on), out / "trials"))
    foreign = list(observed_jobs(foreign_jobs(calibrate_on), out / "trials"))
    made = f"steadyface confidence, {len(trials)} trials of {', '.join(run.name for run in calibrate_on)}"
    calibration = fit(trials, foreign, made)
    calibration.save(out / "confidence.json")
    jobs = judged_jobs(test_on)
    judged = list(observed_jobs(jobs, out / "trials"))
    frames, regions = judge(calibration, judged)
    scores = {"frames": frames.figures(), "regions": regions.figures(), "presence": judge_presence(calibration, judged)}
    for group, names in GROUPS.items():
        some = [trial for job, trial in zip(jobs, judged, strict=True) if job.trial.condition in names]
        scores[f"frames_{group}"] = judge(calibration, some)[0].figures()
    write_atomically(out / "scores.json", json.dumps(scores, indent=2) + "\n")
    curves = {"frames": reliability(*frames), "regions": reliability(*regions)}
    draw_reliability(curves, scores, out)
    print(json.dumps(scores, indent=2))
