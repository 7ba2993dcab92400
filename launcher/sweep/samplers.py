"""Optuna's samplers and pruners under the names of the W&B sweep schema."""

from __future__ import annotations

import hashlib

from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from launcher.sweep.sweep_file import EarlyTermination, SweepFile

STARTED_AT_RANDOM = 10  # trials, before the tree-structured Parzen estimator has enough to go by


def sampler_of(sweep: SweepFile, number: int) -> BaseSampler:
    """What draws one trial: at random, or for ``bayes`` by a tree-structured Parzen estimator (TPE).

    Args:
        number: of the trial. What it draws follows from the sweep's name and this, also after a restart.
    """
    digest = hashlib.sha256(f"{sweep.name}/{number}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big")
    if sweep.method == "bayes":
        # Trials that run now count as bad ones, so that several at once do not draw the same place.
        return TPESampler(n_startup_trials=STARTED_AT_RANDOM, constant_liar=True, seed=seed)
    return RandomSampler(seed=seed)


def pruner_of(early: EarlyTermination | None) -> BasePruner:
    """Hyperband as W&B has it: one series of brackets, in which the best 1/eta go on (asynchronous successive halving,
    Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning")."""
    if early is None:
        return NopPruner()
    return SuccessiveHalvingPruner(min_resource=early.first, reduction_factor=early.eta)
