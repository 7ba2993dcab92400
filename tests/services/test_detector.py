"""MediaPipe for real, on a synthetic person: the crop, several faces, lost and small ones; and the peer's landmarks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.lab_captures import LabCaptures, LabCapturesSettings
from launcher.openings import measure_openings
from steadyface.capture.check import check_path
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.capture.crop import Box
from steadyface.capture.detector import detect_box, head_box, open_finder
from steadyface.capture.face_choice import FaceChooser
from steadyface.capture.mediapipe_finder import MediaPipeFinder, has_mediapipe, open_mediapipe_finder
from steadyface.capture.video import VideoWriter, read_frames
from steadyface.errors import InputError
from steadyface.geometry.cameras import project, transform
from steadyface.losses.apertures import mesh_openings
from steadyface.studio.generate import generate_studio
from steadyface.studio.settings import StudioSettings
from steadyface.tracking.external import read_external
from steadyface.tracking.generic_tracker import LANDMARKS, track_landmarks
from steadyface.tracking.openings import OPENINGS

pytestmark = pytest.mark.skipif(not has_mediapipe(), reason="MediaPipe is not installed: make detector")

WIDTH, HEIGHT = 240, 320
Picture = np.ndarray


def generate_person(out: Path, lab_frames: int, lab_height: int, cameras: int, clip_frames: int) -> Path:
    """A synthetic person's capture and clip; the folder."""
    settings = StudioSettings(
        identity_seed=0, lab_frames=lab_frames, lab_image_height=lab_height, lab_image_width=lab_height * 3 // 4,
        texture_size=32, cameras=cameras, cameras_per_frame=1, clip_width=WIDTH, clip_height=HEIGHT,
        clip_focal_px=310.0, adapt_frames=clip_frames, held_out_frames=0, crf=10, processes=1,
    )  # fmt: skip
    generate_studio(settings, out)
    return out


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames of a synthetic person, with their truth beside them."""
    return generate_person(tmp_path_factory.mktemp("person") / "out", 5, 48, 2, 8) / "clips" / "adapt.mp4"


@pytest.fixture(scope="session")
def pictures(clip: Path) -> list[Picture]:
    return [frame.image for frame in read_frames(clip)]


@pytest.fixture(scope="module")
def finder() -> Iterator[MediaPipeFinder]:
    with open_mediapipe_finder(Path("none.mp4")) as opened:
        yield opened


def centre(box: Box) -> np.ndarray:
    return np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])


def test_the_head_is_where_its_mesh_is(clip: Path, pictures: list[Picture], finder: MediaPipeFinder) -> None:
    truth = ClipTruth.load(truth_path(clip))
    points = project(transform(truth.vertices, truth.rotation, truth.translation), truth.intrinsics)
    low, high = points.amin(1).numpy(), points.amax(1).numpy()
    for picture, first, last in zip(pictures, low, high, strict=True):
        (face,) = finder.find(picture)
        head, side = head_box(face), float((last - first).max())
        assert np.abs(centre(head) - (first + last) / 2).max() < 0.3 * side
        assert side < head[2] < 1.7 * side
        slack = 0.05 * side
        assert (np.array(head[:2]) < first + slack).all() and (centre(head) + head[2] / 2 > last - slack).all()


def test_a_picture_without_a_face(finder: MediaPipeFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert finder.find(noise) == [] and finder.find(np.zeros((90, 160, 3), np.uint8)) == []


@pytest.mark.parametrize("scale", [4, 6])
def test_a_small_face_in_a_large_picture(pictures: list[Picture], finder: MediaPipeFinder, scale: int) -> None:
    """A face of 9 % and of 6 % of the picture's longer side; the latter is too small in the whole picture."""
    (true,) = finder.find(pictures[0])
    large = np.full((scale * HEIGHT, scale * WIDTH, 3), 96, np.uint8)
    y, x = large.shape[0] // 2, large.shape[1] // 3
    large[y : y + HEIGHT, x : x + WIDTH] = pictures[0]
    (found,) = finder.find(large)
    assert np.abs(centre(found) - centre(true) - (x, y)).max() < 0.2 * true[2]
    assert found[2] == pytest.approx(true[2], rel=0.3)


def test_a_face_at_the_border(pictures: list[Picture], finder: MediaPipeFinder) -> None:
    (true,) = finder.find(pictures[0])
    x = int(true[0] + 0.35 * true[2])  # a third of it is gone
    (found,) = finder.find(np.ascontiguousarray(pictures[0][:, x:]))
    assert np.abs(centre(found) - centre(true) + (x, 0)).max() < 0.25 * true[2]


