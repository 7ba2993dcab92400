"""The file of named shapes: there and back, and every way in which it can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from steadyface.capture.named_shapes import NamedShapes, read_named_shapes, write_named_shapes
from steadyface.errors import InputError
from steadyface.geometry.cameras import transform


def shapes() -> NamedShapes:
    generator = torch.Generator().manual_seed(0)
    return NamedShapes(("jawOpen", "smile"), torch.randn(2, 12, 3, generator=generator), 50.0 * torch.randn(12, 3))


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    mine = shapes()
    write_named_shapes(tmp_path / "lab" / "shapes.npz", mine)
    again = read_named_shapes(tmp_path / "lab" / "shapes.npz", 12)
    assert again.names == mine.names
    assert torch.equal(again.deltas, mine.deltas) and torch.equal(again.neutral, mine.neutral)


def test_aligning_takes_a_rigid_motion_back() -> None:
    mine = shapes()
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0]
    rotation = rotation * torch.linalg.det(rotation)
    shift = torch.tensor([[5.0, -40.0, 9.0]])
    moved = transform(mine.neutral[None], rotation[None], shift)[0]
    mean = mine.neutral + 0.0
    mean[6:] += 3.0  # moves with expression: takes no part
    back = NamedShapes(mine.names, mine.deltas @ rotation.T, moved).aligned(mean, torch.arange(6))
    torch.testing.assert_close(back.neutral, mine.neutral, atol=1e-3, rtol=0)
    torch.testing.assert_close(back.deltas, mine.deltas, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"names": np.array(["a"])}, "1 names"),
        ({"names": np.array(["a", "a"])}, "a name twice"),
        ({"names": None}, "unreadable"),
        ({"neutral": np.zeros((11, 3), np.float32)}, "neutral"),
        ({"neutral": np.full((12, 3), np.nan, np.float32)}, "NaN"),
        ({"deltas": np.zeros((2, 12), np.float32)}, "deltas"),
        ({"deltas": np.array([None, 1], dtype=object)}, "unreadable"),
    ],
)
def test_a_wrong_file_is_named(change: dict[str, np.ndarray | None], what: str, tmp_path: Path) -> None:
    fields: dict[str, np.ndarray | None] = {
        "names": np.array(["a", "b"]), "deltas": np.zeros((2, 12, 3), np.float32),
        "neutral": np.zeros((12, 3), np.float32),
    }  # fmt: skip
    fields |= change
    np.savez(tmp_path / "shapes.npz", **{name: value for name, value in fields.items() if value is not None})
    with pytest.raises(InputError, match=what):
        read_named_shapes(tmp_path / "shapes.npz", 12)


def test_no_file_a_text_and_half_a_file_are_named(tmp_path: Path) -> None:
    write_named_shapes(tmp_path / "whole.npz", shapes())
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:300])
    (tmp_path / "text.npz").write_text("shapes")
    for name in ("absent", "half", "text"):
        with pytest.raises(InputError, match=f"{name}.npz"):
            read_named_shapes(tmp_path / f"{name}.npz", 12)
