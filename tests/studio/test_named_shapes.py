"""The shapes that the studio writes beside its capture are those that its faces are made of."""

from __future__ import annotations

from pathlib import Path

import torch

from steadyface.capture.capture_index import MultifaceCapture
from steadyface.capture.named_shapes import read_named_shapes
from steadyface.studio.subject import Subject


def test_the_captures_shapes_make_the_subjects_faces(studio: Path) -> None:
    capture, subject = MultifaceCapture(studio / "lab"), Subject(3)
    shapes = read_named_shapes(capture.layout.shapes, len(capture.read_topology().vertices))
    assert shapes.names == tuple(subject.expression_names)
    weights = torch.zeros(3, len(shapes.names))
    for row, names in enumerate((("mouthSmileLeft",), ("browInnerUp", "cheekPuff"), ("jawOpen", "mouthClose"))):
        weights[row, [shapes.names.index(name) for name in names]] = 1.0
    made = shapes.neutral + torch.einsum("te,enk->tnk", weights, shapes.deltas)
    torch.testing.assert_close(made, subject.vertices(weights), atol=1e-3, rtol=0)
    assert (shapes.deltas.flatten(1).abs().amax(1) > 0.5).all()  # each moves something, mouthClose too
