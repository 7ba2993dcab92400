"""Run by Blender's Python: imports a .glb and writes where its vertices are at some frames.

    python reads_in_blender.py FILE.glb SECONDS,SECONDS,... OUT.npz [PICTURE.png]

OUT.npz: positions (n, V, 3), metres, in the glTF file's axes; vertex (V,), the track's vertex of each.
"""

from __future__ import annotations

import contextlib
import sys

import numpy as np

with contextlib.suppress(ImportError):  # the tests' own Python reads this file, too, in search of examples
    import bpy  # type: ignore[import-not-found]

FPS = 100  # any: Blender turns the file's seconds into frames of the scene


def main(glb: str, seconds: str, out: str, picture: str = "") -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = FPS
    bpy.ops.import_scene.gltf(filepath=glb)
    (head,) = (thing for thing in bpy.context.scene.objects if thing.type == "MESH")
    vertex = np.empty(len(head.data.vertices), np.float32)
    head.data.attributes["_VERTEX"].data.foreach_get("value", vertex)
    positions = [positions_at(head, float(time)) for time in seconds.split(",")]
    np.savez(out, positions=np.stack(positions), vertex=vertex.astype(np.int64))
    if picture:
        render(picture)


def positions_at(head: bpy.types.Object, time_s: float) -> np.ndarray:
    """Vertices of the evaluated mesh in the world (V, 3), turned back from Blender's z-up axes to glTF's."""
    frame = time_s * FPS
    bpy.context.scene.frame_set(int(frame), subframe=frame - int(frame))
    shown = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    flat = np.empty(3 * len(shown.data.vertices), np.float32)
    shown.data.vertices.foreach_get("co", flat)
    world = np.array(shown.matrix_world)
    x, y, z = (flat.reshape(-1, 3).astype(np.float64) @ world[:3, :3].T + world[:3, 3]).T
    return np.stack([x, z, -y], axis=1)


def render(picture: str) -> None:
    """A picture through the file's own camera."""
    scene = bpy.context.scene
    scene.camera = next(thing for thing in scene.objects if thing.type == "CAMERA")
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", 16
    scene.render.resolution_x, scene.render.resolution_y = 240, 320
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.8, 0.8, 0.8, 1.0)
    light = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    light.data.energy, light.rotation_euler = 2.0, (0.9, 0.5, 0.0)
    scene.collection.objects.link(light)
    scene.render.filepath = picture
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