def two_persons(pictures: list[Picture]) -> list[Picture]:
    """Side by side, the right one smaller and mirrored."""
    margin = ((HEIGHT // 4, HEIGHT // 4), (WIDTH // 4, WIDTH // 4), (0, 0))
    small = [np.pad(picture[::2, ::2][:, ::-1], margin, mode="edge") for picture in pictures]
    return [np.concatenate([picture, other], axis=1) for picture, other in zip(pictures, small, strict=True)]


def test_one_of_two_is_followed(pictures: list[Picture], finder: MediaPipeFinder) -> None:
    both = [finder.find(picture) for picture in two_persons(pictures)]
    assert [len(faces) for faces in both] == [2] * len(both)
    for which, right in (("largest", False), (1, False), (2, True)):
        chooser = FaceChooser(which)  # type: ignore[arg-type]
        chosen = [chooser.choose(faces) for faces in both]
        assert all(face is not None and (centre(face)[0] > WIDTH) == right for face in chosen)


@pytest.fixture
def gap(tmp_path: Path, pictures: list[Picture]) -> Path:
    """A face, three grey frames, the face again."""
    with VideoWriter(tmp_path / "gap.mp4", WIDTH, HEIGHT, 10) as writer:
        for picture in [*pictures[:4], *[np.full_like(pictures[0], 90)] * 3, *pictures[4:]]:
            writer.write(picture)
    return tmp_path / "gap.mp4"


def test_lost_frames_of_the_finder_and_the_peer(gap: Path, tmp_path: Path) -> None:
    with open_finder(gap) as finder:
        found = [bool(finder.find(frame.image)) for frame in read_frames(gap)]
    track = track_landmarks(gap)
    assert found == track.found.tolist() == [True] * 4 + [False] * 3 + [True] * 4
    assert track.points.shape == (11, LANDMARKS, 2)
    assert torch.equal(track.time_s, torch.tensor([frame.time_s for frame in read_frames(gap)], dtype=torch.float64))


def test_the_box_that_covers_a_clip(clip: Path, gap: Path, tmp_path: Path) -> None:
    _, _, side, other = detect_box(gap)
    assert side == other and 0.3 * WIDTH < side < 1.5 * HEIGHT
    with VideoWriter(tmp_path / "blank.mp4", 64, 48, 30) as writer:
        for _ in range(3):
            writer.write(np.full((48, 64, 3), 128, np.uint8))
    with pytest.raises(InputError, match="no detection"):
        detect_box(tmp_path / "blank.mp4")
    with pytest.raises(InputError, match="expected face 2 from the left, got at most 1"):
        detect_box(clip, 2)


def test_the_peer_by_its_command_writes_what_evaluate_reads(gap: Path, tmp_path: Path) -> None:
    out = tmp_path / "peer"
    program = "import sys; from launcher.cli import main; sys.exit(main())"
    words = ["track", str(gap), "--tracker", "mediapipe", "--out", str(out)]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "11 frames tracked, 3 without a face" in done.stdout
    result = read_external(out / "track.npz")
    assert result.landmarks is not None and int(torch.isnan(result.landmarks).all(-1).all(-1).sum()) == 3
    frames = [(frame.time_s, frame.image) for frame in read_frames(out / "overlay.mp4")]
    assert [time_s for time_s, _ in frames] == pytest.approx([frame.time_s for frame in read_frames(gap)], abs=1e-4)
    original = [frame.image for frame in read_frames(gap)]
    drawn = [np.abs(image.astype(int) - before).max() > 60 for (_, image), before in zip(frames, original, strict=True)]
    assert drawn[:4] == drawn[7:] == [True] * 4


def test_check_tells_what_the_detector_sees(gap: Path, tmp_path: Path, pictures: list[Picture]) -> None:
    found = {finding.name: finding for finding in check_path(gap)}
    assert found["face"].mark == "warning" and found["face"].values["face_share"] == pytest.approx(8 / 11)
    assert "without: 0.40 to 0.60 s" in found["face"].figure
    assert found["face size"].values["face_px"] == pytest.approx(112, rel=0.15)
    with VideoWriter(tmp_path / "two.mp4", 2 * WIDTH, HEIGHT, 30) as writer:
        for picture in two_persons(pictures):
            writer.write(picture)
    several = {finding.name: finding for finding in check_path(tmp_path / "two.mp4")}["several faces"]
    assert several.mark == "warning" and several.values["several_share"] == 1 and "--face N" in several.remedy


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab capture of a synthetic person that is large enough for a detector, and a second and a half of a clip."""
    return generate_person(tmp_path_factory.mktemp("talking") / "out", 120, 216, 3, 45)


def test_openings_are_measured_in_mm(talking: Path) -> None:
    """Against the truth of the clip: the mouth's opening follows it, in the person's own mm."""
    lab = LabCaptures(LabCapturesSettings(folder=str(talking / "lab"), batch_size=8, workers=1), 0)
    lab.setup("fit")
    clip = talking / "clips" / "adapt.mp4"
    measured = measure_openings([clip], lab)
    truth = ClipTruth.load(truth_path(clip))
    keys = torch.stack([torch.zeros(len(truth.time_s)), torch.arange(len(truth.time_s))], dim=1).long()
    said, true = measured.of(keys), mesh_openings(truth.vertices, measured.pairs)
    mouth = OPENINGS.index("lips")
    assert float(torch.corrcoef(torch.stack([said.target[:, mouth], true[:, mouth]]))[0, 1]) > 0.7
    assert float((said.target - true)[:, mouth].abs().mean()) < float(measured.scale.deviation[mouth])
