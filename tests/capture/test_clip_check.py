"""A clean clip of a synthetic person has no warnings; each fault that is built in is found, and its size measured."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from steadyface.capture.check import check_path
from steadyface.capture.clip_check import find_source
from steadyface.capture.clip_figures import ModelView, PairView
from steadyface.capture.crop import Box
from steadyface.capture.detector import face_in_head
from steadyface.capture.finding import Finding, format_findings, has_fault
from steadyface.capture.mediapipe_finder import has_mediapipe
from steadyface.capture.sharpness import HEAD_PX
from steadyface.capture.video import VideoWriter, read_frames
from steadyface.studio.generate import generate_studio
from steadyface.studio.settings import StudioSettings

WIDTH, HEIGHT, FPS = 192, 256, 30.0
HEAD = (8.0, 43.0, 176.0, 176.0)
Change = Callable[[np.ndarray, int], np.ndarray]


@pytest.fixture(scope="session")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """A frame of a clip of the studio, (256, 192, 3) uint8, the head in ``HEAD``."""
    out = tmp_path_factory.mktemp("portrait") / "out"
    settings = StudioSettings(
        identity_seed=0, lab_frames=5, lab_image_height=48, lab_image_width=36, texture_size=32, cameras=2,
        cameras_per_frame=1, clip_width=WIDTH, clip_height=HEIGHT, clip_focal_px=0.4 * 620, adapt_frames=2,
        held_out_frames=0, crf=5, processes=1,
    )  # fmt: skip
    generate_studio(settings, out)
    return next(read_frames(out / "clips" / "adapt.mp4")).image


def write(path: Path, portrait: np.ndarray, frames: int, change: Change | None = None, fps: float = FPS) -> Path:
    """The portrait, moving from side to side by a pixel a frame, as a phone's clip."""
    with VideoWriter(path, WIDTH, HEIGHT, fps, crf=12) as writer:
        for index in range(frames):
            picture = np.roll(portrait, abs(index % 12 - 6) - 3, axis=1)
            writer.write(picture if change is None else change(picture, index), index / fps)
    return path


def gained(picture: np.ndarray, stops: float | np.ndarray) -> np.ndarray:
    """More or less light, in linear light."""
    value = picture / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4) * 2.0**stops
    coded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return (255 * np.clip(coded, 0, 1)).round().astype(np.uint8)


def checked(path: Path, box: Box | tuple[()] = HEAD, **options: object) -> dict[str, Finding]:
    findings = {finding.name: finding for finding in check_path(path, box, **options)}  # type: ignore[arg-type]
    assert format_findings(list(findings.values()))
    return findings


def marks(findings: dict[str, Finding], mark: str) -> set[str]:
    return {name for name, finding in findings.items() if finding.mark == mark}


