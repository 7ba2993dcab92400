"""The faults of an experiment's single values and of their combinations, found before any data is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from datamodules.clip_settings import check_settings
from launcher.baselines import BASELINES, check_baselines
from launcher.outcome import ADAPTED
from launcher.settings import STUDIO, Experiment, source_settings, variant_settings, variant_source
from lightning_modules.adaptation_settings import check_parts
from lightning_modules.expression_lessons import check_expression
from lightning_modules.pretraining import PretrainingSettings
from steadyface.capture.degradation import parse_degradations
from steadyface.errors import InputError
from steadyface.networks.encoders import ENCODERS
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.face_models import ARCHITECTURES
from steadyface.networks.i2znet import check_i2znet
from steadyface.networks.precision import PRECISIONS

NETWORKS = tuple(ENCODERS)
RESERVED_ROWS = {"source", ADAPTED, "decoder_floor", *BASELINES}


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
    yield from check_evaluation(experiment)
    yield from check_trainer(experiment)
    yield from check_model(experiment.appearance.model)
    yield from check_sources(experiment)
    yield from check_variants(experiment)


def check_sources(experiment: Experiment) -> Iterator[InputError]:
    """The faults of the source networks: the experiment's own and each of `sources`."""
    if experiment.decoder and experiment.source:
        yield fault("decoder", "none, where a source is given", experiment.decoder, "the source holds its own")
    if experiment.source:
        if experiment.sources:
            got = ", ".join(experiment.sources)
            yield fault("sources", "none, where a source is given", got, "leave out source= to train them")
        return
    yield from check_pretraining(experiment, "pretraining", experiment.pretraining)
    for name in experiment.sources:
        if name in RESERVED_ROWS or name.endswith("_smoothed") or name in experiment.variants:
            yield fault(f"sources.{name}", "a new row's name", "one of the table's own", "rename it")
        try:
            yield from check_pretraining(experiment, f"sources.{name}", source_settings(experiment, name))
        except ExceptionGroup as group:
            yield from (error for error in group.exceptions if isinstance(error, InputError))


def check_variants(experiment: Experiment) -> Iterator[InputError]:
    """The faults of the table's further rows."""
    for variant in experiment.variants:
        if variant in RESERVED_ROWS or variant.endswith("_smoothed"):
            yield fault(f"variants.{variant}", "a new row's name", "one of the table's own", "rename it")
        source = variant_source(experiment, variant)
        if source and source not in experiment.sources:
            known = ", ".join(experiment.sources) or "none"
            yield fault(f"variants.{variant}.source", f"one of sources ({known})", source, "name one of them")
    rows = {"adaptation": ADAPTED} | {f"variants.{variant}": variant for variant in experiment.variants}
    told: set[tuple[str, str]] = set()  # a row inherits the adaptation's faults: each is told once
    for section, variant in rows.items() if experiment.adapt else []:
        try:
            settings = variant_settings(experiment, variant, seed=0)
            branch = has_landmarks(experiment, variant_source(experiment, variant))
            for error in check_parts(settings, branch, len(experiment.clips.window_offsets_s), section):
                if (error.subject.removeprefix(section), error.got) not in told:
                    told.add((error.subject.removeprefix(section), error.got))
                    yield error
            if settings.weights.apertures > 0 and experiment.clips.degradation:
                # the detector looks at the file: it would see what the encoder is not to see
                got, remedy = experiment.clips.degradation, "degrade the file, or set it to 0"
                yield fault(f"{section}.weights.apertures", "clips without clips.degradation", got, remedy)
        except ExceptionGroup as group:
            yield from (error for error in group.exceptions if isinstance(error, InputError))


def has_landmarks(experiment: Experiment, source: str) -> bool:
    """Whether a source network finds landmarks; of a given checkpoint the stage itself finds out."""
    if experiment.source or (source and source not in experiment.sources):
        return True
    try:
        settings = source_settings(experiment, source) if source else experiment.pretraining
    except ExceptionGroup:  # reported with the sources
        return True
    return settings.network != "i2znet" or settings.i2znet.hourglass


