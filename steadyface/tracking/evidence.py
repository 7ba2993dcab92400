"""What a frame says of its own track: how well picture, model and points agree, for the whole face and its regions.

Nothing here knows the truth. ``confidence`` turns it into probabilities, ``presence`` into a face that is there.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from steadyface.geometry.cameras import NEAREST_DEPTH_MM, project, transform, view_direction
from steadyface.geometry.contrast import box_sum, local_deviation, normalise_contrast
from steadyface.geometry.texture_space import unwrap
from steadyface.networks.encoder import Encoder, Prediction
from steadyface.networks.face_model import FaceModel
from steadyface.networks.point_network import FoundPoints
from steadyface.tracking.front_texels import FrontTexels, front_texels_of
from steadyface.types import SubjectStatistics

RADIUS = 3
"""Half side of the neighbourhood in which contrast is normalised, texels."""

NEAR_POINTS = 6
"""Points nearest to a region that stand for it."""


class Evidence(NamedTuple):
    """Of B frames, and of R regions each. Every field is (B,) or (B, R), but latent (B, Z) and place (B, 3).

    residual: masked L1 of contrast-normalised textures over the lab's 95th percentile; correlation: of the two,
    in [-1, 1]; outside: share of the texels in view whose local residual is beyond the lab's range; coverage:
    share of the texels turned to the camera that lie in the picture; contrast: log of the observed over the
    model's relative contrast; latent_distance: Mahalanobis norm over the square root of Z; expression_mm: mean
    distance of the decoded mesh from the mean mesh; turn: angle between the line of sight and the middle of the
    lab's, radians; doubt and misfit: the points' own doubt, and their distance from where the state puts them, as
    shares of the crop's side; peak: the highest cell of a point's heat map, mean over the points; latent: in
    deviations of the lab's; place: of the head, x/z, y/z and log z. nan where nothing can be said: no texel in view,
    or an encoder without points.
    """

    residual: Tensor
    correlation: Tensor
    outside: Tensor
    coverage: Tensor
    contrast: Tensor
    latent_distance: Tensor
    expression_mm: Tensor
    turn: Tensor
    doubt: Tensor
    misfit: Tensor
    peak: Tensor
    latent: Tensor
    place: Tensor
    region_residual: Tensor
    region_correlation: Tensor
    region_outside: Tensor
    region_coverage: Tensor
    region_contrast: Tensor
    region_expression_mm: Tensor
    region_doubt: Tensor
    region_misfit: Tensor

    def __getitem__(self, frames: slice | Tensor) -> Evidence:  # type: ignore[override]
        """Some of the frames."""
        return Evidence(*(getattr(self, name)[frames] for name in self._fields))


def join_evidence(parts: list[Evidence]) -> Evidence:
    """Evidence of neighbouring stretches as one."""
    return Evidence(*(torch.cat(values) for values in zip(*map(tuple, parts), strict=True)))


@torch.no_grad()
def frame_evidence(
    statistics: SubjectStatistics, face_model: FaceModel, encoder: Encoder, image: Tensor, intrinsics: Tensor,
    prediction: Prediction, picture: Tensor | None = None,
) -> Evidence:
    """The evidence of B frames, on the CPU.

    Args:
        statistics, face_model, encoder: of the subject, on the image's device.
        image: (B, 3, S, S) sRGB crop in [0, 1].
        intrinsics: (B, 3, 3) of the crop.
        prediction: what the encoder said of the crops; its state may have been replaced since.
        picture: (B, 4), where the picture lies in the crop, `picture_in_crop`: a crop that reaches beyond it is black
            there, which is nothing that was seen. The whole crop where it is left out.
    """
    table, state = front_texels_of(face_model, statistics), prediction.state
    view = view_direction(state.rotation, state.translation)
    vertices, texture = face_model.decode(state.latent, face_model.clamp_view(view))
    placed = transform(vertices, state.rotation, state.translation)
    seen = unwrap(rgb_to_linear_rgb(image), placed, intrinsics, table.texel_map)
    front = table.mask(view)
    if texture.shape[-1] != table.texel_map.size:
        texture = adaptive_avg_pool2d(texture, table.texel_map.size)
    limit = float(encoder.lab_residual[1]) or 1.0
    inside = seen.in_frame
    if picture is not None:
        within = ((seen.pixels >= picture[:, None, :2]) & (seen.pixels <= picture[:, None, 2:])).all(-1, keepdim=True)
        inside = inside * table.texel_map.scatter(within.to(inside))
    by_texel = _texture_evidence(seen.texture, texture, front, front * inside, table, limit)
    latent, translation = face_model.whiten(state.latent), state.translation
    depth = translation[:, 2:].clamp(min=NEAREST_DEPTH_MM)
    by_point = _point_evidence(prediction.points, encoder.landmark_vertices, placed, intrinsics, image.shape[-1],
                               table, statistics)  # fmt: skip
    moved = (vertices - statistics.vertex_mean).norm(dim=-1)
    by_region = [moved[:, index].mean(1) for index in statistics.regions.values()]
    found = Evidence(
        latent=latent,
        place=torch.cat([translation[:, :2] / depth, depth.log()], dim=1),
        latent_distance=latent.norm(dim=-1) / latent.shape[-1] ** 0.5,
        expression_mm=moved.mean(1),
        region_expression_mm=torch.stack(by_region, dim=1) if by_region else moved[:, :0],
        turn=torch.acos((view @ face_model.view_centre).clamp(-1.0, 1.0)),
        **by_texel,
        **by_point,
    )
    return Evidence(*(values.cpu() for values in found))


def picture_in_crop(box: Tensor, size: int, width: int, height: int) -> Tensor:
    """Where a picture lies in its crops: the first and last column and row of pixel centres, in pixels of the crop.

    Shapes: box (B, 4), x, y, w, h in pixels of a picture of width x height; crops of size x size -> (B, 4), left,
    top, right, bottom.

    >>> picture_in_crop(torch.tensor([[-10.0, 0.0, 40.0, 40.0]]), 40, 100, 20)
    tensor([[ 10.,   0., 109.,  19.]])
    """
    low, scale = box[:, :2], size / box[:, 2:]
    corners = box.new_tensor([[0.0, 0.0], [width - 1.0, height - 1.0]])
    return ((corners + 0.5 - low[:, None]) * scale[:, None] - 0.5).flatten(1)


def _texture_evidence(
    observed: Tensor, model: Tensor, front: Tensor, mask: Tensor, table: FrontTexels, limit: float
) -> dict[str, Tensor]:
    """observed, model (B, 3, U, U) linear; front, mask (B, 1, U, U): turned to the camera, and in the picture too."""
    one, two = normalise_contrast(observed, mask, RADIUS), normalise_contrast(model, mask, RADIUS)
    difference = (one - two).abs().mean(1, keepdim=True)
    local = box_sum(difference * mask, 2) / box_sum(mask, 2).clamp(min=0.5)
    maps = {
        "residual": difference / limit,
        "outside": (local > limit).to(mask),
        "product": (one * two).sum(1, keepdim=True),
        "own": one.square().sum(1, keepdim=True),
        "other": two.square().sum(1, keepdim=True),
        "observed": observed.mean(1, keepdim=True),
        "model": model.mean(1, keepdim=True),
        "observed_deviation": local_deviation(observed, mask, RADIUS).mean(1, keepdim=True),
        "model_deviation": local_deviation(model, mask, RADIUS).mean(1, keepdim=True),
    }
    stacked = torch.cat(list(maps.values()), dim=1).flatten(2) * mask.flatten(2)  # (B, maps, texels)
    area = torch.cat([table.region.new_ones(1, table.region.shape[1]), table.region])  # (1 + R, texels)
    count = mask.flatten(1) @ area.t()
    means = dict(zip(maps, (stacked @ area.t() / count.unsqueeze(1)).unbind(1), strict=True))  # nan: nothing in view
    relative = (means["observed_deviation"] + 1e-4) / (means["observed"] + 0.01)
    usual = (means["model_deviation"] + 1e-4) / (means["model"] + 0.01)
    values = {
        "residual": means["residual"],
        "outside": means["outside"],
        "correlation": means["product"] / (means["own"] * means["other"]).sqrt().clamp(min=1e-3),
        "contrast": (relative / usual.clamp(min=1e-6)).log(),
        "coverage": count / (front.flatten(1) @ area.t()),
    }
    values["coverage"] = values["coverage"].nan_to_num(0.0)  # a region that is turned away is not covered
    whole = {name: value[:, 0] for name, value in values.items()}
    return whole | {f"region_{name}": value[:, 1:] for name, value in values.items()}


def _point_evidence(
    points: FoundPoints | None, vertices: Tensor | None, placed: Tensor, intrinsics: Tensor, side: int,
    table: FrontTexels, statistics: SubjectStatistics,
) -> dict[str, Tensor]:
    count, regions = len(placed), len(table.names)
    if points is None or vertices is None:
        none, none_each = placed.new_full((count,), torch.nan), placed.new_full((count, regions), torch.nan)
        return dict(doubt=none, misfit=none, peak=none, region_doubt=none_each, region_misfit=none_each)
    doubt = points.doubt_px / side
    misfit = (points.pixels - project(placed[:, vertices], intrinsics)).norm(dim=-1) / side
    near = nearest_points(statistics, vertices)
    return dict(
        doubt=doubt.mean(1), misfit=misfit.mean(1), peak=points.log_heat.flatten(2).amax(-1).exp().mean(1),
        region_doubt=doubt[:, near].mean(-1), region_misfit=misfit[:, near].mean(-1),
    )  # fmt: skip


def nearest_points(statistics: SubjectStatistics, vertices: Tensor) -> Tensor:
    """Which of the points at ``vertices`` (L,) lie nearest to each region of the mean mesh: (R, NEAR_POINTS)."""
    places = statistics.vertex_mean[vertices]
    count = min(NEAR_POINTS, len(vertices))
    nearest = [
        torch.cdist(places, statistics.vertex_mean[index]).amin(1).topk(count, largest=False).indices
        for index in statistics.regions.values()
    ]
    return torch.stack(nearest) if nearest else vertices.new_zeros(0, count)
