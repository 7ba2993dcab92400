"""The meshes of a .glb's scene: nodes' transforms applied, primitives put together, doubled vertices joined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from steadyface.rigs.glb_file import GlbFile, Json

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LARGEST_BYTES = 2 * 1024**3
"""Of positions and displacements in memory."""
_TRIANGLES = 4


class Scene(NamedTuple):
    """All triangles of a file with their shapes.

    Shapes: positions (V, 3) at the file's own weights; uv (V, 2), v growing upwards; faces (F, 3); names, F, the
    material's of each triangle or its mesh's; shapes, name -> (V, 3) displacements; notes for the user.
    """

    positions: Floats
    uv: Floats
    faces: Ints
    names: list[str]
    shapes: dict[str, Floats]
    notes: tuple[str, ...]


class _Piece(NamedTuple):
    positions: Floats
    uv: Floats
    faces: Ints
    name: str
    shapes: dict[str, Floats]


def read_scene(file: GlbFile) -> Scene:
    """Put a file's meshes together.

    Raises:
        InputError: no triangles, a part that is too large or cannot be read, or numbers that are not finite.
    """
    placed = list(_placed_meshes(file))
    _require_room(file, [mesh for _, mesh, _ in placed])
    pieces = [piece for matrix, mesh, _ in placed for piece in _pieces(file, matrix, mesh)]
    if not pieces:
        raise file.fault("a mesh of triangles in its scene", "none")
    counts = [len(piece.positions) for piece in pieces]
    firsts = np.cumsum([0, *counts[:-1]])
    shape_names = list(dict.fromkeys(name for piece in pieces for name in piece.shapes))
    shapes = {
        name: np.concatenate([p.shapes.get(name, np.zeros_like(p.positions)) for p in pieces]) for name in shape_names
    }
    skinned = any(skin for _, _, skin in placed)
    notes = ("its skeleton is not read: the mesh is taken as it is at rest",) if skinned else ()
    scene = Scene(
        np.concatenate([piece.positions for piece in pieces]), np.concatenate([piece.uv for piece in pieces]),
        np.concatenate([piece.faces + first for piece, first in zip(pieces, firsts, strict=True)]),
        [piece.name for piece in pieces for _ in range(len(piece.faces))], shapes, notes,
    )  # fmt: skip
    if not all(np.isfinite(values).all() for values in (scene.positions, scene.uv, *shapes.values())):
        raise file.fault("finite numbers", "NaN or infinity")
    return scene


def join_doubled(scene: Scene) -> tuple[Ints, Ints]:
    """Vertices at one place that every shape moves alike are one: a .glb doubles them along seams.

    Returns:
        first (N,), the file's vertex that stands for each one; index (V,), the one that each of the file's became.
    """
    generator = np.random.default_rng(0)
    motion = np.zeros_like(scene.positions)
    for delta in scene.shapes.values():  # one random sum tells all the shapes apart, without holding them twice
        motion += delta * generator.uniform(0.5, 2.0)
    keys = np.concatenate([scene.positions, motion], axis=1) + 0.0  # -0.0 is 0.0
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # in the file's order
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[index.reshape(-1)]


def _placed_meshes(file: GlbFile) -> Iterator[tuple[Floats, Json, bool]]:
    """World matrix (4, 4), mesh, and whether it is skinned, of each node of the scene with a mesh."""
    nodes, meshes = file.items("nodes"), file.items("meshes")
    scenes, chosen = file.items("scenes"), file.json.get("scene", 0)
    children = {child for node in nodes for child in _numbers(file, node.get("children", []), len(nodes))}
    roots = [index for index in range(len(nodes)) if index not in children]
    if type(chosen) is int and 0 <= chosen < len(scenes):
        roots = _numbers(file, scenes[chosen].get("nodes", []), len(nodes))
    waiting, visits = [(root, np.eye(4)) for root in roots], 0
    while waiting:
        visits += 1
        if visits > 2 * len(nodes) + 1:
            raise file.fault("nodes in a tree", "a node that is its own child")
        index, parent = waiting.pop(0)
        node = nodes[index]
        world = parent @ _local(file, node)
        waiting += [(child, world) for child in _numbers(file, node.get("children", []), len(nodes))]
        if "mesh" in node:
            (mesh,) = _numbers(file, [node["mesh"]], len(meshes))
            # the specification leaves a skinned mesh's own node out
            yield (np.eye(4) if "skin" in node else world), meshes[mesh], "skin" in node


def _numbers(file: GlbFile, values: object, count: int) -> list[int]:
    if not isinstance(values, list) or any(type(v) is not int or not 0 <= v < count for v in values):
        raise file.fault(f"numbers 0..{count - 1} of nodes and meshes", repr(values)[:60])
    return values


def _local(file: GlbFile, node: Json) -> Floats:
    """A node's own matrix (4, 4)."""
    try:
        if "matrix" in node:
            return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T  # stored by columns
        matrix = np.eye(4)
        turn = Rotation.from_quat(np.array(node.get("rotation", [0.0, 0.0, 0.0, 1.0]), dtype=np.float64)).as_matrix()
        matrix[:3, :3] = turn * np.array(node.get("scale", [1.0, 1.0, 1.0]), dtype=np.float64).reshape(3)
        matrix[:3, 3] = np.array(node.get("translation", [0.0, 0.0, 0.0]), dtype=np.float64).reshape(3)
        return matrix
    except (ValueError, TypeError) as error:
        raise file.fault("a node with a matrix or translation, rotation and scale", f"{error}") from None


