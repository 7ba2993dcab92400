"""The files of ``experiments/stress/``: one condition a file, what is the same in all in a base that they extend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from launcher.resolve import Layer, file_layers, override_layers, resolve
from launcher.settings import TrainerSettings, WandbSettings, changed
from lightning_modules.adaptation_settings import AdaptationSettings, check_parts
from steadyface.errors import InputError
from steadyface.studio.stress_conditions import CLEAN, check_stress, find_stress

BASE = "base.yaml"
STRENGTHS = 5


@dataclass
class StressSettings:
    """One condition of the stress suite, and how its cells are trained."""

    condition: str = ""
    """A name of ``steadyface.studio.stress_conditions.STRESS``."""
    strengths: list[float] = field(default_factory=list)
    """Five, from weak to strong, in the condition's unit."""
    mild: float = 0.0
    """Of the five, the first that stands in the full grid."""
    strong: float = 0.0
    """And the second."""
    frames: int = 64
    """Of a cell's clip."""
    seeds: list[int] = field(default_factory=lambda: [0])
    """Each another stretch of the studio's clip, other draws of the condition and of the training."""
    adaptation: AdaptationSettings = field(default_factory=AdaptationSettings)
    """Of ours."""
    paper: dict[str, Any] = field(default_factory=dict)
    """What the paper's objective changes in `adaptation`."""
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    wandb: WandbSettings = field(default_factory=WandbSettings)


def load_stress(paths: Sequence[Path], overrides: Sequence[str] = ()) -> list[StressSettings]:
    """The conditions of some files, or of all files of a folder, checked.

    Args:
        paths: files, or folders of them (all but their ``base.yaml``).
        overrides: ``key=value`` words, of every file.

    Raises:
        InputError or ExceptionGroup: all faults at once, before anything is filmed.
    """
    files = [file for path in paths for file in _files(path)]
    words, found, faults = override_layers(list(overrides)), list[StressSettings](), list[Exception]()
    for file in files:
        try:
            settings = resolve(StressSettings, [*file_layers(file), *words])
            found.append(settings)
            faults += list(check(settings, file.name))
        except (InputError, ExceptionGroup) as error:
            faults.append(error)
    twice = {one.condition for one in found if [other.condition for other in found].count(one.condition) > 1}
    for name in sorted(twice):
        faults.append(InputError("stress files", "one file a condition", f"{name} twice", "leave one of them out"))
    if faults:
        raise ExceptionGroup("faults of the stress files", faults)
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [file for file in sorted(path.glob("*.yaml")) if file.name != BASE]
    if not files:
        raise InputError(path, "a folder with stress files", "none in it", "give experiments/stress")
    return files


def check(settings: StressSettings, file: str) -> Iterator[InputError]:
    """The faults of one file's values."""
    try:
        find_stress(settings.condition)
        if settings.condition == CLEAN:
            yield InputError(f"{file}: condition", "one that disturbs", CLEAN, "clean cells are in every grid anyway")
        for value in settings.strengths:
            check_stress(settings.condition, value, f"{file}: strengths")
    except InputError as error:
        yield error
    strengths = settings.strengths
    if len(set(strengths)) != STRENGTHS or strengths != sorted(strengths):
        expected = f"{STRENGTHS} different ones, from weak to strong"
        yield InputError(f"{file}: strengths", expected, str(strengths), "correct them")
    for name in ("mild", "strong"):
        if getattr(settings, name) not in strengths:
            yield InputError(f"{file}: {name}", f"one of {strengths}", f"{getattr(settings, name):g}", "choose one")
    if settings.frames < 4:
        yield InputError(f"{file}: frames", "4 or more", str(settings.frames), "an acceleration needs them")
    if not settings.seeds or len(set(settings.seeds)) < len(settings.seeds) or min(settings.seeds) < 0:
        yield InputError(f"{file}: seeds", "one or more different seeds from 0", str(settings.seeds), "write [0]")
    try:
        for one, section in ((settings.adaptation, "adaptation"), (paper_adaptation(settings, 0), "paper")):
            yield from check_parts(one, landmark_branch=True, section=f"{file}: {section}")
    except ExceptionGroup as group:
        yield from (error for error in group.exceptions if isinstance(error, InputError))


def paper_adaptation(settings: StressSettings, seed: int) -> AdaptationSettings:
    """The paper's objective under a seed. Raises an ExceptionGroup of the faults of ``paper``."""
    return changed(replace(settings.adaptation, seed=seed), Layer("paper", settings.paper))
