"""A texture as a picture that other programs show."""

from __future__ import annotations

import io

import torch
from kornia.color import linear_rgb_to_rgb
from PIL import Image
from torch import Tensor


def texture_png(texture: Tensor) -> bytes:
    """A PNG file, sRGB, 8 bits, of a texture (3, U, U) linear in [0, 1].

    In memory rows grow with v; in the picture the first row is v = 1, as other programs expect.
    """
    values = linear_rgb_to_rgb(texture.detach().cpu().float().clamp(0.0, 1.0)[None])[0]
    pixels = (values * 255.0).round().to(torch.uint8).permute(1, 2, 0).flip(0)
    stream = io.BytesIO()
    Image.fromarray(pixels.contiguous().numpy()).save(stream, "PNG")
    return stream.getvalue()
