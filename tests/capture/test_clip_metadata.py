"""Focal lengths that files state: written by the test with PyAV and PIL, read back in pixels."""

from __future__ import annotations

import math
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from steadyface.capture.clip_metadata import focal_from_metadata, focal_px
from steadyface.capture.video import probe
from steadyface.errors import InputError

KEY = "com.apple.quicktime.camera.focal_length.35mm_equivalent"


def write_mov(path: Path, metadata: dict[str, str], turned: bool = False) -> Path:
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(metadata)
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 192, 108, "yuv420p"
        if turned:
            stream.set_display_rotation(-90)
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(np.full((108, 192, 3), 90, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("turned", [False, True])
def test_a_phone_states_its_focal_length(tmp_path: Path, turned: bool) -> None:
    """26 mm over a frame of 36 x 24 mm is an angle of 79.5 degrees over the diagonal, however it was held."""
    path = write_mov(tmp_path / "a.mov", {KEY: "26", "com.apple.quicktime.make": "Apple"}, turned)
    info = probe(path)
    assert (info.width, info.height) == ((108, 192) if turned else (192, 108))
    found = focal_from_metadata(path, info)
    assert found is not None and found == info.focal_px
    angle = 2 * math.atan(math.hypot(192, 108) / 2 / found)
    assert math.degrees(angle) == pytest.approx(79.53, abs=0.01)


@pytest.mark.parametrize("text", ["0", "", "wide", "99999", "-26", "1/0"])
def test_a_senseless_number_is_none(tmp_path: Path, text: str) -> None:
    path = write_mov(tmp_path / "a.mov", {KEY: text} if text else {})
    assert focal_from_metadata(path, probe(path)) is None and probe(path).focal_px is None


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_of_the_first_image(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "fps.txt").write_text("30")
    for name, equivalent in ((f"2.{suffix}", 50), (f"10.{suffix}", 24)):
        exif = Image.Exif()
        exif[0x0112], exif[0x8769] = 1, {0xA405: equivalent}
        Image.new("RGB", (160, 120)).save(tmp_path / name, exif=exif)
    info = probe(tmp_path)
    assert focal_from_metadata(tmp_path, info) == info.focal_px == pytest.approx(50 / math.hypot(36, 24) * 200)
    exif = Image.Exif()
    exif[0x0112], exif[0x8769] = 1, {0xA405: 0}  # unknown
    Image.new("RGB", (160, 120)).save(tmp_path / f"1.{suffix}", exif=exif)
    assert focal_from_metadata(tmp_path, info) is None


def test_no_file_is_an_input_error(tmp_path: Path) -> None:
    path = write_mov(tmp_path / "a.mov", {})
    info = probe(path)
    path.write_text("no video")
    with pytest.raises(InputError, match="cannot open"):
        focal_from_metadata(path, info)


def test_pixels_grow_with_the_frame() -> None:
    assert focal_px(26, 3840, 2160) == pytest.approx(2 * focal_px(26, 1920, 1080))
