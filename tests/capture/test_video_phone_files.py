"""What phones write, each beside a plain twin: the pictures and the times have to be the same."""

from __future__ import annotations

import importlib.util
import logging
import struct
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from steadyface.capture.colour_conversion import tone_map
from steadyface.capture.video import probe, read_frames


def beside(name: str) -> ModuleType:
    """A module of the tests by its file: no test folder is a package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = beside("phone_files")
WIDTH, HEIGHT, COUNT, RATE = FILES.WIDTH, FILES.HEIGHT, FILES.COUNT, FILES.RATE
REC_601, REC_709, REC_2020, QUIET = FILES.REC_601, FILES.REC_709, FILES.REC_2020, FILES.QUIET
encode, moving_picture, set_edits = FILES.encode, FILES.moving_picture, FILES.set_edits
TIMES = [0.0, 0.033, 0.075, 0.1, 0.25, 0.26, 0.3, 0.5]  # variable
PICTURES = [moving_picture(number) for number in range(COUNT)]


def assert_shows(path: Path, pictures: Sequence[np.ndarray], times: Sequence[float], tolerance: float = 2.0) -> None:
    frames = list(read_frames(path))
    assert [frame.index for frame in frames] == list(range(len(pictures)))
    assert np.allclose([frame.time_s for frame in frames], times, atol=1e-3)
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.image.shape == picture.shape and frame.image.flags.c_contiguous
        error = np.abs(frame.image.astype(int) - picture)
        assert error.mean() < tolerance / 2 and np.percentile(error, 99) <= tolerance * 2


KINDS: dict[str, dict[str, Any]] = {
    "hevc": {"codec": "libx265", "options": QUIET, "suffix": ".mov"},
    "hevc 10 bit": {"codec": "libx265", "options": QUIET, "pixels": "yuv420p10le", "suffix": ".mov", "depth": 10},
    "h264 10 bit 4:2:2": {"pixels": "yuv422p10le", "depth": 10},
    "4:4:4": {"pixels": "yuv444p"},
    "vp9": {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}, "suffix": ".webm"},
    "full range": {"pixels": "yuvj420p", "full": True},
    "full range 10 bit": {
        "codec": "libx265", "options": {"x265-params": "log-level=error:pools=1:range=full"},
        "pixels": "yuv420p10le", "full": True, "depth": 10,
    },
    "bt.601": {"matrix": REC_601},
    "untagged, small": {"matrix": None},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_coding_shows_the_same(tmp_path: Path, kind: str) -> None:
    how = dict(KINDS[kind])
    path = tmp_path / f"clip{how.pop('suffix', '.mp4')}"
    depth = how.pop("depth", 8)
    encode(path, PICTURES, TIMES, **how)
    assert_shows(path, PICTURES, TIMES)
    info = probe(path)
    assert (info.width, info.height, info.rotation_deg, info.transfer) == (WIDTH, HEIGHT, 0, "sdr")
    assert (info.bit_depth, info.full_range, info.has_audio) == (depth, how.get("full", False), False)
    assert info.variable_rate or path.suffix == ".webm"  # Matroska has no table of times


def test_untagged_high_definition_is_taken_for_bt_709(tmp_path: Path) -> None:
    picture = moving_picture(0, 1280, 720)
    path = encode(tmp_path / "a.mp4", [picture], matrix=None, guess=REC_709, options={"preset": "ultrafast"})
    assert_shows(path, [picture], [0.0], tolerance=1.0)


@pytest.mark.parametrize("size", [(51, 37), (50, 37), (51, 36)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = [moving_picture(number, *size) for number in range(3)]
    assert_shows(encode(tmp_path / "a.mp4", pictures, pixels="yuv444p"), pictures, [0, 1 / 30, 2 / 30])
    webm = encode(tmp_path / "a.webm", pictures, codec="libvpx-vp9", options={"cpu-used": "8"})
    assert_shows(webm, pictures, [0, 1 / 30, 2 / 30])
    assert (probe(webm).width, probe(webm).height) == size


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_turned_and_mirrored_files_are_read_upright(tmp_path: Path, clockwise: int, mirrored: bool) -> None:
    stored = [np.rot90(picture, clockwise // 90) for picture in PICTURES]  # counter-clockwise, to be turned back
    stored = [np.ascontiguousarray(picture[:, ::-1] if mirrored else picture) for picture in stored]
    path = encode(tmp_path / "a.mov", stored, turn=(clockwise, False))
    if mirrored:  # first mirrored, then turned: the matrix of the turn with its first row negated
        content = bytearray(path.read_bytes())
        at = content.index(b"tkhd") + 44
        a, b = struct.unpack_from(">ii", content, at)
        struct.pack_into(">ii", content, at, -a, -b)
        path.write_bytes(content)
    assert_shows(path, PICTURES, [number / RATE for number in range(COUNT)])
    info = probe(path)
    assert (info.width, info.height, info.rotation_deg) == (WIDTH, HEIGHT, clockwise)


def test_an_edit_list_cuts_the_front_and_the_end(tmp_path: Path) -> None:
    """Trimming on a phone rewrites the list alone: the hidden frames are in the file, and must not come out."""
    path = encode(tmp_path / "a.mp4", PICTURES, options={"bf": "2"})
    assert probe(path).frame_count == COUNT
    set_edits(path, [(133, 6000 + 2 * 3000)])  # B-frames delay the media by two frames; then two more are hidden
    assert_shows(path, PICTURES[2:6], [0, 1 / 30, 2 / 30, 3 / 30])
    assert probe(path).frame_count == 4


def test_an_empty_edit_delays_the_picture(tmp_path: Path) -> None:
    late = [0.5 + number / RATE for number in range(COUNT)]
    path = encode(tmp_path / "a.mp4", PICTURES, late, options={"bf": "2"})
    assert_shows(path, PICTURES, late)
    set_edits(path, [(250, -1), (200, 6000 + 3000)])
    assert_shows(path, PICTURES[1:7], [0.25 + number / RATE for number in range(6)])


def test_a_constant_rate_is_known_as_one(tmp_path: Path) -> None:
    info = probe(encode(tmp_path / "a.mp4", PICTURES))
    assert not info.variable_rate and info.fps == 30 and info.frame_count == COUNT and info.is_whole


def light_of_ramp() -> np.ndarray:
    """Grey light relative to reference white, (48, 64, 3): from black to the peak, dark half below white."""
    values = np.concatenate([np.linspace(0, 0.7, 48), np.linspace(0.8, 1000 / 203, 16)])
    return np.repeat(np.repeat(values[None, :, None], HEIGHT, 0), 3, 2)


def to_pq(light: np.ndarray) -> np.ndarray:
    power = (light * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def to_hlg(light: np.ndarray) -> np.ndarray:
    scene = (light * 203 / 1000) ** (1 / 1.2)  # grey: the display's share is a power of 1.2
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


@pytest.mark.parametrize(("transfer", "number", "encoding"), [("PQ", 16, to_pq), ("HLG", 18, to_hlg)])
def test_high_dynamic_range_is_tone_mapped(
    tmp_path: Path, transfer: str, number: int, encoding: Any, caplog: pytest.LogCaptureFixture
) -> None:
    light = light_of_ramp()
    signal = np.round(encoding(light) * 65535).astype(np.uint16)
    path = encode(
        tmp_path / "a.mp4", [signal] * 3, codec="libx265", pixels="yuv420p10le", options=QUIET, matrix=REC_2020,
        transfer=number,
    )  # fmt: skip
    caplog.set_level(logging.WARNING)
    assert probe(path).transfer == transfer
    assert f"{transfer} video, tone-mapped" in caplog.text
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    for shown in (tone_map(signal, transfer), next(read_frames(path)).image):
        error = np.abs(shown.astype(float) - expected)[:, 4:46]  # below the knee: as it is
        assert error.max() < 6
        row = shown[24, :, 1].astype(int)
        assert (np.diff(row) >= -2).all() and row[-1] >= 252 and row[48] < 245  # above: bent, and not clipped


def test_wide_colours_become_those_of_srgb() -> None:
    """BT.2020's name for BT.709's pure red at half the light of white: red again, green and blue near 0."""
    light = np.array([0.6274, 0.0691, 0.0164])[None, None] * 0.5
    red = tone_map(np.round(to_pq(light) * 65535).astype(np.uint16), "PQ")[0, 0]
    assert red[0] == pytest.approx(188, abs=2) and red[1] < 12 and red[2] < 12
