"""A baseline without adaptation: every frame fitted for itself until the model's texture explains it.

Analysis by synthesis with the losses of MoFA (Tewari et al. 2017, section 5; Tewari et al. 2018),
which those train a network with; here they are minimised frame by frame, from the source
network's state. The picture is compared in texture space, in raw linear colours under one colour
matrix a clip: light beyond a white balance and an exposure is not modelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor
from tqdm import tqdm

from steadyface.geometry.texture_space import TexelMap
from steadyface.losses.colour import fit_colour_matrix
from steadyface.networks.encoder import Encoder
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.clip_evidence import ClipEvidence
from steadyface.tracking.photometric_step import Frames, PhotometricProblem, PhotometricWeights, minimise
from steadyface.tracking.residual import sampled_residuals
from steadyface.tracking.track import Track
from steadyface.tracking.tracker import canonical_track
from steadyface.types import ClipBatch, FaceState, SubjectStatistics

_COLOUR_FRAMES = 16  # frames that the colour matrix is fitted to
_OUTLIER = 3.0  # times the median colour difference: highlights, hair, what the model does not hold


@dataclass(frozen=True)
class PhotometricFitSettings:
    """How long and over what is fitted."""

    iterations: int = 10  # Levenberg-Marquardt steps a frame
    texels: int = 1500  # at most so many are compared, evenly spread
    weights: PhotometricWeights = field(default_factory=PhotometricWeights)


@torch.no_grad()
def photometric_fit(
    statistics: SubjectStatistics, face_model: FaceModel, encoder: Encoder, batches: Iterable[ClipBatch],
    intrinsics: Tensor, settings: PhotometricFitSettings | None = None,
) -> Track:
    """Track one clip by fitting each of its frames.

    Args:
        statistics, face_model, encoder: of the source, in evaluation mode, on the CPU.
        batches: the clip's frames in order; walked through twice, first for the colours.
        intrinsics: (3, 3) of the full frame.
        settings: of the fit; the defaults where None.

    Returns:
        the track, its vertices canonical on the rigid subset of the mean mesh.
    """
    settings = settings or PhotometricFitSettings()
    evidence = ClipEvidence(statistics, face_model)
    colour = clip_colours(evidence, encoder, batches)
    texels = spread(evidence.texel_map, settings.texels)
    problem = PhotometricProblem(evidence, texels, colour, settings.weights, encoder.landmark_vertices)
    states, residuals, times = [], [], []
    with tqdm(desc="photometric fit", unit="frame", disable=None) as bar:
        for batch in batches:
            frames, state = source_frames(evidence, encoder, batch)
            state, _ = minimise(problem, frames, state, settings.iterations)
            number = batch.frame.flatten()
            residuals.append(
                sampled_residuals(face_model, statistics, frames.images, frames.intrinsics, state, number)
            )
            states.append(state)
            times.append(batch.time_s.flatten().double())
            bar.update(len(number))
    joined = FaceState(*(torch.cat(parts) for parts in zip(*states, strict=True)))
    meshes = face_model.decode_vertices(joined.latent)
    return canonical_track(statistics, joined, meshes, torch.cat(times), intrinsics, torch.cat(residuals))


def source_frames(evidence: ClipEvidence, encoder: Encoder, batch: ClipBatch) -> tuple[Frames, FaceState]:
    """The frames of a batch as they are fitted, and the source's states, where the fits start."""
    images, intrinsics = batch.image.flatten(0, 1), batch.intrinsics.flatten(0, 1)
    predicted = encoder.predict(images, intrinsics)
    source = evidence.remember(images, intrinsics, predicted)
    by_row, by_column = torch.gradient(rgb_to_linear_rgb(images), dim=(-2, -1))
    return Frames(images, torch.cat([by_column, by_row], dim=1), intrinsics, source), predicted.state


def clip_colours(evidence: ClipEvidence, encoder: Encoder, batches: Iterable[ClipBatch]) -> Tensor:
    """The clip's colour matrix, (3, 4): one frame of each of the first batches, under the source's states."""
    model, observed, mask = [], [], []
    for batch, _ in zip(batches, range(_COLOUR_FRAMES), strict=False):
        images, intrinsics = batch.image[:1, 0], batch.intrinsics[:1, 0]
        predicted = encoder.predict(images, intrinsics)
        mask_now = evidence.remember(images, intrinsics, predicted).mask
        seen = evidence.observe(images, intrinsics, predicted.state, mask_now)
        model.append(seen.model_texture)
        observed.append(seen.texture)
        mask.append(seen.mask * seen.inside)
    return robust_colour_matrix(torch.cat(model), torch.cat(observed), torch.cat(mask))


def robust_colour_matrix(model: Tensor, observed: Tensor, mask: Tensor, rounds: int = 3) -> Tensor:
    """Masked least squares, again without the texels that it explains badly; arguments as `fit_colour_matrix`."""
    kept = mask
    for _ in range(rounds):
        matrix = fit_colour_matrix(model, observed, kept)
        explained = torch.einsum("cd,bdhw->bchw", matrix[:, :3], model) + matrix[:, 3].view(1, 3, 1, 1)
        difference = (explained - observed).abs().mean(1, keepdim=True)
        limit = _OUTLIER * difference[mask > 0.5].median() if bool((mask > 0.5).any()) else difference.new_zeros(())
        kept = mask * (difference <= limit)
    return matrix


def spread(texels: TexelMap, most: int) -> TexelMap:
    """At most so many texels of a map, evenly spread in its order."""
    step = -(-len(texels.index) // most)
    chosen = torch.zeros(texels.size * texels.size, dtype=torch.bool, device=texels.index.device)
    chosen[texels.index[::step]] = True
    return texels.restrict(chosen)
