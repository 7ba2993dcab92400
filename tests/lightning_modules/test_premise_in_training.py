"""The premise in the adaptation: logged, a weight of its pairs, and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_modules.adaptation import WildAdaptation
from lightning_modules.adaptation_settings import AdaptationSettings
from steadyface.losses.comparison import Comparison
from steadyface.losses.consistency import texture_difference
from steadyface.losses.parts import cftc
from steadyface.losses.premise import PARTS, PairPremise
from steadyface.losses.self_supervision import SelfSupervisionWeights, clip_figures


def test_the_batch_s_premise_is_logged_and_reaches_cftc(
    person, source: Path, small_clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = next(iter(small_clip(person).train_dataloader()))[0]["clip"]
    logged: dict[float, dict[str, Any]] = {}
    losses: dict[float, dict[str, torch.Tensor]] = {}
    for power in (0.0, 8.0):
        settings = AdaptationSettings(7, lab_batch=2, weights=SelfSupervisionWeights(premise_power=power))
        module = WildAdaptation(settings, str(source))
        told = logged.setdefault(power, {})
        monkeypatch.setattr(module, "log_dict", lambda values, told=told, **_: told.update(values))
        torch.manual_seed(3)
        losses[power] = module._clip_losses(batch)[0]
    names = {"train/premise", *(f"train/premise_{part}" for part in PARTS)}
    assert names <= set(logged[8.0]) and not names & set(logged[0.0])  # outside a trainer no step is for the log
    assert 0.0 < float(logged[8.0]["train/premise"]) <= 1.0
    assert not torch.equal(losses[0.0]["cftc"], losses[8.0]["cftc"])
    for name in losses[0.0].keys() - {"cftc"}:
        torch.testing.assert_close(losses[0.0][name], losses[8.0][name])


def compared_of(power: float, premise: PairPremise | None) -> Comparison:
    """Two windows of two frames, of textures that are given."""
    generator = torch.Generator().manual_seed(5)
    seen = SimpleNamespace(
        texture=torch.rand(4, 3, 16, 16, generator=generator, requires_grad=True),
        model_texture=torch.rand(4, 3, 16, 16, generator=generator),
        mask=torch.ones(4, 1, 16, 16), inside=torch.ones(4, 1, 16, 16),
    )  # fmt: skip
    weights = SelfSupervisionWeights(premise_power=power)
    nothing: Any = None
    return Comparison(
        seen, nothing, nothing, nothing, nothing, nothing, weights, torch.Size([2, 2]), premise  # type: ignore[arg-type]
    )


def premise_of(*score: float) -> PairPremise:
    one = torch.tensor(score)
    return PairPremise(one, *(torch.zeros_like(one) for _ in PairPremise._fields[1:]))


def test_pairs_count_by_their_premise_and_the_total_stays() -> None:
    plain = compared_of(0.0, premise_of(1.0, 0.5))
    one, two = (
        texture_difference(plain.observed[i : i + 1], plain.observed[i + 1 : i + 2], torch.ones(1, 1, 16, 16),
                           torch.ones(1, 1, 16, 16)) for i in (0, 2)
    )  # fmt: skip
    torch.testing.assert_close(cftc(plain), (one + two) / 2)
    torch.testing.assert_close(cftc(compared_of(2.0, premise_of(1.0, 0.5))), (one + 0.25 * two) / 1.25)
    torch.testing.assert_close(cftc(compared_of(2.0, premise_of(0.6, 0.6))), (one + two) / 2)
    torch.testing.assert_close(cftc(compared_of(2.0, None)), (one + two) / 2)


def test_figures_without_a_premise_are_what_they_were() -> None:
    assert set(clip_figures(compared_of(0.0, None))) == {"texture_residual", "texture_coverage"}
    told = clip_figures(compared_of(0.0, premise_of(0.2, 0.6)))
    assert float(told["premise"]) == pytest.approx(0.4) and float(told["premise_light"]) == 0.0
