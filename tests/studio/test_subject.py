"""The synthetic subject: topology, expression shapes, skin. One subject is built and shared."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import Tensor

from steadyface.geometry.normals import vertex_normals
from steadyface.geometry.rasterizer import rasterize
from steadyface.studio import layout
from steadyface.studio.atlas import FULL_SIZE
from steadyface.studio.expressions import EXPRESSION_NAMES
from steadyface.studio.subject import Subject

REGIONS = {"lips", "lids", "brows", "nose", "cheeks", "jaw", "rigid"}


@pytest.fixture(scope="module")
def subject() -> Subject:
    return Subject(0)


@pytest.fixture(scope="module")
def neutral(subject: Subject) -> Tensor:
    return subject.vertices(weights())[0]


def weights(**amounts: float) -> Tensor:
    """(1, E) weights; a name without Left or Right sets both sides."""
    row = torch.zeros(1, len(EXPRESSION_NAMES))
    for name, amount in amounts.items():
        found = [index for index, full in enumerate(EXPRESSION_NAMES) if full in (name, name + "Left", name + "Right")]
        assert found, name
        row[0, found] = amount
    return row


def head_row(vertices: Tensor, row: int) -> Tensor:
    return vertices[row * layout.COLUMNS : (row + 1) * layout.COLUMNS]


def lid_gap(vertices: Tensor, side: float) -> float:
    """Largest vertical distance (mm) between the margins of an eye's lids."""
    inner, outer = sorted(side * corner for corner in layout.EYE_CORNERS_X)
    columns = torch.from_numpy(layout.front_columns(inner, outer))
    upper = head_row(vertices, layout.EYE_SLIT_ROW)[columns]
    lower = head_row(vertices, layout.EYE_SLIT_ROW + 3)[columns]
    return float((lower - upper)[:, 1].max())


def lip_gap(vertices: Tensor) -> float:
    """Vertical distance (mm) between the lips in the middle."""
    middle = int(layout.front_columns(0.0, 0.0)[0])
    contact = layout.MOUTH_SLIT_ROW
    return float((head_row(vertices, contact + 3) - head_row(vertices, contact))[middle, 1])


def motion(subject: Subject, neutral: Tensor, **amounts: float) -> Tensor:
    return (subject.vertices(weights(**amounts))[0] - neutral).norm(dim=-1)


def test_topology(subject: Subject, neutral: Tensor) -> None:
    assert 7000 <= len(neutral) <= 7600 and len(neutral) == layout.VERTEX_COUNT
    assert subject.faces.shape == subject.uv_faces.shape and subject.faces.dtype == torch.long
    assert torch.equal(subject.faces.unique(), torch.arange(len(neutral))), "a vertex without a triangle"
    assert int(subject.uv_faces.max()) == len(subject.uv) - 1
    assert float(subject.uv.min()) >= 0.0 and float(subject.uv.max()) <= 1.0
    assert len(EXPRESSION_NAMES) >= 28 and len(set(EXPRESSION_NAMES)) == len(EXPRESSION_NAMES)


def test_proportions(neutral: Tensor, subject: Subject) -> None:
    face = neutral[: layout.HEAD.count]
    assert 140.0 < float(face[:, 0].max() - face[:, 0].min()) < 175.0
    assert 235.0 < float(face[:, 1].max() - face[:, 1].min()) < 305.0
    nose = neutral[subject.regions["nose"]]
    assert float(nose[:, 2].min()) == pytest.approx(float(face[:, 2].min())), "the nose is what stands out farthest"
    pupils = [neutral[chart.vertices].mean(0)[0] for chart in (layout.LEFT_EYE, layout.RIGHT_EYE)]
    assert 55.0 < float(pupils[0] - pupils[1]) < 70.0, "the left eye lies at +x"


