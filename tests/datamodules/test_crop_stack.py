"""Crops in memory while they are few, in a nameless file when they are many: the same tensor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.crop_stack import CropStack


@pytest.mark.parametrize("kept_bytes", [10**9, 5 * 8 * 8 * 3, 0])
def test_the_tensor_is_the_same_wherever_it_lies(kept_bytes, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    crops = np.random.default_rng(0).integers(0, 255, (12, 8, 8, 3), dtype=np.uint8)
    stack = CropStack(8, kept_bytes)
    for crop in crops:
        stack.append(crop)
    tensor = stack.tensor()
    del stack
    assert torch.equal(tensor, torch.from_numpy(crops)) and tensor.dtype == torch.uint8
    assert torch.equal(tensor[torch.tensor([3, 11])], torch.from_numpy(crops[[3, 11]]))
    assert list(tmp_path.iterdir()) == []  # nothing is left to be cleaned up


def test_no_crop_is_an_empty_tensor():
    assert CropStack(8).tensor().shape == (0, 8, 8, 3)
