"""Clips that nothing can be learned from, as encoded files: each is refused with its reason, a living one is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from steadyface.capture import adaptable
from steadyface.capture.adaptable import check_adaptable
from steadyface.capture.video_writer import VideoWriter
from steadyface.errors import InputError

SIDE = 96


def picture(shift: float = 0.0) -> NDArray[np.uint8]:
    """A bright blob with two dark eyes, moved to the right by some pixels."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    x = x - shift
    face = 170 * np.exp(-(((x - 48) / 22) ** 4) - ((y - 48) / 30) ** 4)
    for eye in (38, 58):
        face -= 120 * np.exp(-(((x - eye) / 5) ** 2) - ((y - 40) / 4) ** 2)
    return np.repeat(np.clip(face + 40, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def clip(folder: Path, frames: list[NDArray[np.uint8]]) -> Path:
    path = folder / "clip.mp4"
    with VideoWriter(path, frames[0].shape[1], frames[0].shape[0], 30.0) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, number / 30)
    return path


def noisy(frame: NDArray[np.uint8], sigma: float, seed: int) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, sigma, frame.shape)
    return np.clip(frame + noise, 0, 255).astype(np.uint8)


def still(gain: float = 1.0, sigma: float = 0.0) -> list[NDArray[np.uint8]]:
    return [noisy((picture() * (1 + (gain - 1) * k / 11)).astype(np.uint8), sigma, k) for k in range(12)]


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        (lambda: [picture(0), picture(9)], "at least 4 frames to adapt to, got 2 frames"),
        (lambda: [noisy(picture() * 0, 3, k) for k in range(12)], "12 frames without a picture: black"),
        (lambda: [picture() * 0 + 128] * 12, "without a picture: one even colour"),
        (still, "a face that moves, got one picture, the same in all 12 frames"),
        (lambda: still(sigma=2), "the same in all 12 frames"),
        (lambda: still(gain=0.6), "the same in all 12 frames"),
    ],
    ids=["two frames", "black", "grey", "still", "still with noise", "still while the light changes"],
)
def test_a_clip_that_nothing_can_be_learned_from(
    tmp_path: Path, frames: Callable[[], list[NDArray[np.uint8]]], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        check_adaptable(clip(tmp_path, frames()))


def test_a_head_that_hardly_moves_is_enough(tmp_path: Path) -> None:
    check_adaptable(clip(tmp_path, [noisy(picture(2.0 * k / 11), 2, k) for k in range(12)]))


def test_what_moves_beside_the_box_does_not_count(tmp_path: Path) -> None:
    wide = [np.concatenate([picture(), picture(2 * k)], axis=1) for k in range(12)]
    path = clip(tmp_path, wide)
    check_adaptable(path)
    with pytest.raises(InputError, match=r"correct clips\.box"):
        check_adaptable(path, (0.0, 0.0, 90.0, 96.0))


def test_no_more_is_read_than_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    frames = adaptable.read_frames
    monkeypatch.setattr(adaptable, "read_frames", lambda path: (read.append(1) or frame for frame in frames(path)))
    check_adaptable(clip(tmp_path, [picture(2 * k) for k in range(40)]))
    assert len(read) == adaptable.FEWEST_FRAMES


def test_a_folder_of_one_image(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "0.png")
    (tmp_path / "fps.txt").write_text("30")
    with pytest.raises(InputError, match="got 1 frame;"):
        check_adaptable(tmp_path)
