"""The tracked face drawn over the frame it was tracked in: textured, as plain clay, or as contour lines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from numpy.typing import NDArray
from torch import Tensor

from steadyface.capture.video import VideoFrame, VideoWriter, probe, read_frames
from steadyface.errors import InputError
from steadyface.geometry.cameras import project
from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.rasterizer import Fragments, interpolate, rasterize
from steadyface.geometry.texture_space import sample_pixels
from steadyface.losses.colour_fit import fit_channels
from steadyface.tracking.track import Track
from steadyface.tracking.track_file import StoredTrack, track_blocks
from steadyface.types import SubjectStatistics

logger = logging.getLogger(__name__)

Image = NDArray[np.uint8]
TextureProvider = Callable[[int], Tensor]

_CLAY = (0.74, 0.76, 0.80)  # sRGB
_CONTOUR = (0.25, 0.95, 0.80)  # sRGB
_CONTOURED = ("lips",)  # what a viewer judges a tracking by, beside the head's outline and the eyes'
_LIDS, _LID_STEP_MM = "lids", 0.8  # the opening of the eye: a step in depth from the lid to what lies behind
_LOST = (220, 40, 40)  # sRGB bytes
_LIGHT = (-0.35, -0.55, -0.76)  # unit vector towards the light, camera axes: above, left, in front


def draw_overlay(
    frame: Image,
    vertices_camera: Tensor,
    intrinsics: Tensor,
    topology: SubjectStatistics,
    texture: Tensor | None = None,
    colour: Tensor | None = None,
    opacity: float = 0.85,
    contour: bool = False,
) -> Image:
    """Blend a tracked face over its frame.

    Args:
        frame: (H, W, 3) uint8 sRGB.
        vertices_camera: (N, 3) mm, camera frame.
        intrinsics: (3, 3) of this frame.
        topology: the subject's faces, uv and named regions.
        texture: (3, U, U) linear RGB as decoded; clay-coloured shading when None.
        colour: (3, 4) takes the model's linear colours to the camera's; fitted to this frame by
            masked least squares when None.
        opacity: of the face, 0 to 1.
        contour: draw the outlines of head, lips and eyes on top.

    Returns:
        (H, W, 3) uint8 sRGB; the frame itself where the face is out of the picture.
    """
    # one size of number throughout: float32 is what a picture needs
    vertices, intrinsics = vertices_camera.detach().float(), intrinsics.detach().float()
    rows, columns = _window(vertices, intrinsics, *frame.shape[:2])
    drawn = torch.from_numpy(frame[rows, columns].copy()).to(vertices.device)
    shift = intrinsics.new_tensor([columns.start, rows.start])
    intrinsics = torch.cat([torch.cat([intrinsics[:2, :2], intrinsics[:2, 2:] - shift[:, None]], 1), intrinsics[2:]])
    fragments = rasterize_front(vertices, topology.faces, intrinsics, *drawn.shape[:2])
    covered = torch.nonzero(fragments.triangle.flatten() >= 0)[:, 0]
    if len(covered) == 0:
        return frame.copy()
    pixels = drawn.view(-1, 3)
    behind = pixels[covered].to(vertices).t()[None, :, None] / 255.0
    listed = _list_pixels(fragments, covered)
    if texture is None:
        face = _clay(vertices, topology.faces, listed)
    else:
        face = _textured(listed, topology, texture.detach().to(vertices), behind, colour)
    blended = opacity * face + (1.0 - opacity) * behind
    pixels[covered] = (blended[0, :, 0].t().clamp(0.0, 1.0) * 255.0).round().byte()
    if contour:
        lines = contour_mask(fragments, topology)[0, 0]
        drawn[lines] = (drawn.new_tensor(_CONTOUR, dtype=torch.float32) * 255.0).byte()
    whole = frame.copy()
    whole[rows, columns] = drawn.cpu().numpy()
    return whole


def rasterize_front(vertices: Tensor, faces: Tensor, intrinsics: Tensor, height: int, width: int) -> Fragments:
    """What one image sees of a mesh's outside: half the triangles are half the work.

    Args:
        vertices: (N, 3) mm, camera frame.
        faces: (F, 3) long, counter-clockwise as seen from outside.
        intrinsics: (3, 3) of the image.
        height, width: of the image, pixels.
    """
    corners = vertices[faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = torch.nonzero((normals * corners[:, 0]).sum(dim=-1) < 0)[:, 0]
    found = rasterize(vertices[None], faces[front], intrinsics[None], height, width)
    if len(front) == 0:
        return found
    triangle = torch.where(found.triangle >= 0, front[found.triangle.clamp_min(0)], -1)
    return found._replace(triangle=triangle)


def _window(vertices: Tensor, intrinsics: Tensor, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the picture that hold the face, a pixel around it: the rest need not be touched."""
    pixels = torch.nan_to_num(project(vertices[None], intrinsics[None])[0])
    low, high = pixels.amin(dim=0).floor().long() - 1, pixels.amax(dim=0).ceil().long() + 2
    left, top = (int(value) for value in low.clamp_min(0))
    return slice(min(top, height), min(max(int(high[1]), top), height)), slice(
        min(left, width), min(max(int(high[0]), left), width)
    )


