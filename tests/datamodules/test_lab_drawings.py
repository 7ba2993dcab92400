"""What is drawn of a lab capture is kept from start to start, and a start cannot tell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules import lab_drawings, lab_pixels
from datamodules.lab_captures import LabCaptures, LabCapturesSettings
from datamodules.lab_drawings import Drawings, DrawingsFile
from datamodules.lab_pixels import ViewPlan
from steadyface.types import LabBatch


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEADYFACE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each view that is drawn."""
    views: list[int] = []

    def counted(plan: ViewPlan, faces: torch.Tensor, size: int, view: int) -> Drawings:
        views.append(view)
        return lab_drawings.draw_view(plan, faces, size, view)

    monkeypatch.setattr(lab_pixels, "draw_view", counted)
    return views


def read(capture: Any, seed: int = 0, **changes: Any) -> LabBatch:
    """All training views in order, by a start of its own."""
    settings = {"image_size": 30, "batch_size": 4, "held_out_cameras": ["400012"], "crop_jitter": 0.1, **changes}
    lab = LabCaptures(LabCapturesSettings(folder=str(capture.folder), **settings), seed)
    lab.setup("fit")
    return LabBatch(*(torch.cat(values) for values in zip(*lab.train_dataloader(), strict=True)))


def same(first: LabBatch, second: LabBatch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_second_start_draws_nothing_and_gives_the_same_batches(
    tiny_capture: Any, folder: Path, drawn: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEADYFACE_CACHE", "off")
    without = read(tiny_capture)
    assert not folder.exists()
    monkeypatch.setenv("STEADYFACE_CACHE", str(folder))
    first = read(tiny_capture)
    drawn.clear()
    second = read(tiny_capture)
    assert len(drawn) == 1  # the one from which the shapes are taken
    assert same(without, first) and same(without, second)
    assert 0 < without.silhouette.mean() < 1 and without.normal.abs().sum() > 0
    (kept,) = folder.iterdir()
    assert kept.stat().st_size < 39 * 30 * 30 * 3.2  # a silhouette takes a bit a pixel


@pytest.mark.parametrize(
    "changes",
    [{"image_size": 32}, {"crop_scale": 1.5}, {"crop_jitter": 0.2}, {"seed": 1}, {"frame_step": 2},
     {"held_out_cameras": ["400011"], "held_out_segments": ["EXP_free"]}],
)  # fmt: skip
def test_other_settings_ask_for_another_file(
    tiny_capture: Any, folder: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read(tiny_capture)
    found = read(tiny_capture, **changes)
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setenv("STEADYFACE_CACHE", "off")
    assert same(found, read(tiny_capture, **changes))


@pytest.mark.parametrize("part", ["mesh", "pose", "camera", "triangles"])
def test_a_changed_capture_is_drawn_anew(
    private_capture: Callable[[], Any], folder: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = private_capture()
    before = read(capture)
    change(capture.folder, part)
    after = read(capture)
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setenv("STEADYFACE_CACHE", "off")
    assert same(after, read(capture)) and not torch.equal(before.normal, after.normal)


def change(capture: Path, part: str) -> None:
    """What one kind of file says; all else stays."""
    meshes = capture / "tracked_mesh" / "E001_Neutral"
    if part == "mesh":
        (meshes / "000101.bin").write_bytes((meshes / "000102.bin").read_bytes())
    elif part == "pose":
        (meshes / "000101_transform.txt").write_text((meshes / "000102_transform.txt").read_text())
    elif part == "camera":
        (capture / "KRT").write_text((capture / "KRT").read_text().replace("240", "230"))
    else:
        for path in meshes.parent.rglob("*.obj"):
            lines = path.read_text().splitlines()
            last = max(index for index, line in enumerate(lines) if line.startswith("f "))
            path.write_text("\n".join(lines[:last] + lines[last + 1 :]) + "\n")


def test_a_changed_picture_is_seen_though_the_drawings_are_kept(
    private_capture: Callable[[], Any], folder: Path, drawn: list[int]
) -> None:
    capture = private_capture()
    before = read(capture)
    pictures = capture.folder / "images" / "E001_Neutral" / "400010"
    (pictures / "000101.png").write_bytes((pictures / "000102.png").read_bytes())
    drawn.clear()
    after = read(capture)
    assert len(drawn) == 1 and torch.equal(before.normal, after.normal) and not torch.equal(before.image, after.image)


@pytest.mark.parametrize("damage", ["cut", "longer", "flipped", "empty", "key"])
def test_a_damaged_file_is_ignored_and_written_anew(
    tiny_capture: Any, folder: Path, damage: str, drawn: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    first = read(tiny_capture)
    (kept,) = folder.iterdir()
    whole = kept.read_bytes()
    middle, key = len(whole) // 2, 20
    damaged = {
        "cut": whole[:middle], "longer": whole + b"\0", "empty": b"",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "key": whole[:key] + bytes([whole[key] ^ 1]) + whole[key + 1 :],
    }[damage]  # fmt: skip
    kept.write_bytes(damaged)
    caplog.set_level(logging.WARNING)
    assert same(first, read(tiny_capture))
    assert kept.read_bytes() == whole and "is damaged" in caplog.text
    drawn.clear()
    assert same(first, read(tiny_capture)) and len(drawn) == 1


@pytest.mark.parametrize("why", ["file in the way", "no writing there"])
def test_where_nothing_can_be_kept_a_warning_says_so(
    tiny_capture: Any, folder: Path, why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STEADYFACE_CACHE", "off")
    without = read(tiny_capture)
    # the superuser writes into a read-only folder too; in these places nobody makes one
    blocked = folder / "cache" if why == "file in the way" else Path("/proc/self/steadyface")
    if why == "file in the way":
        folder.write_text("not a folder")
    monkeypatch.setenv("STEADYFACE_CACHE", str(blocked))
    caplog.set_level(logging.WARNING)
    assert same(without, read(tiny_capture))
    assert caplog.text.count("nothing is kept in") == 1


def test_processes_at_once_share_one_file(
    tiny_capture: Any, folder: Path, in_processes: Callable[..., list[Any]]
) -> None:
    def starts(rank: int) -> list[list[float]]:
        sums = []
        for _ in range(4):
            for kept in folder.glob("*.drawings") if rank == 0 else ():
                kept.unlink(missing_ok=True)
            lab = LabCaptures(LabCapturesSettings(folder=str(tiny_capture.folder), image_size=30, workers=1), 0)
            lab.setup("fit")
            weight = torch.arange(30.0 * 30).view(30, 30)
            sums.append([float((batch.normal * weight).double().sum()) for batch in lab.instants()])
        return sums

    found = [sums for process in in_processes(starts) for sums in process]
    assert len(found) == 8 and all(sums == found[0] for sums in found)
    assert [path.suffix for path in folder.iterdir()] == [".drawings"]


def test_the_key_depends_on_every_input() -> None:
    """A field that the key forgot would hand one capture's drawings to another."""

    def plan() -> ViewPlan:
        torch.manual_seed(0)
        return ViewPlan([], torch.arange(2), [], torch.zeros(2, 4), torch.rand(2, 3, 3), torch.rand(2, 3, 3),
                        torch.rand(2, 3), torch.rand(2, 5, 3))  # fmt: skip

    faces = torch.tensor([[0, 1, 2], [2, 3, 4]])
    paths = {DrawingsFile(plan(), faces, 8).path, DrawingsFile(plan(), faces, 9).path}
    for name in ("frame", "intrinsics", "rotation", "translation", "vertices"):
        other = plan()
        getattr(other, name).view(-1)[-1] += 1
        paths.add(DrawingsFile(other, faces, 8).path)
    paths.add(DrawingsFile(plan(), faces.flip(1), 8).path)
    assert len(paths) == 8 and DrawingsFile(plan(), faces, 8).path in paths
