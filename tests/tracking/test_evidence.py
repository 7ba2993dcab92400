"""Evidence against a slow loop over texels; what light, a wrong pose and an empty picture do to it."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor
from torch.nn.functional import grid_sample

from steadyface.geometry import rasterizer
from steadyface.geometry.cameras import project, transform, view_direction
from steadyface.geometry.texture_space import visibility
from steadyface.networks.encoder import Prediction
from steadyface.tracking.evidence import RADIUS, Evidence, frame_evidence, join_evidence, nearest_points
from steadyface.tracking.front_texels import front_texels_of
from steadyface.types import FaceState

SIZE = 160
K = torch.tensor([[[380.0, 0.0, 79.5], [0.0, 380.0, 79.5], [0.0, 0.0, 1.0]]])


def front(aside_mm: float = 0.0) -> FaceState:
    return FaceState(torch.zeros(1, 4), torch.eye(3)[None], torch.tensor([[aside_mm, 0.0, 700.0]]))


class Scene(NamedTuple):
    """A picture, the state it shows, and the points that an encoder finds in it."""

    image: Tensor
    prediction: Prediction


@pytest.fixture
def scene(tracked) -> Scene:
    state, statistics = front(), tracked.statistics
    view = tracked.face_model.clamp_view(view_direction(state.rotation, state.translation))
    vertices, texture = tracked.face_model.decode(state.latent, view)
    placed = transform(vertices, state.rotation, state.translation)
    fragments = rasterizer.rasterize(placed, statistics.faces, K, SIZE, SIZE)
    place = rasterizer.interpolate(fragments, statistics.uv[statistics.uv_faces])
    image = linear_rgb_to_rgb(grid_sample(texture.clamp(0, 1), place * 2 - 1, align_corners=False))
    with torch.no_grad():
        points = tracked.encoder.predict(image[..., :128, :128], K).points
    true = project(placed[:, tracked.encoder.landmark_vertices], K)
    return Scene(image, Prediction(state, points._replace(pixels=true)))


def evidence(tracked, scene: Scene, image: Tensor | None = None, state: FaceState | None = None) -> Evidence:
    prediction = scene.prediction._replace(state=state or scene.prediction.state)
    picture = scene.image if image is None else image
    return frame_evidence(tracked.statistics, tracked.face_model, tracked.encoder, picture, K, prediction)


def slow_normalised(texture: Tensor, mask: Tensor) -> Tensor:
    """(3, U, U), (U, U): minus the local mean, over the local deviation of that, texel by texel."""
    result, inside = torch.zeros_like(texture), [tuple(place) for place in torch.nonzero(mask > 0).tolist()]

    def mean(values: dict[tuple[int, int], float], r: int, c: int) -> float:
        near = [value for (y, x), value in values.items() if abs(y - r) <= RADIUS and abs(x - c) <= RADIUS]
        return sum(near) / len(near)

    for channel in range(3):
        values = {place: float(texture[channel][place]) for place in inside}
        centred = {place: value - mean(values, *place) for place, value in values.items()}
        squares = {place: value**2 for place, value in centred.items()}
        for place, value in centred.items():
            result[channel][place] = value / math.sqrt(mean(squares, *place) + 0.01**2)
    return result


def test_residual_correlation_and_coverage_against_a_loop(tracked, scene) -> None:
    statistics, model = tracked.statistics, tracked.face_model
    state = front(aside_mm=150.0)  # part of the face is out of the picture
    scene = scene._replace(image=0.5 * scene.image + 0.5 * torch.rand_like(scene.image))  # contrast everywhere
    found = evidence(tracked, scene, state=state)
    table = front_texels_of(model, statistics)
    view = view_direction(state.rotation, state.translation)
    vertices, texture = model.decode(state.latent, model.clamp_view(view))
    placed, linear = transform(vertices, state.rotation, state.translation)[0], rgb_to_linear_rgb(scene.image)[0]
    seen_from_front, size = table.mask(view)[0, 0], table.texel_map.size
    observed, mask = torch.zeros(3, size, size), torch.zeros(size, size)
    lists = (table.texel_map.corners.tolist(), table.texel_map.barycentric.tolist(), table.texel_map.index.tolist())
    for corners, weights, index in zip(*lists, strict=True):
        point = sum(w * placed[c] for w, c in zip(weights, corners, strict=True))
        x, y = (380 * float(point[axis]) / float(point[2]) + 79.5 for axis in (0, 1))
        r, c = divmod(index, size)
        if not (0 <= x <= SIZE - 1 and 0 <= y <= SIZE - 1):
            continue
        x0, y0 = min(int(x), SIZE - 2), min(int(y), SIZE - 2)
        a, b = x - x0, y - y0
        observed[:, r, c] = (
            (1 - a) * (1 - b) * linear[:, y0, x0] + a * (1 - b) * linear[:, y0, x0 + 1]
            + (1 - a) * b * linear[:, y0 + 1, x0] + a * b * linear[:, y0 + 1, x0 + 1]
        )  # fmt: skip
        mask[r, c] = seen_from_front[r, c]
    one, two = slow_normalised(observed, mask), slow_normalised(texture[0], mask)
    limit = float(tracked.encoder.lab_residual[1]) or 1.0
    members = [table.region.new_ones(size * size), *table.region]
    for column, member in enumerate(members):
        chosen = (member.view(size, size) > 0) & (mask > 0)
        front_count = ((member.view(size, size) > 0) & (seen_from_front > 0)).sum()
        said = {
            name: float(getattr(found, name)[0] if column == 0 else getattr(found, f"region_{name}")[0, column - 1])
            for name in ("coverage", "residual", "correlation")
        }
        assert said["coverage"] == pytest.approx(float(chosen.sum() / front_count) if front_count else 0.0)
        if not chosen.any():
            assert math.isnan(said["residual"])
            continue
        residual = float((one - two).abs().mean(0)[chosen].mean()) / limit
        product = float((one * two).sum(0)[chosen].sum())
        size_of = math.sqrt(float(one.square().sum(0)[chosen].sum()) * float(two.square().sum(0)[chosen].sum()))
        assert said["residual"] == pytest.approx(residual, abs=2e-3)
        assert said["correlation"] == pytest.approx(product / size_of, abs=2e-3)
    assert 0.1 < float(found.coverage) < 0.95


def test_the_front_that_is_looked_up_is_the_one_that_is_seen(tracked) -> None:
    table, statistics = front_texels_of(tracked.face_model, tracked.statistics), tracked.statistics
    cosine, sine = math.cos(0.4), math.sin(0.4)
    turn = torch.tensor([[[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]]])
    for rotation in (torch.eye(3)[None], turn, turn.transpose(1, 2)):
        translation = torch.tensor([[0.0, 0.0, 700.0]])
        placed = transform(statistics.vertex_mean[None], rotation, translation)
        seen = visibility(placed, K, table.texel_map, SIZE, SIZE) > 0
        looked_up = table.mask(view_direction(rotation, translation)) > 0
        # looked up is eroded by a texel: nearly all of it must be seen, and most of the inside must be there
        assert float((looked_up & seen).sum() / looked_up.sum()) > 0.93
        assert float(looked_up.sum() / seen.sum()) > 0.45
    assert front_texels_of(tracked.face_model, tracked.statistics) is table


def test_light_is_no_evidence_a_wrong_pose_is(tracked, scene) -> None:
    right, dark = evidence(tracked, scene), evidence(tracked, scene, image=scene.image * 0.75)
    aside = evidence(tracked, scene, state=front(aside_mm=12.0))
    assert abs(float(dark.correlation - right.correlation)) < 0.05
    assert abs(float(dark.residual - right.residual)) < 0.1
    assert float(right.correlation) > 0.85 and float(aside.correlation) < float(right.correlation) - 0.2
    assert float(aside.residual) > 1.3 * float(right.residual) and float(aside.outside) >= float(right.outside)
    assert float(right.misfit) < 1e-4 < 0.02 < float(aside.misfit)
    assert float(right.latent_distance) == pytest.approx(float(tracked.face_model.latent_mean.norm()) / 2, abs=1e-5)


def test_no_contrast_is_seen_as_such(tracked, scene) -> None:
    grey = evidence(tracked, scene, image=torch.full_like(scene.image, 0.5))
    assert float(grey.contrast) < float(evidence(tracked, scene).contrast) - 2.0
    assert abs(float(grey.correlation)) < 0.05


def test_out_of_the_picture_nothing_is_known(tracked, scene) -> None:
    gone = evidence(tracked, scene, state=front(aside_mm=3000.0))
    assert float(gone.coverage) == 0.0 and not gone.region_coverage.any()
    assert torch.isnan(gone.residual).all() and torch.isnan(gone.region_correlation).all()


def test_an_encoder_without_points_says_nothing_of_them(tracked, scene) -> None:
    bare = scene._replace(prediction=scene.prediction._replace(points=None))
    found = evidence(tracked, bare)
    assert torch.isnan(found.doubt).all() and torch.isnan(found.region_misfit).all()
    assert torch.isfinite(found.residual).all()


def test_near_points_and_joining(tracked, scene) -> None:
    vertices = tracked.encoder.landmark_vertices
    near, names = nearest_points(tracked.statistics, vertices), list(tracked.statistics.regions)
    lips = tracked.statistics.regions["lips"]
    held = {int(v) for v in vertices} & {int(v) for v in lips}
    chosen = {int(vertices[place]) for place in near[names.index("lips")]}
    assert len(chosen & held) >= min(len(held), near.shape[1]) - 1
    one = evidence(tracked, scene)
    both = join_evidence([one, one])
    assert both.residual.shape == (2,) and both.region_residual.shape == (2, len(names))
    assert torch.equal(both[1:].region_doubt, one.region_doubt)
