"""The focal length of a clip out of found points, with perspective, without, and beside other ways to the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch3d.transforms import so3_exp_map, so3_log_map
from scipy.optimize import minimize
from torch import Tensor

from steadyface.errors import InputError
from steadyface.geometry.cameras import project, transform
from steadyface.geometry.pose_from_points import solve_pose
from steadyface.geometry.state_from_points import PointModel
from steadyface.networks.i2znet import I2ZNet, I2ZNetSettings
from steadyface.networks.point_network import FoundPoints
from steadyface.tracking.focal import PRIOR_DEVIATION, FocalEstimate, estimate_focal
from steadyface.tracking.focal_observations import FocalObservations
from steadyface.tracking.point_model import LabPoints, lab_points, points_in_frame, vertex_model

SIZE = (480, 640)


def intrinsics(focal: float) -> Tensor:
    return torch.tensor([[focal, 0.0, 239.5], [0.0, focal, 319.5], [0.0, 0.0, 1.0]])


def lab(count: int = 24, seed: int = 0) -> LabPoints:
    """Points on the front of a head of 80 mm, and three ways in which they move."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(count, 3, generator=generator)
    mean = 80 * mean / mean.norm(dim=-1, keepdim=True)
    mean[:, 2] = -mean[:, 2].abs()
    return LabPoints(PointModel(mean, 1.5 * torch.randn(count, 3, 3, generator=generator)), 1.0)


def seen(
    points: LabPoints, focal: float, frames: int, noise_px: float, depth: float = 520.0, seed: int = 1
) -> FocalObservations:
    """A head that turns before a camera; doubts are the noise, but a tenth of a pixel at least."""
    generator = torch.Generator().manual_seed(seed)
    rotation = so3_exp_map(0.35 * torch.randn(frames, 3, generator=generator))
    shift = torch.randn(frames, 3, generator=generator) * 20 + torch.tensor([0.0, 0.0, depth])
    coefficients = torch.randn(frames, points.model.basis.shape[-1], generator=generator)
    shape = points.model.mean + torch.einsum("kiz,fz->fki", points.model.basis, coefficients)
    pixels = project(transform(shape, rotation, shift), intrinsics(focal)[None])
    observations = FocalObservations()
    for number, frame in enumerate(pixels + noise_px * torch.randn(pixels.shape, generator=generator)):
        observations.add(frame, torch.full(frame.shape[:1], max(noise_px, 0.1)), number / 30)
    return observations


def holds(estimate: FocalEstimate, focal: float) -> bool:
    return estimate.low_px < focal < estimate.high_px


def test_points_without_noise_give_the_focal_length_whatever_the_guess() -> None:
    points = lab()
    for guess in (0.0, 250.0, 1500.0):
        found = estimate_focal(seen(points, 620.0, 24, 0.0), points, SIZE, guess, systematic=0.0)
        assert found.focal_px == pytest.approx(620.0, rel=0.005)
        assert holds(found, 620.0) and found.high_px / found.low_px < 1.05


