"""One cell of the stress suite: its clip, the two adaptations to it, and what all three networks reach on it.

Clip and adaptations are stages like any other: a killed command goes on with the stage that it was at.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

from launcher.evaluation import evaluate_clip
from launcher.execution import execute, say
from launcher.judge import JudgedClip
from launcher.outcome import ADAPTED, Outcome
from launcher.plan import DATA, Plan, data_settings, plan_adaptation
from launcher.runs import RunRecord, Stage, StageResult, fingerprint
from launcher.settings import EvaluationSettings, Experiment, to_yaml
from launcher.stages import StageRunner
from launcher.stress.cells import CELL, Cell, Row, load_cell, save_cell
from launcher.stress.grid import CellKey
from launcher.stress.settings import StressSettings
from launcher.stress.subjects import StressSubject, as_given
from launcher.stress.worlds import find_world
from launcher.tracking import load_tracker
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.errors import InputError
from steadyface.metrics.evaluate_track import judged_face
from steadyface.studio.stress_conditions import CLEAN
from steadyface.tracking.track import Track

PAPER = "published"
CLIP_FILE = Path(DATA, "clip.mp4")
_FILM_VERSION, _SCORE_VERSION = 1, 1  # raised where the same settings give another clip, or other figures


def plan_clip(key: CellKey, settings: StressSettings, subject: StressSubject) -> Stage:
    """The stage that films a cell's clip."""
    what = {
        "studio": data_settings(subject.experiment.studio),
        "trial": key.trial._asdict(),
        "frames": settings.frames,
        "world": key.world,
        "version": _FILM_VERSION,
    }
    return Stage("clip", "clip", what, {"filmed": fingerprint(subject.filmed)})


def cell_experiment(key: CellKey, settings: StressSettings, subject: StressSubject, runs: Path) -> Experiment:
    """The experiment of a cell: the subject's own, but for the clip, the objectives and the machine.

    The clip's path is where its stage writes it.
    """
    clip = runs / key.name / plan_clip(key, settings, subject).folder_name / CLIP_FILE
    given = as_given(subject.experiment, subject.data)
    return replace(
        given, name=key.name, runs=str(runs), decoder="", source=str(subject.source), sources={},
        seeds=[key.seed], clips=replace(given.clips, clips=[str(clip)]), adaptation=settings.adaptation,
        variants={PAPER: dict(settings.paper)}, evaluation=EvaluationSettings(),
        trainer=settings.trainer, wandb=settings.wandb,
    )  # fmt: skip


def plan_cell(key: CellKey, settings: StressSettings, subject: StressSubject, runs: Path) -> tuple[Stage, Plan]:
    """The clip's stage, and the adaptations to it."""
    filming = plan_clip(key, settings, subject)
    experiment = cell_experiment(key, settings, subject, runs)
    inputs = {"clip 0": filming.digest, **subject.inputs}
    adaptations = {
        (row, key.seed): plan_adaptation(experiment, row, key.seed, inputs) for row in (PAPER, ADAPTED)
    }
    return filming, Plan(None, None, None, None, subject.source, {}, adaptations)


def cell_digest(filming: Stage, plan: Plan) -> str:
    """12 hexadecimal digits that differ when anything differs that decides a cell's figures."""
    parts = [filming.digest, *(stage.digest for stage in plan.adaptations.values()), _SCORE_VERSION]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def finished_cell(key: CellKey, settings: StressSettings, subject: StressSubject, runs: Path) -> Cell | None:
    """The cell as it was stored, None where it is not, or where its settings have changed since."""
    path = runs / key.name / CELL
    if not path.is_file():
        return None
    cell = load_cell(path)
    return cell if cell.digest == cell_digest(*plan_cell(key, settings, subject, runs)) else None


def run_cell(key: CellKey, settings: StressSettings, subject: StressSubject, runs: Path) -> Cell:
    """Film, adapt twice, score, and store a cell; what was done before is taken as it is.

    An adaptation that refuses a disturbed clip leaves the source as it was: its figures are the source's. Of a clean
    clip a refusal is a fault of the settings.

    Raises:
        InputError: the clip cannot be made, or the clean one cannot be adapted to.
    """
    started = time.monotonic()
    filming, plan = plan_cell(key, settings, subject, runs)
    experiment = cell_experiment(key, settings, subject, runs)
    film = find_world(key.world)

    def work(folder: Path, record: RunRecord) -> None:
        film(subject.experiment.studio, subject.filmed, key.trial, settings.frames, folder / CLIP_FILE)

    filmed = execute(filming, runs, key.name, to_yaml(experiment), work)
    clip = filmed.folder / CLIP_FILE
    experiment = replace(experiment, clips=replace(experiment.clips, clips=[str(clip)]))
    runner = StageRunner(experiment, plan)
    runner.lab = subject.lab
    results, refused = dict[str, StageResult](), dict[str, str]()
    for (row, seed), stage in plan.adaptations.items():
        try:
            results[row] = runner.run_adaptation(stage, subject.source, row, seed)
        except InputError as error:
            if key.condition == CLEAN:
                raise
            refused[row] = str(error)
            say(f"{stage.label}: refused, the source stays: {error}")
    rows = score_rows(key, experiment, clip, subject, results, refused, runs)
    cell = Cell(
        key.world, key.condition, key.strength, key.subject, key.seed, clip, settings.frames,
        cell_digest(filming, plan), round(time.monotonic() - started, 1), *rows,
    )  # fmt: skip
    save_cell(cell, runs / key.name)
    return cell


def score_rows(
    key: CellKey, experiment: Experiment, clip: Path, subject: StressSubject, results: dict[str, StageResult],
    refused: dict[str, str], runs: Path,
) -> tuple[Row, Row, Row]:
    """Source, paper and ours on a cell's clip, by the same judge as ``steadyface evaluate``."""
    truth, clips = ClipTruth.load(truth_path(clip)), experiment.clips
    adapted = {(row, key.seed): result.checkpoint for row, result in results.items()}
    judged = JudgedClip("adapted_clip", clip, clips.box, clips.focal_px, truth)
    tracks = runs / key.name / "tracks"
    scores, _ = evaluate_clip(judged, experiment, Outcome(None, subject.source, adapted, {}), tracks)
    statistics = load_tracker(subject.source).statistics
    true = judged_face(truth, statistics.rigid_vertices, statistics.vertex_mean)

    def row(name: str, file: str, checkpoint: Path, seconds: float = 0.0) -> Row:
        face = judged_face(Track.load(tracks / f"{file}.npz"), statistics.rigid_vertices, statistics.vertex_mean)
        apart = {
            "reprojection_error_px": (face.picture - true.picture).norm(dim=-1).mean(1),
            "vertex_error_mm": (face.head.vertices - true.head.vertices).norm(dim=-1).mean(1),
        }
        frames = {metric: [round(value, 4) for value in values.tolist()] for metric, values in apart.items()}
        return Row(checkpoint, {metric: value[0] for metric, value in scores[name].items()}, frames, seconds)

    source = row("source", "source", subject.source)
    return source, *(
        replace(source, refused=refused[name])
        if name in refused
        else row(name, f"{name}-seed{key.seed}", results[name].checkpoint, round(results[name].seconds, 1))
        for name in (PAPER, ADAPTED)
    )  # type: ignore[return-value]