def test_normals_point_outwards(subject: Subject, neutral: Tensor) -> None:
    normals = vertex_normals(neutral[None], subject.faces)[0]
    outwards = torch.nn.functional.normalize(neutral - torch.tensor([0.0, 0.0, 0.0]), dim=-1)
    share = ((normals * outwards).sum(-1) > 0)[: layout.HEAD.count].float().mean()
    assert share > 0.93
    for chart in (layout.LEFT_EYE, layout.RIGHT_EYE):
        offset = neutral[chart.vertices] - neutral[chart.vertices].mean(0) - torch.tensor([0.0, 0.0, 9.0])
        assert ((normals[chart.vertices] * offset).sum(-1) > 0).float().mean() > 0.9


def test_the_texture_layout_does_not_overlap(subject: Subject) -> None:
    """The areas of the triangles must add up to the area that they cover together."""
    corners = subject.uv.double()[subject.uv_faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    signed = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2.0
    assert bool((signed < 0).all()), "no triangle is flipped or empty"
    size = 1024
    flat = torch.cat([subject.uv * size - 0.5, torch.ones(len(subject.uv), 1)], dim=-1) * 2.0
    covered = rasterize(flat[None], subject.uv_faces, torch.eye(3)[None], size, size).triangle >= 0
    assert float(covered.float().mean()) == pytest.approx(float(-signed.sum()), rel=2e-3)


def test_the_face_gets_most_of_the_texels(subject: Subject, neutral: Tensor) -> None:
    corners = subject.uv[subject.uv_faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).abs() / 2.0
    middle = neutral[subject.faces].mean(1)
    front = (middle[:, 2] < -40.0) & (middle[:, 1].abs() < 105.0)
    assert float(area[front].sum() / area.sum()) > 0.5


def test_the_same_seed_gives_the_same_person(subject: Subject) -> None:
    again = Subject(0)
    expression = weights(jawOpen=0.4, mouthSmile=0.7)
    assert torch.equal(subject.vertices(expression), again.vertices(expression))
    assert torch.equal(subject.albedo(expression, 64), again.albedo(expression, 64))
    assert all(torch.equal(subject.regions[name], again.regions[name]) for name in REGIONS)


def test_another_seed_gives_another_person_on_the_same_topology(subject: Subject, neutral: Tensor) -> None:
    other = Subject(1)
    assert torch.equal(subject.faces, other.faces) and torch.equal(subject.uv, other.uv)
    distance = (other.vertices(weights())[0] - neutral).norm(dim=-1)
    assert float(distance.mean()) > 0.8 and float(distance.max()) < 30.0
    assert float((other.albedo(weights(), 64) - subject.albedo(weights(), 64)).abs().mean()) > 0.02


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_lids_close(subject: Subject, neutral: Tensor, side: float) -> None:
    assert lid_gap(neutral, side) > 6.0
    assert lid_gap(subject.vertices(weights(eyeBlink=1.0))[0], side) < 1.0
    one_eye = subject.vertices(weights(**{"eyeBlinkLeft" if side > 0 else "eyeBlinkRight": 1.0}))[0]
    assert lid_gap(one_eye, side) < 1.0 and lid_gap(one_eye, -side) > 6.0
    beyond = subject.vertices(weights(eyeBlink=1.0, eyeLookDown=1.0, eyeSquint=1.0))[0]
    assert -1.0 < lid_gap(beyond, side) < 1.0, "a shut lid goes no farther"


@pytest.mark.parametrize("closure", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_no_eyeball_shows_through_a_lid(subject: Subject, closure: float) -> None:
    """Seen from the front, there is skin above the upper margin and below the lower one, not eyeball."""
    vertices = subject.vertices(weights(eyeBlink=closure))
    size, focal, distance = 400, 3000.0, 900.0
    intrinsics = torch.tensor([[[focal, 0.0, 200.0], [0.0, focal, 200.0], [0.0, 0.0, 1.0]]])
    for chart, side in ((layout.LEFT_EYE, 1.0), (layout.RIGHT_EYE, -1.0)):
        placed = vertices + torch.tensor([-31.0 * side, 14.0, distance])
        seen = rasterize(placed, subject.faces, intrinsics, size, size).triangle[0]
        first = subject.faces[:, 0]
        is_eye = (first >= chart.vertices.start) & (first < chart.vertices.stop)
        row, column = torch.nonzero(is_eye[seen.clamp(min=0)] & (seen >= 0), as_tuple=True)
        assert len(row) < 25 if closure == 1.0 else len(row) > 150
        inner, outer = sorted(side * corner for corner in layout.EYE_CORNERS_X)
        slit = torch.from_numpy(layout.front_columns(inner, outer))
        for margin, outwards in ((layout.EYE_SLIT_ROW, -1.0), (layout.EYE_SLIT_ROW + 3, 1.0)):
            line = head_row(placed[0], margin)[slit]
            pixels = 200.0 + focal * line[:, :2] / line[:, 2:]
            height = np.interp(column.numpy(), pixels[:, 0].numpy(), pixels[:, 1].numpy())
            beyond = outwards * (row.numpy() - height)
            assert beyond.max(initial=0.0) < 3.0, "pixels of eyeball, of a third of a millimetre, beyond a margin"


def test_lips_part_when_the_jaw_opens(subject: Subject, neutral: Tensor) -> None:
    assert abs(lip_gap(neutral)) < 1.0
    assert lip_gap(subject.vertices(weights(jawOpen=1.0))[0]) > 10.0
    assert abs(lip_gap(subject.vertices(weights(jawOpen=1.0, mouthClose=1.0))[0])) < 2.0
    assert torch.equal(subject.vertices(weights(mouthClose=1.0))[0], neutral), "closed lips cannot close"


def test_the_chin_travels_as_far_as_a_chin_does(subject: Subject, neutral: Tensor) -> None:
    moved = subject.vertices(weights(jawOpen=1.0))[0] - neutral
    chin = int(layout.HEAD.index()[layout.CROWN_ROWS + 62, layout.front_columns(0.0, 0.0)[0]])
    assert 18.0 < float(moved[chin].norm()) < 26.0
    assert float(moved[chin, 1]) > 10.0, "downwards"


def test_nothing_moves_the_rigid_region(subject: Subject, neutral: Tensor) -> None:
    every = torch.cat([torch.eye(len(EXPRESSION_NAMES)), torch.ones(1, len(EXPRESSION_NAMES))])
    moved = (subject.vertices(every) - neutral).abs()
    rigid = subject.regions["rigid"]
    assert len(rigid) > 100
    assert float(moved[:, rigid].max()) < 1e-4
    heights = neutral[rigid, 1]
    assert float(heights.min()) < -60.0 and float(heights.max()) > -16.0, "forehead and nose bridge"
    alone = [index for index, name in enumerate(EXPRESSION_NAMES) if name != "mouthClose"]  # it needs an open jaw
    assert float(moved[alone].amax(dim=(1, 2)).min()) > 0.5, "a shape that moves nothing"


def test_regions_name_what_they_say(subject: Subject, neutral: Tensor) -> None:
    assert set(subject.regions) == REGIONS
    assert all(len(index) > 50 and index.dtype == torch.long for index in subject.regions.values())
    heights = {name: float(neutral[index, 1].mean()) for name, index in subject.regions.items()}
    assert heights["brows"] < heights["lids"] < heights["nose"] < heights["lips"] < heights["jaw"]


@pytest.mark.parametrize(
    ("name", "mover", "still"),
    [
        ("mouthSmile", "lips", "brows"),
        ("browInnerUp", "brows", "lips"),
        ("eyeBlink", "lids", "nose"),
        ("cheekPuff", "cheeks", "brows"),
        ("noseSneer", "nose", "brows"),
        ("jawOpen", "jaw", "lids"),
        ("mouthPucker", "lips", "lids"),
    ],
)
def test_shapes_are_local(subject: Subject, neutral: Tensor, name: str, mover: str, still: str) -> None:
    moved = motion(subject, neutral, **{name: 1.0})
    assert float(moved[subject.regions[mover]].max()) > 2.0
    assert float(moved[subject.regions[still]].max()) < 0.3


@pytest.mark.parametrize("name", [name for name in EXPRESSION_NAMES if name.endswith("Left") and name[0] != "j"])
def test_left_is_the_subjects_left(subject: Subject, neutral: Tensor, name: str) -> None:
    """+x is the subject's left; the mouth as a whole goes there with mouthLeft."""
    moved = subject.vertices(weights(**{name: 1.0}))[0] - neutral
    if name == "mouthLeft":
        assert float(moved[:, 0].max()) > 5.0 and float(moved[:, 0].min()) > -1e-4
        return
    amount = moved.norm(dim=-1)
    left, right = (float(amount[sign * neutral[:, 0] > 12.0].sum()) for sign in (1.0, -1.0))
    assert left > 10.0 * right


def test_gaze_turns_the_iris(subject: Subject, neutral: Tensor) -> None:
    middle = layout.LEFT_EYE.first + layout.LEFT_EYE.count // 2
    out = subject.vertices(weights(eyeLookOutLeft=1.0))[0, middle] - neutral[middle]
    down = subject.vertices(weights(eyeLookDownLeft=1.0))[0, middle] - neutral[middle]
    assert float(out[0]) > 5.0 and float(down[1]) > 4.0


def test_wrinkles_change_the_albedo_where_the_skin_folds(subject: Subject) -> None:
    plain = subject.albedo(weights(), 256)
    for name, rows in (("browInnerUp", (0.06, 0.30)), ("mouthSmile", (0.35, 0.75)), ("browDown", (0.15, 0.40))):
        change = (subject.albedo(weights(**{name: 1.0}), 256) - plain).abs().amax(dim=(0, 1))
        assert float(change.max()) > 0.02, name
        outside = torch.cat([change[: int(rows[0] * 256)], change[int(rows[1] * 256) :]])
        assert float(outside.max()) < 0.25 * float(change.max()), name
    assert torch.equal(subject.albedo(weights(jawLeft=1.0), 256), plain)


@pytest.mark.parametrize("size", [64, 128, FULL_SIZE, 640])
def test_albedo_sizes(subject: Subject, size: int) -> None:
    both = torch.cat([weights(), weights(mouthSmile=1.0)])
    albedo = subject.albedo(both, size)
    assert albedo.shape == (2, 3, size, size) and albedo.dtype == torch.float32
    assert float(albedo.min()) > 0.0 and float(albedo.max()) < 1.0
    assert not torch.equal(albedo[0], albedo[1])
    sheen = subject.sheen(size)
    assert sheen.shape == (1, size, size) and 0.0 <= float(sheen.min()) <= float(sheen.max()) <= 1.0


def test_small_textures_are_means_of_the_large_one(subject: Subject) -> None:
    expected = torch.nn.functional.avg_pool2d(subject.albedo(weights(), FULL_SIZE), FULL_SIZE // 128)
    assert torch.allclose(subject.albedo(weights(), 128), expected, atol=1e-5)


def test_a_small_texture_still_has_detail_to_register(subject: Subject) -> None:
    """Cheeks at 128 texels: contrast against the local mean of about a centimetre."""
    luminance = subject.albedo(weights(), 128).mean(1, keepdim=True)
    local = torch.nn.functional.avg_pool2d(luminance, 9, stride=1, padding=4, count_include_pad=False)
    contrast = ((luminance - local) / local)[0, 0, 55:75, 30:100]
    assert float(contrast.std()) > 0.02


def test_fast_enough_for_a_frame_loop(subject: Subject) -> None:
    expression = weights(jawOpen=0.4, mouthSmile=0.7)
    subject.albedo(expression, FULL_SIZE)
    for call, limit_s in ((lambda: subject.vertices(expression), 0.02), (lambda: subject.albedo(expression, 512), 0.2)):
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            call()
            best = min(best, time.perf_counter() - start)
        assert best < limit_s
