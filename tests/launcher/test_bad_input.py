"""Unusable files at the command line: one line, exit code 2, and nothing left behind."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from launcher.cli import main
from steadyface.capture.video import read_frames
from steadyface.capture.video_writer import VideoWriter

ROOT = Path(__file__).resolve().parents[2]
SMOKE = str(ROOT / "experiments" / "smoke.yaml")
SMALL = [
    "lab_frames=24", "lab_image_height=128", "lab_image_width=96", "texture_size=32", "clip_width=120",
    "clip_height=160", "clip_focal_px=155", "adapt_frames=12", "held_out_frames=8", "processes=1",
]  # fmt: skip
OWN_CLIP = ["evaluation.held_out_clip=", "variants={}"]

pytestmark = pytest.mark.timeout(300)


def steadyface(folder: Path, *words: str) -> tuple[int, str]:
    """Run a command in a folder, in this process: exit code and stderr."""
    err = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        return main(words), err.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small capture and its clips."""
    folder = tmp_path_factory.mktemp("made")
    code, errors = steadyface(folder, "studio", "whole", *SMALL)
    assert code == 0, errors
    return folder / "whole"


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A folder with a capture and a clip of one's own, to be damaged."""
    shutil.copytree(made / "lab", tmp_path / "lab")
    shutil.copy(made / "clips" / "adapt.mp4", tmp_path / "mine.mp4")
    return tmp_path


def refused(own: Path, *words: str) -> str:
    """The one line that a command answers with."""
    before = sorted(path.relative_to(own) for path in own.rglob("*"))
    code, errors = steadyface(own, *words)
    assert code == 2
    assert errors.count("\n") == 1 and errors.startswith("steadyface: ") and "Traceback" not in errors
    assert "expected" in errors and ", got " in errors and "; " in errors.split(", got ")[1]
    after = sorted(path.relative_to(own) for path in own.rglob("*"))
    assert after == before, "something half-written was left behind"
    return errors


def wrong_krt_line(lab: Path) -> None:
    lines = (lab / "KRT").read_text().splitlines()
    lines[2] = "0 three four"
    (lab / "KRT").write_text("\n".join(lines) + "\n")


def another_vertex_count(lab: Path) -> None:
    mesh = sorted(lab.glob("tracked_mesh/*/*.bin"))[5]
    mesh.write_bytes(mesh.read_bytes() + bytes(12))


def nan_in_a_transform(lab: Path) -> None:
    pose = sorted(lab.glob("tracked_mesh/*/*_transform.txt"))[5]
    words = pose.read_text().split()
    pose.write_text(" ".join(["nan", *words[1:]]))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (wrong_krt_line, "KRT, line 3: expected three values of K"),
        (another_vertex_count, "vertices, as the capture's other meshes have"),
        (nan_in_a_transform, "_transform.txt: expected finite numbers, got NaN"),
    ],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_damaged_capture(own: Path, command: str, damage: Callable[[Path], None], fault: str) -> None:
    damage(own / "lab")
    words = [SMOKE, "lab.folder=lab", "clips.clips=[mine.mp4]", *OWN_CLIP] if command == "run" else ["lab"]
    assert fault in refused(own, command, *words)


def empty(clip: Path) -> None:
    clip.write_bytes(b"")


def truncated(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])


@pytest.mark.parametrize(("damage", "fault"), [(empty, "got an empty file"), (truncated, "cut short")])
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_damaged_clip_is_found_before_anything_is_trained(
    own: Path, command: str, damage: Callable[[Path], None], fault: str
) -> None:
    damage(own / "mine.mp4")
    words = [SMOKE, "lab.folder=lab", "clips.clips=[mine.mp4]", *OWN_CLIP] if command == "run" else ["mine.mp4"]
    assert fault in refused(own, command, *words)


def two_frames(first: np.ndarray) -> list[np.ndarray]:
    return [first, np.roll(first, 8, axis=1)]


def black(first: np.ndarray) -> list[np.ndarray]:
    return [first * 0] * 12


def still(first: np.ndarray) -> list[np.ndarray]:
    return [first] * 12


@pytest.mark.parametrize(
    ("frames", "fault"),
    [(two_frames, "at least 4 frames to adapt to, got 2 frames"), (black, "got 12 frames without a picture: black"),
     (still, "a face that moves, got one picture, the same in all 12 frames")],
)  # fmt: skip
def test_a_clip_that_nothing_can_be_learned_from_is_found_before_anything_is_trained(
    own: Path, frames: Callable[[np.ndarray], list[np.ndarray]], fault: str
) -> None:
    first = next(iter(read_frames(own / "mine.mp4"))).image
    with VideoWriter(own / "mine.mp4", first.shape[1], first.shape[0], 30.0) as writer:
        for image in frames(first):
            writer.write(np.ascontiguousarray(image))
    assert fault in refused(own, "run", SMOKE, "lab.folder=lab", "clips.clips=[mine.mp4]", *OWN_CLIP)


def test_a_damaged_held_out_clip_and_a_box_beside_the_picture(own: Path) -> None:
    given = [SMOKE, "lab.folder=lab", "clips.clips=[mine.mp4]", "variants={}"]
    assert "box in the 120 x 160 picture" in refused(own, "run", *given, *OWN_CLIP, "clips.box=[500,0,50,50]")
    shutil.copy(own / "mine.mp4", own / "other.mp4")
    truncated(own / "other.mp4")
    assert "other.mp4" in refused(own, "run", *given, "evaluation.held_out_clip=other.mp4")


@pytest.mark.parametrize(
    "words",
    [
        ["run", SMOKE, "lab.folder=nowhere"],
        ["check", "nowhere"],
        ["evaluate", "nowhere"],
        ["track", "mine.mp4", "--run", "nowhere", "--box", "2,24,115,115"],
        ["run", "nowhere.yaml"],
    ],
    ids=["lab", "check", "evaluate", "track", "experiment"],
)
def test_a_missing_folder(own: Path, words: list[str]) -> None:
    assert "nowhere" in refused(own, *words)


def test_an_unknown_key_in_the_file(own: Path) -> None:
    (own / "typo.yaml").write_text(f"extends: {SMOKE}\nadaptation:\n  stepz: 3\n")
    assert "the nearest known one is adaptation.steps" in refused(own, "run", "typo.yaml")


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("pretraining.encoder.expression_width=12", "expression_width: expected a multiple of 8"),
        ("pretraining.encoder.texture_size=40", "texture_size: expected a multiple of 16"),
        ("appearance.model.latent_size=0", "latent_size: expected 1 or more"),
        ("clips.box=[1,2,3]", "clips.box: expected x, y, w, h"),
    ],
)
def test_a_size_that_no_network_can_have(own: Path, word: str, fault: str) -> None:
    assert fault in refused(own, "run", SMOKE, word)


def test_a_file_that_is_no_checkpoint(own: Path) -> None:
    (own / "text.ckpt").write_text("no checkpoint")
    assert "text.ckpt: expected a checkpoint" in refused(
        own, "track", "mine.mp4", "--run", "text.ckpt", "--box", "2,24,115,115"
    )
