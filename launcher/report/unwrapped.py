"""The texture as each network unwraps it from the clip: a face that is tracked well stays put and sharp."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor

from launcher.report.embed import webp_uri
from launcher.report.figures import ADAPTED, SOURCE, number, percent
from launcher.report.inputs import ReportClip
from launcher.report.sentences import row_name
from steadyface.capture.video import read_frames
from steadyface.geometry.texture_space import TexelMap, unwrap, visibility
from steadyface.tracking.heat_map import colour_scale
from steadyface.tracking.track import Track
from steadyface.types import SubjectStatistics

_MOST_FRAMES = 24  # spread over the clip
_SEEN_SHARE = 0.5  # of the frames: texels seen less often are left out


class UnwrappedTexture(NamedTuple):
    """Over a clip: mean (3, U, U) linear, deviation (U, U) in sRGB units, seen (U, U) share of the frames."""

    mean: Tensor
    deviation: Tensor
    seen: Tensor


def unwrapped_textures(clip: ReportClip, topology: SubjectStatistics) -> str:
    """Mean and deviation for the source and the adapted network, over the texels that both saw."""
    rows = [row for row in (SOURCE, ADAPTED) if row in clip.tracks]
    found = dict(zip(rows, unwrap_clip(clip, [clip.tracks[row] for row in rows], topology), strict=True))
    both = torch.stack([texture.seen >= _SEEN_SHARE for texture in found.values()]).all(dim=0)
    if not bool(both.any()):
        return ""
    blur = {row: float(texture.deviation[both].mean()) for row, texture in found.items()}
    limit = max(float(torch.quantile(texture.deviation[both], 0.98)) for texture in found.values())
    turned = upside_down(clip.tracks[SOURCE], topology)
    figures = "".join(_figure(row, found[row], both, limit, blur[row], turned) for row in rows)
    return (
        '<section class="part"><h3>The texture as unwrapped</h3>'
        f'<p>{_verdict(blur, limit)}</p><div class="textures">{figures}</div></section>'
    )


@torch.no_grad()
def unwrap_clip(clip: ReportClip, tracks: list[Track], topology: SubjectStatistics) -> list[UnwrappedTexture]:
    """Unwrap frames spread over the clip through each track; the video is read once.

    Args:
        clip: the video.
        tracks: of its frames.
        topology: the subject's faces and uv.
    """
    size = topology.texture_size
    texel_map = TexelMap.from_topology(topology.faces, topology.uv, topology.uv_faces, size)
    sums = [torch.zeros(7, size, size, dtype=torch.float64) for _ in tracks]
    step = max(1, len(tracks[0]) // _MOST_FRAMES)
    used = 0
    for frame in read_frames(clip.video):
        if frame.index % step or frame.index >= len(tracks[0]):
            continue
        image = torch.from_numpy(frame.image).permute(2, 0, 1)[None].float() / 255.0
        used += 1
        for total, track in zip(sums, tracks, strict=True):
            total += _frame_sums(image, track, frame.index, texel_map)
    return [_moments(total, used) for total in sums]


def _frame_sums(image: Tensor, track: Track, index: int, texel_map: TexelMap) -> Tensor:
    """Visibility, visible sRGB and its square, (7, U, U) float64; 0 where no face was found."""
    if not bool(track.found[index]):
        return torch.zeros(7, texel_map.size, texel_map.size, dtype=torch.float64)
    placed = (track.vertices[index] @ track.rotation[index].T + track.translation[index])[None].float()
    intrinsics = track.intrinsics[index][None].float()
    seen = unwrap(image, placed, intrinsics, texel_map)
    mask = visibility(placed, intrinsics, texel_map, *image.shape[-2:]) * seen.in_frame
    texture = seen.texture.double()
    return torch.cat([mask.double(), texture * mask, texture.square() * mask], dim=1)[0]


def _moments(total: Tensor, frames: int) -> UnwrappedTexture:
    count = total[:1].clamp_min(1e-9)
    mean = total[1:4] / count
    variance = (total[4:] / count - mean.square()).clamp_min(0.0)
    return UnwrappedTexture(rgb_to_linear_rgb(mean), variance.mean(dim=0).sqrt(), total[0] / max(frames, 1))


def upside_down(track: Track, topology: SubjectStatistics) -> bool:
    """Whether the layout's rows grow up the face: then it is turned over to be looked at."""
    height = track[track.found].camera_vertices()[0][:, 1].double()  # camera axes: y points down
    corners, texels = topology.faces.flatten(), topology.uv_faces.flatten()
    down, v = height[corners], topology.uv[texels, 1].double()
    return float(((down - down.mean()) * (v - v.mean())).sum()) < 0


def _figure(row: str, texture: UnwrappedTexture, both: Tensor, limit: float, blur: float, upside_down: bool) -> str:
    alpha = both.double()[None]
    mean = torch.cat([linear_rgb_to_rgb(texture.mean).clamp(0, 1), alpha])
    heat = torch.cat([colour_scale(texture.deviation, limit).permute(2, 0, 1).double(), alpha])
    rows, columns = torch.nonzero(both.any(dim=1))[:, 0], torch.nonzero(both.any(dim=0))[:, 0]
    seen = (slice(None), slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    pictures = "".join(
        f'<img alt="{escape(row_name(row))}, {what}" '
        f'src="{_picture(layers[seen].flip(1) if upside_down else layers[seen])}">'
        for what, layers in (("mean texture", mean), ("deviation", heat))
    )
    caption = f"{escape(row_name(row))} <b>{number(255 * blur)}</b> of 255 deviation over time"
    return f'<figure class="{row}"><figcaption>{caption}</figcaption>{pictures}</figure>'


def _picture(layers: Tensor) -> str:
    pixels = (layers.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    return webp_uri(pixels, quality=92)


def _verdict(blur: dict[str, float], limit: float) -> str:
    start = (
        f"Left the mean over the clip, right how much each texel changes (pale: stays put, darkest: by "
        f"{255 * limit:.0f} of 255 and more, both on one scale). Light that moves "
        "over the face adds to both alike; a texture that slides adds blur."
    )
    if ADAPTED not in blur:
        return start
    against = blur[ADAPTED] / blur[SOURCE] - 1.0 if blur[SOURCE] > 0 else 0.0
    if abs(against) < 0.02:
        return f"{start} Both stay put equally well here."
    steadier = "adapted" if against < 0 else "source"
    return f"{start} Here the {steadier} network's texture stays put better: adapted against source {percent(against)}."
