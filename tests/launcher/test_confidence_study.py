"""Trials of confidence: the geometry of a tracker that knows the truth, files, jobs, and the fit on made-up trials."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from launcher.cli import main
from launcher.confidence_study import calibration_jobs, fit, foreign_jobs, judge, judge_presence, judged_jobs
from launcher.confidence_trials import Observed, load_observed, load_take, observe, save_observed
from launcher.tracking import Networks
from steadyface.capture.clip_truth import ClipTruth
from steadyface.capture.video import VideoWriter
from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.encoder import Prediction
from steadyface.networks.face_model import FaceModelSettings
from steadyface.studio.conditions import Trial
from steadyface.tracking.evidence import Evidence
from steadyface.tracking.overlay import draw_overlay
from steadyface.tracking.track import Track
from steadyface.types import FaceState, SubjectStatistics

FRAMES, WIDTH, HEIGHT = 36, 96, 128
K = torch.tensor([[200.0, 0.0, 47.5], [0.0, 200.0, 63.5], [0.0, 0.0, 1.0]])
BOX = (4.0, 20.0, 88.0, 88.0)


def topology() -> SubjectStatistics:
    """A bulging sheet of 8 x 8 vertices, 140 mm wide, turned to the camera."""
    row, column = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    depth = 4.0 * ((row - 3.5) ** 2 + (column - 3.5) ** 2)
    mean = torch.stack([column * 20.0 - 70, row * 20.0 - 70, depth], dim=-1).view(-1, 3).float()
    corner = (row[:-1, :-1] * 8 + column[:-1, :-1]).flatten()
    # corners run so that the right-hand rule points to the camera
    upper, lower = (torch.stack(part, 1) for part in ([corner, corner + 8, corner + 1],
                                                      [corner + 1, corner + 8, corner + 9]))  # fmt: skip
    faces = torch.cat([upper, lower])
    texture = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), size=32, mode="nearest")[0]
    regions = {"lips": torch.arange(40, 64), "brows": torch.arange(0, 24)}
    uv = (mean[:, :2] + 70) / 140
    return SubjectStatistics(faces, uv, faces, mean, 1.0, texture, 0.1, torch.arange(64), regions, ("front",))


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """A clip of the sheet, written and read, and the tracker that knows its truth."""
    torch.manual_seed(0)
    statistics, path = topology(), tmp_path_factory.mktemp("clip") / "clip.mkv"
    time_s = torch.arange(FRAMES).double() / 30
    turn = torch.zeros(FRAMES, 3)
    turn[:, 1] = 0.15 * torch.sin(4 * time_s.float())
    truth = ClipTruth(
        statistics.vertex_mean.repeat(FRAMES, 1, 1), axis_angle_to_matrix(turn),
        torch.tensor([0.0, 0.0, 500.0]).repeat(FRAMES, 1), K.repeat(FRAMES, 1, 1), time_s,
    )  # fmt: skip
    nothing = torch.zeros(FRAMES)
    track = Track(
        time_s, torch.zeros(FRAMES, 4), truth.rotation, truth.translation, truth.vertices, truth.intrinsics, nothing
    )
    colour = torch.cat([torch.eye(3), torch.zeros(3, 1)], dim=1)
    with VideoWriter(path, WIDTH, HEIGHT, 30.0, codec="ffv1") as writer:
        for vertices in track.camera_vertices():
            ground = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
            writer.write(draw_overlay(ground, vertices, K, statistics, statistics.texture_mean, colour, 1.0))
    truth.save(path.with_suffix(".truth.npz"))
    model = ComponentFaceModel(statistics, FaceModelSettings(latent_size=4, hidden=8, texture_width=4)).eval()
    model.decode_vertices = lambda latent: statistics.vertex_mean.expand(len(latent), -1, -1)
    model.decode_texture_map = lambda latent, view: statistics.texture_mean.expand(len(latent), -1, -1, -1)
    return load_take(path, BOX, statistics.regions), statistics, model.requires_grad_(False)


def knowing(statistics, model, truth: ClipTruth, source) -> Networks:
    """Networks whose encoder answers with the truth of the frames, in order."""
    left = list(source)

    def predict(image, intrinsics) -> Prediction:
        now = [int(left.pop(0)) for _ in image]
        return Prediction(FaceState(torch.zeros(len(now), 4), truth.rotation[now], truth.translation[now]), None)

    encoder = SimpleNamespace(predict=predict, image_size=64, lab_residual=torch.ones(2), landmark_vertices=None)
    return Networks(statistics, model, encoder)  # type: ignore[arg-type]


@pytest.mark.parametrize("trial", [Trial("clean", 0.0, 1), Trial("leave", 0.7, 4), Trial("jump", 0.3, 2)])
def test_who_knows_the_truth_makes_no_error(filmed, trial) -> None:
    from steadyface.studio.conditions import disturb

    take, statistics, model = filmed
    source = disturb(take.take, trial, 24).source
    found = observe(knowing(statistics, model, take.truth, source), take, trial, frames=24)
    assert float(found.vertex_mm.max()) < 0.02 and float(found.reprojection.max()) < 1e-3
    assert not found.wrong.any() and found.present.all()
    # the picture was moved and cut to match: the model's texture lies where the state says
    assert float(found.evidence.correlation.min()) > 0.8
    if trial.condition == "leave":
        assert float(found.evidence.coverage.min()) < 0.75 < float(found.evidence.coverage.max())
        assert float(found.hidden.max()) > 0.3


def test_who_is_off_is_wrong_and_so_is_any_face_in_an_empty_room(filmed) -> None:
    take, statistics, model = filmed
    trial = Trial("cut_to_room", 0.3, 3)
    from steadyface.studio.conditions import disturb

    disturbed = disturb(take.take, trial, 24)
    off = take.truth.translation + torch.tensor([12.0, 0.0, 0.0])
    shifted = ClipTruth(**{**vars(take.truth), "translation": off})
    found = observe(knowing(statistics, model, shifted, disturbed.source), take, trial, frames=24)
    assert found.wrong.all() and float(found.reprojection[:, 0].min()) > 0.05
    right = observe(knowing(statistics, model, take.truth, disturbed.source), take, trial, frames=24)
    assert torch.equal(~right.wrong[:, 0], right.present)
    assert float(right.evidence.correlation[~right.present].max()) < 0.5


def made_up(seed: int, frames: int = 80) -> Observed:
    """A trial whose evidence follows from what is wrong, with noise."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.zeros(frames, 3, dtype=torch.bool)
    wrong[20:40] = True
    wrong[60:70, 1] = True
    columns = {"latent": torch.full((frames, 4), 0.2), "place": torch.zeros(frames, 3)}
    for name in Evidence._fields:
        if name in columns:
            continue
        bad = wrong[:, 1:] if name.startswith("region_") else wrong[:, 0]
        noise = torch.randn(bad.shape, generator=generator)
        columns[name] = (0.05 + 0.02 * bad.float() + 0.008 * noise).clamp(min=0.001)
    columns["coverage"] = torch.ones(frames)
    present, hidden = torch.ones(frames, dtype=torch.bool), torch.zeros(frames)
    present[30:40], hidden[30:40] = False, 1.0
    columns["correlation"] = 0.5 * present.float() + 0.02 * torch.randn(frames, generator=generator)
    error = wrong.double()
    state = (torch.zeros(frames, 4), torch.eye(3).expand(frames, 3, 3), torch.zeros(frames, 3))
    return Observed(Evidence(**columns), wrong, present, error, error, hidden, *state)


