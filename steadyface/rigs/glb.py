"""A .glb with morph targets as a rig: the shapes under the names in its mesh's ``extras.targetNames``.

Beside ``head.glb``, both optional: ``head.landmarks.json`` and ``head.parts.json``. Their vertices count as the file's
do, its primitives one after another.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from steadyface.capture.arkit_names import ARKIT_NAMES
from steadyface.capture.obj import ObjMesh
from steadyface.rigs.arkit import arkit_name
from steadyface.rigs.frame import landmark_positions, place
from steadyface.rigs.glb_file import GlbFile
from steadyface.rigs.glb_scene import Scene, join_doubled, read_scene
from steadyface.rigs.landmarks import Landmarks, read_landmarks
from steadyface.rigs.obj_parts import without_see_through
from steadyface.rigs.parts import FACE
from steadyface.rigs.parts_file import decide_parts
from steadyface.rigs.rig import UNKNOWN_UNIT, Rig
from steadyface.rigs.uv_tiles import cylindrical, fit_uv


def recognises(path: Path) -> bool:
    """Whether a path is called a .glb."""
    return path.suffix.lower() == ".glb"


def read_glb(path: Path) -> Rig:
    """Read the file: all meshes of its scene, each at its node's place, without skeleton and animation.

    Where a mesh rests at weights of its own, that is the neutral face. A file has no identity modes.

    Raises:
        InputError: a file that is no .glb, is compressed, cut short, too large, or holds no mesh; shapes without
            names; or what is beside it cannot be read.
    """
    scene = read_scene(GlbFile.read(path))
    landmarks = read_landmarks(path.with_suffix(".landmarks.json"), len(scene.positions))
    placement = place(str(path), scene.positions, landmarks)
    mesh, names, left_out = without_see_through(_uv_mesh(scene), scene.names)
    points = placement.points(scene.positions)
    at = landmark_positions(points, landmarks)
    parts = decide_parts(path.with_suffix(".parts.json"), names, points, mesh.faces, at)
    first, index = join_doubled(scene)
    faces = index[mesh.faces]
    packed, notes = fit_uv(mesh.uv, mesh.uv_faces, parts, FACE)
    if np.ptp(scene.uv) == 0.0:
        packed, notes = cylindrical(points[first], faces), ("without texture coordinates: laid round the head",)
    own = [name for name in scene.shapes if arkit_name(name) not in ARKIT_NAMES]
    kept = (f"shapes that are none of ARKit's: {', '.join(own[:8])}",) if own else ()
    deltas = [placement.displacements(delta[first]) for delta in scene.shapes.values()]
    return Rig(
        str(path), torch.from_numpy(points[first]).float(), torch.from_numpy(faces),
        torch.from_numpy(packed.uv).float(), torch.from_numpy(packed.uv_faces),
        tuple(arkit_name(name) for name in scene.shapes),
        torch.from_numpy(np.stack(deltas)).float() if deltas else torch.zeros(0, len(first), 3),
        torch.zeros(0, len(first), 3), UNKNOWN_UNIT, _joined(landmarks, torch.from_numpy(index)),
        torch.from_numpy(parts), (*placement.notes, *scene.notes, *left_out, *notes, *kept),
    )  # fmt: skip


def _uv_mesh(scene: Scene) -> ObjMesh:
    """The scene's triangles; each of the file's vertices has its own texture coordinate."""
    return ObjMesh(scene.positions, scene.uv, scene.faces, scene.faces)


def _joined(landmarks: Landmarks, index: torch.Tensor) -> Landmarks:
    return landmarks._replace(vertices=index[landmarks.vertices])
