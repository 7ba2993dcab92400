"""Photometric fitting: its quadratic is the energy's, a disturbed pose is found again, the objective falls."""

from __future__ import annotations

import pytest
import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from pytorch3d.transforms import so3_exp_map
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from steadyface.geometry import rasterizer
from steadyface.geometry.cameras import project, transform, view_direction
from steadyface.networks.encoder import Prediction
from steadyface.tracking.clip_evidence import ClipEvidence
from steadyface.tracking.photometric_fit import (
    PhotometricFitSettings,
    photometric_fit,
    robust_colour_matrix,
    spread,
)
from steadyface.tracking.photometric_step import (
    Frames,
    PhotometricProblem,
    PhotometricWeights,
    linear_model,
    minimise,
)
from steadyface.types import ClipBatch, FaceState

SIZE = 128
K = torch.tensor([[[330.0, 0.0, 63.5], [0.0, 330.0, 63.5], [0.0, 0.0, 1.0]]])
IDENTITY = torch.eye(3, 4)
WEIGHTS = PhotometricWeights(prior=1e-3, landmarks=0.0)


@pytest.fixture(scope="module")
def painted(tracked):
    """The subject with a smooth random skin: noise from texel to texel has no slope to follow."""
    coarse = torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(2))
    skin = 0.1 + 0.7 * interpolate(coarse, size=(32, 32), mode="bicubic", align_corners=True)[0]
    with torch.no_grad():
        tracked.face_model.texture_mean.copy_(skin)
    return tracked


def true_state(count: int = 1) -> FaceState:
    return FaceState(
        0.5 * torch.ones(count, 4), torch.eye(3).repeat(count, 1, 1), torch.tensor([[0.0, 0.0, 700.0]] * count)
    )


def picture(tracked, state: FaceState) -> Tensor:
    """The model's own textured mesh, unlit, (B, 3, S, S) sRGB."""
    view = tracked.face_model.clamp_view(view_direction(state.rotation, state.translation))
    vertices, texture = tracked.face_model.decode(state.latent, view)
    placed = transform(vertices, state.rotation, state.translation)
    count = len(placed)
    fragments = rasterizer.rasterize(placed, tracked.statistics.faces, K.expand(count, 3, 3), SIZE, SIZE)
    place = rasterizer.interpolate(fragments, tracked.statistics.uv[tracked.statistics.uv_faces])
    return linear_rgb_to_rgb(grid_sample(texture.clamp(0, 1), place * 2 - 1, align_corners=False))


def disturbed(state: FaceState) -> FaceState:
    """About 3 px in the picture, and half a deviation of the lab in the latent."""
    count = len(state.latent)
    turn = so3_exp_map(torch.tensor([[0.02, -0.03, 0.02]]).expand(count, 3))
    shift = torch.tensor([[4.0, -3.0, 8.0]])
    return FaceState(state.latent - 0.5, turn @ state.rotation, state.translation + shift)


def problem_of(tracked, weights: PhotometricWeights = WEIGHTS, landmarks: Tensor | None = None) -> PhotometricProblem:
    evidence = ClipEvidence(tracked.statistics, tracked.face_model)
    return PhotometricProblem(evidence, evidence.texel_map, IDENTITY, weights, landmarks)


def frames_of(problem: PhotometricProblem, image: Tensor, start: FaceState) -> Frames:
    count = len(image)
    intrinsics = K.expand(count, 3, 3)
    source = problem.evidence.remember(image, intrinsics, Prediction(start, None))
    by_row, by_column = torch.gradient(rgb_to_linear_rgb(image), dim=(-2, -1))
    return Frames(image, torch.cat([by_column, by_row], dim=1), intrinsics, source)


def pixel_error(tracked, found: FaceState, true: FaceState) -> Tensor:
    """(B,) mean distance in the picture."""
    places = [
        project(transform(tracked.face_model.decode_vertices(z), r, t), K.expand(len(z), 3, 3))
        for z, r, t in (found, true)
    ]
    return (places[0] - places[1]).norm(dim=-1).mean(1)


def test_a_disturbed_pose_is_found_again_and_the_energy_never_rises(painted) -> None:
    true, problem = true_state(2), problem_of(painted)
    start = disturbed(true)
    start.translation[1] = true.translation[1]
    frames = frames_of(problem, picture(painted, true), start)
    found, energies = minimise(problem, frames, start, 12)
    before, after = pixel_error(painted, start, true), pixel_error(painted, found, true)
    assert bool((after < 0.25 * before).all()), (before, after)
    assert bool((energies.diff(dim=0) <= 0).all()) and bool((energies[-1] < 0.5 * energies[0]).all())