def test_what_is_learned_on_trials_holds_on_others(tmp_path) -> None:
    calibration = fit([made_up(seed) for seed in range(4)], [], "made up")
    others = [made_up(seed) for seed in range(10, 13)]
    frames, regions = judge(calibration, others)
    assert frames.figures()["area_under_roc"] > 0.97 and frames.figures()["expected_calibration_error"] < 0.08
    assert regions.figures()["area_under_roc"] > 0.9 and regions.figures()["count"] == 3 * 80 * 2
    found = judge_presence(calibration, others)
    assert found["plain_frames"] == 210 and found["called_absent"] < 0.05 and found["called_present"] < 0.2
    blind, _ = judge(fit([made_up(0)._replace(wrong=made_up(0).wrong.roll(37, 0))], [], "shuffled"), others)
    assert blind.figures()["area_under_roc"] < 0.8  # the fit, and not the test, makes the figure


def test_a_trial_is_kept_whole(tmp_path) -> None:
    trial = made_up(1)
    save_observed(trial, tmp_path / "trials" / "one.npz")
    again = load_observed(tmp_path / "trials" / "one.npz")
    assert torch.equal(again.wrong, trial.wrong) and torch.equal(again.rotation, trial.rotation)
    for one, two in zip(again.evidence, trial.evidence, strict=True):
        assert torch.equal(one, two)


def test_jobs_have_names_of_their_own_and_share_no_subject() -> None:
    runs = [Path("runs/a"), Path("runs/b")]
    fitted, foreign, judged = calibration_jobs(runs), foreign_jobs(runs), judged_jobs([Path("runs/c")])
    names = [job.name for job in (*fitted, *foreign, *judged)]
    assert len(set(names)) == len(names)
    assert {job.row for job in fitted if job.run == runs[0]} == {"source", "adapted"}
    assert all(job.filmed != job.run for job in foreign) and all(job.clip == "held_out_clip" for job in judged)
    assert foreign_jobs(runs[:1]) == []


def test_a_subject_is_not_both_learned_from_and_judged(tmp_path, capsys) -> None:
    run = tmp_path / "run"
    run.mkdir()
    words = ["confidence", "--calibrate", str(run), "--test", str(run), "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "for both" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert main([*words[:4], str(tmp_path / "none"), *words[5:]]) == 2
