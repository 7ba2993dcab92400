"""Made-up cells, and a toy experiment whose source network stress cells start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.experiment import run_stages
from launcher.load import load_experiment
from launcher.outcome import save_outcome
from launcher.plan import make_plan
from launcher.runs import write_atomically
from launcher.settings import to_yaml
from launcher.stress.cells import Cell, Row

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def made_up() -> Callable[..., Cell]:
    """A cell whose paper's and our errors are given shares of the source's, (reprojection, vertices) each."""

    def make(
        condition: str = "flicker", strength: float = 0.75, subject: int = 0, paper=(1.0, 1.0), ours=(0.5, 0.9),
        refused: str = "", folder: Path = Path("runs"),
    ) -> Cell:  # fmt: skip
        source = {"reprojection_error_px": 10.0, "vertex_error_mm": 2.0, "acceleration_error_px_s2": 900.0}

        def row(name: str, shares: tuple[float, ...]) -> Row:
            values = [value * share for value, share in zip(source.values(), shares, strict=True)]
            metrics = dict(zip(source, values, strict=True))
            frames = {name: [metrics[name]] * 3 for name in list(source)[:2]}
            return Row(folder / name / "last.ckpt", metrics, frames, 60.0, refused if name == "paper" else "")

        return Cell(
            "studio", condition, strength, subject, 0, folder / "clip.mp4", 64, "abc", 100.0,
            row("source", (1.0, 1.0, 1.0)), row("paper", (*paper, 1.1)), row("ours", (*ours, 1.1)),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment of the smallest networks, adapted to nothing."""
    runs = tmp_path_factory.mktemp("toy")
    words = [
        "adapt=false", "variants={}", "wandb.mode=disabled", f"runs={runs}", "name=toy", "studio.held_out_frames=0",
        "evaluation.held_out_clip=", "appearance.steps=2", "pretraining.steps=2",
    ]  # fmt: skip
    experiment = load_experiment(ROOT / "experiments" / "smoke.yaml", words)
    outcome = run_stages(experiment, make_plan(experiment))
    write_atomically(runs / "toy" / "experiment.yaml", to_yaml(experiment))
    save_outcome(outcome, runs / "toy")
    return runs / "toy"
