from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from steadyface.capture.capture_index import MultifaceCapture
from steadyface.errors import InputError


def test_a_whole_capture(capture_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    capture = MultifaceCapture(capture_folder)
    assert capture.segments == ["E001_Neutral", "EXP_free_face"]
    assert [instant.id.frame for instant in capture.instants] == ["000010", "000011", "000020"]
    assert all(instant.cameras == ("400002", "400004") and instant.has_average for instant in capture.instants)
    assert capture.gaps.lines() == []
    assert "2 segments, 3 instants, 2 cameras, 6 views" in caplog.text
    assert capture.read_topology().faces.tolist() == [[0, 1, 2], [1, 3, 2]]


def test_gaps_are_reported_and_passed_over(capture_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    free, neutral = "EXP_free_face", "E001_Neutral"
    shutil.rmtree(capture_folder / "images" / free / "400004")
    (capture_folder / "unwrapped_uv_1024" / free / "average" / "000020.png").unlink()
    (capture_folder / "unwrapped_uv_1024" / neutral / "400004" / "000011.png").unlink()
    (capture_folder / "tracked_mesh" / neutral / "000010_transform.txt").unlink()
    with (capture_folder / "KRT").open("a") as file:
        file.write("\n400009\n1 0 0\n0 1 0\n0 0 1\n0 0 0 0 0\n1 0 0 0\n0 1 0 0\n0 0 1 0\n")
    with (capture_folder / "frame_list.txt").open("a") as file:
        file.write("E057_Cheeks 000300\nE057_Cheeks 000301\n")
    capture = MultifaceCapture(capture_folder)
    kept = {instant.id.frame: (instant.cameras, instant.has_average) for instant in capture.instants}
    assert kept == {"000011": (("400002",), True), "000020": (("400002",), False)}
    text = caplog.text
    assert "1 cameras without any image (first: 400009)" in text
    assert "1 frames without a head pose (first: E001_Neutral 000010)" in text
    assert "2 frames without a mesh (first: E057_Cheeks 000300)" in text
    assert "1 views without a texture (first: E001_Neutral 000011 400004)" in text
    assert "1 average textures missing" in text


def test_without_a_frame_list_the_meshes_are_listed(capture_folder: Path) -> None:
    (capture_folder / "frame_list.txt").unlink()
    assert len(MultifaceCapture(capture_folder).instants) == 3


def test_unusable_captures(capture_folder: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        MultifaceCapture(capture_folder / "absent")
    for path in (capture_folder / "tracked_mesh").rglob("*.obj"):
        path.unlink()
    with pytest.raises(InputError, match=r"at least one SEGMENT/FRAME\.obj"):
        MultifaceCapture(capture_folder).read_topology()
    shutil.rmtree(capture_folder / "unwrapped_uv_1024")
    with pytest.raises(InputError, match=r"none of 3 listed.*6 views without a texture"):
        MultifaceCapture(capture_folder)
