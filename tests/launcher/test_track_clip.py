"""``steadyface track CLIP`` at the command line, on a small clip with untrained networks: what it writes and says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

import launcher.track_clip as command
from steadyface.capture.video import read_frames
from steadyface.tracking import two_passes
from steadyface.tracking.crop_path import CropPath
from steadyface.tracking.track import Track


def beside(name: str) -> ModuleType:
    """A module of the tests by its file: no test folder is a package."""
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), Path(__file__).parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOY = beside("toy_track")
BOX = TOY.BOX
steadyface = TOY.steadyface


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TOY.save_run(tmp_path_factory.mktemp("run") / "last.ckpt")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TOY.save_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


def in_every_frame(chance: torch.Tensor, *_: object) -> torch.Tensor:
    """Untrained networks put the head anywhere: it is taken for a face all the same."""
    return torch.ones(len(chance), dtype=torch.bool)


@pytest.fixture(autouse=True)
def believing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_passes, "present", in_every_frame)


@pytest.fixture(scope="module")
def once(run: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TOY.Tracked]:
    """The clip tracked with the usual words."""
    out = tmp_path_factory.mktemp("once") / "new" / "place"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_passes, "present", in_every_frame)
        return out, steadyface("track", clip, "--run", run, *BOX, "--focal", "200", "--write", "glb", "--out", out)


def test_track_crops_overlay_and_scene_are_written(once: tuple[Path, TOY.Tracked], clip: Path) -> None:
    out, said = once
    assert said.code == 0, said.err
    names = {path.name for path in out.iterdir()}
    assert names == {"track.npz", "crops.npz", "overlay.mp4", "track.glb", "track_origin.json"}
    track, times = Track.load(out / "track.npz"), [frame.time_s for frame in read_frames(clip)]
    assert track.time_s.tolist() == times and bool(track.found.all()) and bool(track.confidence.isfinite().all())
    assert [frame.time_s for frame in read_frames(out / "overlay.mp4")] == pytest.approx(times, abs=1e-3)
    assert float(track.intrinsics[0, 0, 0]) == 200.0
    assert "focal length 200 px, given" in said.out and f"face in {len(times)} of {len(times)} frames" in said.out
    assert str(out / "overlay.mp4") in said.out.splitlines()[-2] + said.out.splitlines()[-1]
    assert bool(CropPath.load(out / "crops.npz").known.all())


def same_states(one: Path, other: Path, tolerance: float = 0.0) -> bool:
    first, second = Track.load(one / "track.npz"), Track.load(other / "track.npz")
    return all(
        torch.allclose(getattr(first, name), getattr(second, name), rtol=0, atol=tolerance, equal_nan=True)
        for name in ("time_s", "latent", "rotation", "translation", "vertices", "intrinsics", "confidence")
    )


def test_the_crops_of_an_earlier_run_give_the_same_track(
    once: tuple[Path, TOY.Tracked], run: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_first_pass(*_: object) -> None:
        raise AssertionError("the head was looked for again")

    monkeypatch.setattr(command, "find_way", no_first_pass)
    crops = once[0] / "crops.npz"
    said = steadyface("track", clip, "--run", run, "--crops", crops, "--no-overlay", "--out", tmp_path)
    assert said.code == 0, said.err
    assert {path.name for path in tmp_path.iterdir()} == {"track.npz", "crops.npz", "track_origin.json"}
    assert same_states(once[0], tmp_path) and "of the run that the crops are from" in said.out


@pytest.mark.parametrize("name", ["one_euro", "kalman", "savitzky_golay"])
def test_a_filter_keeps_what_was_tracked_and_says_what_it_costs(
    once: tuple[Path, TOY.Tracked], run: Path, clip: Path, tmp_path: Path, name: str
) -> None:
    crops = ["--crops", once[0] / "crops.npz"]
    said = steadyface("track", clip, "--run", run, *crops, "--filter", name, "--no-overlay", "--out", tmp_path)
    assert said.code == 0 and "lag " in said.out and "jitter" in said.out, said.err
    before, after = Track.load(tmp_path / "track_unfiltered.npz"), Track.load(tmp_path / "track.npz")
    assert torch.equal(before.vertices, Track.load(once[0] / "track.npz").vertices)
    assert len(after) == len(before) and not torch.equal(after.translation, before.translation)


def test_keyframes_correct_the_track_without_tracking_again(
    once: tuple[Path, TOY.Tracked], run: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["track", clip, "--run", run, "--crops", once[0] / "crops.npz", "--no-overlay", "--out", tmp_path]
    assert steadyface(*words).code == 0
    monkeypatch.setattr(command, "track_anew", lambda *_: pytest.fail("tracked again"))
    tracked = Track.load(tmp_path / "track.npz")
    place = (tracked.translation[4] + torch.tensor([3.0, 0.0, 0.0])).tolist()
    keyframes = tmp_path / "keyframes.json"
    keyframes.write_text(json.dumps({"keyframes": [{"frame": 4, "state": {"translation_mm": place}}]}))
    said = steadyface(*words, "--keyframes", keyframes)
    assert said.code == 0 and "frame 4: its state is met" in said.out, said.err
    corrected = Track.load(tmp_path / "track.npz")
    torch.testing.assert_close(corrected.translation[4], torch.tensor(place), rtol=1e-4, atol=1e-3)
    assert torch.equal(Track.load(tmp_path / "track_uncorrected.npz").translation, tracked.translation)


TOGETHER: dict[str, tuple[list[str], str]] = {
    "no run": ([], "--run"),
    "box and crops": (["--run", "RUN", "--crops", "CROPS", *BOX], "no --box and no --face"),
    "face and crops": (["--run", "RUN", "--crops", "CROPS", "--face", "1"], "no --box and no --face"),
    "a box and a face": (["--run", "RUN", "--face", "2", *BOX], "no --box beside it"),
    "seconds of a file": (["--run", "RUN", "--seconds", "3"], "--live"),
    "json of a file": (["--run", "RUN", "--stream-json"], "--live"),
    "keyframes live": (["--run", "RUN", "--live", "--keyframes", "a.json"], "none of"),
    "a run for a peer": (["--run", "RUN", "--tracker", "mediapipe"], "none of"),
    "a negative focal length": (["--run", "RUN", "--focal", "-3"], "above 0"),
    "three numbers": (["--run", "RUN", "--box", "1,2,3"], "four numbers"),
    "a box beside the picture": (["--run", "RUN", "--box", "500,0,50,50"], "a box in the 96 x 80 picture"),
    "a filter": (["--run", "RUN", "--filter", "wiener"], "one_euro"),
    "a format": (["--run", "RUN", "--write", "fbx"], "glb"),
    "shapes for curves": (["--run", "RUN", "--write", "arkit", *BOX], "named shapes"),
    "a face": (["--run", "RUN", "--face", "left"], "--face"),
    "a run that is none": (["--run", "nowhere"], "a run folder or a checkpoint"),
    "crops that are none": (["--run", "RUN", "--crops", "nowhere.npz"], "no such file"),
    "keyframes that are none": (["--run", "RUN", "--keyframes", "nowhere.json", *BOX], "nowhere.json"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOGETHER)
def test_words_that_cannot_be_used_are_refused_at_once(
    once: tuple[Path, TOY.Tracked], run: Path, clip: Path, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, expected = TOGETHER[case]
    places = {"RUN": str(run), "CROPS": str(once[0] / "crops.npz")}
    monkeypatch.chdir(tmp_path)
    assert expected in TOY.refused(tmp_path, "track", clip, *(places.get(word, word) for word in given))
