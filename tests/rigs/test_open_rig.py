"""What opens and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadyface.errors import InputError
from steadyface.rigs.open_rig import FORMATS, open_rig


def test_an_unknown_path_names_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        open_rig(tmp_path / "none.glb")
    assert all(kind.description in str(error.value) for kind in FORMATS) and "'own'" in str(error.value)


@pytest.mark.parametrize("name", ["model.pkl", "generic_model.pickle", "landmarks.npy", "flame.pt"])
def test_what_may_run_code_is_not_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match=r"convert it to \.npz"):
        open_rig(tmp_path / name)


def test_other_files_and_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "a.fbx").write_bytes(b"x")
    with pytest.raises(InputError, match=r"\.fbx"):
        open_rig(tmp_path / "a.fbx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"without \.obj"):
        open_rig(tmp_path / "empty")
