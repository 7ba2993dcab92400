"""Vertex errors over held-out lab frames: by region, canonical, weighted by frames and not by batches."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from callbacks.vertex_error import VertexError


def test_errors_are_logged_by_region_and_pose_apart(fit, stage, tmp_path):
    module = stage()
    metrics = fit(module, [VertexError()], steps=2).callback_metrics
    lips = abs(float(module.offset.detach()))
    assert float(metrics["val/vertex_error_lips_mm"]) == pytest.approx(lips, rel=1e-5)
    assert float(metrics["val/vertex_error_mm"]) == pytest.approx(lips / 8, rel=1e-4)  # one row of eight
    assert float(metrics["val/head_translation_error_mm"]) == pytest.approx(5.0, rel=1e-4)
    assert float(metrics["val/head_rotation_error_deg"]) == pytest.approx(0.0, abs=1e-4)
    assert float(metrics["val/vertex_error_camera_mm"]) > 5.0
    assert not any(part.is_floating_point() and part.isnan() for part in metrics.values())
    with Image.open(tmp_path / "media" / "vertex_error_000002.png") as picture:
        assert picture.mode == "RGBA" and picture.getbbox() is not None


def test_rigid_motion_in_the_mesh_is_no_expression(fit, stage):
    class Wobbling(stage):
        def validation_step(self, batch, batch_index, dataloader_idx=0):
            outputs = super().validation_step(batch, batch_index)
            if "target_vertices" in outputs:
                outputs["vertices"] = outputs["target_vertices"] + 7.0
            return outputs

    metrics = fit(Wobbling(), [VertexError(heat_map_limit_mm=0)], steps=2).callback_metrics
    assert float(metrics["val/vertex_error_mm"]) == pytest.approx(0.0, abs=1e-4)
    assert float(metrics["val/head_translation_error_mm"]) > 7.0


def test_a_clip_alone_logs_nothing(fit, stage):
    metrics = fit(stage(), [VertexError()], steps=2, loaders=("clip",)).callback_metrics
    assert not any(name.startswith("val/vertex_error") for name in metrics)


def test_a_resumed_run_logs_what_an_uninterrupted_one_does(fit, stage):
    whole = fit(stage(), [VertexError()], steps=4).callback_metrics
    fit(stage(), [VertexError()], steps=2)
    resumed = fit(stage(), [VertexError()], steps=4, resume=True).callback_metrics
    for name in ("val/vertex_error_mm", "val/vertex_error_lips_mm"):
        torch.testing.assert_close(resumed[name], whole[name])
