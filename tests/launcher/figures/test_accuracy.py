"""The map's colours are each vertex's error, in the head frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from launcher.figures.accuracy import TURNS_DEG, heads_on_white, vertex_errors
from launcher.figures.finished import FinishedRun
from steadyface.tracking.track import Track

FRAMES = 9  # of the clip of conftest


def test_the_map_is_each_vertexs_mean_distance_in_the_head_frame(run):
    found = FinishedRun(run)
    errors = vertex_errors(found, found.clips[0])
    assert list(errors) == ["source", "adapted"]
    truth = found.clips[0].truth
    for row, values in errors.items():
        scored = found.summary["adapted_clip"][row]
        assert float(values.mean()) == pytest.approx(scored["vertex_error_mm"][0], rel=1e-5)
        assert float(values[48:].mean()) == pytest.approx(scored["vertex_error_lips_mm"][0], rel=1e-5)
    # the rigid rows are not moved in the head frame, so each distance can be taken as it is
    track = Track.load(run / "tracks/adapted_clip/adapted-seed0.npz")
    slow = [
        sum(float((track.vertices[t, n] - truth.vertices[t, n]).double().norm()) for t in range(FRAMES)) / FRAMES
        for n in range(64)
    ]
    assert errors["adapted"].tolist() == pytest.approx(slow, abs=1e-3)


def test_the_heads_are_cut_alike_and_coloured_where_the_error_is(run):
    topology = FinishedRun(run).networks.statistics
    values = torch.zeros(64)
    values[32:] = 1.0  # the lower half
    heads = heads_on_white(values, topology, 1.0)
    assert len(heads) == len(TURNS_DEG) and len({head.shape for head in heads}) == 1
    for head in heads:
        upper, lower = np.array_split(head, 2)
        assert lower.mean() < upper.mean() - 50
        assert (head[0, 0] == 255).all()  # a corner is ground
