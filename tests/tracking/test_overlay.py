"""The face over its frame: in place, in the camera's colours, and nothing else touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from kornia.color import linear_rgb_to_rgb

from steadyface.capture.video import VideoWriter, read_frames
from steadyface.errors import InputError
from steadyface.tracking.heat_map import colour_scale, render_heat_map
from steadyface.tracking.overlay import draw_overlay, write_overlay_video
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

K = torch.tensor([[100.0, 0.0, 31.5], [0.0, 100.0, 31.5], [0.0, 0.0, 1.0]])
BOARD = torch.tensor([[-9.0, -9.0, 0.0], [9.0, -9.0, 0.0], [9.0, 9.0, 0.0], [-9.0, 9.0, 0.0]])
AWAY = torch.tensor([0.0, 0.0, 100.0])


def _topology():
    """A board of two triangles whose texture has v growing downwards; the first triangle is a region."""
    faces = torch.tensor([[0, 2, 1], [0, 3, 2]])  # outwards is towards the camera
    uv = (BOARD[:, :2] + 9) / 18
    texture = torch.full((3, 16, 16), 0.5)
    return SubjectStatistics(
        faces, uv, faces, BOARD, 1.0, texture, 1.0, torch.arange(4), {"corner": torch.tensor([0, 1, 2])}, ()
    )


def _frame(value=90):
    return np.full((64, 64, 3), value, np.uint8)


def _marked_texture():
    texture = torch.full((3, 16, 16), 0.1)
    texture[0, :8, :8] = 0.9  # first rows and columns: small u, small v
    return texture


IDENTITY_COLOUR = torch.cat([torch.eye(3), torch.zeros(3, 1)], dim=1)


def test_a_marked_corner_of_the_texture_lands_where_its_uv_is():
    drawn = draw_overlay(
        _frame(), BOARD + AWAY, K, _topology(), _marked_texture(), IDENTITY_COLOUR, opacity=1.0
    )
    expected = linear_rgb_to_rgb(torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)).flatten() * 255
    assert drawn[26, 26].tolist() == pytest.approx(expected.tolist(), abs=1)  # up and left in the picture
    assert drawn[37, 37].tolist() == pytest.approx([float(expected[1])] * 3, abs=1)
    assert (drawn[:22] == 90).all() and (drawn[:, :22] == 90).all()  # 9 mm at 100 mm: 9 px about the middle


def test_the_colour_is_fitted_to_the_frame():
    frame = draw_overlay(
        _frame(), BOARD + AWAY, K, _topology(), _marked_texture(), IDENTITY_COLOUR, opacity=1.0
    )
    darker = _marked_texture() * torch.tensor([0.6, 0.5, 0.7]).view(-1, 1, 1)
    drawn = draw_overlay(frame, BOARD + AWAY, K, _topology(), darker, opacity=1.0)
    assert np.abs(drawn.astype(int) - frame.astype(int)).max() < 12
    unfitted = draw_overlay(frame, BOARD + AWAY, K, _topology(), darker, IDENTITY_COLOUR, opacity=1.0)
    assert np.abs(unfitted.astype(int) - frame.astype(int)).max() > 40


def test_clay_and_contours_need_no_texture():
    clay = draw_overlay(_frame(), BOARD + AWAY, K, _topology(), opacity=1.0)
    assert not (clay[32, 32] == 90).all()
    lined = draw_overlay(_frame(), BOARD + AWAY, K, _topology(), contour=True)
    green = (lined[..., 1] > 230) & (lined[..., 0] < 80)
    assert 60 < green.sum() < 200  # around the board
    assert not green[28:36, 28:36].any()


@pytest.mark.parametrize("place", [[500.0, 0.0, 100.0], [0.0, 0.0, -100.0]])
def test_a_face_out_of_the_picture_leaves_the_frame(place):
    drawn = draw_overlay(_frame(), BOARD + torch.tensor(place), K, _topology(), _marked_texture())
    assert (drawn == _frame()).all()


def _clip_and_track(folder: Path, frames: int, tracked: int) -> tuple[Path, Track]:
    clip = folder / "clip.mp4"
    with VideoWriter(clip, 64, 64, 30.0) as writer:
        for _ in range(frames):
            writer.write(_frame())
    eye = torch.eye(3).repeat(tracked, 1, 1)
    place = AWAY.repeat(tracked, 1)
    place[:, 0] = torch.arange(tracked) * 5.0
    track = Track(
        torch.arange(tracked).double() / 30, torch.zeros(tracked, 2), eye, place,
        BOARD.repeat(tracked, 1, 1), K.repeat(tracked, 1, 1), torch.zeros(tracked),
    )  # fmt: skip
    return clip, track


def test_a_video_follows_the_track(tmp_path):
    clip, track = _clip_and_track(tmp_path, 3, 3)
    write_overlay_video(
        clip, track, _topology(), tmp_path / "out.mp4", lambda _: _marked_texture(), IDENTITY_COLOUR
    )
    changed = [
        np.abs(frame.image.astype(int) - 90).max(axis=(0, 2)) > 25
        for frame in read_frames(tmp_path / "out.mp4")
    ]
    centres = [np.nonzero(columns)[0].mean() for columns in changed]
    assert np.diff(centres) == pytest.approx([5, 5], abs=1.0)


@pytest.mark.parametrize(("frames", "tracked"), [(3, 2), (2, 3)])
def test_a_track_of_another_length_is_refused_and_nothing_stays(tmp_path, frames, tracked):
    clip, track = _clip_and_track(tmp_path, frames, tracked)
    with pytest.raises(InputError, match=f"expected {tracked} frames"):
        write_overlay_video(clip, track, _topology(), tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_the_heat_scale_darkens_steadily_and_saturates():
    luminance = colour_scale(torch.linspace(0, 1, 50), 1.0) @ torch.tensor([0.2126, 0.7152, 0.0722])
    assert bool((luminance.diff() < 0).all())
    torch.testing.assert_close(colour_scale(torch.tensor([5.0]), 1.0), colour_scale(torch.tensor([1.0]), 1.0))


def test_the_heat_map_is_dark_where_the_error_is():
    board = BOARD * torch.tensor([1.0, 1.0, 1.0])
    picture = render_heat_map(board, _topology().faces, torch.tensor([0.0, 3.0, 3.0, 0.0]), 3.0, size=64)
    assert picture.shape == (64, 64, 4) and picture[0, 0, 3] == 0 and picture[32, 32, 3] == 255
    assert picture[32, 20, :3].mean() > picture[32, 44, :3].mean() + 60


def test_the_inside_of_a_mesh_is_not_drawn():
    topology = _topology()
    turned = replace(topology, faces=topology.faces.flip(1))
    drawn = draw_overlay(_frame(), BOARD + AWAY, K, turned, _marked_texture())
    assert (drawn == _frame()).all()


def test_a_face_that_leaves_the_picture_is_drawn_as_far_as_it_is_seen():
    place = torch.tensor([-31.0, -20.0, 100.0])
    wide = np.full((128, 128, 3), 90, np.uint8)
    moved = K.clone()
    moved[:2, 2] += 32
    whole = draw_overlay(wide, BOARD + place, moved, _topology(), _marked_texture(), IDENTITY_COLOUR)
    part = draw_overlay(_frame(), BOARD + place, K, _topology(), _marked_texture(), IDENTITY_COLOUR)
    assert (part == whole[32:96, 32:96]).all() and not (part == _frame()).all()
