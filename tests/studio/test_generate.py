"""generate_studio: whole or not at all, and the same bytes however many processes work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from steadyface.errors import InputError
from steadyface.studio.generate import generate_studio
from steadyface.studio.settings import StudioSettings


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_processes_do_not_change_a_byte(studio: Path, small_settings: StudioSettings, tmp_path: Path) -> None:
    out = tmp_path / "two"
    generate_studio(replace(small_settings, processes=2), out)
    one, two = contents(studio), contents(out)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    assert not out.with_name("two.partial").exists()


def test_what_is_there_is_never_overwritten(small_settings: StudioSettings, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="new or empty folder"):
        generate_studio(small_settings, tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_interrupted_run_leaves_no_out_and_is_started_again(
    small_settings: StudioSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(small_settings, lab_frames=1, adapt_frames=1, held_out_frames=0)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("steadyface.studio.lab_capture.LabStage.finish", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            generate_studio(settings, out)
    assert not out.exists()
    stale = out.with_name("out.partial") / "stale.txt"
    stale.write_text("from before")
    generate_studio(settings, out)
    assert (out / "lab" / "KRT").exists() and (out / "clips" / "adapt.mp4").exists()
    assert not (out / "stale.txt").exists()
    assert not (out / "clips" / "held_out.mp4").exists()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lab_frames", 0),
        ("clip_width", 97),
        ("cameras_per_frame", 9),
        ("key_colour", [1.0, 1.0]),
        ("ambient_above", [1.0, float("nan"), 1.0]),
        ("fps", float("nan")),
        ("processes", 0),
    ],
)
def test_unusable_settings_are_named(name: str, value: object, tmp_path: Path) -> None:
    settings = StudioSettings()
    setattr(settings, name, value)
    with pytest.raises(InputError, match=f"studio.{name}"):
        generate_studio(settings, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