def test_it_is_the_minimum_that_a_general_optimiser_finds() -> None:
    """Everything at once, by BFGS over log f and every frame's pose and expression, from the same cost."""
    points, focal, frames = lab(12), 700.0, 3
    observations = seen(points, focal, frames, 0.7)
    pixels, doubts = (part.double() for part in observations.stacked())
    model = PointModel(*(part.double() for part in points.model))

    def cost(numbers: Tensor) -> Tensor:
        log_focal, rest = numbers[0], numbers[1:].view(frames, 9)
        camera = intrinsics(1.0).double().clone()
        camera[0, 0] = camera[1, 1] = log_focal.exp()
        shape = model.mean + torch.einsum("kiz,fz->fki", model.basis, rest[:, 6:])
        depth = torch.tensor([0.0, 0.0, 520.0], dtype=torch.float64)
        placed = transform(shape, so3_exp_map(rest[:, :3]), 100 * rest[:, 3:6] + depth)
        squared = ((project(placed, camera[None]) - pixels) / doubts.unsqueeze(-1)).square().sum(-1)
        usual = math.log(640) + (math.log(0.8) + math.log(1.6)) / 2
        prior = ((log_focal - usual) / PRIOR_DEVIATION).square()
        return (4 * torch.log1p(squared / 4)).sum() + rest[:, 6:].square().sum() + prior

    def value_and_slope(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        unknown = torch.from_numpy(numbers).requires_grad_()
        value = cost(unknown)
        (slope,) = torch.autograd.grad(value, unknown)
        return float(value.detach()), slope.numpy()

    rotation, translation = solve_pose(model.mean, pixels, doubts, intrinsics(focal).double().expand(frames, 3, 3))
    start = torch.zeros(frames, 9, dtype=torch.float64)
    start[:, :3] = so3_log_map(rotation)
    start[:, 3:6] = (translation - torch.tensor([0.0, 0.0, 520.0])) / 100
    first = np.concatenate([[math.log(focal)], start.flatten().numpy()])
    best = minimize(value_and_slope, first, jac=True, method="BFGS", options={"maxiter": 3000, "gtol": 1e-7})
    found = estimate_focal(observations, points, SIZE, systematic=0.0)
    assert found.focal_px == pytest.approx(math.exp(best.x[0]), rel=2e-3)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """60 synthetic clips of other heads, focal lengths, and noise of another size: 95 % of 60 are 57."""
    kept = 0
    for trial in range(60):
        points = lab(seed=trial)
        focal = 640 * math.exp(0.2 * math.sin(trial))
        observations = seen(points, focal, 8, 0.3 + 0.05 * (trial % 20), seed=100 + trial)
        kept += holds(estimate_focal(observations, points, SIZE, systematic=0.0), focal)
    assert 53 <= kept < 60  # and not by being far too wide


def test_a_far_head_says_nothing_and_the_interval_says_so() -> None:
    points = lab()
    found = estimate_focal(seen(points, 620.0, 8, 1.0, depth=25 * 520.0), points, SIZE)
    assert found.says_nothing and 0.9 * 640 < found.focal_px < 1.4 * 640
    assert not estimate_focal(seen(points, 620.0, 24, 0.5), points, SIZE).says_nothing


def test_points_far_off_hardly_move_it() -> None:
    points, observations = lab(), FocalObservations()
    pixels, doubts = seen(points, 620.0, 24, 0.5).stacked()
    for number, (frame, doubt) in enumerate(zip(pixels, doubts, strict=True)):
        frame[number % 24] += 60.0
        observations.add(frame, doubt, 0.0)
    found = estimate_focal(observations, points, SIZE, systematic=0.0)
    assert found.focal_px == pytest.approx(620.0, rel=0.05)


def test_more_frames_of_the_same_do_not_hide_what_is_wrong_in_all_of_them() -> None:
    points = lab()
    found = estimate_focal(seen(points, 620.0, 64, 0.2), points, SIZE)
    assert math.log(found.high_px / found.low_px) > 2 * 1.9 * 0.12


def test_no_frame_is_one_line_with_what_to_do() -> None:
    observations = FocalObservations()
    observations.add(torch.full((24, 2), torch.nan), torch.ones(24), 0.0)
    with pytest.raises(InputError, match="frames in which the face is found, got none; give --focal"):
        estimate_focal(observations, lab(), SIZE)


def test_memory_stays_and_different_frames_are_kept() -> None:
    """A long look ahead, ten turned frames in its middle: the ten are there at the end, in few places."""
    generator, points = torch.Generator().manual_seed(3), lab().model.mean
    observations = FocalObservations(most=16)
    for number in range(400):
        turn = torch.tensor([0.0, 0.05 * (number - 200) if 200 <= number < 210 else 0.0, 0.0])
        placed = transform(points[None], so3_exp_map(turn[None]), torch.tensor([[0.0, 0.0, 520.0]]))
        pixels = project(placed, intrinsics(620.0)[None])[0] + 0.1 * torch.randn(24, 2, generator=generator)
        observations.add(pixels, torch.ones(24), number / 30)
    kept = {round(time * 30) for time in observations.time_s}
    assert len(observations) == len(kept) == 16
    assert set(range(202, 210)) <= kept
    assert observations.stacked()[0].shape == (16, 24, 2)
    before = observations.time_s
    observations.add(*(part[4] for part in observations.stacked()), 99.0)  # what is there already brings nothing
    assert observations.time_s == before


def test_points_of_a_crop_lie_where_the_crop_was_cut() -> None:
    found = FoundPoints(torch.tensor([[[-0.5, -0.5], [63.5, 31.5]]]), torch.tensor([[1.0, 2.0]]), torch.empty(0))
    pixels, doubts = points_in_frame(found, torch.tensor([[100.0, 50.0, 128.0, 128.0]]), 64)
    assert torch.allclose(pixels, torch.tensor([[[99.5, 49.5], [227.5, 113.5]]]))  # edges meet edges
    assert torch.allclose(doubts, torch.tensor([[2.0, 4.0]]))


def test_the_encoders_own_model_is_taken_and_one_without_points_is_refused(tracked) -> None:  # type: ignore[no-untyped-def]
    own = lab_points(tracked.encoder, tracked.face_model)
    assert torch.equal(own.model.mean, tracked.encoder.head_points.mean) and own.prior == pytest.approx(math.exp(2.0))
    settings = I2ZNetSettings(image_size=64, hourglass=False, backbone="mobilenet_v2", width=8, hidden=8)
    blind = I2ZNet(tracked.statistics, settings, 4)
    with pytest.raises(InputError, match="i2znet without; give --focal"):
        lab_points(blind, tracked.face_model)
    settings = I2ZNetSettings(image_size=64, backbone="none", width=8, hidden=8, landmarks=6, stacks=1)
    assert lab_points(I2ZNet(tracked.statistics, settings, 4), tracked.face_model).model.basis.shape == (6, 3, 4)


def test_the_first_order_model_meets_the_decoder_where_it_was_taken(tracked) -> None:  # type: ignore[no-untyped-def]
    model, vertices = tracked.face_model, torch.tensor([5, 70, 900])
    latent = model.latent_mean + torch.tensor([0.4, -1.0, 0.2, 0.0]) * model.latent_std
    taken = vertex_model(model, vertices, latent)
    for step in (0.0, 1e-2):
        moved = latent + step * model.latent_std
        linear = taken.mean + taken.basis @ model.whiten(moved)
        assert torch.allclose(linear, model.decode_vertices(moved[None])[0, vertices], atol=1e-3)
