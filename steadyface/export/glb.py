"""One animated .glb of a whole track: a mesh, its morph targets and weights, the moving head, and the camera.

glTF 2.0 (Khronos, ISO/IEC 12113): metres, x right, y up, z towards the viewer, seconds. The camera stands at the
origin, as it does in the track.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pygltflib  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray
from torch import Tensor

from steadyface.export.axes import gltf_directions, gltf_points, gltf_rotations
from steadyface.export.gltf_buffer import GltfBuffer
from steadyface.export.key_frames import KeyFrames, head_poses, key_frames, steady_quaternions
from steadyface.export.mesh_sequence import require_face
from steadyface.export.morph_basis import ERROR_MM, MorphBasis, fit_morph_basis
from steadyface.export.seams import SplitMesh, split_at_seams
from steadyface.export.texture_image import texture_png
from steadyface.geometry.normals import vertex_normals
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack
from steadyface.types import SubjectStatistics

VERTEX = "_VERTEX"
"""The attribute that names the track's vertex of each vertex of the file, which has more: seams are doubled."""

_HEAD, _CAMERA = 0, 1  # the nodes


class WrittenGlb(NamedTuple):
    """What was written: bytes of the file, morph targets, and the distance of its vertices from the track's, mm."""

    size: int
    shapes: int
    error_mean_mm: float
    error_max_mm: float


