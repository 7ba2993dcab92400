"""docs/track-files.md: its snippets run, and its tables name every array that the files hold."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from steadyface.capture.named_shapes import write_named_shapes
from steadyface.tracking.crop_path import fixed_path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "track-files.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def arrays_of(section: str) -> dict[str, str]:
    """Name -> shape and type, of the table under a heading."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE))


@pytest.fixture
def folder(exported, tmp_path: Path) -> Path:
    exported.track[15:30].save(tmp_path / "track.npz")
    write_named_shapes(tmp_path / "shapes.npz", exported.shapes)
    return tmp_path


def test_the_page_has_snippets() -> None:
    assert len(SNIPPETS) == 3 and all(len(snippet.splitlines()) <= 12 for snippet in SNIPPETS)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_a_snippet_runs(snippet: str, folder: Path) -> None:
    with contextlib.chdir(folder):
        exec(compile(snippet, "docs/track-files.md", "exec"), {})


def test_the_first_snippet_gives_the_tracks_vertices(exported, folder: Path) -> None:
    names: dict[str, np.ndarray] = {}
    with contextlib.chdir(folder):
        exec(compile(SNIPPETS[0], "docs/track-files.md", "exec"), names)
    track = exported.track[15:30]
    assert np.abs(names["camera"] - track.camera_vertices()[track.found].numpy()).max() < 1e-3
    assert np.isfinite(names["pixels"]).all()


def test_the_tables_name_every_array_with_its_type(folder: Path) -> None:
    crops = folder / "crops.npz"
    fixed_path(torch.zeros(2).double(), [1.0, 2.0, 3.0, 3.0], torch.zeros(2).long()).save(crops)
    for path in (folder / "track.npz", crops):
        described = arrays_of(f"`{path.name}`")
        with np.load(path) as stored:
            assert set(stored.files) == set(described)
            for name in stored.files:
                kind = "text" if stored[name].dtype.kind == "U" else str(stored[name].dtype)
                assert kind in described[name], name
                if described[name].startswith("("):
                    assert stored[name].ndim == described[name].split(")")[0].rstrip(",").count(",") + 1, name
