"""Live sources over real pipes, sockets and files: the newest frame, a count of the others, and a clear end."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from steadyface.capture.live_input import PipeReader, find_input
from steadyface.capture.live_source import LiveSource, NewestSlot
from steadyface.capture.video import VideoWriter, read_frames
from steadyface.errors import InputError

WIDTH, HEIGHT, BIT = 96, 48, 8


def numbered(number: int) -> np.ndarray:
    """A picture that holds its number, a bit a stripe of 8 pixels."""
    bits = np.array([(number >> place) & 1 for place in range(WIDTH // BIT)], np.uint8)
    return np.repeat(np.repeat(bits[None, :, None] * 255, BIT, 1).repeat(3, 2), HEIGHT, 0)


def read_number(image: np.ndarray) -> int:
    bits = image[HEIGHT // 2, BIT // 2 :: BIT, 0] > 127
    return sum(1 << place for place, bit in enumerate(bits) if bit)


def stream_bytes(count: int, fps: int = 60, start: int = 0) -> bytes:
    """A stream as a sender writes it: nut, lossless, stamped."""
    target = io.BytesIO()
    with av.open(target, "w", format="nut") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = start + number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


def send(path: Path, content: bytes, chunk: int = 4096) -> threading.Thread:
    """Writes into a FIFO from a thread, as fast as it is read."""

    def write() -> None:
        with path.open("wb") as pipe:
            for first in range(0, len(content), chunk):
                pipe.write(content[first : first + chunk])

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "camera")
    return tmp_path / "camera"


def wait_for(source: LiveSource, received: int) -> int:
    """Until that many frames have come, or all that will."""
    while source.received < received and source._thread.is_alive():
        source._stopped.wait(0.001)
    return source.received


def test_the_newest_frame_is_given_and_the_others_are_counted(fifo: Path) -> None:
    sender = send(fifo, stream_bytes(90))
    known, taken, dropped = 0, [], 0
    with LiveSource(str(fifo)) as source:
        while (live := source.next_frame()) is not None:
            number = read_number(live.frame.image)
            assert number == live.frame.index >= known - 1  # nothing newer had come when it was asked for
            assert live.frame.time_s == pytest.approx(number / 60)
            assert live.dropped == number - (taken[-1] if taken else -1) - 1
            taken.append(number)
            dropped += live.dropped
            known = wait_for(source, number + 6)  # slower than the source by five frames
    sender.join()
    assert taken[-1] == 89 and source.received == 90
    assert len(taken) + dropped == 90 and source.dropped == dropped > 60
    assert source.taken == len(taken)


def test_whoever_is_quick_gets_every_frame() -> None:
    slot: NewestSlot[int] = NewestSlot()
    taken = []

    def take() -> None:
        while (item := slot.take()) is not None:
            taken.append(item)
            ready.release()

    ready = threading.Semaphore(0)
    thread = threading.Thread(target=take)
    thread.start()
    for number in range(1, 50):
        slot.put(number)
        ready.acquire()
    slot.end()
    thread.join()
    assert taken == list(range(1, 50))


def test_standard_input_of_a_process() -> None:
    code = (
        "from steadyface.capture.live_source import LiveSource\n"
        "with LiveSource('-') as source:\n"
        "    while (live := source.next_frame()) is not None: last = live.frame\n"
        "print(source.received, source.taken + source.dropped, last.index)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=stream_bytes(30), capture_output=True, check=True)
    assert done.stdout.split() == [b"30", b"30", b"29"]


def test_waiting_for_a_sender_can_be_ended(fifo: Path) -> None:
    with LiveSource(str(fifo)) as source:
        threading.Timer(0.05, source.stop).start()
        assert source.next_frame() is None  # nobody ever sent
    assert not source._thread.is_alive() and source.received == 0


def test_waiting_for_more_can_be_ended_and_the_pipe_is_given_back(fifo: Path) -> None:
    content = stream_bytes(30)
    with LiveSource(str(fifo)) as source:
        pipe = os.open(fifo, os.O_WRONLY)
        os.write(pipe, content[: len(content) * 2 // 3])
        assert source.next_frame() is not None
        wait_for(source, 10)
    assert not source._thread.is_alive()
    with pytest.raises(BrokenPipeError):
        os.write(pipe, content)  # nobody reads any more
    os.close(pipe)


def test_a_file_is_given_upright_with_its_time_stamps(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32, 0] = 255
    with VideoWriter(path, 64, 48, 100) as writer:
        for number in range(8):
            writer.write(picture, number / 100 + (number % 2) / 300)
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    content[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    expected = {frame.index: frame for frame in read_frames(path)}
    with LiveSource(str(path)) as source:
        given = []
        while (live := source.next_frame()) is not None:
            given.append(live.frame)
    assert source.received == 8 and given[-1].index == 7
    for frame in given:
        assert frame.image.shape == (64, 48, 3) and frame.time_s == expected[frame.index].time_s
        assert np.array_equal(frame.image, expected[frame.index].image)


def test_a_device_of_ffmpegs() -> None:
    """A picture generator, which FFmpeg opens as it does a camera."""
    with LiveSource("lavfi:testsrc=size=64x48:rate=25:duration=2") as source:
        frames = []
        while (live := source.next_frame()) is not None:
            frames.append(live.frame)
    assert source.received == 50 and frames[-1].index == 49
    assert frames[-1].time_s == pytest.approx(49 / 25)


def test_a_source_that_breaks_off_gives_what_came_and_then_says_so() -> None:
    """A sender whose connection is reset, as when a device is unplugged."""
    server = socket.create_server(("127.0.0.1", 0))
    seen = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        content = stream_bytes(60)
        connection.sendall(content[: len(content) * 3 // 4])
        seen.wait(60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    name = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with LiveSource(name) as source:
        first = source.next_frame()
        assert first is not None
        wait_for(source, 20)
        seen.set()
        broke_off = r"goes on until it ends, got .* after \d+ frames; connect it again"
        with pytest.raises(InputError, match=broke_off) as error:
            while source.next_frame() is not None:
                pass
    assert error.value.subject == name and source.received >= 20
    thread.join()
    server.close()


def test_what_cannot_be_opened_is_named(tmp_path: Path, fifo: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 100)
    for name in (str(text), "tcp://127.0.0.1:9", "v4l2:/dev/nosuchcamera"):
        with pytest.raises(InputError, match="FFmpeg can open") as error, LiveSource(name) as source:
            source.next_frame()
        assert error.value.subject == name
    for name in (str(tmp_path), str(tmp_path / "nothing"), "v4l2:", "/dev/nosuchcamera"):
        with pytest.raises(InputError, match="a pipe, a camera device, an address or a video"):
            LiveSource(name)
    sender = send(fifo, b"neither a video nor long")
    with pytest.raises(InputError, match="FFmpeg can open"), LiveSource(str(fifo)) as source:
        source.next_frame()
    sender.join()


def test_pictures_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(InputError, match="at least 16 x 16"), LiveSource("lavfi:testsrc=size=4x4:duration=1") as source:
        source.next_frame()
    with pytest.raises(InputError, match="a video stream"), LiveSource("lavfi:sine=duration=0.1") as source:
        source.next_frame()


def test_what_a_name_means(fifo: Path) -> None:
    assert find_input("-").kind == "pipe" and find_input(str(fifo)).kind == "pipe"
    assert find_input("avfoundation:0")[1:] == ("0", "device", "avfoundation")
    assert find_input("rtsp://camera/1").kind == "address"
    assert find_input("/dev/null")[1:] == ("/dev/null", "device", "v4l2")
    assert find_input(__file__).kind == "file"


def test_a_pipe_waits_for_its_first_sender_and_ends_with_its_last(fifo: Path) -> None:
    reader, got = PipeReader(str(fifo)), []
    thread = threading.Thread(target=lambda: got.extend(iter(lambda: reader.read(4), b"")))
    thread.start()
    fifo.write_bytes(b"abcdef")
    thread.join()
    reader.close()
    assert b"".join(got) == b"abcdef"
