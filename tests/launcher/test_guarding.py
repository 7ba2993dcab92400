"""The guards through the whole launcher, at toy size: a stranger refused, a choice made, kept and studied."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from launcher.cli import main
from launcher.experiment import run_stages
from launcher.guarding import CANDIDATES, SELECTION
from launcher.load import load_experiment
from launcher.plan import make_plan
from launcher.runs import LAST_CHECKPOINT
from launcher.selection_study import judge_run, table
from steadyface.capture.video_writer import VideoWriter
from steadyface.errors import InputError
from steadyface.networks.checkpoints import load_networks

ROOT = Path(__file__).resolve().parents[2]
SMOKE = str(ROOT / "experiments" / "smoke.yaml")
CHOOSES = ["adaptation.guard.select=true", "adaptation.guard.every_steps=2", "adaptation.guard.keep_candidates=true",
           "adaptation.replay.steps=2", "adaptation.replay.views=4", "adaptation.replay.batch=2"]  # fmt: skip
PLAIN = "adaptation.guard.select=false"

pytestmark = pytest.mark.timeout(300)


def stages(folder: Path, *words: str) -> tuple[Path, str]:
    """Run an experiment's stages in a folder, without scoring: the last stage's folder, and the console."""
    out = io.StringIO()
    experiment = load_experiment(Path(SMOKE), ["variants={}", "wandb.mode=disabled", *words])
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        outcome = run_stages(experiment, make_plan(experiment))
    return folder / (outcome.best_known.parent.parent), out.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source network of the smoke test."""
    folder = tmp_path_factory.mktemp("trained")
    stages(folder, "adapt=false")
    return folder


def source_of(folder: Path) -> Path:
    return next(folder.glob("runs/smoke/pretraining-*")) / LAST_CHECKPOINT


def test_a_choice_is_made_kept_and_can_be_judged_by_the_truth(trained: Path) -> None:
    run, said = stages(trained, *CHOOSES)
    choice = json.loads((run / SELECTION).read_text())
    # two of the clip's four steps, and the last of the two on replayed views
    assert [row["step"] for row in choice["candidates"]] == [0, 2, 4, 6]
    assert choice["reason"] in said and choice["chosen_step"] in (0, 2, 4, 6)
    kept = {path.name for path in (run / CANDIDATES).iterdir()}
    assert kept == {"000000.ckpt", "000002.ckpt", "000004.ckpt", "000006.ckpt"}
    chosen, result = (load_networks(path)[2] for path in
                      (run / CANDIDATES / f"{choice['chosen_step']:06d}.ckpt", run / LAST_CHECKPOINT))  # fmt: skip
    assert chosen is not None and result is not None
    states = chosen.state_dict(), result.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])
    assert "guard/score" in (run / "metrics.csv").read_text() and "is the result" in (run / "log.txt").read_text()
    with contextlib.chdir(trained):
        judged = judge_run(run)
    assert judged.chosen == choice["chosen_step"] and sorted(judged.errors) == [0, 2, 4, 6]
    assert "within 5 % of the best in" in table([judged])


def test_without_a_choice_a_stage_is_called_as_before_and_says_nothing(trained: Path) -> None:
    plain, said = stages(trained, PLAIN)
    assert not (plain / SELECTION).exists() and "is the result" not in said
    others = [PLAIN, "adaptation.guard.refuse_other_person=false"], [PLAIN, "adaptation.guard.margin=1"], CHOOSES
    with contextlib.chdir(trained):
        plans = [make_plan(load_experiment(Path(SMOKE), words)) for words in ([PLAIN], *others)]
    hashes = [plan.adaptations["adapted", 0].digest for plan in plans]
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]
    with pytest.raises(InputError, match=r"guard\.select=true"):
        judge_run(plain)


def test_another_person_is_refused_at_the_command_line_and_the_source_stays(trained: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.ckpt"
    content = torch.load(source_of(trained), weights_only=True)
    content["state_dict"]["encoder.lab_residual"] = torch.tensor([0.3, 0.4])  # it knows its own lab well
    torch.save(content, source)
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    studio, clip = next(trained.glob("runs/smoke/studio-*")) / "data", tmp_path / "stranger.mp4"
    wall = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    with VideoWriter(clip, 120, 160, 30.0, crf=1) as writer:
        for shift in range(12):
            writer.write(np.ascontiguousarray(wall[:, 3 * shift : 3 * shift + 120]))
    words = ["run", SMOKE, f"source={source}", f"lab.folder={studio}/lab", "variants={}", "wandb.mode=disabled",
             "adaptation.guard.refuse_other_person=true", f"clips.clips=[{clip}]",
             "evaluation.held_out_clip="]  # fmt: skip
    err = io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = main(words)
    fault = [line for line in err.getvalue().splitlines() if line.startswith("steadyface: ")]
    assert code == 2 and len(fault) == 1 and "Traceback" not in err.getvalue()
    assert "a clip of the person that the model was learned from" in fault[0]
    assert "adaptation.guard.refuse_other_person=false" in fault[0]
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    assert not list(tmp_path.glob("runs/**/adaptation-*"))
