"""``steadyface check`` as it is called: JSON, exit codes, and words that do not go together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from launcher.check import check_with_run
from launcher.cli import main
from steadyface.capture.video import VideoWriter
from steadyface.errors import InputError

BOX = "4,4,40,40"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "a.mp4", 64, 48, 30) as writer:
        for index in range(6):
            writer.write(np.random.default_rng(index).integers(90, 110, (48, 64, 3)).astype(np.uint8))
    return tmp_path / "a.mp4"


def test_warnings_leave_the_exit_code_at_zero_and_json_is_json(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(clip), "--box", BOX, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = {finding["name"]: finding for finding in told["findings"]}
    assert found["frames"]["mark"] == "warning" and found["frames"]["values"]["frames"] == 6
    assert set(found["frames"]) == {"name", "mark", "figure", "limit", "remedy", "values"}
    assert main(["check", str(clip), "--box", BOX]) == 0
    assert "warning  frames " in capsys.readouterr().out


def test_a_fault_is_one_line_and_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    assert main(["check", str(tmp_path / "text.mp4")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("steadyface: ") and said.err.count("\n") == 1


def test_words_that_cannot_be_meant(clip: Path, tmp_path: Path, capture_like: Path) -> None:
    with pytest.raises(InputError, match="a box in the 64 x 48 picture"):
        check_with_run(clip, None, (900.0, 0.0, 40.0, 40.0))
    with pytest.raises(InputError, match="--box: expected a clip, got the capture"):
        check_with_run(capture_like, None, (0.0, 0.0, 40.0, 40.0))
    with pytest.raises(InputError, match="nowhere"):
        check_with_run(clip, tmp_path / "nowhere")


@pytest.fixture
def capture_like(tmp_path: Path) -> Path:
    folder = tmp_path / "capture"
    folder.mkdir()
    (folder / "KRT").write_text("")
    return folder
