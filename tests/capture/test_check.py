from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadyface.capture.check import FAULT, check_path, require_whole_png
from steadyface.capture.video import VideoWriter
from steadyface.errors import InputError


def faults(findings: list[str]) -> list[str]:
    return [line for line in findings if line.startswith(FAULT)]


def test_a_whole_capture_has_no_fault(capture_folder: Path) -> None:
    findings = check_path(capture_folder)
    assert faults(findings) == []
    assert findings[0] == "2 segments, 3 usable instants, 2 cameras, 6 views"
    assert "1 cameras with lens distortion, which will be undone" in findings
    assert "4 vertices, 2 triangles" in findings


def test_every_fault_is_listed_not_only_the_first(capture_folder: Path) -> None:
    image = capture_folder / "images" / "E001_Neutral" / "400002" / "000010.png"
    image.write_bytes(image.read_bytes()[:-5])
    mesh = capture_folder / "tracked_mesh" / "EXP_free_face"
    (mesh / "000020.bin").write_bytes(bytes(60))
    (mesh / "000020_transform.txt").write_text("nan " * 12)
    (capture_folder / "images" / "E001_Neutral" / "400004" / "000011.png").unlink()
    (capture_folder / "unwrapped_uv_1024" / "E001_Neutral" / "400004" / "000010.png").unlink()
    texture = capture_folder / "unwrapped_uv_1024" / "EXP_free_face" / "400002" / "000020.png"
    Image.new("RGB", (8, 8)).save(texture)
    findings = check_path(capture_folder)
    assert len(faults(findings)) == 4
    assert any("16 x 16 texels" in line for line in faults(findings))
    assert any("a whole PNG image" in line for line in faults(findings))
    assert any("4 vertices" in line for line in faults(findings))
    assert any("NaN" in line for line in faults(findings))
    assert any(line.startswith("passed over: 1 views without a texture") for line in findings)


def test_a_capture_that_cannot_be_read_is_a_fault(capture_folder: Path) -> None:
    (capture_folder / "KRT").write_text("400002\n1 2\n")
    assert len(faults(check_path(capture_folder))) == 1


def test_whole_png(capture_folder: Path, tmp_path: Path) -> None:
    assert require_whole_png(next((capture_folder / "images").rglob("*.png"))) == (64, 48)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="0 bytes that do not start"):
        require_whole_png(tmp_path / "a.png")


def test_clips(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 32, 16, 25) as writer:
        for time_s in (0.0, 0.04, 0.08, 0.2):
            writer.write(np.zeros((16, 32, 3), np.uint8), time_s)
    findings = check_path(tmp_path / "a.mp4")
    assert findings[0].startswith("h264 32 x 16 pixels, 4 frames, 0.20 s")
    assert findings[1].startswith("variable frame rate: 40.0 to 120.0 ms")
    (tmp_path / "b.mp4").write_bytes(b"")
    assert len(faults(check_path(tmp_path / "b.mp4"))) == 1
    with pytest.raises(InputError, match="nothing there"):
        check_path(tmp_path / "absent.mp4")
