"""Following a face: found once, followed, lost at a cut and in an empty frame, found again by itself.

The encoder's part is played by the plainest one there is: it sees a red disc, where and how large.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steadyface.capture.crop import crop_image
from steadyface.capture.video import VideoFrame
from steadyface.tracking.face_search import search_face, search_windows, settle
from steadyface.tracking.focal_observations import FocalObservations
from steadyface.tracking.follower import FaceFollower, GivenBox
from steadyface.tracking.sighting import HEAD_SHARE, Sighting
from steadyface.tracking.two_passes import follow_clip
from steadyface.types import FaceState

HEIGHT, WIDTH, FPS = 120, 200, 30


class DiscSighter:
    """Sees the red disc of a crop, in doubt where the crop cuts it or shows it far too small or large."""

    def __init__(self):
        self.looks = 0

    def look(self, image, boxes, residual=False):
        self.looks += len(boxes)
        return [self._one(image, box) for box in boxes]

    def _one(self, image, box):
        crop = crop_image(image, box, 64).astype(float)
        red = (crop[..., 0] > 150) & (crop[..., 1] < 90)
        state = FaceState(torch.zeros(1, 2), torch.eye(3)[None], torch.zeros(1, 3))
        points, doubts = torch.zeros(3, 2), torch.ones(3)
        if red.sum() < 12:
            return Sighting(state, box, box, points, doubts, 0.05, 0.1, 1.0)
        y, x = (place.mean() for place in np.nonzero(red))
        radius = (red.sum() / np.pi) ** 0.5
        cut = red[0].any() or red[-1].any() or red[:, 0].any() or red[:, -1].any()
        scale = box[2] / 64
        side = 2 * radius * scale / HEAD_SHARE
        centre = (box[0] + (x + 0.5) * scale, box[1] + (y + 0.5) * scale)
        head = (centre[0] - side / 2, centre[1] - side / 2, side, side)
        misfit = 0.05 if cut else 0.008
        return Sighting(state, box, head, points + centre[0], doubts, 0.015, misfit, 0.7)


def _picture(x, y=60.0, radius=14.0, scene=0):
    """A disc (none where x is nan) before a background that tells one scene from another."""
    rng = np.random.default_rng(scene)
    image = np.kron(rng.integers(40, 150, (12, 20, 1)), np.ones((10, 10, 3))).astype(np.uint8)
    image[..., 0] //= 2
    if np.isfinite(x):
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        image[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = (220, 30, 30)
    return image


def _clip(places, scenes=None):
    scenes = scenes or [0] * len(places)
    return [VideoFrame(k, k / FPS, _picture(x, scene=s)) for k, (x, s) in enumerate(zip(places, scenes, strict=True))]


def _centre(box):
    return box[0] + box[2] / 2 - 0.5


def test_a_face_is_found_anywhere_in_the_frame_and_followed():
    places = list(np.linspace(40.0, 160.0, 40))
    follower = FaceFollower(DiscSighter())
    followed = [follower.step(frame) for frame in _clip(places)]
    assert all(one.found for one in followed)
    for one, place in zip(followed, places, strict=True):
        assert abs(_centre(one.sighting.head) - place) < 0.5
    # the crop of each frame is the head of the frame before
    assert followed[7].box == followed[6].sighting.head


def test_an_empty_frame_has_no_face_and_the_face_is_found_again_elsewhere():
    places = [50.0] * 10 + [np.nan] * 20 + [150.0] * 20
    follower = FaceFollower(DiscSighter())
    found = [follower.step(frame) for frame in _clip(places)]
    assert [one.found for one in found[:30]] == [True] * 10 + [False] * 20
    again = next(k for k in range(30, 50) if found[k].found)
    assert again - 30 <= 15 and all(one.found for one in found[again:])
    assert abs(_centre(found[-1].sighting.head) - 150.0) < 0.5


def test_a_cut_starts_a_shot_and_the_search_anew():
    frames = _clip([40.0] * 12 + [170.0] * 12, [1] * 12 + [2] * 12)
    follower = FaceFollower(DiscSighter())
    followed = [follower.step(frame) for frame in frames]
    assert [one.shot for one in followed] == [0] * 12 + [1] * 12 and all(one.found for one in followed)


def test_a_given_box_is_looked_at_before_the_whole_frame():
    sighter = DiscSighter()
    (frame,) = _clip([60.0])
    assert FaceFollower(sighter, GivenBox((40.0, 40.0, 40.0, 40.0))).step(frame).found
    assert sighter.looks < 10 < len(search_windows(HEIGHT, WIDTH))


def test_an_empty_picture_is_searched_only_so_often():
    sighter = DiscSighter()
    follower = FaceFollower(sighter)
    for frame in _clip([np.nan] * 31):
        assert not follower.step(frame).found
    assert sighter.looks == 3 * len(search_windows(HEIGHT, WIDTH))  # at 0, 0.5 and 1 s


@pytest.mark.parametrize(("x", "radius"), [(25.0, 8.0), (100.0, 40.0), (185.0, 14.0), (12.0, 11.0)])
def test_small_large_and_border_faces_are_found(x, radius):
    found = search_face(DiscSighter(), _picture(x, radius=radius))
    assert found is not None and abs(_centre(found.head) - x) < 1.0


def test_nothing_is_found_where_nothing_is():
    assert search_face(DiscSighter(), _picture(np.nan)) is None
    assert settle(DiscSighter(), _picture(50.0), (500.0, 0.0, 30.0, 30.0)) is None


def test_the_first_pass_draws_a_path_through_what_was_seen():
    places = list(60 + 30 * np.sin(np.arange(90) / 12))
    observations = FocalObservations()
    path = follow_clip(iter(_clip(places)), FaceFollower(DiscSighter()), observations)
    assert len(path) == 90 and path.known.all() and len(observations) == 30  # three frames a look
    centre = path.box[:, 0] + path.box[:, 2] / 2 - 0.5
    assert float((centre - torch.tensor(places)).abs().max()) < 4.0  # smoothed over 0.2 s, a margin is left
    jitter = float(centre.diff(n=2).abs().max())
    assert jitter < 0.5


def test_the_first_pass_looks_at_the_first_frame_of_every_shot():
    frames = _clip([40.0] * 4 + [120.0] * 2 + [180.0] * 6, [1] * 4 + [2] * 2 + [3] * 6)
    path = follow_clip(iter(frames), FaceFollower(DiscSighter()))
    assert path.shot.tolist() == [0] * 4 + [1] * 2 + [2] * 6
    centre = path.box[:, 0] + path.box[:, 2] / 2 - 0.5
    assert torch.allclose(centre, torch.tensor([40.0] * 4 + [120.0] * 2 + [180.0] * 6).double(), atol=0.5)


def test_a_live_search_takes_a_part_in_each_frame_and_finds_the_face_within_a_round():
    sighter = DiscSighter()
    follower = FaceFollower(sighter, windows_a_step=8)
    windows = len(search_windows(HEIGHT, WIDTH))
    found = []
    for frame in _clip([170.0] * 60):
        before = sighter.looks
        found.append(follower.step(frame).found)
        assert sighter.looks - before <= 8 + 4 * 4  # a part, and a settling of four candidates
    first = found.index(True)
    assert first <= windows // 8 + 1 and all(found[first:])