def write_glb(
    track: Track | StoredTrack, statistics: SubjectStatistics, path: Path, texture: Tensor,
    error_mm: float = ERROR_MM,
) -> WrittenGlb:
    """Write a track as one .glb; the name appears once the file is whole.

    Args:
        statistics: faces and texture coordinates.
        texture: (3, U, U) linear, the base colour.
        error_mm: the largest distance from the track's vertices that is wanted (`fit_morph_basis`).

    Raises:
        InputError: no frame has a face.
    """
    require_face(track)
    basis, mesh = fit_morph_basis(track, error_mm), split_at_seams(statistics)
    gltf = _empty(basis, len(track))
    buffer = GltfBuffer(gltf)
    _add_mesh(gltf, buffer, basis, mesh, statistics)
    _add_material(gltf, buffer, texture)
    _add_nodes(gltf, track)
    _add_animation(gltf, buffer, track, basis)
    content = buffer.content()
    gltf.buffers.append(pygltflib.Buffer(byteLength=len(content)))
    gltf.set_binary_blob(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            stream.writelines(gltf.save_to_bytes())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return WrittenGlb(path.stat().st_size, len(basis.shapes), basis.error_mean_mm, basis.error_max_mm)


def _empty(basis: MorphBasis, frames: int) -> pygltflib.GLTF2:
    facts = {
        "basis_error_mean_mm": round(basis.error_mean_mm, 6), "basis_error_max_mm": round(basis.error_max_mm, 6),
        "frames": frames, "axes": "x right, y up, z towards the camera's back; metres",
    }  # fmt: skip
    return pygltflib.GLTF2(
        asset=pygltflib.Asset(version="2.0", generator="steadyface"), scene=0,
        scenes=[pygltflib.Scene(nodes=[_HEAD, _CAMERA], name="track", extras=facts)],
    )  # fmt: skip


def _add_mesh(
    gltf: pygltflib.GLTF2, buffer: GltfBuffer, basis: MorphBasis, mesh: SplitMesh, statistics: SubjectStatistics
) -> None:
    # of the mean, not of the base: a viewer that does not compute them anew shades an ordinary face
    normals = vertex_normals(torch.from_numpy(basis.mean)[None].double(), statistics.faces.cpu())[0].numpy()
    normals[np.linalg.norm(normals, axis=1) < 0.5] = (0.0, 0.0, -1.0)  # without area there is none, and glTF wants one
    vertex, target = mesh.vertex, pygltflib.ARRAY_BUFFER
    uv = np.stack([mesh.uv[:, 0], 1.0 - mesh.uv[:, 1]], axis=1)  # glTF counts v from the picture's first row
    attributes = pygltflib.Attributes(
        POSITION=buffer.add_array(_floats(gltf_points(basis.base[vertex])), target, bounds=True),
        NORMAL=buffer.add_array(_floats(gltf_directions(normals[vertex])), target),
        TEXCOORD_0=buffer.add_array(_floats(uv), target),
        **{VERTEX: buffer.add_array(_floats(vertex), target)},
    )
    targets = [
        {"POSITION": buffer.add_array(_floats(gltf_points(shape[vertex])), target, bounds=True)}
        for shape in basis.shapes
    ]
    kind = np.uint16 if len(vertex) < 2**16 - 1 else np.uint32
    indices = buffer.add_array(mesh.faces.reshape(-1).astype(kind), pygltflib.ELEMENT_ARRAY_BUFFER)
    names = [f"component {index:02d}" for index in range(len(targets))]
    primitive = pygltflib.Primitive(attributes=attributes, indices=indices, material=0, targets=targets)
    gltf.meshes.append(
        pygltflib.Mesh(
            primitives=[primitive], name="face", weights=basis.resting.tolist(), extras={"targetNames": names}
        )
    )


def _add_material(gltf: pygltflib.GLTF2, buffer: GltfBuffer, texture: Tensor) -> None:
    gltf.images.append(
        pygltflib.Image(bufferView=buffer.add_view(texture_png(texture)), mimeType="image/png", name="base colour")
    )
    gltf.samplers.append(
        pygltflib.Sampler(
            magFilter=pygltflib.LINEAR, minFilter=pygltflib.LINEAR_MIPMAP_LINEAR,
            wrapS=pygltflib.CLAMP_TO_EDGE, wrapT=pygltflib.CLAMP_TO_EDGE,
        )
    )  # fmt: skip
    gltf.textures.append(pygltflib.Texture(source=0, sampler=0))
    surface = pygltflib.PbrMetallicRoughness(
        baseColorTexture=pygltflib.TextureInfo(index=0), metallicFactor=0.0, roughnessFactor=0.6
    )
    # an open mesh shows its inside at the neck
    skin = pygltflib.Material(pbrMetallicRoughness=surface, doubleSided=True, name="skin", alphaCutoff=None)
    gltf.materials.append(skin)


def _add_nodes(gltf: pygltflib.GLTF2, track: Track | StoredTrack) -> None:
    first = int(track.found.nonzero()[0])
    intrinsics = track[first : first + 1].intrinsics[0].double()
    # the track does not know the picture's size: its centre is taken for the principal point
    angle = 2.0 * math.atan((float(intrinsics[1, 2]) + 0.5) / float(intrinsics[1, 1]))
    aspect = (float(intrinsics[0, 2]) + 0.5) / (float(intrinsics[1, 2]) + 0.5)
    lens = pygltflib.Perspective(yfov=angle, aspectRatio=aspect, znear=0.01, zfar=100.0)
    gltf.cameras.append(pygltflib.Camera(type="perspective", perspective=lens, name="camera"))
    gltf.nodes += [pygltflib.Node(mesh=0, name="head"), pygltflib.Node(camera=0, name="camera")]


def _add_animation(gltf: pygltflib.GLTF2, buffer: GltfBuffer, track: Track | StoredTrack, basis: MorphBasis) -> None:
    keys, poses = key_frames(track), head_poses(track)
    animation = pygltflib.Animation(name="track")
    times = buffer.add_array(keys.time_s, bounds=True)
    quaternions = steady_quaternions(gltf_rotations(poses.rotation))
    _add_channel(animation, "translation", times, buffer.add_array(_floats(gltf_points(poses.translation)[keys.face])))
    _add_channel(animation, "rotation", times, buffer.add_array(_floats(quaternions[keys.face])))
    if len(basis.shapes):
        _add_channel(animation, "weights", times, buffer.add_array(basis.weights[keys.face].reshape(-1)))
    _add_channel(animation, "scale", *_visibility(buffer, keys), interpolation="STEP")
    gltf.animations.append(animation)


def _visibility(buffer: GltfBuffer, keys: KeyFrames) -> tuple[int, int]:
    """glTF cannot hide a node in time: one without a face shrinks to nothing."""
    scale = np.repeat(keys.shown.astype(np.float32)[:, None], 3, axis=1)
    return buffer.add_array(keys.shown_s, bounds=True), buffer.add_array(scale)


def _add_channel(
    animation: pygltflib.Animation, path: str, times: int, values: int, interpolation: str = "LINEAR"
) -> None:
    animation.samplers.append(pygltflib.AnimationSampler(input=times, output=values, interpolation=interpolation))
    target = pygltflib.AnimationChannelTarget(node=_HEAD, path=path)
    animation.channels.append(pygltflib.AnimationChannel(sampler=len(animation.samplers) - 1, target=target))


def _floats(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(np.float32)
