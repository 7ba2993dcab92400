"""Keyframes over a take whose faults are known: what is met, what is carried along, what stays the same bits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pytorch3d.transforms import so3_exp_map

from steadyface.errors import InputError
from steadyface.geometry.alignment import canonicalise
from steadyface.geometry.cameras import project
from steadyface.metrics.geometry_errors import rotation_angles_deg
from steadyface.tracking.keyframe_file import Keyframe
from steadyface.tracking.keyframes import LATENT_SPREAD, apply_keyframes, spread_kernel
from steadyface.tracking.track import Track

FRAMES = 60
CAMERA = torch.tensor([[620.0, 0.0, 239.5], [0.0, 620.0, 319.5], [0.0, 0.0, 1.0]])
VERTICES = torch.tensor([5, 70, 300, 600, 900, 1200, 1500, 2100, 2500, 2900])


def take(tracked, fault: float = 0.0) -> Track:  # type: ignore[no-untyped-def]
    """A head that turns for two seconds, a cut after 40 frames, frame 20 lost; ``fault`` turns and shifts it,
    most in the middle of the first shot."""
    model, facts = tracked.face_model, tracked.statistics
    time = torch.arange(FRAMES, dtype=torch.float64) / 30
    swing = torch.stack([0.1 * torch.sin(3 * time), 0.3 * torch.sin(2 * time), 0 * time], -1).float()
    bump = fault * torch.exp(-0.5 * ((time - 0.5) / 0.5) ** 2).float()[:, None]
    rotation = so3_exp_map(swing) @ so3_exp_map(bump * torch.tensor([0.1, 0.0, 0.05]))
    translation = torch.tensor([5.0, -8.0, 520.0]) + bump * torch.tensor([6.0, 3.0, 10.0])
    wave = torch.stack([torch.sin(5 * time + phase) for phase in range(4)], -1).float()
    latent = model.latent_mean + model.latent_std * (0.7 * wave + bump * torch.tensor([0.5, -0.3, 0.2, 0.0]))
    with torch.no_grad():
        vertices = canonicalise(
            model.decode_vertices(latent), rotation, translation, facts.vertex_mean, facts.rigid_vertices
        )[0]
    found = torch.ones(FRAMES, dtype=torch.bool)
    found[20] = False
    for values in (latent, rotation, translation, vertices):
        values[20] = torch.nan
    return Track(
        time, latent, rotation, translation, vertices, CAMERA.expand(FRAMES, 3, 3).clone(),
        torch.full((FRAMES,), 0.1), found, (torch.arange(FRAMES) >= 40).long(), torch.full((FRAMES,), 0.9),
    )  # fmt: skip


def state_of(track: Track, frame: int) -> Keyframe:
    return Keyframe(frame, None, track.rotation[frame], track.translation[frame], track.latent[frame])


def clicks(track: Track, frame: int, noise_px: float = 0.0) -> Keyframe:
    pixels = project(track.camera_vertices()[frame : frame + 1, VERTICES], CAMERA[None])[0]
    noisy = pixels + noise_px * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(frame))
    return Keyframe(frame, None, vertices=VERTICES, pixels=noisy, doubt_px=max(noise_px, 0.1))


def off(track: Track, truth: Track, frames: torch.Tensor) -> float:
    """Mean distance of the vertices in the camera frame, mm."""
    return float((track.camera_vertices() - truth.camera_vertices())[frames].norm(dim=-1).mean())


def fix(tracked, track: Track, *keyframes: Keyframe) -> Track:  # type: ignore[no-untyped-def]
    return apply_keyframes(track, keyframes, tracked.statistics, tracked.face_model)


def test_states_are_met_and_the_frames_between_follow(tracked) -> None:  # type: ignore[no-untyped-def]
    truth, wrong = take(tracked), take(tracked, 1.0)
    fixed = fix(tracked, wrong, state_of(truth, 10), state_of(truth, 16))
    for frame in (10, 16):
        for name in ("latent", "rotation", "translation"):
            assert torch.equal(getattr(fixed, name)[frame], getattr(truth, name)[frame])
        assert torch.allclose(fixed.vertices[frame], truth.vertices[frame], atol=1e-3)
    between = torch.arange(11, 16)
    assert off(fixed, truth, between) < 0.2 * off(wrong, truth, between)
    beside = torch.tensor([7, 8, 9, 17, 18, 19])
    assert off(fixed, truth, beside) < 0.6 * off(wrong, truth, beside)


def test_other_shots_and_lost_frames_are_the_same_bits(tracked) -> None:  # type: ignore[no-untyped-def]
    truth, wrong = take(tracked), take(tracked, 1.0)
    fixed = fix(tracked, wrong, state_of(truth, 38))
    other = torch.cat([torch.tensor([20]), torch.arange(40, FRAMES)])
    for name in vars(wrong):
        if name != "region_names":
            before, after = getattr(wrong, name)[other], getattr(fixed, name)[other]
            assert torch.equal(before.nan_to_num(7.0), after.nan_to_num(7.0)), name
    assert not torch.equal(fixed.translation[39], wrong.translation[39])
    assert torch.equal(fixed.time_s, wrong.time_s) and torch.equal(fixed.found, wrong.found)
    assert fixed.confidence[38].isnan() and fixed.texture_residual[38].isnan()


def test_far_frames_of_a_long_shot_are_the_same_bits_and_nothing_jumps(tracked) -> None:  # type: ignore[no-untyped-def]
    truth, wrong = take(tracked), take(tracked, 1.0)
    slow = {"time_s": wrong.time_s * 30, "found": torch.ones(FRAMES, dtype=torch.bool)}  # a frame a second
    wrong = replace(wrong, **slow)[torch.arange(19)]
    fixed = fix(tracked, wrong, state_of(truth, 4))
    same = (fixed.translation == wrong.translation).all(-1)
    assert same[14:].all() and not same[4]
    # at 30 frames a second no step of the correction is larger than a third of the whole
    wrong = take(tracked, 1.0)
    change = (fix(tracked, wrong, state_of(truth, 10)).translation - wrong.translation)[:20].norm(dim=-1)
    assert (change[1:] - change[:-1]).abs().max() < change[10] / 3 and change[10] == change.max()


def test_the_correction_has_faded_where_its_reach_ends(tracked) -> None:  # type: ignore[no-untyped-def]
    """A head that does not turn: every frame is alike, and ten seconds on the pose would still be moved."""
    still = take(tracked)
    still = replace(still, time_s=still.time_s * 10, rotation=torch.eye(3).repeat(FRAMES, 1, 1))
    moved = still.translation[2] + torch.tensor([20.0, 0.0, 0.0])
    fixed = fix(tracked, still, Keyframe(2, None, translation=moved))
    change = (fixed.translation - still.translation)[:, 0]
    assert change[2] == 20.0 and change[12] > 2.0  # 3.3 s on
    assert 0.0 < change[31] < 0.01 and (change[32:40] == 0.0).all()  # 9.7 s and 10 s on


def test_points_are_met_and_bring_the_state_back(tracked) -> None:  # type: ignore[no-untyped-def]
    truth, wrong = take(tracked), take(tracked, 1.0)
    fixed = fix(tracked, wrong, clicks(truth, 12))
    seen = project(fixed.camera_vertices()[12:13], CAMERA[None])[0]
    true = project(truth.camera_vertices()[12:13], CAMERA[None])[0]
    before = project(wrong.camera_vertices()[12:13], CAMERA[None])[0]
    assert (seen - true)[VERTICES].norm(dim=-1).max() < 0.1 < 3.0 < (before - true)[VERTICES].norm(dim=-1).mean()
    assert (seen - true).norm(dim=-1).mean() < 0.1 * (before - true).norm(dim=-1).mean()  # where nobody clicked too
    turned = rotation_angles_deg(fixed.rotation[12:13], truth.rotation[12:13])
    assert turned < 0.3 * rotation_angles_deg(wrong.rotation[12:13], truth.rotation[12:13])


def test_a_wrong_click_does_not_carry_the_head_along(tracked) -> None:  # type: ignore[no-untyped-def]
    truth, wrong = take(tracked), take(tracked, 1.0)
    keyframe = clicks(truth, 12, 0.5)
    keyframe.pixels[3] += torch.tensor([60.0, -40.0])
    fixed, others = fix(tracked, wrong, keyframe), torch.tensor([12])
    assert off(fixed, truth, others) < 0.6 * off(wrong, truth, others)


def test_a_point_alone_moves_the_head_and_hardly_bends_it(tracked) -> None:  # type: ignore[no-untyped-def]
    track = take(tracked)
    keyframe = clicks(track, 12)
    pixels = keyframe.pixels[:1] + torch.tensor([5.0, 0.0])
    fixed = fix(tracked, track, replace(keyframe, vertices=VERTICES[:1], pixels=pixels))
    seen = project(fixed.camera_vertices()[12:13, VERTICES[:1]], CAMERA[None])[0]
    assert (seen - pixels).norm() < 0.2
    assert rotation_angles_deg(fixed.rotation[12:13], track.rotation[12:13]) < 3.0


def test_a_doubtful_point_pulls_as_its_doubt_and_the_prior_say(tracked) -> None:  # type: ignore[no-untyped-def]
    """What is left of a small offset is d^2 / (d^2 + s^2), for a doubt d and the s of the prior, in pixels."""
    track = take(tracked)
    keyframe = replace(clicks(track, 12), vertices=VERTICES[:1])
    pixels = keyframe.pixels[:1] + torch.tensor([1.0, 0.0])

    def left(doubt: float) -> float:
        fixed = fix(tracked, track, replace(keyframe, pixels=pixels, doubt_px=doubt))
        return float((pixels - project(fixed.camera_vertices()[12:13, VERTICES[:1]], CAMERA[None])[0])[0, 0])

    squared = 40.0**2 * (1 / left(40.0) - 1)
    assert 20.0**2 < squared < 80.0**2  # 5 % of the depth are 31 px, and a turn adds to it
    assert left(80.0) == pytest.approx(80.0**2 / (80.0**2 + squared), rel=0.02)


def test_a_state_given_in_part_leaves_the_rest(tracked) -> None:  # type: ignore[no-untyped-def]
    track = take(tracked)
    moved = track.translation[12] + torch.tensor([3.0, 0.0, 0.0])
    fixed = fix(tracked, track, Keyframe(None, 0.41, translation=moved))
    assert torch.equal(fixed.translation[12], moved)
    assert torch.equal(fixed.latent[5:19], track.latent[5:19])
    assert torch.allclose(fixed.rotation[12], track.rotation[12], atol=1e-6)


def test_keyframes_without_a_place_are_named_together(tracked) -> None:  # type: ignore[no-untyped-def]
    track = take(tracked)
    wrong = [Keyframe(60, None), Keyframe(20, None), Keyframe(None, 3.0), Keyframe(12, None), Keyframe(None, 0.4)]
    with pytest.raises(ExceptionGroup) as caught:
        fix(tracked, track, *wrong)
    told = [str(fault) for fault in caught.value.exceptions]
    assert all(isinstance(fault, InputError) for fault in caught.value.exceptions)
    assert len(told) == 4
    for text, part in zip(told, ("frame 60", "the face was found, got frame 20", "time 3 s", "twice"), strict=True):
        assert part in text


def test_the_kernel_is_a_covariance_and_one_at_the_keyframe() -> None:
    """Positive definite whatever the times and latents: else the process would not interpolate."""
    generator = torch.Generator().manual_seed(0)
    time = 3 * torch.rand(30, generator=generator).double()
    appearance = torch.randn(30, 5, generator=generator).double()
    kernel = spread_kernel(time, appearance, torch.arange(30), LATENT_SPREAD)
    assert torch.equal(kernel.diagonal(), torch.ones(30).double()) and torch.allclose(kernel, kernel.t())
    assert torch.linalg.eigvalsh(kernel).min() > 0
    for row, key in ((3, 7), (0, 29)):
        apart = float((time[row] - time[key]).abs())
        scaled = 3**0.5 * apart / 0.09
        unlike = float((appearance[row] - appearance[key]).norm()) / 0.6
        near = (1 + scaled) * torch.tensor(-scaled).exp()
        far = torch.tensor(-0.5 * (apart / 0.5) ** 2 - 0.5 * unlike**2).exp()
        assert float(kernel[row, key]) == pytest.approx(float(0.6 * near + 0.4 * far), abs=1e-6)
