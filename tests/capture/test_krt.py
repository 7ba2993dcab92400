from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steadyface.capture.krt import Camera, read_krt, write_krt
from steadyface.errors import InputError


def test_reads_a_file_written_by_hand(capture_folder: Path) -> None:
    cameras = read_krt(capture_folder / "KRT")
    assert list(cameras) == ["400002", "400004"]
    first, second = cameras.values()
    assert first.intrinsics.tolist() == [[100, 0, 31.5], [0, 110, 23.5], [0, 0, 1]]
    assert first.translation.tolist() == [5, -6, 700]
    assert second.distortion.tolist() == [0.1, -0.02, 0.001, 0.002, 0.003]
    assert second.rotation.tolist() == [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]


def test_writes_the_lines_of_the_format(tmp_path: Path) -> None:
    camera = Camera("c7", np.diag([2.0, 3.0, 1.0]), np.zeros(5), np.eye(3), np.array([1.0, 2.0, 3.5]))
    write_krt(tmp_path / "KRT", [camera])
    expected = "c7\n2 0 0\n0 3 0\n0 0 1\n0 0 0 0 0\n1 0 0 1\n0 1 0 2\n0 0 1 3.5\n\n"
    assert (tmp_path / "KRT").read_text() == expected


@pytest.mark.parametrize(
    ("line", "replacement", "expected"),
    [
        (3, "0 110", "line 3: expected three values of K"),
        (5, "0 0 0 0", "line 5: expected five distortion values"),
        (7, "0 1 zero -6", "line 7: expected four values of [R t]"),
        (8, "0 0 nan 700", "line 8: expected four values of [R t]"),
        (4, "0 0 2", "line 2: expected K with positive focal lengths"),
        (7, "0 5 0 -6", "line 6: expected a rotation"),
        (10, "400002", "line 10: expected a camera's name that is new"),
        (1, "1 2 3", "line 1: expected a camera's name alone"),
    ],
)
def test_a_wrong_line_is_named(capture_folder: Path, line: int, replacement: str, expected: str) -> None:
    path = capture_folder / "KRT"
    lines = path.read_text().splitlines()
    lines[line - 1] = replacement
    path.write_text("\n".join(lines))
    with pytest.raises(InputError) as error:
        read_krt(path)
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_ends_early_or_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "KRT"
    path.write_text("400002\n100 0 31.5\n")
    with pytest.raises(InputError, match="line 3: expected three values of K, got the end of the file"):
        read_krt(path)
    path.write_text("\n\n")
    with pytest.raises(InputError, match="at least one camera"):
        read_krt(path)
    with pytest.raises(InputError, match="readable KRT"):
        read_krt(tmp_path / "absent")
