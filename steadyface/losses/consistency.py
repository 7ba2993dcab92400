"""CFTC and MOTC: unwrapped textures that must agree (Yoon et al. 2019, section 4 and Fig. 3).

The mask and its denominator come from the frozen source and never from the network that learns:
a face that shrinks, hides or leaves the frame must not pay less.
"""

from __future__ import annotations

from torch import Tensor

from steadyface.losses.robust import charbonnier

OUT_OF_FRAME_COST = 2.0
"""What a texel pays that the source saw and that has left the picture: more than any match costs."""


def texture_difference(first: Tensor, second: Tensor, mask: Tensor, inside: Tensor, scale: float = 0.1) -> Tensor:
    """Robust mean difference of two textures over a fixed mask.

    Args:
        first, second: (B, C, U, U).
        mask: (B, 1, U, U), fixed: where the source says both were seen.
        inside: (B, 1, U, U), 0 where a texel has left the picture since.
        scale: residual at which the penalty turns from quadratic to linear.

    Returns:
        scalar: mean over the fixed mask; texels out of the picture pay a constant.
    """
    cost = charbonnier(first - second, scale).mean(1, keepdim=True)
    cost = cost * inside + OUT_OF_FRAME_COST * (1.0 - inside)
    return (cost * mask).sum() / mask.sum().clamp(min=1.0)


def unguarded_texture_difference(first: Tensor, second: Tensor, inside: Tensor) -> Tensor:
    """CFTC as a first reading of the paper has it: mean over the texels that both frames see NOW.

    Kept to show why it fails: a face outside the picture has nothing to disagree about.

    Shapes: first, second (B, C, U, U), inside (B, 1, U, U) -> scalar.
    """
    difference = (first - second).abs().mean(1, keepdim=True)
    return (difference * inside).sum() / inside.sum().clamp(min=1.0)
