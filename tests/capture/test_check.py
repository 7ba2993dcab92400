from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadyface.capture.capture_check import require_whole_png
from steadyface.capture.check import check_path, is_clip
from steadyface.capture.finding import Finding, format_findings
from steadyface.errors import InputError


def faults(findings: list[Finding]) -> list[str]:
    return [finding.figure for finding in findings if finding.mark == "fault"]


def lines(findings: list[Finding]) -> list[str]:
    return [finding.figure for finding in findings if finding.mark == "ok"]


def test_a_whole_capture_has_no_fault(capture_folder: Path) -> None:
    findings = check_path(capture_folder)
    assert faults(findings) == []
    assert lines(findings)[0] == "2 segments, 3 usable instants, 2 cameras, 6 views"
    assert "1 cameras with lens distortion, which will be undone" in lines(findings)
    assert "4 vertices, 2 triangles" in lines(findings)


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
    assert any(line.startswith("passed over: 1 views without a texture") for line in lines(findings))


def test_a_capture_that_cannot_be_read_is_a_fault(capture_folder: Path) -> None:
    (capture_folder / "KRT").write_text("400002\n1 2\n")
    assert len(faults(check_path(capture_folder))) == 1


def test_whole_png(capture_folder: Path, tmp_path: Path) -> None:
    assert require_whole_png(next((capture_folder / "images").rglob("*.png"))) == (64, 48)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="0 bytes that do not start"):
        require_whole_png(tmp_path / "a.png")


def test_a_clip_that_cannot_be_opened_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"")
    (fault,) = check_path(tmp_path / "b.mp4")
    assert fault.mark == "fault" and "an empty file" in fault.figure
    with pytest.raises(InputError, match="nothing there"):
        check_path(tmp_path / "absent.mp4")


def test_a_folder_of_images_is_a_clip_and_one_with_cameras_a_capture(capture_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(np.full((32, 48, 3), 60 * index, np.uint8)).save(folder / f"{index}.png")
    (folder / "fps.txt").write_text("30")
    assert is_clip(folder) and not is_clip(capture_folder)
    found = {finding.name: finding for finding in check_path(folder, (4.0, 4.0, 20.0, 20.0))}
    assert found["frames"].figure.startswith("3 in 0.07 s")


def test_lines_are_aligned_and_remedies_stand_below() -> None:
    well = Finding("face", "ok", "found", "95%", "not told")
    badly = Finding("face size", "warning", "12 px", "30 px", "go nearer")
    told = format_findings([well, badly])
    assert told.splitlines() == [
        "ok       face       found (limit: 95%)",
        "warning  face size  12 px (limit: 30 px)",
        "                    -> go nearer",
    ]
