"""What an adaptation learns by: the settings of the stage, and their faults before anything is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from lightning_modules.replaying import ReplaySettings
from steadyface.capture.mediapipe_finder import has_mediapipe
from steadyface.errors import InputError
from steadyface.losses.colour import COLOUR_MODELS
from steadyface.losses.parts import COLOUR, DETECTOR, LANDMARKS, PARTS, TRIPLE, TRIPLES, WINDOWS
from steadyface.losses.self_supervision import SelfSupervisionWeights
from steadyface.networks.encoder import TRAINED
from steadyface.tracking.guards import GuardSettings, check_guard


@dataclass
class RehearsalSettings:
    """What the lab's views, and labelled frames, say beside the clip."""

    pose_weight: float = 0.3  # reprojection, depth and rotation
    point_weight: float = 2.0  # of the points behind pose and expression
    geometry_weight: float = 1.0  # of the decoded mesh, per mm
    latent_weight: float = 0.2  # per deviation of the lab
    detail_weight: float = 4.0  # of lips and lids against the other vertices
    relit: float = 0.8  # share of the lab views that are relit by a key light


@dataclass
class AdaptationSettings:
    """What the encoder adapts by."""

    steps: int = 160  # optimiser steps
    learning_rate: float = 5.0e-4  # Adam's, at its highest
    expression_rate: float = 0.5  # share of it for the expression network
    trained: str = "all"  # how much of the encoder learns: heads, last_block or all
    averaging: float = 0.98  # decay of the running mean of the weights that is kept as the result
    crop_shift: float = 0.0  # above 0, frames are cropped anew each time, displaced by up to this share of the crop
    crop_zoom: float = 0.0  # and scaled by up to this share: in trials steadier on a held-out clip, less so on this one
    lab_batch: int = 8  # lab views beside the windows of every batch
    lab_weight: float = 0.2  # of the lab's supervision in the same batch
    labelled_frames: int = 0  # frames of each clip that are supervised with its truth, spread evenly; -1 = all
    label_batch: int = 8  # labelled frames a step, drawn anew each time
    label_weight: float = 1.0  # of their supervision
    colour_model: str = "convolution"  # none, gain, gain_bias, matrix, convolution, tone_curve or maps
    colour_rate: float = 1.0e-2  # learning rate of the colour model C
    seed: int = 0  # of the draws
    replay: ReplaySettings = field(default_factory=ReplaySettings)
    guard: GuardSettings = field(default_factory=GuardSettings)
    weights: SelfSupervisionWeights = field(default_factory=SelfSupervisionWeights)
    lab: RehearsalSettings = field(default_factory=RehearsalSettings)

    @property
    def learns_labels(self) -> bool:
        """Whether labelled frames teach at all."""
        return self.labelled_frames != 0 and self.label_weight > 0

    @property
    def all_steps(self) -> int:
        """The steps on the clip itself, and those on replayed views after them."""
        return self.steps + self.replay.steps


def check_parts(
    settings: AdaptationSettings, landmark_branch: bool, window_frames: int | None = None, section: str = "adaptation",
    detected: bool = False,
) -> Iterator[InputError]:
    """The faults of an objective, each named by its setting, before anything is opened.

    Args:
        landmark_branch: whether the source network finds landmarks.
        window_frames: frames a window of the clips; None where they are not known, which no part is refused for.
        section: where the settings stand in the experiment.
        detected: whether a detector has looked at the clips already.
    """
    yield from _check_values(settings, section)
    frames = TRIPLE if window_frames is None else window_frames
    has = {
        WINDOWS: (frames > 1, "windows of one frame", "give clips.window_offsets_s two offsets or more"),
        TRIPLES: (frames >= TRIPLE, f"windows of {frames}", "give clips.window_offsets_s three offsets or more"),
        LANDMARKS: (landmark_branch, "one without", "choose another pretraining.network, or i2znet.hourglass=true"),
        DETECTOR: (detected or has_mediapipe(), "an environment without it", "run `make detector`"),
        COLOUR: (settings.colour_model != "none", "none", "choose another colour_model"),
    }
    for name, weight in settings.weights.of_parts().items():
        for need in PARTS[name].needs if weight > 0 else ():
            there, got, remedy = has[need]
            if not there:
                yield InputError(f"{section}.weights.{name}", need, got, f"{remedy}, or weights.{name}=0")


def _check_values(settings: AdaptationSettings, section: str) -> Iterator[InputError]:
    """The faults of single settings, and of an objective that is nought."""
    known = {"trained": TRAINED, "colour_model": tuple(COLOUR_MODELS)}
    for name, words in known.items():
        if getattr(settings, name) not in words:
            got = str(getattr(settings, name))
            yield InputError(f"{section}.{name}", f"one of {', '.join(words)}", got, "choose one of them")
    weights = settings.weights
    least = {f"weights.{name}": (value, 0) for name, value in asdict(weights).items()}
    least |= {f"lab.{name}": (value, 0) for name, value in asdict(settings.lab).items()}
    least |= {f"weights.{name}": (getattr(weights, name), 1) for name in ("registration_scale", "reach")}
    least |= {"lab_weight": (settings.lab_weight, 0), "label_weight": (settings.label_weight, 0)}
    least |= {f"replay.{name}": (value, 1 if name in ("views", "batch") else 0)
              for name, value in asdict(settings.replay).items()}  # fmt: skip
    least |= {"labelled_frames": (settings.labelled_frames, -1), "label_batch": (settings.label_batch, 1)}
    yield from check_guard(settings.guard, f"{section}.guard")
    for name, (value, limit) in least.items():
        if value < limit:
            yield InputError(f"{section}.{name}", f"{limit} or more", str(value), "raise it")
    if not (weights.look_at_clip or settings.lab_weight > 0 or settings.learns_labels):
        got = "weights, lab_weight and labels that are all 0"
        yield InputError(f"{section}.weights", "something to learn from", got, "give one of them a weight above 0")
