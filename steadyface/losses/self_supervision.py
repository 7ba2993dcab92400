"""The objective of adaptation: the parts that an experiment names, under one set of weights."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from steadyface.losses.comparison import Comparison
from steadyface.losses.parts import PARTS
from steadyface.losses.premise import premise_figures


@dataclass
class SelfSupervisionWeights:
    """Weight of each part; a part of weight 0 is not computed."""

    registration: float = 3.0  # distance to the registered place, per pixel of the crop
    motc: float = 1.0  # model to observation, contrast-normalised
    motc_raw: float = 0.0  # model to observation through C, raw linear colours (as published)
    cftc: float = 16.0  # frame to frame, contrast-normalised
    cftc_raw: float = 0.0  # frame to frame, raw linear colours, over what the source saw
    cftc_unguarded: float = 0.0  # frame to frame, raw, over whatever both frames see now (as published)
    acceleration: float = 0.0  # of the texels' places over three frames, per pixel of the crop and frame squared
    colour: float = 1.0  # C alone, on raw colours
    landmarks: float = 0.0  # reprojection onto landmarks detected by the source, per pixel of the crop
    apertures: float = 0.0  # openings of mouth and eyes to those that MediaPipe sees, per deviation of the lab
    coverage: float = 0.0  # what the source saw leaves the picture or turns away; 1 for a texel seen edge-on
    latent_pull: float = 0.3  # to the source's latent, per deviation of the lab
    shape_pull: float = 6.0  # to the source's mesh, per squared deviation of each vertex's motion in the lab
    latent_prior: float = 0.0  # to the lab's mean latent
    pose_pull: float = 0.01  # to the source's pose, per pixel of the crop
    out_of_frame: float = 1.0  # per pixel beyond the picture
    registration_scale: int = 2  # textures are averaged over squares of so many texels before registration
    reach: int = 3  # largest offset that registration looks at, texels so averaged
    patch_radius: int = 3  # half side of the patches it compares, the same texels
    premise_power: float = 0.0  # cftc and cftc_raw weigh each pair by its premise to this power

    def of_parts(self) -> dict[str, float]:
        """The weight of each part by its name, the zeros included."""
        return {name: getattr(self, name) for name in PARTS}

    @property
    def look_at_clip(self) -> bool:
        """Whether any part is computed: not where labels or the lab alone teach."""
        return any(weight > 0 for weight in self.of_parts().values())


def self_supervision(compared: Comparison) -> dict[str, Tensor]:
    """Weighted losses by name, of the parts whose weight is above 0."""
    weights = compared.weights.of_parts()
    return {name: weight * PARTS[name].loss(compared) for name, weight in weights.items() if weight > 0}


def clip_figures(compared: Comparison) -> dict[str, Tensor]:
    """Figures for the log: how far textures differ, how much of what the source saw is still in the picture, and how
    well the premise holds in the batch's pairs, where it was measured."""
    seen, premise = compared.seen, compared.premise
    difference = (compared.observed - compared.model).detach().abs() * seen.mask
    return {
        "texture_residual": difference.sum() / (3 * seen.mask.sum()).clamp(min=1),
        "texture_coverage": (seen.mask * seen.inside).sum() / seen.mask.sum().clamp(min=1),
    } | ({} if premise is None else premise_figures(premise))
