"""The W&B run of an experiment's scores: every row's figures, tables, the stability graph, media.

It keeps its id, and what it logged, in ``wandb_run.json``: an experiment that is evaluated again goes on in the same
run, and logs what is new. Of a sweep that W&B's agents work on, it is the run of the trial.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import wandb
from torch import Tensor

from launcher.evaluation_media import draw_clip, draw_error_maps, draw_textures, frame_errors
from launcher.figures.finished import FinishedRun
from launcher.judge import JudgedClip
from launcher.load import load_experiment
from launcher.report.charts import tremor_per_frame
from launcher.report.figures import ADAPTED, SOURCE, finite
from launcher.report.inputs import JudgedRows, ReportClip, judge_rows
from launcher.runs import code_version, write_atomically
from launcher.wandb_agent import agent_trial
from launcher.wandb_runs import group_of, resolved_settings, start_run, tags_of
from launcher.wandb_tables import results_table, segments_table, worst_table

JOB = "evaluation"
RECORD = "wandb_run.json"
MEDIA = "media"


@dataclass
class EvaluationRecord:
    """What ``wandb_run.json`` holds: W&B's id, the number of the next row, and part -> digest of what was logged."""

    wandb_id: str
    next_row: int = 0
    logged: dict[str, str] = field(default_factory=dict)

    def is_new(self, part: str, digest: str) -> bool:
        """Whether this very part was not logged yet; it is noted as logged."""
        known = self.logged.get(part) == digest
        self.logged[part] = digest
        return not known


def log_evaluation(folder: Path) -> None:
    """Log an evaluated experiment to its W&B run, unless W&B is disabled or nothing is new.

    Args:
        folder: of the experiment.
    """
    settings = load_experiment(folder / "experiment.yaml").wandb
    if settings.mode == "disabled":
        return
    finished, record = FinishedRun(folder), read_evaluation_record(folder)
    rows = new_rows(finished, record)
    if not rows:
        return
    resolved, code = resolved_settings(folder), code_version()
    run = start_run(
        folder,
        settings,
        run_id=record.wandb_id,
        group=group_of(finished.name, settings),
        job_type=JOB,
        name=f"{finished.name}, scores",
        tags=tags_of(resolved, JOB, code),
        config={**resolved, "code": code},
        agents=True,
    )
    try:
        for clip in finished.clip_names:
            run.define_metric(f"stability/{clip}/*", step_metric=f"time_s/{clip}", summary="none")
        for number, row in enumerate(rows):
            run.log(row, step=record.next_row + number)
    finally:
        run.finish()
    record.next_row += len(rows)
    write_atomically(folder / RECORD, json.dumps(asdict(record), indent=1) + "\n")


def read_evaluation_record(folder: Path) -> EvaluationRecord:
    """The record of an experiment; a new one where there is none, or where an agent wants another run."""
    path, trial = folder / RECORD, agent_trial()
    record = EvaluationRecord(secrets.token_hex(4))
    if path.is_file():
        record = EvaluationRecord(**json.loads(path.read_text(encoding="utf-8")))
    if trial is not None and record.wandb_id != trial.run_id:
        return EvaluationRecord(trial.run_id)
    return record


def new_rows(finished: FinishedRun, record: EvaluationRecord) -> list[dict[str, Any]]:
    """The rows to log: figures, tables and media together, then a row a frame of the stability graphs."""
    first: dict[str, Any] = {}
    frames: list[dict[str, Any]] = []
    shown = [(clip, all_tracks(finished, clip)) for clip in finished.clips if clip.name in finished.clip_names]
    judged = {clip.name: judge_rows(tracks, finished.networks.statistics) for clip, tracks in shown}
    if record.is_new("figures", digest(json.dumps(finished.summary, sort_keys=True))):
        first |= figures(finished) | {"tables/results": results_table(finished)}
    if record.is_new("segments", digest(*(face.picture for rows in judged.values() for face in rows.rows.values()))):
        regions = finished.networks.statistics.regions
        first["tables/segments"] = segments_table([(tracks, judged[tracks.name]) for _, tracks in shown], regions)
    worst = []
    for clip, tracks in shown:
        frames += stability_rows(tracks, judged[clip.name], record)
        drawn = [judged[clip.name].rows[row].picture for row in (SOURCE, ADAPTED) if row in tracks.tracks]
        if record.is_new(f"media/{clip.name}", digest(*drawn)):
            media, found = clip_media(finished, clip, judged[clip.name])
            first |= media
            worst += found
    if worst:
        first["tables/worst_segments"] = worst_table(worst)
    return [row for row in (first, *frames) if row]


def all_tracks(finished: FinishedRun, clip: JudgedClip) -> ReportClip:
    """A clip with the first seed's track of every row."""
    return ReportClip(clip.name, clip.path, finished.tracks(clip.name), clip.truth)


def figures(finished: FinishedRun) -> dict[str, float]:
    """``CLIP/ROW/METRIC`` -> mean over the seeds, of every figure in ``summary.json``."""
    return {
        f"{clip}/{row}/{metric}": fmean(finite(values))
        for clip in finished.clip_names
        for row, metrics in finished.rows(clip).items()
        for metric, values in metrics.items()
        if finite(values)
    }


def stability_rows(clip: ReportClip, judged: JudgedRows, record: EvaluationRecord) -> list[dict[str, float]]:
    """A row a frame: ``stability/CLIP/ROW``, px/s^2, over ``time_s/CLIP``, of the tracks that are new."""
    lines = {
        row: tremor_per_frame(face, judged.truth, clip.tracks[row].time_s) for row, face in judged.rows.items()
    }
    lines = {row: line for row, line in lines.items() if record.is_new(f"stability/{clip.name}/{row}", digest(line))}
    if not lines:
        return []
    times = next(iter(clip.tracks.values())).time_s
    since = (times - times[0])[1:-1].tolist()
    columns = {f"time_s/{clip.name}": since}
    columns |= {f"stability/{clip.name}/{row}": line.tolist() for row, line in lines.items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def clip_media(finished: FinishedRun, clip: JudgedClip, judged: JudgedRows) -> tuple[dict[str, Any], list[Any]]:
    """What is drawn of a clip, ready to log, and (clip's name, worst segment) for the table of all clips."""
    topology, media = finished.networks.statistics, finished.folder / MEDIA / clip.name
    drawn = finished.drawn_clip(clip, (SOURCE, ADAPTED))
    overlay, worst = draw_clip(drawn, topology, frame_errors(drawn, judged_of(drawn, judged)), media)
    found: dict[str, Any] = {f"media/{clip.name}/overlay": wandb.Video(str(overlay), format="mp4")}
    pictures = {
        "vertex_error": draw_error_maps(drawn, topology, judged, media),
        "textures": draw_textures(drawn, topology, media),
    }
    for name, files in pictures.items():
        if files:
            found[f"media/{clip.name}/{name}"] = [
                wandb.Image(str(path), caption=caption) for path, caption in files.items()
            ]
    return found, [(drawn, one) for one in worst]


def judged_of(clip: ReportClip, judged: JudgedRows) -> JudgedRows:
    return JudgedRows({row: judged.rows[row] for row in clip.tracks}, judged.truth)


def digest(*parts: str | Tensor) -> str:
    """Twelve hexadecimal digits that differ where the content does."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() if isinstance(part, str) else torch.as_tensor(part).contiguous().numpy().tobytes())
    return found.hexdigest()[:12]
