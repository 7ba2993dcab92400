from __future__ import annotations

from pathlib import Path

import pytest

from launcher.sweep.parameters import Parameter, example_points, grid_points
from launcher.sweep.sweep_file import EarlyTermination, SweepFile, read_sweep
from steadyface.errors import InputError

WHOLE = """
method: grid
metric: {name: held_out_clip/adapted/vertex_error_mm, goal: minimize}
parameters:
  adaptation.learning_rate: {values: [1e-4, 1.0e-3]}
  adaptation:
    parameters:
      steps: {min: 1, max: 3}
      weights: {parameters: {cftc: {value: 4}}}
command: steadyface run experiments/smoke.yaml size=demo ${args_no_hyphens}
"""


def read(folder: Path, text: str) -> SweepFile:
    path = folder / "learn.yaml"
    path.write_text(text)
    return read_sweep(path)


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(ExceptionGroup) as caught:
        read(folder, text)
    assert all(isinstance(error, InputError) for error in caught.value.exceptions)
    return [str(error) for error in caught.value.exceptions]


def parameter(folder: Path, described: str) -> Parameter:
    return read(folder, f"method: random\nparameters: {{p: {described}}}\ncommand: a ${{args}}\n").parameters["p"]


def test_a_whole_file_with_nested_parameters(tmp_path: Path) -> None:
    sweep = read(tmp_path, WHOLE)
    assert (sweep.name, sweep.method, sweep.run_cap) == ("learn", "grid", None)
    assert list(sweep.parameters) == ["adaptation.learning_rate", "adaptation.steps", "adaptation.weights.cftc"]
    points = list(grid_points(sweep.parameters))
    assert len(points) == 6 and points[1] == {
        "adaptation.learning_rate": 1e-4,
        "adaptation.steps": 2,
        "adaptation.weights.cftc": 4,
    }
    assert len(list(example_points(sweep.parameters))) == 3


def test_all_faults_are_told_at_once_with_the_nearest_word(tmp_path: Path) -> None:
    text = """
method: gird
metrics: {name: a}
metric: {name: x, goal: minimise}
run_cap: 0
parameters:
  a: {distribution: log_unifrom_values, min: 1, max: 2}
  b: {min: 3, max: 1}
  c: {vals: [1]}
  d: {values: [1, 1]}
  e: {distribution: uniform, min: low, max: 2}
  f: 3
  g: {distribution: log_uniform_values, min: 0, max: 1}
early_terminate: {type: hyperband, min_iter: 2, max_iter: 9}
command: steadyface run a.yaml ${arg_no_hyphens}
"""
    told = faults(tmp_path, text)
    for part in (
        "learn.yaml: method: expected one of grid, random, bayes, got 'gird'; the nearest is grid",
        "learn.yaml: metrics: expected a key of a sweep, got an unknown key; the nearest known one is metric",
        "metric.goal: expected one of minimize, maximize, got 'minimise'; the nearest is minimize",
        "run_cap: expected a whole number above 0, got 0",
        "parameters.a.distribution: expected a known distribution, got 'log_unifrom_values'",
        "parameters.b.max: expected more than min (3), got 1",
        "parameters.c.vals: expected a key of a sweep, got an unknown key; the nearest known one is values",
        "parameters.d.values: expected different values, got 1 twice",
        "parameters.e.min: expected a number, got 'low'",
        "parameters.f: expected value, values, or min and max, got 3",
        "parameters.g.min: expected a value above 0, got 0",
        "early_terminate: expected min_iter, or max_iter and s, got both",
        "command: expected a macro of a sweep, got ${arg_no_hyphens}; the nearest is ${args_no_hyphens}",
        "command: expected a word that stands for the parameters, got none",
    ):
        assert any(part in line for line in told), (part, told)


def test_a_grid_of_a_range_and_bayes_without_a_metric_are_refused(tmp_path: Path) -> None:
    told = faults(tmp_path, "method: grid\nparameters: {p: {min: 0.0, max: 1.0}}\ncommand: a ${args}\n")
    assert len(told) == 1 and "parameters.p" in told[0] and "method: random" in told[0]
    told = faults(tmp_path, "method: bayes\nparameters: {p: {min: 0, max: 1}}\ncommand: a ${args}\n")
    assert len(told) == 1 and "metric: expected a metric to optimise" in told[0]


def test_hyperbands_brackets_are_those_of_wandb(tmp_path: Path) -> None:
    head = "method: random\nmetric: {name: train/lab}\nparameters: {p: {min: 0, max: 1}}\ncommand: a ${args}\n"
    assert read(tmp_path, head + "early_terminate: {type: hyperband, min_iter: 3}\n").early_terminate == (
        EarlyTermination(first=3, eta=3)
    )
    # their own example: max_iter 27, s 2, eta 3 stops at 3 and 9
    early = read(tmp_path, head + "early_terminate: {type: hyperband, max_iter: 27, s: 2, eta: 3}\n").early_terminate
    assert early == EarlyTermination(first=3, eta=3)


@pytest.mark.parametrize(
    ("described", "ends"),
    [
        ("{min: 1, max: 5}", [1, 5]),
        ("{min: 1.0, max: 5.0}", [1.0, 5.0]),
        ("{distribution: q_uniform, min: 0.1, max: 1.0, q: 0.25}", [0.25, 1.0]),
        ("{distribution: q_uniform, min: 3, max: 17, q: 5}", [5, 15]),
        ("{distribution: log_uniform_values, min: 1e-4, max: 1e-2}", [1e-4, 1e-2]),
        ("{distribution: log_uniform, min: 0, max: 1}", [1.0, 2.718281828459045]),
        ("{distribution: q_log_uniform_values, min: 3, max: 100, q: 8}", [8, 96]),
        ("{distribution: inv_log_uniform, min: 0, max: 1}", [0.36787944117144233, 1.0]),
        ("{values: [null, true, heads, [0, 1]]}", [None, True, "heads", [0, 1]]),
        ("{values: [a, b], probabilities: [0.9, 0.1]}", ["a", "b"]),
        ("{value: 7}", [7]),
    ],
)
def test_the_ends_and_words_of_a_distribution(tmp_path: Path, described: str, ends: list[object]) -> None:
    found = parameter(tmp_path, described).examples()
    assert found == pytest.approx(ends) if all(isinstance(end, float) for end in ends) else found == ends
    assert [type(value) for value in found] == [type(value) for value in ends]


def test_what_is_drawn_by_quantile(tmp_path: Path) -> None:
    normal = parameter(tmp_path, "{distribution: normal, mu: 10, sigma: 2}")
    assert normal.decode(0.5) == pytest.approx(10) and normal.decode(0.8413447) == pytest.approx(12)
    assert parameter(tmp_path, "{distribution: q_normal, mu: 10.2, sigma: 1, q: 5}").decode(0.5) == 10
    beta = parameter(tmp_path, "{distribution: beta, a: 2, b: 2}")
    assert beta.decode(0.5) == pytest.approx(0.5)
    words = parameter(tmp_path, "{values: [a, b], probabilities: [0.9, 0.1]}")
    assert [words.decode(u) for u in (0.0, 0.89, 0.91, 1.0)] == ["a", "a", "b", "b"]


def test_no_file_and_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_sweep(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="a mapping"):
        read(tmp_path, "- 1\n")
    with pytest.raises(InputError, match="readable YAML"):
        read(tmp_path, "a: [\n")
