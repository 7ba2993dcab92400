"""What an experiment file may say. One dataclass; each stage's section is defined where the stage is.

A path that starts with ``studio:`` lies in the folder that the studio stage writes
(``studio:lab``, ``studio:clips/NAME.mp4``); the stage runs when some path needs it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import yaml
from omegaconf import OmegaConf

from datamodules.clip_settings import WildClipsSettings
from datamodules.lab_captures import LabCapturesSettings
from launcher.resolve import Layer, apply_layer
from lightning_modules.adaptation_settings import AdaptationSettings
from lightning_modules.appearance import AppearanceSettings
from lightning_modules.pretraining import PretrainingSettings
from steadyface.studio.settings import StudioSettings

Section = TypeVar("Section")
STUDIO = "studio:"


@dataclass
class TrainerSettings:
    """How the stages are trained on this machine."""

    accelerator: str = "cpu"  # cpu or gpu
    devices: int = 1  # processes on each machine; above 1 they train in parallel (DDP)
    num_nodes: int = 1  # machines; above 1 the processes are started by torchrun or srun
    precision: str = "32-true"  # or bf16-mixed: bfloat16 in the networks' convolutions, never in geometry
    threads: int = 1  # torch threads of each process
    log_every_steps: int = 20  # optimiser steps between two rows of metrics.csv
    validate_every_steps: int = 200  # optimiser steps between two validations
    checkpoint_every_steps: int = 200  # optimiser steps between two writes of last.ckpt


@dataclass
class WandbSettings:
    """Weights & Biases: one run a stage and one for the scores; docs/dashboards.md says what is in them."""

    mode: str = "offline"  # offline, online or disabled
    project: str = "steadyface"
    entity: str = ""  # user or team; empty: that of the login
    group: str = ""  # of the runs; empty: the sweep's name, or the experiment's
    artifacts: bool = True  # checkpoints as artifacts with their lineage, where the mode is online

    @property
    def with_artifacts(self) -> bool:
        return self.artifacts and self.mode == "online"


@dataclass
class EvaluationSettings:
    """The clips of the table. Truth (NAME.truth.npz beside a clip) is used where it exists."""

    held_out_clip: str = ""  # a clip of the same subject that no stage sees; empty for none
    held_out_box: list[float] = field(default_factory=list)  # x, y, w, h in pixels; empty: as clips.box
    # photometric_fit, oracle_pose, oracle_latent, generic_tracker: rows that are no trained network
    baselines: list[str] = field(default_factory=list)
    # resolution, blur, noise, compression, crop_error, ...: each tracked at several levels
    degradations: list[str] = field(default_factory=list)


@dataclass
class Experiment:
    """A whole experiment: data, three trainings, what is compared."""

    name: str = ""  # the folder under `runs`; empty: the file's name
    runs: str = "runs"  # the folder of all runs
    decoder: str = ""  # the checkpoint of a face model, as import-decoder writes it; empty: train one
    source: str = ""  # a run folder or checkpoint to adapt from; empty: train one from the lab capture
    adapt: bool = True  # false: the table holds the sources only
    seeds: list[int] = field(default_factory=lambda: [0])  # one adaptation each, in place of adaptation.seed
    studio: StudioSettings = field(default_factory=StudioSettings)
    lab: LabCapturesSettings = field(default_factory=LabCapturesSettings)
    clips: WildClipsSettings = field(default_factory=WildClipsSettings)
    appearance: AppearanceSettings = field(default_factory=AppearanceSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)
    adaptation: AdaptationSettings = field(default_factory=AdaptationSettings)
    # Name of a row -> what it changes in `pretraining`: another source network, scored beside the first.
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Name of a row -> what it changes in `adaptation`, with `source: NAME` from one of the above; each is
    # adapted and evaluated beside it.
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    wandb: WandbSettings = field(default_factory=WandbSettings)


def variant_settings(experiment: Experiment, variant: str, seed: int) -> AdaptationSettings:
    """The adaptation of one row of the table under one seed; ``adapted`` is the experiment's own.

    Raises:
        ExceptionGroup: of one InputError a key that the adaptation does not have.
    """
    changes = {key: value for key, value in experiment.variants.get(variant, {}).items() if key != "source"}
    return changed(replace(experiment.adaptation, seed=seed), Layer(f"variants.{variant}", changes))


def variant_source(experiment: Experiment, variant: str) -> str:
    """The name, in `sources`, of the network that a row adapts; empty for the experiment's own."""
    return str(experiment.variants.get(variant, {}).get("source", ""))


def source_settings(experiment: Experiment, source: str) -> PretrainingSettings:
    """The pretraining of one of `sources`.

    Raises:
        ExceptionGroup: of one InputError a key that the pretraining does not have.
    """
    return changed(experiment.pretraining, Layer(f"sources.{source}", experiment.sources[source]))


def changed(settings: Section, layer: Layer) -> Section:
    """A section with the changes of a layer; raises an ExceptionGroup of the layer's faults."""
    config = OmegaConf.structured(settings)
    faults = list(apply_layer(config, type(settings), layer))
    if faults:
        raise ExceptionGroup(f"faults in {layer.origin}", faults)
    return OmegaConf.to_object(config)  # type: ignore[return-value]


def to_yaml(experiment: Experiment) -> str:
    """The resolved experiment as YAML that `load_experiment` reads back."""
    return yaml.safe_dump(asdict(experiment), sort_keys=False)
