"""Imports run one way: launcher -> {lightning_modules, datamodules, callbacks} -> steadyface."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MIDDLE = ("lightning_modules", "datamodules", "callbacks")
ROOMS = ("launcher", *MIDDLE, "steadyface")
MAY_IMPORT = {
    "launcher": {*MIDDLE, "steadyface"},
    "steadyface": set(),
    **{room: {"steadyface"} for room in MIDDLE},
}

# Inside steadyface: types and errors import nothing of ours, geometry only them, the rest on geometry.
LEAVES = ("types", "errors")
GEOMETRY_MAY_IMPORT = {*LEAVES, "geometry"}


def imported_modules(source: str, package: str) -> list[str]:
    """Absolute names of the modules that a source text imports, wherever in the text.

    >>> imported_modules("from steadyface import types\\nfrom .a import b", "launcher")
    ['steadyface.types', 'launcher.a.b']
    """
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            names += [f"{prefix}.{alias.name}" for alias in node.names]
    return names


def violations(path: Path, package: str, source: str) -> list[str]:
    """The imports of one file that run against the house, as ``file -> module`` lines."""
    room = package.split(".")[0]
    wrong = []
    for name in imported_modules(source, package):
        top, _, rest = name.partition(".")
        if top in ROOMS and top != room and top not in MAY_IMPORT[room]:
            wrong.append(f"{path} -> {name}")
        if room == "steadyface" and top == "steadyface":
            inner = rest.split(".")[0]
            if path.name in {f"{leaf}.py" for leaf in LEAVES} and path.parent.name == "steadyface":
                wrong.append(f"{path} -> {name}")
            if package.startswith("steadyface.geometry") and inner not in GEOMETRY_MAY_IMPORT:
                wrong.append(f"{path} -> {name}")
    return wrong


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_downwards(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"no Python files in {room}/"
    wrong = []
    for file in files:
        relative = file.relative_to(ROOT)
        package = ".".join(relative.parent.parts)
        wrong += violations(relative, package, file.read_text(encoding="utf-8"))
    assert wrong == []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("steadyface.losses", "import launcher.cli"),
        ("datamodules", "from lightning_modules.adaptation import X"),
        ("callbacks", "def f():\n    from datamodules import wild_clips"),
        ("steadyface.geometry", "from steadyface.networks import face_model"),
    ],
)
def test_a_violation_is_seen(package: str, source: str) -> None:
    assert violations(Path(*package.split("."), "x.py"), package, source)
