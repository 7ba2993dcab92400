"""Folders of images as clips: order, times, orientation, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadyface.capture.video import probe, read_frames
from steadyface.errors import InputError


def picture(number: int, width: int = 40, height: int = 30) -> np.ndarray:
    """No symmetry: red top left, blue bottom left; the grey tells the number."""
    image = np.full((height, width, 3), 30 + 10 * number, np.uint8)
    image[:8, :8], image[-8:, :8] = (255, 0, 0), (0, 0, 255)
    return image


def make(folder: Path, names: list[str], rate: str | None = "25") -> Path:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(picture(number)).save(folder / name, quality=95)
    if rate is not None:
        (folder / "fps.txt").write_text(rate)
    return folder


def test_natural_order_and_the_rate_of_fps_txt(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", ["f8.png", "f9.png", "f10.png", "f100.PNG"], "30000/1001\n")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.md").write_text("taken on a Friday")
    frames = list(read_frames(folder))
    assert [int(frame.image[15, 20, 0]) for frame in frames] == [30, 40, 50, 60]
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(4) * 1001 / 30000)
    info = probe(folder)
    assert (info.width, info.height, info.frame_count, info.codec, info.variable_rate) == (40, 30, 4, "png", False)
    assert info.fps == pytest.approx(30000 / 1001) and info.duration_s == pytest.approx(4 * 1001 / 30000)


def test_times_of_their_own(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", ["2.jpg", "10.jpeg", "11.jpg"], rate=None)
    (folder / "timestamps.csv").write_text("file,time_s\n10.jpeg,0.7\n2.jpg,0.5\n11.jpg,1.5\n")
    assert [frame.time_s for frame in read_frames(folder)] == [0.5, 0.7, 1.5]
    info = probe(folder)
    assert info.variable_rate and info.codec == "jpeg" and info.fps == pytest.approx(2.0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    """What each value says of row 0 and column 0 of the stored image (EXIF 2.32, table 4), undone by hand."""
    stored = {
        1: lambda i: i, 2: lambda i: i[:, ::-1], 3: lambda i: i[::-1, ::-1], 4: lambda i: i[::-1],
        5: lambda i: i.transpose(1, 0, 2), 6: lambda i: i.transpose(1, 0, 2)[::-1],
        7: lambda i: i.transpose(1, 0, 2)[::-1, ::-1], 8: lambda i: i.transpose(1, 0, 2)[:, ::-1],
    }[orientation](picture(3))  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    folder = make(tmp_path / "a", [], "30")
    Image.fromarray(np.ascontiguousarray(stored)).save(folder / "1.png", exif=exif)
    frame = next(read_frames(folder)).image
    assert np.array_equal(frame, picture(3)) and frame.flags.c_contiguous
    info = probe(folder)
    turn = {1: 0, 2: 0, 3: 180, 6: 90, 8: 270}
    assert (info.width, info.height) == (40, 30) and info.rotation_deg == turn.get(orientation, info.rotation_deg)


def test_grey_deep_and_transparent_images(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", [], "30")
    Image.fromarray(np.full((30, 40), 0x8012, np.uint16)).save(folder / "1.png")
    Image.new("LA", (40, 30), (128, 7)).save(folder / "2.png")
    Image.new("P", (40, 30), 0).save(folder / "3.png")
    shown = [frame.image for frame in read_frames(folder)]
    assert all(image.shape == (30, 40, 3) and image.dtype == np.uint8 for image in shown)
    assert (shown[0] == 128).all() and (shown[1] == 128).all()
    assert probe(folder).bit_depth == 16


@pytest.mark.parametrize(
    ("names", "files", "expected"),
    [
        ([], {}, "a folder of PNG or JPEG images, got none"),
        (["1.png"], {}, "fps.txt or timestamps.csv beside the images, got neither; write the rate"),
        (["1.png"], {"fps.txt": "fast"}, "frames a second, above 0, at most 1000, got 'fast'"),
        (["1.png"], {"fps.txt": "0"}, "frames a second"),
        (["1.png"], {"fps.txt": "1/0"}, "frames a second"),
        (["1.png", "1.jpg"], {"fps.txt": "30"}, "images of one kind, got 1 PNG and 1 JPEG"),
        (["1.png", "2.png"], {"timestamps.csv": "file,time_s\n1.png,0\n"}, "2.png in the folder alone"),
        (["1.png"], {"timestamps.csv": "file,time_s\n1.png,0\n2.png,1\n"}, "2.png in the list alone"),
        (["1.png", "2.png"], {"timestamps.csv": "file,time_s\n1.png,1\n2.png,1\n"}, "1.0 then 1.0 at 2.png"),
        (["1.png"], {"timestamps.csv": "name,when\n1.png,1\n"}, "columns `file` and `time_s`"),
        (["1.png"], {"timestamps.csv": "file,time_s\n1.png,soon\n"}, "columns `file` and `time_s`"),
        (["1.png", "2.png"], {"timestamps.csv": "file,time_s\n1.png,nan\n2.png,1\n"}, "times that rise"),
    ],
)
def test_folders_that_are_no_clip(tmp_path: Path, names: list[str], files: dict[str, str], expected: str) -> None:
    folder = make(tmp_path / "a", names, rate=None)
    for name, text in files.items():
        (folder / name).write_text(text)
    for read in (probe, lambda path: next(read_frames(path))):
        with pytest.raises(InputError, match=expected) as error:
            read(folder)
        assert "\n" not in str(error.value)


def test_images_of_differing_sizes_and_a_damaged_one(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", ["1.png", "2.png"])
    Image.new("RGB", (40, 31)).save(folder / "3.png")
    seen = []
    with pytest.raises(InputError, match=r"3\.png: expected 40 x 30 pixels, as the images before it, got 40 x 31"):
        for frame in read_frames(folder):
            seen.append(frame.index)
    assert seen == [0, 1]
    content = (folder / "2.png").read_bytes()
    (folder / "2.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"2\.png: expected an image that decodes"):
        list(read_frames(folder))
    (folder / "2.png").write_text("no image")
    with pytest.raises(InputError, match=r"2\.png: expected an image, got a file that is none"):
        list(read_frames(folder))


def test_a_small_image_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", [], "30")
    Image.new("RGB", (4, 4)).save(folder / "1.png")
    for read in (probe, lambda path: next(read_frames(path))):
        with pytest.raises(InputError, match="at least 16 x 16 pixels, got 4 x 4"):
            read(folder)


def test_nothing_is_said_of_a_good_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    list(read_frames(make(tmp_path / "a", ["1.png"])))
    assert not caplog.records
