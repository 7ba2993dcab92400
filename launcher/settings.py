"""What an experiment file may say. One dataclass; each stage's section is defined where the stage is.

A path that starts with ``studio:`` lies in the folder that the studio stage writes
(``studio:lab``, ``studio:clips/NAME.mp4``); the stage runs when some path needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from datamodules.lab_captures import LabCapturesSettings
from datamodules.wild_clips import WildClipsSettings, check_settings
from launcher.resolve import Layer, apply_layer, file_layers, override_layers, resolve
from lightning_modules.adaptation import AdaptationSettings
from lightning_modules.appearance import AppearanceSettings
from lightning_modules.pretraining import PretrainingSettings
from steadyface.errors import InputError
from steadyface.studio.settings import StudioSettings

STUDIO = "studio:"


@dataclass
class TrainerSettings:
    """How the stages are trained on this machine."""

    accelerator: str = "cpu"  # cpu or gpu
    devices: int = 1  # processes; above 1 they train in parallel (DDP)
    threads: int = 1  # torch threads of each process
    log_every_steps: int = 20  # optimiser steps between two rows of metrics.csv
    validate_every_steps: int = 200  # optimiser steps between two validations
    checkpoint_every_steps: int = 200  # optimiser steps between two writes of last.ckpt


@dataclass
class WandbSettings:
    """Weights & Biases: one run a stage, its group is the experiment."""

    mode: str = "offline"  # offline, online or disabled
    project: str = "steadyface"


@dataclass
class EvaluationSettings:
    """The clips of the table. Truth (NAME.truth.npz beside a clip) is used where it exists."""

    held_out_clip: str = ""  # a clip of the same subject that no stage sees; empty for none
    held_out_box: list[float] = field(default_factory=list)  # x, y, w, h in pixels; empty: as clips.box


@dataclass
class Experiment:
    """A whole experiment: data, three trainings, what is compared."""

    name: str = ""  # the folder under `runs`; empty: the file's name
    runs: str = "runs"  # the folder of all runs
    source: str = ""  # a run folder or checkpoint to adapt from; empty: train one from the lab capture
    seeds: list[int] = field(default_factory=lambda: [0])  # one adaptation each, in place of adaptation.seed
    studio: StudioSettings = field(default_factory=StudioSettings)
    lab: LabCapturesSettings = field(default_factory=LabCapturesSettings)
    clips: WildClipsSettings = field(default_factory=WildClipsSettings)
    appearance: AppearanceSettings = field(default_factory=AppearanceSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)
    adaptation: AdaptationSettings = field(default_factory=AdaptationSettings)
    # Name of a row -> what it changes in `adaptation`; each is adapted and evaluated beside it.
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    wandb: WandbSettings = field(default_factory=WandbSettings)


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment that a file and ``key=value`` words describe, checked.

    Raises:
        ExceptionGroup or InputError: all faults at once, before any data is opened.
    """
    experiment = resolve(Experiment, [*file_layers(path), *override_layers(overrides)])
    if not experiment.name:
        experiment = replace(experiment, name=path.stem)
    faults = list(check(experiment))
    if faults:
        raise ExceptionGroup(f"faults in {path}", faults)
    return experiment


def variant_settings(experiment: Experiment, variant: str, seed: int) -> AdaptationSettings:
    """The adaptation of one row of the table under one seed; ``adapted`` is the experiment's own.

    Raises:
        ExceptionGroup: of one InputError a key that the adaptation does not have.
    """
    config = OmegaConf.structured(replace(experiment.adaptation, seed=seed))
    layer = Layer(f"variants.{variant}", experiment.variants.get(variant, {}))
    faults = list(apply_layer(config, AdaptationSettings, layer))
    if faults:
        raise ExceptionGroup("faults in the variants", faults)
    return OmegaConf.to_object(config)  # type: ignore[return-value]


def to_yaml(experiment: Experiment) -> str:
    """The resolved experiment as YAML that `load_experiment` reads back."""
    return yaml.safe_dump(asdict(experiment), sort_keys=False)


def check(experiment: Experiment) -> Iterator[InputError]:
    """The faults of single values and of their combinations."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", experiment.name):
        yield fault("name", "letters, digits, . _ and -", experiment.name, "it names a folder")
    if not experiment.seeds or len(set(experiment.seeds)) < len(experiment.seeds):
        yield fault("seeds", "one or more different seeds", experiment.seeds, "write for example [0, 1, 2]")
    if not experiment.lab.folder:
        yield fault("lab.folder", "a lab capture's folder", "none", f"give one, or {STUDIO}lab")
    if not experiment.clips.clips:
        yield fault("clips.clips", "one or more videos", "none", "write clips.clips='[my_clip.mp4]'")
    else:
        try:
            check_settings(experiment.clips)
        except InputError as error:
            yield fault(f"clips.{error.subject}", error.expected, error.got, error.remedy)
    for name in ("appearance", "pretraining", "adaptation"):
        steps = getattr(experiment, name).steps
        if steps < 1:
            yield fault(f"{name}.steps", "1 or more", steps, "the stage must train")
    crop, encoder = experiment.clips.image_size, experiment.pretraining.encoder.image_size
    if not experiment.source and crop != encoder:
        yield fault(
            "clips.image_size", f"{encoder}, as pretraining.encoder.image_size", crop, "make them equal"
        )
    yield from check_trainer(experiment)
    yield from check_networks(experiment)
    for variant in experiment.variants:
        if variant in {"source", "adapted", "decoder_floor"} or variant.endswith("_smoothed"):
            yield fault(f"variants.{variant}", "a new row's name", "one of the table's own", "rename it")
        try:
            variant_settings(experiment, variant, seed=0)
        except ExceptionGroup as group:
            yield from (error for error in group.exceptions if isinstance(error, InputError))


def check_networks(experiment: Experiment) -> Iterator[InputError]:
    """The faults of the networks' sizes, found here and not in the middle of a stage."""
    sections = {
        "appearance.model": asdict(experiment.appearance.model),
        "pretraining.encoder": asdict(experiment.pretraining.encoder),
    }
    for section, sizes in sections.items():
        for name, value in sizes.items():
            unit = size_unit(section, name)
            if value < unit or value % unit:
                expected = f"a multiple of {unit}" if unit > 1 else "1 or more"
                nearest = max(unit, round(value / unit) * unit)
                yield fault(f"{section}.{name}", expected, value, f"the nearest one is {nearest}")


def size_unit(section: str, name: str) -> int:
    """What a size of a network must be a multiple of: channels are normalised in groups of 8, sides halved 4 times."""
    if name.endswith("_width"):
        return 8 if section == "pretraining.encoder" else 1
    return 16 if name in {"image_size", "texture_size"} else 1


def check_trainer(experiment: Experiment) -> Iterator[InputError]:
    """The faults of the sections `trainer` and `wandb`."""
    trainer = experiment.trainer
    for name in ("devices", "threads", "log_every_steps", "validate_every_steps", "checkpoint_every_steps"):
        if getattr(trainer, name) < 1:
            yield fault(f"trainer.{name}", "1 or more", getattr(trainer, name), "give a whole number from 1")
    if trainer.accelerator not in {"cpu", "gpu"}:
        yield fault("trainer.accelerator", "cpu or gpu", trainer.accelerator, "choose one of them")
    if experiment.wandb.mode not in {"offline", "online", "disabled"}:
        yield fault("wandb.mode", "offline, online or disabled", experiment.wandb.mode, "choose one of them")


def fault(key: str, expected: str, got: object, remedy: str) -> InputError:
    return InputError(key, expected, str(got), remedy)