@pytest.fixture(scope="session")
def clean(portrait: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clean") / "clean.mp4", portrait, 66)


def test_a_clean_clip_has_no_warning(clean: Path) -> None:
    found = checked(clean)
    assert marks(found, "warning") == marks(found, "fault") == set()
    assert marks(found, "unknown") == {"occlusion", "head turn", "person", "premise", "adaptation"}
    assert all("--run" in found[name].remedy for name in marks(found, "unknown"))
    assert found["frames"].values == pytest.approx({"frames": 66, "span_s": 65 / 30})
    assert found["frame rate"].values["median_fps"] == pytest.approx(30, rel=1e-3)
    assert found["intervals"].figure.startswith("constant: 33.3 to 33.3 ms")
    assert found["face size"].values["face_px"] == pytest.approx(176 / 2.1)
    assert found["rotation"].figure == "none" and found["sound"].figure == "none"
    assert found["blur"].values["blur_px"] < 1.0 and found["exposure"].values["drift_stops"] < 0.1


@pytest.mark.parametrize("sigma", [2.0, 3.5])
def test_blur(tmp_path: Path, portrait: np.ndarray, sigma: float) -> None:
    inner = sigma * HEAD[2] / HEAD_PX  # in pixels of the frame
    blurred = gaussian_filter(portrait.astype(np.float32), (inner, inner, 0)).round().astype(np.uint8)
    found = checked(write(tmp_path / "a.mp4", blurred, 8))
    assert found["blur"].values["blur_px"] == pytest.approx(sigma, rel=0.2)
    assert (found["blur"].mark == "warning") == (sigma > 2.5)


def test_an_exposure_ramp(tmp_path: Path, portrait: np.ndarray) -> None:
    found = checked(write(tmp_path / "a.mp4", portrait, 60, lambda picture, index: gained(picture, -2 * index / 60)))
    # the means of the first and the last half second lie a half second less apart than the ends do
    assert found["exposure"].values["drift_stops"] == pytest.approx(2 * 1.5 / 2, abs=0.1)
    assert marks(found, "warning") == {"exposure"}


def test_a_light_step_is_a_jump_and_no_cut(tmp_path: Path, portrait: np.ndarray) -> None:
    path = write(tmp_path / "a.mp4", portrait, 40, lambda picture, index: gained(picture, -0.7 * (index >= 20)))
    light = checked(path)["light jumps"]
    assert light.values["jumps"] == 1 and light.values["largest_jump_stops"] == pytest.approx(0.7, abs=0.07)
    assert light.mark == "warning" and "at 0.67 s" in light.figure and checked(path)["cuts"].values["cuts"] == 0


def test_a_warmer_light_and_a_light_from_the_side(tmp_path: Path, portrait: np.ndarray) -> None:
    warm, side = np.array([0.6, 0.0, -0.6]), np.linspace(-1.5, 1.5, WIDTH)[None, :, None]
    dark = gained(portrait, -1.0)
    found = checked(write(tmp_path / "a.mp4", dark, 40, lambda picture, index: gained(picture, warm * (index >= 20))))
    assert found["colour"].values["red_over_blue_stops"] == pytest.approx(1.2 * 20 / 30, abs=0.5)
    assert found["colour"].values["red_over_blue_stops"] > 0.7
    path = write(tmp_path / "b.mp4", dark, 60, lambda picture, index: gained(picture, -side * (index / 60)))
    # half a face apart, at 3 stops over the picture's width: 0.7 of 176 / 2.1 px, half of it
    expected = 3 * (0.5 * 0.7 * 176 / 2.1) / WIDTH * 1.5 / 2
    assert checked(path)["key light"].values["left_over_right_stops"] == pytest.approx(expected, abs=0.1)


def test_burnt_out_skin(tmp_path: Path, portrait: np.ndarray) -> None:
    found = checked(write(tmp_path / "a.mp4", gained(portrait, 2.5), 4))
    assert found["clipping"].mark == "warning" and found["clipping"].values["burnt_share"] > 0.05


def test_a_cut(tmp_path: Path, portrait: np.ndarray) -> None:
    other = np.ascontiguousarray(portrait[::-1, ::-1])
    found = checked(write(tmp_path / "a.mp4", portrait, 24, lambda picture, index: other if index >= 14 else picture))
    assert found["cuts"].values["cuts"] == 1 and f"{14 / 30:.2f}" in found["cuts"].figure
    assert found["cuts"].mark == "warning" and found["light jumps"].values["jumps"] == 0  # across a cut there is none


def test_a_small_face_and_one_that_the_border_cuts(clean: Path) -> None:
    assert checked(clean, (60.0, 100.0, 50.0, 50.0))["face size"].mark == "warning"
    assert checked(clean, (-40.0, 43.0, 100.0, 100.0))["border"].values["border_share"] == 1.0


def test_slow_uneven_and_short(tmp_path: Path, portrait: np.ndarray) -> None:
    assert checked(write(tmp_path / "a.mp4", portrait, 5, fps=12))["frame rate"].mark == "warning"
    with VideoWriter(tmp_path / "b.mp4", WIDTH, HEIGHT, FPS) as writer:
        for time_s in (0.0, 0.03, 0.07, 0.1, 0.3, 0.33):
            writer.write(portrait, time_s)
    found = checked(tmp_path / "b.mp4")
    assert found["intervals"].mark == "warning" and "1 gap with frames missing" in found["intervals"].figure
    assert found["intervals"].figure.startswith("variable: 30.0 to 200.0 ms")
    assert found["frames"].mark == "warning" and found["adaptation"].mark == "warning"
    one = checked(write(tmp_path / "c.mp4", portrait, 1))
    assert one["frames"].mark == "fault" and "no consecutive frame" in one["frames"].figure


def test_a_file_that_is_cut_short_is_a_fault_and_what_was_read_is_told(tmp_path: Path, clean: Path) -> None:
    part = tmp_path / "part.mp4"
    content = clean.read_bytes()
    # the index in front, so that the file opens and its end is missing
    moov = content.index(b"moov") - 4
    size = struct.unpack(">I", content[moov : moov + 4])[0]
    assert moov + size == len(content)
    part.write_bytes(content[: len(content) * 6 // 10])
    assert has_fault(check_path(part, HEAD))


@pytest.mark.skipif(has_mediapipe(), reason="MediaPipe is installed")
def test_without_a_detector_the_faces_lines_say_what_to_do(clean: Path) -> None:
    found = checked(clean, ())
    assert {"face", "several faces", "face size", "border", "blur"} < marks(found, "unknown")
    assert "--box" in found["face"].remedy and "make detector" in found["face"].remedy
    assert "whole picture" in found["exposure"].figure


class Model:
    """A person's model that finds the head where it is put, and says what it is told to."""

    residual_limit = 0.8

    def __init__(
        self, view: ModelView | None, head: Box | None = HEAD, worst: tuple[int, ...] | None = None
    ) -> None:
        self.view, self.head, self.worst, self.pairs_seen = view, head, worst, 0

    def find(self, image: np.ndarray) -> list[Box]:
        return [face_in_head(self.head)] if self.head else []

    def look(self, image: np.ndarray, head: Box) -> ModelView | None:
        return self.view

    def pair(self, image: np.ndarray) -> PairView | None:
        self.pairs_seen += 1
        covered = self.worst is not None and self.pairs_seen in self.worst
        return PairView(0.3, 0.1, 0.1, 0.01, 1.0, 0.2) if covered else PairView(0.8, 0.4, 0.05, 0.01, 0.1, 0.1)


def test_what_a_model_adds(clean: Path) -> None:
    found = checked(clean, model=Model(ModelView(0.6, 0.1, (20.0, -3.0, 1.0))))
    assert {name: found[name].mark for name in ("occlusion", "head turn", "person", "adaptation")} == dict.fromkeys(
        ("occlusion", "head turn", "person", "adaptation"), "ok"
    )
    found = checked(clean, model=Model(ModelView(0.9, 0.4, (50.0, -3.0, 1.0))))
    assert marks(found, "warning") == {"occlusion", "head turn", "person", "adaptation"}
    assert found["adaptation"].figure == "less likely to help, for: person"
    assert "the model saw no head" in checked(clean, model=Model(None))["person"].figure


def test_the_premise_and_its_worst_stretch(clean: Path) -> None:
    view = ModelView(0.6, 0.1, (20.0, -3.0, 1.0))
    found = checked(clean, model=Model(view))["premise"]
    assert found.mark == "ok" and found.figure.startswith("holds: 0.80")
    assert found.values["score"] == pytest.approx(0.8) and found.values["occlusion"] == pytest.approx(0.1)
    found = checked(clean, model=Model(view, worst=(2, 3)))["premise"]  # of the pairs at 0, 0.5, 1, 1.5 and 2 s
    assert found.mark == "warning" and "0.30 at 0.50 to 1.03 s" in found.figure and "mostly occlusion" in found.figure
    assert found.values["worst_start_s"] == pytest.approx(0.5) and found.values["worst_end_s"] == pytest.approx(31 / 30)
    found = checked(clean, model=Model(view, worst=(1, 2, 3, 4, 5)))["premise"]
    assert found.mark == "warning" and found.figure.startswith("does not hold: 0.30")


def test_no_face_at_all_is_a_fault(clean: Path) -> None:
    found = checked(clean, model=Model(None, head=None))
    assert marks(found, "fault") == {"face"} and "found in 0 of" in found["face"].figure
    assert "exposure" not in found


def test_who_says_where_the_face_is() -> None:
    assert [find_source(True, False), find_source(True, True)] == ["box", "model"]
    assert find_source(False, True) == ("detector" if has_mediapipe() else "model")
