"""ImageNet's weights, looked for before anything runs: days of the face model's training are not to end without."""

from __future__ import annotations

from pathlib import Path

from launcher.plan import Plan
from launcher.runs import find_finished
from launcher.settings import Experiment, source_settings
from lightning_modules.pretraining import PretrainingSettings
from steadyface.networks.perceptual import BACKBONES


def check_given_weights(experiment: Experiment, plan: Plan) -> None:
    """Open the weights that each source network still to be trained starts from.

    Raises:
        InputError: where they are not at hand, with how to get them.
    """
    stages = {"": plan.pretraining, **plan.sources}
    for name, stage in stages.items():
        if stage is None or find_finished(Path(experiment.runs), stage):
            continue
        settings = source_settings(experiment, name) if name else experiment.pretraining
        backbone = backbone_of(settings)
        if settings.imagenet and backbone in BACKBONES:
            BACKBONES[backbone].classifier.weights(1)


def backbone_of(settings: PretrainingSettings) -> str:
    """The image classifier whose features a source network sees."""
    return settings.i2znet.backbone if settings.network == "i2znet" else "mobilenet_v2"