def _primitives(file: GlbFile, mesh: Json) -> list[Json]:
    values = mesh.get("primitives", [])
    whole = isinstance(values, list) and all(isinstance(v, dict) for v in values)
    if not whole or not all(isinstance(v.get("attributes"), dict) for v in values):
        raise file.fault("a mesh with primitives and their attributes", "something else")
    return [value for value in values if value.get("mode", _TRIANGLES) == _TRIANGLES]


def _targets(file: GlbFile, mesh: Json, primitive: Json) -> dict[str, int]:
    """The accessor of each named shape's displacements."""
    targets = primitive.get("targets", [])
    extras = mesh.get("extras")
    names = extras.get("targetNames") if isinstance(extras, dict) else None
    if not isinstance(targets, list) or not all(isinstance(target, dict) for target in targets):
        raise file.fault("a list of morph targets", "something else")
    named = isinstance(names, list) and len(names) == len(set(map(str, names))) == len(targets)
    if targets and not named:
        raise file.fault(
            f"{len(targets)} different names of the morph targets in the mesh's extras.targetNames",
            "none" if not isinstance(names, list) else f"{len(names)} names, some perhaps twice",
        )
    found = zip(map(str, names or ()), targets, strict=True)
    return {name: target["POSITION"] for name, target in found if "POSITION" in target}


def _require_room(file: GlbFile, meshes: list[Json]) -> None:
    """Raises InputError for more numbers than fit, before any is decoded."""
    total = 0
    for mesh in meshes:
        for primitive in _primitives(file, mesh):
            attributes, targets = primitive["attributes"], _targets(file, mesh, primitive)
            total += file.count(attributes.get("POSITION", -1)) * (2 + 2 * len(targets)) * 24
    if total > LARGEST_BYTES:
        raise file.fault(f"at most {LARGEST_BYTES >> 20} MB of positions and shapes", f"{total >> 20} MB")


def _pieces(file: GlbFile, matrix: Floats, mesh: Json) -> Iterator[_Piece]:
    """The primitives of a placed mesh."""
    materials = file.items("materials")
    for primitive in _primitives(file, mesh):
        base = file.array(primitive["attributes"]["POSITION"])
        deltas = {name: file.array(at) for name, at in _targets(file, mesh, primitive).items()}
        if base.shape[1] != 3 or any(delta.shape != base.shape for delta in deltas.values()):
            raise file.fault("positions and displacements of the same vertices", "something else")
        turn = matrix[:3, :3]
        deltas = {name: delta @ turn.T for name, delta in deltas.items()}
        points = base @ turn.T + matrix[:3, 3] + _at_rest(file, mesh, deltas, base)
        faces = _faces(file, primitive, len(base))
        index = primitive.get("material")
        material = materials[index].get("name") if type(index) is int and 0 <= index < len(materials) else None
        name = str(material or mesh.get("name") or "")
        yield _Piece(
            points, _uv(file, primitive, len(base)), faces[:, ::-1] if np.linalg.det(turn) < 0 else faces, name, deltas
        )


def _at_rest(file: GlbFile, mesh: Json, deltas: dict[str, Floats], base: Floats) -> Floats:
    """What the mesh's own weights add to its positions: a file may rest elsewhere than at its base."""
    weights = mesh.get("weights") or []
    names = (mesh.get("extras") or {}).get("targetNames") or []
    moved = np.zeros_like(base)
    for name, weight in zip(map(str, names), weights, strict=False):
        if not isinstance(weight, (int, float)):
            raise file.fault("numbers as a mesh's weights", repr(weight)[:40])
        if weight and name in deltas:
            moved += float(weight) * deltas[name]
    return moved


def _uv(file: GlbFile, primitive: Json, count: int) -> Floats:
    """(count, 2), v growing upwards as in the project's textures, where glTF counts it from a picture's first row."""
    if "TEXCOORD_0" not in primitive["attributes"]:
        return np.full((count, 2), 0.5)
    uv = file.array(primitive["attributes"]["TEXCOORD_0"])
    if uv.shape != (count, 2):
        raise file.fault(f"{count} texture coordinates", f"{uv.shape}")
    return uv * [1.0, -1.0] + [0.0, 1.0]


def _faces(file: GlbFile, primitive: Json, count: int) -> Ints:
    if "indices" in primitive:
        index = file.array(primitive["indices"]).astype(np.int64).reshape(-1)
    else:
        index = np.arange(count)
    if len(index) % 3 or len(index) == 0 or index.max() >= count or index.min() < 0:
        raise file.fault(f"triangles of vertices 0..{count - 1}", f"{len(index)} indices up to {index.max(initial=0)}")
    return index.reshape(-1, 3)
