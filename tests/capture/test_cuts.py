"""Cuts are found; light, flashes, blur and motion are none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from steadyface.capture.cuts import CutDetector, shrink

WIDTH, HEIGHT, FPS = 320, 240, 30.0
Picture = np.ndarray


def texture(seed: int, width: int, height: int, detail: int) -> Picture:
    """Smooth random grey in [0, 1]: random values, drawn large."""
    grid = np.random.default_rng(seed).random((height // detail + 2, width // detail + 2))
    y, x = np.mgrid[:height, :width] / detail
    row, column = y.astype(int), x.astype(int)
    a, b = y - row, x - column
    top = grid[row, column] * (1 - b) + grid[row, column + 1] * b
    return top * (1 - a) + (grid[row + 1, column] * (1 - b) + grid[row + 1, column + 1] * b) * a


def furniture(seed: int) -> Picture:
    """Boxes of grey before a smooth wall, in [0, 1]."""
    wall, draw = 0.4 * texture(seed, WIDTH, HEIGHT, 40), np.random.default_rng(500 + seed)
    for _ in range(24):
        left, top = draw.integers(0, WIDTH - 20), draw.integers(0, HEIGHT - 20)
        wall[top : top + draw.integers(12, 90), left : left + draw.integers(12, 90)] = draw.random()
    return wall


def scene(room: int, person: int, at: tuple[float, float]) -> Picture:
    """A person's head, an ellipse of its own texture, before a room: (H, W, 3) uint8."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    back = 60 + 120 * furniture(room)
    left, top = int(at[0]) - 60, int(at[1]) - 80
    head = np.zeros((HEIGHT, WIDTH))
    skin = 90 + 120 * texture(1000 + person, 120, 160, 15)
    rows, columns = slice(max(top, 0), min(top + 160, HEIGHT)), slice(max(left, 0), min(left + 120, WIDTH))
    head[rows, columns] = skin[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    inside = ((x - at[0]) / 60) ** 2 + ((y - at[1]) / 80) ** 2 < 1
    noise = np.random.default_rng(int(at[0] * 7)).normal(0, 1.5, (HEIGHT, WIDTH))
    grey = np.where(inside, head, back) + noise
    return np.clip(np.stack([grey, 0.9 * grey, 0.8 * grey], 2), 0, 255).astype(np.uint8)


def talk(room: int = 0, person: int = 0, count: int = 16, speed: float = 1.0) -> list[Picture]:
    """A head that sways: up to `speed` x 8 pixels a frame."""
    return [scene(room, person, (150 + speed * 40 * np.sin(number / 5), 120)) for number in range(count)]


def cuts(pictures: list[Picture], times: list[float] | None = None) -> list[int]:
    detector = CutDetector()
    stamps = times or [number / FPS for number in range(len(pictures))]
    return [number for number, (picture, time) in enumerate(zip(pictures, stamps, strict=True))
            if detector.update(picture, time)]  # fmt: skip


def test_a_cut_to_another_room_and_back() -> None:
    assert cuts(talk(0) + talk(1) + talk(0)) == [16, 32]


def test_a_cut_to_another_person_in_the_same_room() -> None:
    assert cuts(talk(0, 0) + talk(0, 1)) == [16]


def test_a_jump_cut_to_another_pose() -> None:
    far = [scene(0, 0, (240 - number, 110)) for number in range(8)]
    assert cuts(talk()[:8] + far) == [8]


def test_frames_of_each_shot_at_once() -> None:
    assert cuts([talk(0)[0], talk(1)[0], talk(2)[0]]) == [1, 2]
    assert cuts([talk(0)[0]]) == []


@pytest.mark.parametrize("speed", [1.0, 2.5])
def test_motion_is_no_cut(speed: float) -> None:
    assert cuts(talk(speed=speed, count=30)) == []


def test_a_moving_camera_is_no_cut() -> None:
    """A pan over the whole picture within half a second, left and right, and one upwards."""
    wide = (60 + 120 * np.hstack([furniture(number) for number in range(3)])).astype(np.uint8)
    pan = [np.repeat(wide[:, 20 * number : 20 * number + WIDTH, None], 3, 2) for number in range(16)]
    assert cuts(pan) == [] and cuts(pan[::-1]) == []
    assert cuts([np.ascontiguousarray(picture.transpose(1, 0, 2)) for picture in pan]) == []


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "darker": lambda image: image * 0.4,
    "brighter, clipped": lambda image: image * 1.8,
    "another exposure curve": lambda image: 255 * (image / 255) ** 2,
    "light from the side": lambda image: image * np.linspace(0.4, 1.6, WIDTH)[None, :, None],
    "haze": lambda image: 0.6 * image + 90,
    "blur": lambda image: (image + np.roll(image, 8, 1) + np.roll(image, -8, 1)) / 3,
    "a flash that washes out": lambda image: image + 200,
    "white": lambda image: 0 * image + 255,
    "black": lambda image: 0 * image,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("frames", [1, 2, 14])
def test_light_and_flashes_are_no_cut(name: str, frames: int) -> None:
    pictures = talk(count=20)
    for number in range(6, min(6 + frames, 20)):
        changed = CHANGES[name](pictures[number].astype(np.float64))
        pictures[number] = np.clip(changed, 0, 255).astype(np.uint8)
    assert cuts(pictures) == []


def test_a_cut_under_a_flash_is_found_behind_it() -> None:
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    assert cuts([*talk(0)[:8], white, white, *talk(1)[:8]]) == [10]


def test_black_between_two_parts_of_a_shot_is_no_cut() -> None:
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 6
    assert cuts(talk(count=8) + black + talk(count=8)[::-1]) == []
    assert cuts(talk(0, count=8) + black + talk(1, count=8)) == [14]
    assert cuts(black + talk(count=4)) == []


def test_a_low_frame_rate_allows_more_motion() -> None:
    """The same two poses: a cut at 30 frames a second, motion at one."""
    poses = [scene(0, 0, (110, 120)), scene(0, 0, (160, 120))]
    assert cuts(poses) == [1] and cuts(poses, [0.0, 1.2]) == []
    assert cuts([talk(0)[0], talk(1)[0]], [0.0, 1.2]) == [1]


def test_what_comes_up_on_an_empty_wall_is_no_cut() -> None:
    wall = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    title = wall.copy()
    title[100:130, 100:180] = (talk()[0])[100:130, 100:180]
    assert cuts([wall, wall, title, title]) == []


def test_small_pictures_keep_the_shape_and_the_mean() -> None:
    image = talk()[0]
    small = shrink(image)
    assert small.shape == (48, 64)
    assert small.mean() == pytest.approx((image @ np.array([0.299, 0.587, 0.114])).mean(), abs=1)
    assert shrink(image.transpose(1, 0, 2)[:, :100]).shape == (64, 20) and min(shrink(image[:16]).shape) == 8
    checkers = np.repeat(255 * (np.indices((240, 320)).sum(0) % 2)[..., None], 3, 2).astype(np.uint8)
    assert np.ptp(shrink(checkers)) < 10  # no aliasing