def _list_pixels(fragments: Fragments, covered: Tensor) -> Fragments:
    """The covered pixels as one row of a picture: what is off the face costs nothing from here on."""
    return Fragments(
        fragments.triangle.view(-1)[covered].view(1, 1, -1),
        fragments.barycentric.view(-1, 3)[covered].view(1, 1, -1, 3),
        fragments.depth.view(-1)[covered].view(1, 1, -1),
    )


def render_texture(fragments: Fragments, topology: SubjectStatistics, texture: Tensor) -> Tensor:
    """The texture at every pixel, (1, 3, H, W) in the texture's colours, 0 off the face.

    Args:
        fragments: of one image.
        topology: the subject's uv.
        texture: (3, U, U), rows grow with v.
    """
    uv = interpolate(fragments, topology.uv[topology.uv_faces].to(texture))
    texels = uv.flatten(1, 2) * texture.shape[-1] - 0.5
    values = sample_pixels(texture[None], texels).transpose(1, 2)
    return values.view(1, 3, *uv.shape[1:3]) * (fragments.triangle >= 0)[:, None]


def contour_mask(fragments: Fragments, topology: SubjectStatistics) -> Tensor:
    """Pixels on the outline of the head, of its lips and of the openings of its eyes, (1, 1, H, W) bool.

    The border of a region is where its list of vertices ends: drawn for the lips alone, whose border is one.
    """
    seen = fragments.triangle >= 0
    triangle = fragments.triangle.clamp_min(0)
    picture = seen.long() - 1
    for number, name in enumerate((name for name in _CONTOURED if name in topology.regions), start=1):
        picture[seen & _belongs(topology, name)[triangle]] = number
    edge = torch.zeros_like(seen)
    edge[:, :, 1:] |= picture[:, :, 1:] != picture[:, :, :-1]
    edge[:, 1:] |= picture[:, 1:] != picture[:, :-1]
    if _LIDS in topology.regions:
        lid = seen & _belongs(topology, _LIDS)[triangle]
        edge[:, :, 1:] |= (lid[:, :, 1:] != lid[:, :, :-1]) & _steps(fragments.depth)
        edge[:, 1:] |= (lid[:, 1:] != lid[:, :-1]) & _steps(fragments.depth.mT).mT
    return edge[:, None]


def _steps(depth: Tensor) -> Tensor:
    """Between which neighbours of a row the depth (B, H, W) jumps, and does not just slope on: (B, H, W - 1) bool."""
    slope = depth.diff(dim=2)
    padded = torch.nn.functional.pad(slope, [1, 1], mode="replicate")
    before, after = slope - padded[..., :-2], slope - padded[..., 2:]
    return torch.minimum(before.abs(), after.abs()) > _LID_STEP_MM


def _belongs(topology: SubjectStatistics, region: str) -> Tensor:
    """Which triangles lie in a region with all their corners, (F,) bool."""
    member = torch.zeros(topology.vertex_count, dtype=torch.bool, device=topology.faces.device)
    member[topology.regions[region]] = True
    return member[topology.faces].all(dim=1)


