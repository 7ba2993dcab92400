"""What the page starts with: subjects, times, machine, code version, sizes."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from launcher.plan import NO_RESULT
from launcher.results.inputs import Study, SubjectRun
from launcher.results.rows import flatten
from launcher.results.tables import markdown_table

# Dotted path of experiment.yaml -> words; what an experiment does not have is left out.
SIZES = {
    "studio.lab_frames": "lab frames",
    "studio.cameras": "lab cameras",
    "studio.adapt_frames": "frames of the adapted clip",
    "studio.held_out_frames": "frames of the held-out clip",
    "lab.image_size": "lab image, px",
    "clips.image_size": "clip image, px",
    "appearance.model.architecture": "face model",
    "appearance.model.latent_size": "latent",
    "studio.texture_size": "texture, px",
    "pretraining.network": "encoder",
    "appearance.steps": "steps of the face model",
    "pretraining.steps": "steps of the encoder",
    "adaptation.steps": "steps of the adaptation",
    "trainer.accelerator": "trained on",
    "trainer.precision": "precision",
}
# Sections whose settings may differ between subjects only where that is said.
COMPARED_SECTIONS = (
    "studio", "lab", "clips", "appearance", "pretraining", "adaptation", "sources", "variants", "trainer",
)  # fmt: skip
MAY_DIFFER = NO_RESULT | {"identity_seed", "threads"}
MAX_NAMED = 12


def setup_lines(study: Study) -> Iterator[str]:
    """The facts, as list items and the table of times."""
    runs = study.runs
    subjects = ", ".join(f"`{run.folder}` ({run.subject})" for run in runs)
    yield f"- Subjects: {len(runs)}, {subjects}"
    yield f"- Seeds of the adaptation: {', '.join(map(str, study.seeds))}; the source network has one seed"
    versions = sorted({record.code_version for run in runs for record in run.records})
    yield f"- Code version of the runs: {', '.join(f'`{version}`' for version in versions) or 'not recorded'}"
    yield f"- Machine that made this page: {machine()}"
    yield f"- Sizes: {'; '.join(sizes(runs))}"
    differing = differing_settings(runs)
    if differing:
        more = f", and {len(differing) - MAX_NAMED} more" if len(differing) > MAX_NAMED else ""
        yield f"- Settings that differ between the runs: {'; '.join(differing[:MAX_NAMED])}{more}"
    yield from (f"- Left out: {sentence}" for sentence in study.left_out)
    yield ""
    yield from time_table(runs)


def sizes(runs: Sequence[SubjectRun]) -> list[str]:
    """``lab frames 600``; several values where the runs differ."""
    flat = [flatten(run.settings) for run in runs]
    found = {path: list(dict.fromkeys(str(run[path]) for run in flat if path in run)) for path in SIZES}
    return [f"{SIZES[path]} {' / '.join(values)}" for path, values in found.items() if values]


def differing_settings(runs: Sequence[SubjectRun]) -> list[str]:
    """Settings that decide results and are not the same in all runs, with their values."""
    flat = [
        flatten({name: run.settings.get(name) or {} for name in COMPARED_SECTIONS}) for run in runs
    ]
    paths = dict.fromkeys(path for run in flat for path in run)
    differing = []
    for path in paths:
        values = list(dict.fromkeys(str(run.get(path, "none")) for run in flat))
        if len(values) > 1 and path.rsplit(".", 1)[-1] not in MAY_DIFFER:
            differing.append(f"{path} {' / '.join(values)}")
    return differing


def time_table(runs: Sequence[SubjectRun]) -> list[str]:
    """Wall time by stage, a column a run, and in total; the seeds of a row are added up."""
    stages: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(runs))
    for index, run in enumerate(runs):
        for label, seconds in run.seconds.items():
            stages[label.split(", seed ")[0]][index] += seconds
    stages["**in total**"] = [sum(column) for column in zip(*stages.values(), strict=True)]
    rows = [[label, *map(duration, times), duration(sum(times))] for label, times in stages.items()]
    return markdown_table(["stage", *(run.folder.name for run in runs), "all"], rows)


def duration(seconds: float) -> str:
    """
    >>> duration(75.2), duration(7260)
    ('1 min 15 s', '2 h 01 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def machine() -> str:
    """CPU model, cores, accelerator, versions."""
    parts = [cpu_model(), f"{os.cpu_count()} cores"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join([*parts, f"torch {torch.__version__}", f"Python {platform.python_version()}"])


def cpu_model() -> str:
    """The processor's name as Linux says it; elsewhere what Python knows."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
