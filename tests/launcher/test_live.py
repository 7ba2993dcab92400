"""Live tracking over a real pipe: a slow tracker drops frames and never queues them; what was tracked is kept."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
import torch

from launcher.cli import main
from launcher.live import LiveTracker, ended_by_signals, run_live, track_live
from launcher.live_meter import LiveMeter
from launcher.tracking import Networks
from steadyface.capture.crop import crop_image
from steadyface.capture.live_source import LiveSource
from steadyface.capture.video import VideoFrame
from steadyface.errors import InputError
from steadyface.networks.checkpoints import describe_networks
from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModelSettings
from steadyface.networks.state_encoder import StateEncoder, StateEncoderSettings
from steadyface.studio.subject import Subject
from steadyface.tracking.filters.causal import causal_filter
from steadyface.tracking.follower import FollowedFrame
from steadyface.tracking.sighting import Sighting
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

WIDTH, HEIGHT, BIT, FPS = 96, 48, 8, 60
CAMERA = torch.tensor([[110.0, 0.0, 47.5], [0.0, 110.0, 23.5], [0.0, 0.0, 1.0]])
ENDLESS = f"lavfi:testsrc=size={WIDTH}x{HEIGHT}:rate={FPS},realtime"


def make_networks() -> Networks:
    """The synthetic subject with untrained networks."""
    subject, generator = Subject(0), torch.Generator().manual_seed(6)
    meshes = subject.vertices(0.6 * torch.rand(8, len(subject.expression_names), generator=generator))
    mean, regions = meshes.mean(0), subject.regions
    statistics = SubjectStatistics(
        subject.faces, subject.uv, subject.uv_faces, mean, float((meshes - mean).std()),
        0.2 + 0.4 * torch.rand(3, 32, 32, generator=generator), 0.1, regions["rigid"], regions, ("front",),
    )  # fmt: skip
    torch.manual_seed(0)
    model = ComponentFaceModel(statistics, FaceModelSettings(latent_size=4, hidden=16, texture_width=4))
    model.start_from_lab(meshes)
    sizes = StateEncoderSettings(
        64, texture_size=32, point_width=8, still_points=12, moving_points=10, expression_width=8
    )
    encoder = StateEncoder(statistics, sizes, 4)
    whitened = torch.randn(len(meshes), 4, generator=generator)
    encoder.head_points.choose(mean, meshes, whitened, statistics.rigid_vertices, regions["lips"])
    return Networks(statistics, model.requires_grad_(False).eval(), encoder.requires_grad_(False).eval())


@pytest.fixture(scope="module")
def networks() -> Networks:
    return make_networks()


class Taken(NamedTuple):
    """A frame as the tracker saw it: the number in its picture, its index, frames known of before and behind it."""

    number: int
    index: int
    known: int


class SlowFollower:
    """A real network on a box that stays; after each frame it waits until the source has sent some more.

    ``lost``: indices of tracked frames without a face; ``cuts``: at which a new shot starts.
    """

    def __init__(self, networks: Networks, source: LiveSource | None, late: int, lost=(), cuts=()) -> None:
        self._encoder, self._source, self._late = networks.encoder, source, late
        self._lost, self._cuts, self._shot = set(lost), set(cuts), 0
        self.taken: list[Taken] = []
        self.known = 0

    def step(self, frame: VideoFrame) -> FollowedFrame:
        step = len(self.taken)
        self.taken.append(Taken(read_number(frame.image), frame.index, self.known))
        self._shot += step in self._cuts
        box = (0.0, 0.0, 48.0, 48.0)
        crop = torch.from_numpy(crop_image(frame.image, box, 64)).permute(2, 0, 1)[None] / 255
        state = self._encoder(crop, CAMERA[None])
        if self._source is not None:
            while self._source.received < frame.index + 1 + self._late and self._source._thread.is_alive():
                self._source._stopped.wait(0.0005)
            self.known = self._source.received
        seen = Sighting(state, box, box, torch.zeros(0, 2), torch.zeros(0), math.nan, math.nan, 0.5)
        return FollowedFrame(frame.time_s, self._shot, box, None if step in self._lost else seen)


def numbered(number: int) -> np.ndarray:
    """A picture that holds its number, a bit a stripe."""
    bits = np.array([(number >> place) & 1 for place in range(WIDTH // BIT)], np.uint8)
    return np.repeat(np.repeat(bits[None, :, None] * 255, BIT, 1).repeat(3, 2), HEIGHT, 0)


def read_number(image: np.ndarray) -> int:
    bits = image[HEIGHT // 2, BIT // 2 :: BIT, 0] > 127
    return sum(1 << place for place, bit in enumerate(bits) if bit)


class Camera:
    """Sends numbered frames into a FIFO from a thread, 60 a second; ``pause`` 0: as fast as they are read."""

    def __init__(self, fifo: Path, count: int, pause: float = 1 / FPS) -> None:
        self._fifo, self._count, self._pause = fifo, count, pause
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        clock = threading.Event()
        with self._fifo.open("wb", buffering=0) as pipe, av.open(pipe, "w", format="nut") as container:
            stream = container.add_stream("ffv1", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
            for number in range(self._count):
                frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
                clock.wait(self._pause)
            container.mux(stream.encode(None))

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "camera")
    return tmp_path / "camera"


def run(networks: Networks, name: str, path: Path, late=0, filter_name="none", **words):
    """Live tracking with the slow follower: the source, the follower, what was measured."""
    lost_and_cuts = {key: words.pop(key, ()) for key in ("lost", "cuts")}
    with LiveSource(name) as source:
        first = source.next_frame()
        assert first is not None
        follower = SlowFollower(networks, source, late, **lost_and_cuts)
        tracker = LiveTracker(networks, follower, CAMERA, causal_filter(filter_name))
        meter = run_live(source, first, tracker, path, **words)
    return source, follower, meter


@pytest.mark.parametrize("pause", [1 / FPS, 0.0], ids=["60 fps", "as fast as it is read"])
def test_a_slow_tracker_takes_the_newest_and_drops_the_rest(networks, fifo, tmp_path, capsys, pause) -> None:
    camera, late = Camera(fifo, 150, pause), 5
    source, follower, meter = run(networks, str(fifo), tmp_path / "track.npz", late)
    camera.join()
    taken = follower.taken
    assert all(frame.number == frame.index for frame in taken)  # the picture is that of the index
    assert all(frame.index >= frame.known - 1 for frame in taken)  # nothing newer was known when it was taken
    gaps = np.diff([frame.index for frame in taken])
    assert (gaps[:-1] >= late).all() and len(taken) <= 150 / late + 2  # latency does not add up: no queue
    assert source.received == 150 and taken[-1].index == 149
    assert meter.tracked == len(taken) and source.dropped == 150 - len(taken)
    track = Track.load(tmp_path / "track.npz")
    torch.testing.assert_close(track.time_s, torch.tensor([frame.index / FPS for frame in taken]).double())
    said = re.search(r"(\d+) frames tracked of (\d+), (\d+) dropped: .* fps, latency", capsys.readouterr().err)
    assert said and [int(word) for word in said.groups()] == [len(taken), 150, 150 - len(taken)]


def test_a_frame_never_waits_for_longer_than_the_step_before(networks, fifo, tmp_path, monkeypatch) -> None:
    """Whatever the machine does: a frame comes after the one before was taken, so latency is under two steps."""
    camera, rows = Camera(fifo, 60, 0.0), []
    add = LiveMeter.add

    def note(self, live):
        row = add(self, live)
        rows.append((live.arrived_s, row.done_s, row.latency_s))
        return row

    monkeypatch.setattr(LiveMeter, "add", note)
    run(networks, str(fifo), tmp_path / "track.npz", late=4)
    camera.join()
    done = [row[1] for row in rows]
    for k in range(2, len(rows)):
        assert rows[k][0] >= done[k - 2]  # what arrived before the last frame was taken was never kept
        assert rows[k][2] <= done[k] - done[k - 2]


def test_the_track_is_what_the_networks_say_and_absent_where_lost(networks, fifo, tmp_path) -> None:
    camera = Camera(fifo, 240)
    _, follower, _ = run(networks, str(fifo), tmp_path / "track.npz", late=2, lost=(3, 4), cuts=(8,))
    camera.join()
    track = Track.load(tmp_path / "track.npz")
    assert len(track) == len(follower.taken) > 9
    assert torch.nonzero(~track.found)[:, 0].tolist() == [3, 4]
    assert track.vertices[3:5].isnan().all() and track.rotation[3:5].isnan().all()
    assert track.shot.tolist() == [0] * 8 + [1] * (len(track) - 8)
    again = SlowFollower(networks, None, 0)
    for row in (0, 5, len(track) - 1):
        number = follower.taken[row].index
        state = again.step(VideoFrame(number, number / FPS, numbered(number))).sighting.state
        torch.testing.assert_close(track.latent[row], state.latent[0])
        placed = networks.face_model.decode_vertices(state.latent) @ state.rotation.mT + state.translation[:, None]
        torch.testing.assert_close(track[row : row + 1].camera_vertices(), placed, rtol=1e-4, atol=0.05)
    assert torch.equal(track.intrinsics[0], CAMERA)


def test_states_are_streamed_and_filtered(networks, fifo, tmp_path, capsys) -> None:
    camera = Camera(fifo, 240)
    _, follower, _ = run(
        networks, str(fifo), tmp_path / "track.npz", 1, "one_euro", lost=(2,), cuts=(6,), stream_json=True
    )
    camera.join()
    track, said = Track.load(tmp_path / "track.npz"), capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert len(lines) == len(track) and [line["frame"] for line in lines] == [f.index for f in follower.taken]
    assert lines[2]["found"] is False and lines[2]["rotation"] is None
    torch.testing.assert_close(torch.tensor(lines[5]["latent"]), track.latent[5])
    torch.testing.assert_close(torch.tensor(lines[5]["translation_mm"]), track.translation[5])
    assert sum(line["dropped"] for line in lines) == 240 - len(lines)
    again = SlowFollower(networks, None, 0)
    for row in range(3, 9):  # behind a lost face and behind a cut the filter begins anew
        raw = again.step(VideoFrame(0, 0.0, numbered(lines[row]["frame"]))).sighting.state.latent[0]
        assert torch.allclose(track.latent[row], raw, atol=1e-5) == (row in (3, 6))
    assert re.search(r"filter: lag .* in the expression", said.err)


def test_a_source_that_breaks_off_leaves_a_whole_track(networks, tmp_path) -> None:
    """Pictures of another size, as of a camera that was turned: the source ends with an error."""
    path = tmp_path / "track.npz"
    scale = f"scale='if(lt(n,20),{WIDTH},{WIDTH // 2})':-2:eval=frame"
    sizes = f"lavfi:testsrc=size={WIDTH}x{HEIGHT}:rate=30:duration=1,{scale}"
    with pytest.raises(InputError, match="pixels, as its first frame"):
        run(networks, sizes, path)
    assert len(Track.load(path)) >= 1
    assert [p.name for p in tmp_path.iterdir()] == ["track.npz"]


def test_seconds_end_it(networks, tmp_path) -> None:
    _, _, meter = run(networks, ENDLESS, tmp_path / "track.npz", seconds=0.2)
    assert meter.tracked == len(Track.load(tmp_path / "track.npz")) >= 1


def live_process(path: str) -> None:
    """What `test_a_signal_ends_it_normally` interrupts."""
    networks = make_networks()
    with LiveSource(ENDLESS) as source, ended_by_signals(source.stop):
        tracker = LiveTracker(networks, SlowFollower(networks, None, 0), CAMERA, causal_filter("none"))
        run_live(source, source.next_frame(), tracker, Path(path), stream_json=True)


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_a_signal_ends_it_normally(tmp_path, number) -> None:
    code = f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]; import test_live; test_live.live_process"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}({str(tmp_path / 'track.npz')!r})"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    lines = [process.stdout.readline() for _ in range(4)]
    process.send_signal(number)
    rest, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    track = Track.load(tmp_path / "track.npz")
    assert len(track) == len(lines) + len(rest.splitlines()) and b"frames tracked of" in said


def test_from_a_checkpoint_a_stream_without_a_face_says_so(networks, tmp_path, capsys) -> None:
    """The whole command with untrained networks, which see no face in a test picture."""
    save(networks, tmp_path / "last.ckpt")
    name = f"lavfi:testsrc=size={WIDTH}x{HEIGHT}:rate=30:duration=0.2"
    with pytest.raises(InputError, match=r"expected a face, got none in \d+ frames"):
        track_live(name, tmp_path / "last.ckpt", [], 0.0, tmp_path / "out", "one_euro")
    track = Track.load(tmp_path / "out" / "track.npz")
    assert not track.found.any() and track.latent.shape[1] == 4
    assert float(track.intrinsics[0, 0, 0]) == pytest.approx(1.2 * WIDTH)


def save(networks: Networks, path: Path) -> Path:
    """A checkpoint as a stage writes it."""
    weights = {f"face_model.{name}": value for name, value in networks.face_model.state_dict().items()}
    weights |= {f"encoder.{name}": value for name, value in networks.encoder.state_dict().items()}
    torch.save({"networks": describe_networks(*networks), "state_dict": weights}, path)
    return path


def test_the_command_gives_an_address_on_as_it_is(networks, tmp_path, capsys) -> None:
    words = ["--run", str(save(networks, tmp_path / "last.ckpt")), "--out", str(tmp_path / "out")]
    assert main(["track", "--live", "tcp://127.0.0.1:9", *words]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("steadyface: tcp://127.0.0.1:9: expected a stream of video")
    assert not (tmp_path / "out").exists()


def test_faults_are_found_before_anything_is_loaded(tmp_path) -> None:
    nothing = tmp_path / "no_run"
    for words, expected in (
        (("-", nothing, [], 0.0, tmp_path, "kalman"), "none or one_euro"),
        ((str(tmp_path / "no_pipe"), nothing, [], 0.0, tmp_path), "a pipe, a camera device"),
        (("-", nothing, [], 0.0, tmp_path, "none", 0.0), "above 0"),
    ):
        with pytest.raises(InputError, match=expected):
            track_live(*words)
    assert list(tmp_path.iterdir()) == []
