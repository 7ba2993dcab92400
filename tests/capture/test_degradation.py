from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from steadyface.capture.degradation import (
    DEGRADATIONS,
    Degradation,
    FrameKey,
    add_noise,
    blur,
    check_level,
    compress,
    displace_box,
    jitter_box,
    parse_degradation,
    reduce_resolution,
)
from steadyface.capture.video import VideoFrame
from steadyface.errors import InputError

BOX = (10.0, 20.0, 50.0, 50.0)


def picture(height: int = 12, width: int = 12, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def moving_frames(height: int = 48, width: int = 64) -> list[VideoFrame]:
    """A pattern with texture that moves, at uneven times that do not start at 0."""
    y, x = np.mgrid[0:height, 0:width]
    times = [0.5, 0.53, 0.57, 0.6, 0.7, 0.704, 0.81, 0.9]
    frames = []
    for index, time_s in enumerate(times):
        waves = np.stack([np.sin(x / 3 + index), np.cos(y / 4 - index), np.sin((x + y) / 5)], -1)
        grain = np.random.default_rng(index).normal(0, 6, waves.shape)
        frames.append(VideoFrame(index, time_s, np.clip(128 + 90 * waves + grain, 0, 255).astype(np.uint8)))
    return frames


def test_blur_is_a_dense_convolution_with_a_gaussian() -> None:
    image, sigma = picture(9, 7), 1.3
    reach = 6
    expected = np.zeros(image.shape)
    for row in range(9):
        for column in range(7):
            total = 0.0
            for dy in range(-reach, reach + 1):
                for dx in range(-reach, reach + 1):
                    weight = math.exp(-(dy**2 + dx**2) / (2 * sigma**2))
                    source = image[min(max(row + dy, 0), 8), min(max(column + dx, 0), 6)]
                    expected[row, column] += weight * source.astype(float)
                    total += weight
            expected[row, column] /= total
    assert np.abs(blur(image, sigma) - expected).max() < 0.6  # rounding, and the tail beyond 4 sigma
    assert np.array_equal(blur(image, 0.0), image)


def test_resolution_keeps_area_means_and_no_finer_detail() -> None:
    image = picture()
    small = image.reshape(4, 3, 4, 3, 3).mean((1, 3))  # every 3 x 3 pixels become one
    expected = np.zeros(image.shape)
    for row in range(12):
        for column in range(12):
            y, x = (min(max((place + 0.5) / 3 - 0.5, 0), 3) for place in (row, column))
            y0, x0 = min(int(y), 2), min(int(x), 2)
            for dy in (0, 1):
                for dx in (0, 1):
                    weight = (1 - abs(y - y0 - dy)) * (1 - abs(x - x0 - dx))
                    expected[row, column] += weight * small[y0 + dy, x0 + dx]
    assert np.abs(reduce_resolution(image, 4) - expected).max() < 1.6  # rounded at both steps
    assert np.array_equal(reduce_resolution(image, 12), image) and np.array_equal(reduce_resolution(image, 99), image)


def test_noise_has_its_deviation_and_belongs_to_its_frame() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    noise = add_noise(grey, 10, FrameKey(0, 3)).astype(float) - 128
    assert abs(noise.mean()) < 0.4 and abs(noise.std() - 10) < 0.3
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 3  # white
    assert np.array_equal(noise + 128, add_noise(grey, 10, FrameKey(0, 3)))
    for other in (FrameKey(0, 4), FrameKey(1, 3)):
        assert abs(np.mean((add_noise(grey, 10, other) - 128.0) * noise)) < 3
    assert np.array_equal(add_noise(grey, 0, FrameKey(0, 0)), grey)
    assert add_noise(np.zeros_like(grey), 20, FrameKey(0, 0)).min() == 0  # clipped, not wrapped


def test_compression_loses_with_the_factor_and_keeps_frames_and_times() -> None:
    clean = moving_frames()
    versions = list(compress(iter(clean), (0, 20, 35, 51)))
    for frame, of_frame in zip(clean, versions, strict=True):
        assert all(version.time_s == frame.time_s and version.index == frame.index for version in of_frame)
    errors = [
        np.mean([np.square(v[at].image.astype(float) - f.image).mean() for v, f in zip(versions, clean, strict=True)])
        for at in range(4)
    ]
    psnr = [10 * math.log10(255**2 / error) for error in errors]
    assert psnr[0] > psnr[1] > psnr[2] > psnr[3]
    assert psnr[0] - psnr[3] > 8
    again = list(compress(iter(clean), (35,)))
    assert all(np.array_equal(a[0].image, b[2].image) for a, b in zip(again, versions, strict=True))


def test_compression_of_odd_sides() -> None:
    clean = moving_frames(height=35, width=41)
    (first, *_) = compress(clean, (0,))
    assert first[0].image.shape == (35, 41, 3)
    assert np.abs(first[0].image.astype(float) - clean[0].image).mean() < 8  # not shifted: only chroma is halved


def test_boxes_move_by_their_share() -> None:
    offsets = []
    for frame in range(5):
        moved = displace_box(BOX, 0.1, FrameKey(0, frame))
        assert moved[2:] == BOX[2:]
        offsets.append((moved[0] - BOX[0], moved[1] - BOX[1]))
    assert len(set(offsets)) == 1 and math.hypot(*offsets[0]) == pytest.approx(5.0)  # one for the whole clip
    assert displace_box(BOX, 0.1, FrameKey(1, 0)) != displace_box(BOX, 0.1, FrameKey(0, 0))
    jitter = np.array([jitter_box(BOX, 0.1, FrameKey(0, frame))[:2] for frame in range(1000)]) - BOX[:2]
    assert np.abs(jitter.mean(0)).max() < 0.6 and np.abs(jitter.std(0) - 5.0).max() < 0.4
    assert abs(np.corrcoef(jitter.T)[0, 1]) < 0.1
    assert jitter_box(BOX, 0.1, FrameKey(0, 7)) == jitter_box(BOX, 0.1, FrameKey(0, 7))
    assert jitter_box((0.0, 0.0, 10.0, 50.0), 0.1, FrameKey(0, 7))[:2] == pytest.approx(
        (jitter[7, 0], jitter[7, 1])
    )  # of the larger side


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_every_entry_is_whole(name: str) -> None:
    kind: Degradation = DEGRADATIONS[name]
    assert sum(step is not None for step in (kind.frames, kind.box, kind.crop)) == 1
    assert kind.on_crops == (kind.crop is not None) and kind.unit
    for level in kind.levels:
        check_level(name, level)
    if kind.crop is not None:
        image = picture(64, 64)
        strongest = min(kind.levels) if name == "resolution" else max(kind.levels)
        degraded = kind.crop(image, strongest, FrameKey(0, 0))
        assert degraded.shape == image.shape and degraded.dtype == np.uint8
        assert not np.array_equal(degraded, image)


def test_refusals() -> None:
    for text, expected in (
        ("nose", "degradation: expected one of resolution, .* got nose; the nearest is noise"),
        ("noise:256", r"level of noise: expected a number from 0 to 255 \(8-bit levels, sigma\), got 256"),
        ("compression:23.5", "level of compression: expected a whole number from 0 to 51"),
        ("resolution:0", "level of resolution: expected a whole number from 4"),
        ("blur:nan", "level of blur"),
        ("compression:inf", "level of compression"),
        ("blur:", "levels of blur: expected numbers, separated by commas, got ''; write for example blur:0.5,1,2,4"),
        ("blur:1;2", "levels of blur"),
    ):
        with pytest.raises(InputError, match=expected):
            parse_degradation(text)
    assert parse_degradation(" noise : 5, 7.5,5 ") == ("noise", (5.0, 7.5))
