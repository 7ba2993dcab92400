"""The page: whole and self-contained, its words follow from its numbers, and it opens without truth."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch3d.transforms import axis_angle_to_matrix

from launcher.report.charts import nice_ticks
from launcher.report.figures import change, number, percent
from launcher.report.inputs import ReportClip, ReportInputs
from launcher.report.page import build_report
from launcher.report.player import face_box, write_panels
from launcher.report.sentences import row_sentence
from launcher.report.unwrapped import unwrap_clip
from steadyface.capture.clip_truth import ClipTruth
from steadyface.capture.video import VideoWriter, probe
from steadyface.errors import InputError
from steadyface.tracking.overlay import draw_overlay
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

FRAMES = 8


def _row(position, tremor=1000.0, coverage=0.98, expression=1.0, **others):
    values = {
        "reprojection_error_px": position,
        "acceleration_error_px_s2": tremor,
        "texture_coverage": coverage,
        "vertex_error_mm": expression,
        **others,
    }
    return {
        name: list(value) if isinstance(value, (list, tuple)) else [value] * 2
        for name, value in values.items()
    }


ROWS = {
    "source": _row(4.0, 1000.0, vertex_error_lips_mm=1.0),
    "source_smoothed": _row(3.95, 300.0),
    "adapted": _row([1.0, 2.0], 400.0, expression=0.7, vertex_error_lips_mm=[0.8, 0.9]),
    "cftc_unguarded": _row(200.0, 500.0, coverage=0.03),
    "motc_raw": _row(6.0, 1500.0),
    "decoder_floor": _row(0.2, 10.0, expression=0.4),
}


def test_sentences_say_what_these_numbers_show():
    said = {row: row_sentence(row, ROWS) for row in ROWS}
    assert "4.00 px from the truth" in said["source"]
    assert "most of the tremor and leaves the face where it was" in said["source_smoothed"]
    assert "closer in 2 of 2 seeds" in said["adapted"] and "no region more than 2 % worse" in said["adapted"]
    assert "collapses" in said["cftc_unguarded"] and "3 % of the texels" in said["cftc_unguarded"]
    assert "It fails" in said["motc_raw"] and "key light" in said["motc_raw"]
    assert "closed 50 %" in said["decoder_floor"]


def test_other_numbers_make_other_sentences():
    rows = {
        **ROWS,
        "adapted": _row([5.0, 3.0], 400.0, vertex_error_lips_mm=[1.0, 1.2]),
        "cftc_unguarded": _row(3.0, 500.0),
        "motc_raw": _row(3.0, 900.0),
        "source_smoothed": _row(4.0, 990.0),
    }
    said = {row: row_sentence(row, rows) for row in rows}
    assert "closer in 1 of 2 seeds" in said["adapted"] and "worse in some seed: lips +20 %" in said["adapted"]
    assert "did not collapse here" in said["cftc_unguarded"] and "collapses" not in said["cftc_unguarded"]
    assert "fails" not in said["motc_raw"] and "Held back" not in said["motc_raw"]
    assert "of the tremor" not in said["source_smoothed"]
    better = {**rows, "adapted": _row(1.0, 400.0)}
    assert "Held back by the light" in row_sentence("motc_raw", better)


def test_a_face_at_twice_the_sources_distance_is_lost_and_the_rival_may_be_steadier():
    rows = {**ROWS, "cftc_unguarded": _row(9.0, 500.0, coverage=0.9)}
    assert "It collapses" in row_sentence("cftc_unguarded", rows)
    said = row_sentence("adapted", ROWS)  # 400 px/s2 against the smoothed source's 300
    assert "closer than the smoothed source" in said and "less steady than the smoothed source (+33 %)" in said


def test_without_truth_only_motion_is_spoken_of():
    rows = {name: {"acceleration_px_s2": [value]} for name, value in (("source", 900.0), ("adapted", 450.0))}
    assert "no truth" in row_sentence("source", rows)
    said = row_sentence("adapted", rows)
    assert "acceleration −50 %" in said and "reprojection" not in said and "Expression" not in said
    assert "nothing to compare" in row_sentence("adapted", {"source": {}, "adapted": {}})


def test_numbers_that_are_missing_are_dashes_and_no_changes():
    assert number(None) == number(float("nan")) == "–"
    assert change({"m": [None]}, {"m": [1.0]}, "m") is None
    assert change({"m": [1.0, 3.0, 2.0]}, {"m": [4.0, 4.0, 4.0]}, "m") == pytest.approx(-0.5)
    assert percent(-0.001) == "±0 %" and percent(49.0) == "50 ×"
    assert nice_ticks(0.9)[-1] >= 0.9 and nice_ticks(float("nan")) == [0.0, 1.0]


def _topology():
    """A bulging sheet of 8 x 8 vertices, 140 mm wide; v grows downwards."""
    row, column = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    depth = 4.0 * ((row - 3.5) ** 2 + (column - 3.5) ** 2)
    mean = torch.stack([column * 20.0 - 70, row * 20.0 - 70, depth], dim=-1).view(-1, 3).float()
    corner = (row[:-1, :-1] * 8 + column[:-1, :-1]).flatten()
    faces = torch.cat(
        [
            torch.stack([corner, corner + 8, corner + 1], 1),
            torch.stack([corner + 1, corner + 8, corner + 9], 1),
        ]
    )
    texture = torch.rand(3, 6, 6)
    texture = torch.nn.functional.interpolate(texture[None], size=24, mode="nearest")[0]
    return SubjectStatistics(
        faces, (mean[:, :2] + 70) / 140, faces, mean, 1.0, texture, 1.0, torch.arange(32),
        {"lips": torch.arange(48, 64)}, (),
    )  # fmt: skip


TOPOLOGY_K = torch.tensor([[200.0, 0.0, 47.5], [0.0, 200.0, 63.5], [0.0, 0.0, 1.0]])


def _truth(topology):
    time_s = torch.arange(FRAMES).double() / 30
    turn = torch.zeros(FRAMES, 3)
    turn[:, 1] = 0.2 * torch.sin(4 * time_s.float())
    place = torch.tensor([0.0, 0.0, 500.0]).repeat(FRAMES, 1)
    vertices = topology.vertex_mean.repeat(FRAMES, 1, 1)
    k = TOPOLOGY_K.repeat(FRAMES, 1, 1)
    return ClipTruth(vertices, axis_angle_to_matrix(turn), place, k, time_s)


def _track(truth, noise_mm):
    noise = noise_mm * torch.randn(FRAMES, 3)
    lips = noise_mm * 0.2 * torch.randn(FRAMES, 1, 1)
    vertices = truth.vertices.clone()
    vertices[:, 48:] += lips
    return Track(
        truth.time_s, torch.zeros(FRAMES, 2), truth.rotation, truth.translation + noise, vertices,
        truth.intrinsics, torch.zeros(FRAMES),
    )  # fmt: skip


@pytest.fixture
def clip(tmp_path):
    topology = _topology()
    truth = _truth(topology)
    ground = np.full((128, 96, 3), 60, np.uint8)
    colour = torch.cat([torch.eye(3), torch.zeros(3, 1)], dim=1)
    camera = _track(truth, 0.0).camera_vertices()
    video = tmp_path / "clip.mp4"
    with VideoWriter(video, 96, 128, 30.0, crf=8) as writer:
        for frame in camera:
            writer.write(
                draw_overlay(ground, frame, TOPOLOGY_K, topology, topology.texture_mean, colour, 1.0)
            )
    tracks = {
        "source": _track(truth, 6.0),
        "source_smoothed": _track(truth, 4.0),
        "adapted": _track(truth, 1.0),
    }
    textures = {"source": lambda index: topology.texture_mean}
    return topology, ReportClip("adapted_clip", video, tracks, truth, textures)


class _Outside(HTMLParser):
    """Every address that a browser would have to fetch, and the tags left open."""

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [v for k, v in attrs if k in ("src", "href") and not v.startswith("data:")]
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()


def _build(clip, topology, out: Path, summary=None, notes=()):
    summary = {"adapted_clip": ROWS, "seeds": [0, 1]} if summary is None else summary
    build_report(
        ReportInputs("a <b> demo", summary, topology, [clip], {"studio": 60.0, "adapted": 30.0}, list(notes)),
        out,
    )
    return out.read_text(encoding="utf-8")


def test_the_page_is_one_whole_file(clip, tmp_path):
    topology, shown = clip
    page = _build(shown, topology, tmp_path / "new" / "report.html", notes=["Mind <this>."])
    parser = _Outside()
    parser.feed(page)
    assert parser.found == [] and parser.open == []
    assert "http" not in re.sub(r"data:[^\"]*", "", page)
    assert "a &lt;b&gt; demo" in page and "Mind &lt;this&gt;." in page
    for heading in (
        "The clip it adapted to",
        "Where the expression is wrong",
        "The texture as unwrapped",
        "Time",
    ):
        assert heading in page
    assert page.count("<polyline") == 6 and page.count('class="sentence"') == len(ROWS)
    assert "1.00 · 2.00" in page  # each seed
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]


def test_the_video_inside_plays_every_second_frame_in_three_panels(clip, tmp_path):
    topology, shown = clip
    page = _build(shown, topology, tmp_path / "report.html")
    content = re.search(r"data:video/mp4;base64,([^\"]+)", page).group(1)
    (tmp_path / "found.mp4").write_bytes(base64.b64decode(content))
    info = probe(tmp_path / "found.mp4")
    assert info.width == 3 * info.height and info.codec == "h264"
    assert info.frame_count == FRAMES / 2 and info.fps == pytest.approx(15, abs=0.1)  # of 30 frames a second


def test_a_real_clip_shows_what_needs_no_truth(clip, tmp_path):
    topology, shown = clip
    real = ReportClip("adapted_clip", shown.video, shown.tracks)
    rows = {row: {"acceleration_px_s2": [1000.0]} for row in ("source", "adapted")}
    page = _build(real, topology, tmp_path / "report.html", {"adapted_clip": rows, "seeds": [0]})
    assert "Acceleration (no truth)" in page and "Where the expression is wrong" not in page
    assert page.count("<polyline") == 3 and "no spread can be told" in page


def test_a_clip_without_scores_or_adaptation_is_still_shown(clip, tmp_path):
    topology, shown = clip
    alone = ReportClip("held_out_clip", shown.video, {"source": shown.tracks["source"]}, shown.truth)
    page = _build(alone, topology, tmp_path / "report.html", {"seeds": []})
    assert "A clip it never saw" in page and "<table" not in page
    with pytest.raises(InputError, match="a track of the source"):
        _build(ReportClip("x", shown.video, {}), topology, tmp_path / "no.html")
    assert not (tmp_path / "no.html").exists()


def test_the_panels_are_cut_to_the_face_and_inside_the_picture(clip, tmp_path):
    topology, shown = clip
    left, top, width, height = face_box(shown)
    assert width == height and left >= 0 and top >= 0 and left + width <= 96 and top + height <= 128
    write_panels(shown, topology, ["adapted"], tmp_path / "panels.mp4")
    info = probe(tmp_path / "panels.mp4")
    assert info.width == 2 * info.height


def test_a_track_that_slides_blurs_the_unwrapped_texture(clip):
    topology, shown = clip
    source, adapted = unwrap_clip(shown, [shown.tracks["source"], shown.tracks["adapted"]], topology)
    both = (source.seen > 0.5) & (adapted.seen > 0.5)
    assert both.sum() > 200
    assert float(source.deviation[both].mean()) > 1.5 * float(adapted.deviation[both].mean())
    texture = topology.texture_mean.double()
    assert float((adapted.mean - texture).abs()[:, both].mean()) < 0.1  # unrelated ones: a third
