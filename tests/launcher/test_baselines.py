"""Rows that are no trained network: refused by name, ordered last, and in the same table as the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from launcher.baselines import BASELINES, check_baselines
from launcher.checks import RESERVED_ROWS
from launcher.external_rows import parse_word, read_external_rows
from launcher.settings import EvaluationSettings, Experiment
from launcher.summary import LAST_ROWS, ordered_rows
from steadyface.errors import InputError


def test_every_baseline_has_its_place_in_the_table_and_its_name_is_nobody_elses() -> None:
    assert set(BASELINES) <= set(LAST_ROWS) and set(BASELINES) <= RESERVED_ROWS
    rows: dict = {name: {} for name in ("decoder_floor", *BASELINES, "smirk", "adapted", "source")}
    assert ordered_rows(rows) == [
        "source", "adapted", "smirk", "photometric_fit", "generic_tracker", "oracle_pose", "oracle_latent",
        "decoder_floor",
    ]  # fmt: skip


def test_an_unknown_baseline_is_refused() -> None:
    check_baselines([])
    check_baselines(["photometric_fit", "oracle_pose", "oracle_latent"])
    with pytest.raises(InputError, match=r"some of photometric_fit, generic_tracker, .* got 'mofa'"):
        check_baselines(["mofa"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.savez(tmp_path / "other.npz", landmarks=np.zeros((4, 2, 2)))
    return tmp_path / "other.npz"


def test_rows_are_of_the_adapted_clip_unless_said(file: Path) -> None:
    experiment = Experiment(evaluation=EvaluationSettings(held_out_clip="b.mp4"))
    rows = read_external_rows([f"smirk={file}", f"smirk@held_out_clip={file}"], experiment)
    assert [(row.name, row.clip) for row in rows] == [("smirk", "adapted_clip"), ("smirk", "held_out_clip")]
    assert parse_word("a@adapted_clip=x=y.npz") == ("a", "adapted_clip", Path("x=y.npz"))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["smirk"], "NAME=FILE.npz, got 'smirk'"),
        (["smirk="], "NAME=FILE.npz"),
        (["../x=FILE"], "NAME=FILE.npz, got '../x="),
        (["smirk@other=FILE"], "adapted_clip or held_out_clip after @, got 'other'"),
        (["smirk@held_out_clip=FILE"], "'held_out_clip', which it does not have"),
        (["source=FILE"], "a new row's name, got 'source'"),
        (["mine=FILE"], "a new row's name, got 'mine'"),
        (["a_smoothed=FILE"], "a new row's name"),
        (["smirk=FILE", "smirk=FILE"], "a new row's name, got 'smirk'"),
        (["smirk=nowhere.npz"], "nowhere.npz: expected another tracker's result"),
    ],
)
def test_bad_words_are_refused(file: Path, words: list[str], fault: str) -> None:
    experiment = Experiment(variants={"mine": {}})
    with pytest.raises(InputError, match=fault):
        read_external_rows([word.replace("FILE", str(file)) for word in words], experiment)