def write_overlay_video(
    clip: Path,
    track: Track | StoredTrack,
    topology: SubjectStatistics,
    out: Path,
    textures: TextureProvider | None = None,
    colour: Tensor | None = None,
    contour: bool = False,
) -> None:
    """Write a clip with its tracked face drawn over every frame; the name appears once it is whole.

    Times, length, turn and sound are those of the clip; the sound is copied as it is where mp4 can hold it. A frame
    without a face stays as it is, but for a small red dot in its corner. An odd width or height grows by a pixel.
    Of a clip whose end is missing, the tracked part is drawn.

    Args:
        clip: the video that was tracked, or the folder of images.
        track: its frames, in the clip's order; of a stored one a block at a time is in memory.
        topology: the subject's faces, uv and regions.
        out: the target, ``*.mp4``.
        textures: frame number -> (3, U, U) linear texture; clay-coloured shading when None.
        colour: (3, 4), as `draw_overlay`.
        contour: as `draw_overlay`.

    Raises:
        InputError: the clip has another number of frames than the track, or cannot be read.
    """
    info = probe(clip, partial=True)
    width, height = info.width + info.width % 2, info.height + info.height % 2  # H.264 stores colour at half size
    tracked = _single_frames(track)
    with VideoWriter(
        out, width, height, info.fps or 30.0, sound_of=clip if info.has_audio else None, pixel_aspect=info.pixel_aspect
    ) as writer:
        start = last = 0.0
        drawn = 0
        for frame in _readable_frames(clip, len(track)):
            if frame.index >= len(track):
                raise _frames_differ(clip, len(track), f"more than {frame.index}")
            one = next(tracked)
            if bool(one.found[0]):
                texture = textures(frame.index) if textures else None
                vertices = one.camera_vertices()[0]
                image = draw_overlay(
                    frame.image, vertices, one.intrinsics[0], topology, texture, colour, contour=contour
                )
            else:
                image = mark_lost(frame.image)
            writer.write(_pad(image, height, width), frame.time_s)
            start, last, drawn = frame.time_s if drawn == 0 else start, frame.time_s, drawn + 1
        if drawn < len(track):
            raise _frames_differ(clip, len(track), str(drawn))
        if info.is_whole and start + info.duration_s > last:
            writer.end_at(start + info.duration_s)


def _single_frames(track: Track | StoredTrack) -> Iterator[Track]:
    for block in track_blocks(track):
        for index in range(len(block)):
            yield block[index : index + 1]


def _readable_frames(clip: Path, tracked: int) -> Iterator[VideoFrame]:
    """The clip's frames; a fault behind the last one that was tracked is what ended the tracking, too."""
    read = 0
    try:
        for frame in read_frames(clip):
            yield frame
            read += 1
    except InputError as error:
        if read != tracked or read == 0:
            raise
        logger.warning("%s", error)


def mark_lost(image: Image) -> Image:
    """A copy of a frame (H, W, 3) with a small red dot in its top left corner: no face was found here."""
    radius = max(2.0, 0.012 * min(image.shape[:2]))
    row, column = np.ogrid[: image.shape[0], : image.shape[1]]
    marked = image.copy()
    marked[(row - 2 * radius) ** 2 + (column - 2 * radius) ** 2 <= radius**2] = _LOST
    return marked


def _pad(image: Image, height: int, width: int) -> Image:
    """The last row or column once more where the size is odd."""
    rows, columns = height - image.shape[0], width - image.shape[1]
    return np.pad(image, ((0, rows), (0, columns), (0, 0)), mode="edge") if rows or columns else image


def _frames_differ(clip: Path, expected: int, got: str) -> InputError:
    return InputError(clip, f"{expected} frames, as in its track", got, "draw a track over its own clip")


def _clay(vertices: Tensor, faces: Tensor, fragments: Fragments) -> Tensor:
    """Lambert shading without texture, (1, 3, H, W) sRGB."""
    normals = interpolate(fragments, vertex_normals(vertices[None], faces)[0][faces])
    normals = torch.nn.functional.normalize(normals, dim=-1)
    light = torch.nn.functional.normalize(normals.new_tensor(_LIGHT), dim=0)
    shade = 0.30 + 0.70 * (normals @ light).clamp_min(0.0)
    return (shade[..., None] * normals.new_tensor(_CLAY)).permute(0, 3, 1, 2)


def _textured(
    fragments: Fragments, topology: SubjectStatistics, texture: Tensor, behind: Tensor, colour: Tensor | None
) -> Tensor:
    """The model's texture in the camera's colours, (1, 3, H, W) sRGB; ``behind`` is the picture there."""
    rendered = render_texture(fragments, topology, texture)
    if colour is None:
        # gains alone: a full matrix is fitted to skin, and turns dark hair black or blue
        gain = fit_channels(rendered, rgb_to_linear_rgb(behind), torch.ones_like(behind[:, :1]), bias=False)
        colour = torch.cat([torch.diag(gain[:, 0]), gain.new_zeros(3, 1)], dim=1)
    colour = colour.to(rendered)
    corrected = torch.einsum("ij,bjhw->bihw", colour[:, :3], rendered) + colour[:, 3].view(1, 3, 1, 1)
    return linear_rgb_to_rgb(corrected.clamp(0.0, 1.0))
