from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from launcher.runs import (
    RECORD,
    RunRecord,
    Stage,
    find_finished,
    fingerprint,
    read_record,
    write_atomically,
    write_record,
)
from steadyface.errors import InputError

STAGE = Stage("appearance", "appearance", {"steps": 3, "seed": 0}, {"lab": "abc"})


def record(state: str) -> RunRecord:
    return RunRecord("demo/x", "appearance", "appearance", state, "w1", "v1", {"steps": 3}, {"lab": "abc"})


def test_the_hash_covers_settings_inputs_and_kind_but_not_the_label() -> None:
    changed = [
        Stage("appearance", "appearance", {"steps": 4, "seed": 0}, {"lab": "abc"}),
        Stage("appearance", "appearance", {"steps": 3, "seed": 0}, {"lab": "abd"}),
        Stage("pretraining", "appearance", {"steps": 3, "seed": 0}, {"lab": "abc"}),
    ]
    assert len({STAGE.digest, *(stage.digest for stage in changed)}) == 4
    assert Stage("appearance", "another", {"seed": 0, "steps": 3}, {"lab": "abc"}).digest == STAGE.digest
    assert STAGE.folder_name == f"appearance-{STAGE.digest}"


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert STAGE.digest == "8586a9677aa1"


def test_a_record_comes_back(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    write_record(tmp_path, record("running"))
    assert read_record(tmp_path) == record("running")
    assert [p.name for p in tmp_path.iterdir()] == [RECORD]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layout_version": 0}', '{"layout_version": 1}'])
def test_a_record_that_cannot_be_read_is_an_input_error(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(InputError, match="move"):
        read_record(tmp_path)


@pytest.mark.parametrize("state", ["running", "failed", "interrupted"])
def test_only_a_finished_stage_is_found_and_in_any_experiment(tmp_path: Path, state: str) -> None:
    folder = tmp_path / "other" / STAGE.folder_name
    folder.mkdir(parents=True)
    write_record(folder, record(state))
    assert find_finished(tmp_path, STAGE) is None
    write_record(folder, record("finished"))
    assert find_finished(tmp_path, STAGE) == folder


def test_the_fingerprint_sees_names_sizes_and_times_and_not_the_place(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "in").mkdir(parents=True)
        (tmp_path / place / "in" / "x.png").write_text("1")
        os.utime(tmp_path / place / "in" / "x.png", ns=(5, 5))
    first = fingerprint(tmp_path / "a")
    assert fingerprint(tmp_path / "b") == first
    os.utime(tmp_path / "b" / "in" / "x.png", ns=(5, 6))
    assert fingerprint(tmp_path / "b") != first
    (tmp_path / "a" / "y.png").write_text("")
    assert fingerprint(tmp_path / "a") != first
    with pytest.raises(InputError, match="nothing there"):
        fingerprint(tmp_path / "c")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, json.dumps({"a": 1}))

    def full_disk(descriptor: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, json.dumps({"a": 2}))
    assert json.loads(path.read_text()) == {"a": 1}
