from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules import lab_disk_cache
from datamodules.lab_disk_cache import cache_folder, read_arrays, write_arrays

KEY = bytes(range(32))
NEEDED = 1000 + 80  # an array and the header


def array(value: int = 7, count: int = 1000) -> np.ndarray:
    return np.full(count, value, np.uint8)


def test_the_folder_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setenv("STEADYFACE_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"
    for off in ("off", "OFF"):
        monkeypatch.setenv("STEADYFACE_CACHE", off)
        assert cache_folder() is None
    monkeypatch.delenv("STEADYFACE_CACHE")
    assert cache_folder() == Path("/somewhere/steadyface")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "steadyface"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "steadyface"


def test_the_tests_have_a_folder_of_their_own() -> None:
    folder = cache_folder()
    assert folder is not None and not folder.is_relative_to(Path.home() / ".cache")


def test_arrays_come_back_and_a_wrong_request_finds_nothing(tmp_path: Path) -> None:
    path, written = tmp_path / "new" / "lab-a.drawings", [array(3), np.arange(-60, 60, dtype=np.int8).reshape(4, 5, 6)]
    assert write_arrays(path, KEY, written)
    found = [np.empty_like(one) for one in written]
    assert read_arrays(path, KEY, found)
    assert all(np.array_equal(a, b) for a, b in zip(written, found, strict=True))
    assert not read_arrays(path, KEY[::-1], found)
    assert not read_arrays(path, KEY, found[:1])
    assert not read_arrays(tmp_path / "absent", KEY, found)


def test_the_files_used_longest_ago_make_room(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"  # whoever names a folder with other things in it keeps them
    other.write_bytes(bytes(5000))
    paths = [tmp_path / f"lab-{name}.drawings" for name in "abcd"]
    for age, path in zip((300, 200, 100), paths, strict=False):
        assert write_arrays(path, KEY, [array()], limit=3 * NEEDED)
        os.utime(path, (time.time() - age,) * 2)
    assert all(path.stat().st_size == NEEDED for path in paths[:3])
    assert write_arrays(paths[2], KEY, [array()], limit=3 * NEEDED) and paths[0].exists()  # replaced, not added
    assert read_arrays(paths[0], KEY, [array()])  # now b is the one used longest ago
    assert write_arrays(paths[3], KEY, [array()], limit=3 * NEEDED)
    assert [path.exists() for path in paths] == [True, False, True, True] and other.exists()


def test_what_is_above_the_limit_is_not_kept_and_removes_nothing(tmp_path: Path) -> None:
    small, large = tmp_path / "lab-small.drawings", tmp_path / "lab-large.drawings"
    assert write_arrays(small, KEY, [array(count=10)], limit=NEEDED)
    assert not write_arrays(large, KEY, [array(count=1001)], limit=NEEDED)
    assert [path.name for path in tmp_path.iterdir()] == [small.name]


def test_what_a_killed_process_left_goes_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / "lab-a-1.unfinished", tmp_path / "lab-a-2.unfinished"
    for path in (old, new):
        path.write_bytes(bytes(100))
    os.utime(old, (time.time() - 90_000,) * 2)
    assert write_arrays(tmp_path / "lab-a.drawings", KEY, [array()])
    assert not old.exists() and new.exists()


def test_a_disk_that_fills_up_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A file may not grow past the process's limit of its size: a write that fails half-way, as on a full disk."""
    import resource
    import signal

    path = tmp_path / "lab-a.drawings"
    assert write_arrays(path, KEY, [array(1, 10)])
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        assert not write_arrays(path, KEY, [array(2, 300_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "nothing is kept" in caplog.text
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(lab_disk_cache, "SPARE_BYTES", shutil.disk_usage(tmp_path).total)
    caplog.clear()
    assert not write_arrays(path, KEY, [array()]) and "too little" in caplog.text
    assert path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_the_right_to_write_is_still_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lab-a.drawings"
    assert write_arrays(path, KEY, [array()])
    tmp_path.chmod(0o500)
    try:
        caplog.set_level(logging.WARNING)
        assert read_arrays(path, KEY, [array()]) and not caplog.text
        assert not write_arrays(path, KEY, [array()]) and "nothing is kept" in caplog.text
    finally:
        tmp_path.chmod(0o700)


def test_a_reader_never_sees_half_a_file(tmp_path: Path, in_processes: Callable[..., list[Any]]) -> None:
    """Two processes write one file and read it: what is found is what one of them wrote, whole."""
    path = tmp_path / "cache" / "lab-a.drawings"

    def work(rank: int) -> int:
        whole = 0
        for _ in range(60):
            assert write_arrays(path, KEY, [array(rank, 300_000)])
            found = array(9, 300_000)
            assert read_arrays(path, KEY, [found])
            whole += len(set(found.tolist())) == 1 and found[0] in (0, 1)
        return whole

    assert in_processes(work) == [60, 60]
    assert list(path.parent.iterdir()) == [path]