def test_frames_are_fitted_each_for_itself(painted) -> None:
    true, problem = true_state(2), problem_of(painted)
    start = disturbed(true)
    start.translation[1] = true.translation[1]
    both = frames_of(problem, picture(painted, true), start)
    one = FaceState(*(part[:1] for part in start))
    alone = frames_of(problem, both.images[:1], one)
    together, single = minimise(problem, both, start, 4)[0], minimise(problem, alone, one, 4)[0]
    torch.testing.assert_close(together.translation[:1], single.translation, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(together.latent[:1], single.latent, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("part", ["prior", "landmarks", "photometric"])
def test_the_gradient_is_that_of_the_energy(painted, part: str) -> None:
    """Against differences of the energy along every parameter, each part alone."""
    landmarks = torch.arange(0, painted.statistics.vertex_count, 97)
    weights = {
        "prior": PhotometricWeights(prior=0.7, landmarks=0.0, colour_scale=1e6),
        "landmarks": PhotometricWeights(prior=0.0, landmarks=0.3, colour_scale=1e6),
        "photometric": PhotometricWeights(prior=0.0, landmarks=0.0, colour_scale=0.5),
    }[part]
    problem, true = problem_of(painted, weights, landmarks), true_state()
    start = disturbed(true)
    frames = frames_of(problem, picture(painted, true), start)
    placed = transform(painted.face_model.decode_vertices(true.latent), true.rotation, true.translation)
    target = project(placed[:, landmarks], K)
    doubt = 1.0 + torch.arange(len(landmarks)) / len(landmarks)
    frames = frames._replace(source=frames.source._replace(landmarks=target, landmark_doubt=doubt[None]))
    found = problem.quadratic(frames, start)
    assert found.gradient.shape == (1, 10) and bool((torch.linalg.eigvalsh(found.normal) > -1e-4).all())
    size = 3e-3 if part == "photometric" else 1e-3
    steps = size * torch.eye(10)
    for axis, step in enumerate(steps):
        ends = [problem.quadratic(frames, problem.moved(start, sign * step[None])).energy for sign in (1, -1)]
        slope = float((ends[0] - ends[1]) / (2 * size))
        # the picture's slopes are differences over two pixels, and the texture's over two deviations
        close = 0.25 * float(found.gradient.abs().max()) if part == "photometric" else 2e-2 + 0.02 * abs(slope)
        assert float(found.gradient[0, axis]) == pytest.approx(slope, abs=close), axis


def test_the_linear_model_is_a_deviation_of_the_lab_from_the_mean(tracked) -> None:
    model = tracked.face_model
    linear = linear_model(model)
    one = model.latent_mean + torch.eye(4)[2] * model.latent_std
    by_hand = model.decode_vertices(one[None])[0] - model.decode_vertices(model.latent_mean[None])[0]
    torch.testing.assert_close(linear.vertices[..., 2], by_hand, rtol=0.1, atol=0.1)
    assert linear.texture.shape == (32 * 32, 3, 4)


def test_colours_are_found_under_outliers() -> None:
    model, mask = torch.rand(2, 3, 16, 16), torch.ones(2, 1, 16, 16)
    matrix = torch.tensor([[0.8, 0.1, 0.0, 0.02], [0.0, 0.7, 0.1, 0.0], [0.05, 0.0, 0.5, 0.01]])
    observed = torch.einsum("cd,bdhw->bchw", matrix[:, :3], model) + matrix[:, 3].view(1, 3, 1, 1)
    observed[:, :, :3] = 1.0  # a highlight
    found = robust_colour_matrix(model, observed, mask)
    torch.testing.assert_close(found, matrix, rtol=0, atol=0.02)


def test_texels_are_thinned_evenly(tracked) -> None:
    whole = ClipEvidence(tracked.statistics, tracked.face_model).texel_map
    few = spread(whole, 100)
    assert 50 < len(few.index) <= 100
    assert torch.equal(few.index, whole.index[:: -(-len(whole.index) // 100)])


def test_a_clip_is_fitted_from_the_source_in_order(tracked) -> None:
    images = torch.rand(6, 3, 64, 64)
    crop = torch.tensor([[130.0, 0.0, 31.5], [0.0, 130.0, 31.5], [0.0, 0.0, 1.0]])
    number = torch.arange(6)[:, None]
    batches = [
        ClipBatch(images[i][:, None], crop.expand(len(i), 1, 3, 3), number[i].double() / 30, i * 0, number[i])
        for i in torch.arange(6).split(4)
    ]
    track = photometric_fit(*tracked[:3], batches, crop, PhotometricFitSettings(iterations=1, texels=200))
    assert torch.equal(track.time_s, torch.arange(6).double() / 30) and bool(torch.isfinite(track.vertices).all())
    assert torch.isnan(track.texture_residual).tolist() == [False, True, True, True, True, False]
    source = tracked.encoder(images, crop.expand(6, 3, 3))
    still = photometric_fit(*tracked[:3], batches, crop, PhotometricFitSettings(iterations=0, texels=200))
    torch.testing.assert_close(still.latent, source.latent, rtol=1e-3, atol=1e-3)
