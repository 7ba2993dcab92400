"""Lab views of other expressions: where the mesh is, what colour it has, and the same ones for the same seed."""

from __future__ import annotations

import torch
from pytorch3d.transforms import so3_exp_map

from steadyface.geometry import rasterizer
from steadyface.geometry.cameras import transform, view_direction
from steadyface.geometry.normals import vertex_normals
from steadyface.tracking.lab_replay import LabReplayer, draw_view
from steadyface.tracking.replay import FARTHEST
from steadyface.types import LabBatch

SIZE = 64
K = torch.tensor([[150.0, 0.0, 31.5], [0.0, 150.0, 31.5], [0.0, 0.0, 1.0]])


def lab_batch(tracked, count: int = 3) -> LabBatch:
    """Black pictures of the subject's meshes, and textures that are of no account."""
    rotation = so3_exp_map(0.3 * torch.randn(count, 3, generator=torch.Generator().manual_seed(2)))
    translation = torch.tensor([[4.0, -3.0, 640.0]]).expand(count, 3)
    blank, mask = torch.zeros(count, 3, SIZE, SIZE), torch.ones(count, 1, 32, 32)
    texture = tracked.statistics.texture_mean.expand(count, -1, -1, -1)
    number = torch.arange(count)
    return LabBatch(
        blank, blank[:, :1], blank, K.expand(count, 3, 3), rotation, translation, tracked.meshes[:count], texture, mask,
        texture, mask, view_direction(rotation, translation), number * 0, number,
    )  # fmt: skip


def test_a_drawn_view_has_the_mesh_s_silhouette_normals_and_colour(tracked) -> None:
    batch = lab_batch(tracked, 1)
    placed = transform(batch.vertices, batch.rotation, batch.translation)
    colour = torch.tensor([0.2, 0.5, 0.7]).view(3, 1, 1).expand(3, 32, 32)
    drawn = draw_view(placed[0], colour, K, SIZE, tracked.statistics)
    faces = tracked.statistics.faces
    seen = rasterizer.rasterize(placed, faces, K[None], SIZE, SIZE)
    inside = seen.triangle[0] >= 0
    assert float((drawn.silhouette[0] - inside.float()).abs().mean()) < 0.02
    whole = drawn.silhouette[0] == 1.0
    assert int(whole.sum()) > 500
    torch.testing.assert_close(drawn.image[:, whole], colour[:, :1, 0].expand(3, int(whole.sum())))
    assert float(drawn.image[:, drawn.silhouette[0] == 0].abs().max()) == 0.0
    corners = vertex_normals(placed, faces)[0][faces[seen.triangle[0].clamp(min=0)]]
    slow = torch.nn.functional.normalize((corners * seen.barycentric[0].unsqueeze(-1)).sum(-2), dim=-1).permute(2, 0, 1)
    agreement = (slow * drawn.normal).sum(0)[whole & inside]
    assert float(agreement.median()) > 0.995 and float(agreement.quantile(0.05)) > 0.8
    # half of a pixel at the rim: its colour is the face's, not half of it
    rim = (drawn.silhouette[0] == 0.5) & inside
    torch.testing.assert_close(drawn.image[:, rim], colour[:, :1, 0].expand(3, int(rim.sum())))


def test_a_replayed_view_shows_the_mesh_that_it_says(tracked) -> None:
    batch = lab_batch(tracked)
    latents = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    replayer = LabReplayer(tracked.statistics, tracked.face_model, latents)
    torch.manual_seed(5)
    replayed, latent = replayer.replay(batch)
    torch.testing.assert_close(replayed.vertices, tracked.face_model.decode_vertices(latent))
    assert float((replayed.vertices - batch.vertices).norm(dim=-1).max()) > 0.5
    for kept in ("rotation", "translation", "intrinsics", "view_direction", "camera", "frame", "average_texture"):
        assert torch.equal(getattr(replayed, kept), getattr(batch, kept)), kept
    placed = transform(replayed.vertices, batch.rotation, batch.translation)
    model = tracked.face_model
    _, textures = model.decode(latent, model.clamp_view(batch.view_direction))
    for row in range(len(placed)):
        drawn = draw_view(placed[row], textures[row], K, SIZE, tracked.statistics)
        assert torch.equal(drawn.image, replayed.image[row])
        assert torch.equal(drawn.silhouette, replayed.silhouette[row])
        assert torch.equal(drawn.normal, replayed.normal[row])
    torch.manual_seed(5)
    assert torch.equal(replayer.replay(batch)[1], latent)
    torch.manual_seed(6)
    assert not torch.equal(replayer.replay(batch)[1], latent)


def test_expressions_stay_near_those_of_the_lab(tracked) -> None:
    latents = 40.0 * torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    replayer = LabReplayer(tracked.statistics, tracked.face_model, latents)
    torch.manual_seed(0)
    _, latent = replayer.replay(lab_batch(tracked))
    assert float(tracked.face_model.whiten(latent).abs().max()) <= FARTHEST + 1e-4
