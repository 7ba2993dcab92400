"""The clip shows what its truth says, at the times it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.capture.video import probe, read_frames
from steadyface.geometry.cameras import transform
from steadyface.geometry.rasterizer import rasterize
from steadyface.geometry.texture_space import erode
from steadyface.studio.scene import Scene
from steadyface.studio.settings import StudioSettings
from steadyface.studio.shading import Layer
from steadyface.studio.subject import EXPRESSION_NAMES
from steadyface.studio.wild_clip import blur_layer, clip_tasks, head_box, stage_clip


def test_time_stamps_and_frames_agree(studio: Path) -> None:
    for name, count in (("adapt", 12), ("held_out", 3)):
        path = studio / "clips" / f"{name}.mp4"
        truth = ClipTruth.load(truth_path(path))
        info = probe(path)
        assert (info.width, info.height, info.codec) == (96, 128, "h264")
        times = [frame.time_s for frame in read_frames(path)]
        assert len(times) == count == len(truth.vertices)
        assert np.allclose(times, truth.time_s.numpy(), atol=1e-4)
        assert np.allclose(np.diff(times), 1 / 30, atol=1e-4)


def test_truth_matches_the_silhouette(studio: Path, scene: Scene) -> None:
    path = studio / "clips" / "adapt.mp4"
    truth = ClipTruth.load(truth_path(path))
    placed = transform(truth.vertices, truth.rotation, truth.translation)
    masks = rasterize(placed, scene.subject.faces, truth.intrinsics, 128, 96).triangle >= 0
    chin = int(placed[..., 1].max() / 520 * 124 + 63.5) - 12  # above neck and shirt
    misplaced = []
    for frame, mask in zip(read_frames(path), masks, strict=True):
        level = torch.from_numpy(frame.image).float().amax(2)
        head, room = mask[None, None].float(), 1.0 - mask[None, None].float()
        inside = erode(head, 2)[0, 0] > 0
        around = (erode(room, 2) > erode(room, 5))[0, 0]
        inside[chin:], around[chin:] = False, False
        assert (level[inside] < 40).float().mean() > 0.98  # no light falls on the head
        assert (level[around] > 40).float().mean() > 0.75  # the room has light of its own
        moved = inside.roll(6, dims=1)
        misplaced.append(float((level[moved] > 40).float().mean()))
    assert min(misplaced) > 0.03


def test_clips_differ_in_motion_alone_and_follow_from_the_seed() -> None:
    settings = StudioSettings()
    names = list(EXPRESSION_NAMES)
    one, same, other = (stage_clip(names, settings, 60, clip) for clip in (0, 0, 1))
    assert np.array_equal(one.performance.weights, same.performance.weights)
    assert np.abs(one.performance.rotation - other.performance.rotation).max() > 0.05
    assert np.allclose(one.camera_rotation @ one.camera_rotation.transpose(0, 2, 1), np.eye(3))


def test_tasks_hold_every_frame_once_with_noise_of_its_own() -> None:
    tasks = clip_tasks(EXPRESSION_NAMES, StudioSettings(adapt_frames=25, held_out_frames=0))
    assert list(tasks) == ["adapt"]
    times = np.concatenate([task.staging.performance.time_s for task in tasks["adapt"]])
    assert np.array_equal(times, np.arange(25) / 30.0)
    seeds = [seed for task in tasks["adapt"] for seed in task.seeds]
    assert len(set(seeds)) == 25


def test_head_stays_in_the_demo_box(scene: Scene) -> None:
    """Box x 20, y 108, 440 wide and high, with 5 % to spare on every side."""
    settings = StudioSettings(identity_seed=3)
    for clip, count in enumerate((settings.adapt_frames, settings.held_out_frames)):
        performance = stage_clip(list(EXPRESSION_NAMES), settings, count, clip).performance
        vertices = scene.subject.vertices(torch.from_numpy(performance.weights).float()).numpy()
        left, top, right, bottom = head_box(vertices, performance, settings)
        spare = 0.05 * 440
        assert left > 20 + spare and right < 460 - spare
        assert top > 108 + spare and bottom < 548 - spare


def test_blurred_layer_keeps_its_light_and_its_place() -> None:
    colour, coverage = torch.zeros(9, 9, 3), torch.zeros(9, 9, 1)
    colour[4, 4], coverage[4, 4] = 0.5, 1.0
    layer = blur_layer(Layer(colour, coverage, left=10, top=20), np.array([5.0, 0.0]))
    picture = layer.over(torch.zeros(40, 40, 3))
    assert abs(float(picture.sum()) - 1.5) < 1e-5
    columns = torch.arange(40.0)
    assert abs(float((picture[24].sum(1) * columns).sum() / picture.sum()) - 14.0) < 1e-4