def check_pretraining(experiment: Experiment, section: str, settings: PretrainingSettings) -> Iterator[InputError]:
    """The faults of one source network."""
    if settings.network not in NETWORKS:
        yield fault(f"{section}.network", f"one of {', '.join(NETWORKS)}", settings.network, "choose one of them")
        return
    sizes = settings.encoder if settings.network == "texture_space" else settings.i2znet
    name = "encoder" if settings.network == "texture_space" else "i2znet"
    if experiment.clips.image_size != sizes.image_size:
        expected = f"{sizes.image_size}, as {section}.{name}.image_size"
        yield fault("clips.image_size", expected, experiment.clips.image_size, "make them equal")
    if settings.view_consistency > 0 and experiment.lab.views_per_instant < 2:
        yield fault(f"{section}.view_consistency", "0, where lab.views_per_instant is 1",
                    settings.view_consistency, "set lab.views_per_instant=2")  # fmt: skip
    if settings.network == "i2znet":
        yield from check_i2znet(settings.i2znet, f"{section}.i2znet")
    yield from check_expression(settings.expression, f"{section}.expression")
    yield from check_sizes(f"{section}.{name}", asdict(sizes))


def check_evaluation(experiment: Experiment) -> Iterator[InputError]:
    """The faults of what is compared: a baseline or a degradation is not to be missed after hours of training."""
    evaluation = experiment.evaluation
    try:
        check_baselines(evaluation.baselines)
    except InputError as error:
        yield error
    try:
        parse_degradations(evaluation.degradations)
    except InputError as error:
        yield fault(f"evaluation.degradations: {error.subject}", error.expected, error.got, error.remedy)


def check_model(model: FaceModelSettings) -> Iterator[InputError]:
    """The faults of the face model's sizes."""
    if model.architecture not in ARCHITECTURES:
        expected = f"one of {', '.join(ARCHITECTURES)}"
        yield fault("appearance.model.architecture", expected, model.architecture, "choose one of them")
    yield from check_sizes("appearance.model", asdict(model))


def check_sizes(section: str, sizes: dict[str, Any]) -> Iterator[InputError]:
    """The faults of a network's sizes, found here and not in the middle of a stage."""
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int):
            continue
        unit = size_unit(section, name)
        if value < unit or value % unit:
            expected = f"a multiple of {unit}" if unit > 1 else "1 or more"
            nearest = max(unit, round(value / unit) * unit)
            yield fault(f"{section}.{name}", expected, value, f"the nearest one is {nearest}")


def size_unit(section: str, name: str) -> int:
    """What a size of a network must be a multiple of: channels are normalised in groups of 8, sides halved 4 times."""
    if name == "width":  # of I2ZNet's hourglass
        return 8
    if name.endswith("_width"):
        return 8 if section.endswith(".encoder") else 1
    return 16 if name in {"image_size", "texture_size"} else 1


def check_trainer(experiment: Experiment) -> Iterator[InputError]:
    """The faults of the sections `trainer` and `wandb`."""
    trainer = experiment.trainer
    intervals = ("log_every_steps", "validate_every_steps", "checkpoint_every_steps")
    for name in ("devices", "num_nodes", "threads", *intervals):
        if getattr(trainer, name) < 1:
            yield fault(f"trainer.{name}", "1 or more", getattr(trainer, name), "give a whole number from 1")
    if trainer.accelerator not in {"cpu", "gpu"}:
        yield fault("trainer.accelerator", "cpu or gpu", trainer.accelerator, "choose one of them")
    if trainer.precision not in PRECISIONS:
        yield fault("trainer.precision", " or ".join(PRECISIONS), trainer.precision, "choose one of them")
    if experiment.wandb.mode not in {"offline", "online", "disabled"}:
        yield fault("wandb.mode", "offline, online or disabled", experiment.wandb.mode, "choose one of them")


def fault(key: str, expected: str, got: object, remedy: str) -> InputError:
    return InputError(key, expected, str(got), remedy)
