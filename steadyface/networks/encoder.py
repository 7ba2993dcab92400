"""What every encoder is: one image and its camera -> face state, and how the stages train it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from steadyface.capture.phone_augmentation import PhoneView
from steadyface.errors import InputError
from steadyface.networks.point_network import FoundPoints
from steadyface.types import FaceState

TRAINED = ("all", "last_block", "heads")
"""How much of an encoder a stage may train."""


class Prediction(NamedTuple):
    """An encoder's answer for B crops.

    ``points``, of the mesh vertices ``landmark_vertices``, is None where an encoder finds none;
    ``earlier`` is what the same network found on its way there, and is supervised alike.
    """

    state: FaceState
    points: FoundPoints | None
    earlier: tuple[FoundPoints, ...] = ()


class Encoder(nn.Module, ABC):
    """Image and camera -> FaceState, under one interface for every architecture.

    Args:
        settings: sizes, a dataclass with ``image_size``.
        latent_size: numbers in the face model's z.
    """

    name: ClassVar[str]
    """Under which ``encoders.build_encoder`` knows it, and checkpoints name it."""

    latent_mean: Tensor
    latent_std: Tensor
    lab_residual: Tensor

    def __init__(self, settings: Any, latent_size: int) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("latent_mean", torch.zeros(latent_size))
        self.register_buffer("latent_std", torch.ones(latent_size))
        # mean and 95th percentile of the texture residual on held-out lab views
        self.register_buffer("lab_residual", torch.zeros(2))

    @property
    def image_size(self) -> int:
        """Side of the crops that it sees, pixels."""
        return int(self.settings.image_size)

    @property
    def landmark_share(self) -> float:
        """Share of the pretraining, from its start, that trains the found points alone."""
        return 0.0

    def forward(self, image: Tensor, intrinsics: Tensor) -> FaceState:
        """Image (B, 3, S, S) sRGB in [0, 1], K (B, 3, 3) of that crop -> FaceState of B frames."""
        return self.predict(image, intrinsics).state

    @abstractmethod
    def predict(self, image: Tensor, intrinsics: Tensor) -> Prediction:
        """As ``forward``, with the points that were found on the way."""

    def predict_in_lab(self, view: PhoneView, own_share: float) -> Prediction:
        """The answer that pretraining supervises, where the true pose is known.

        Args:
            view: B augmented lab views.
            own_share: share of the views, 0 at the start of the training and 1 or more later, whose
                later steps build on the encoder's own pose and not on the true one; an encoder
                without such steps has no use for it. May draw from torch's generators.
        """
        return self.predict(view.image, view.intrinsics)

    def find_points(self, image: Tensor) -> tuple[FoundPoints, ...]:
        """The points alone, of B crops, the last the best; empty where it finds none."""
        return ()

    @property
    @abstractmethod
    def landmark_vertices(self) -> Tensor | None:
        """(L,) long, the mesh vertices that the points of a prediction are of; None without points."""

    @abstractmethod
    def trained_parameters(self, what: str) -> dict[str, list[nn.Parameter]]:
        """The parameters that adaptation may train.

        Args:
            what: ``heads``, the last layers, which say points, pose and latent; ``last_block``, and
                the last residual or fully connected block before each; ``all``, whatever learns.

        Returns:
            ``points``, the side that the pose comes from, and ``expression``, which say the latent alone.

        Raises:
            ValueError: another word.
        """

    def add_refinement(self) -> None:
        """Room for what replayed expressions teach, without a change of what it says; where it has a place for it."""
        raise InputError("adaptation.replay.steps", "an encoder that refines its expression (texture_space)",
                         self.name, "choose another pretraining.network, or replay.steps=0")

    @abstractmethod
    def start_from_imagenet(self) -> None:
        """Load ImageNet's weights where it has a backbone. Raises InputError where they cannot be had."""

    @abstractmethod
    def choose(self, mean: Tensor, meshes: Tensor, whitened: Tensor, still: Tensor, moving: Tensor) -> None:
        """Fix, before training, what is measured on the lab: which vertices its points are of.

        Args:
            mean: (N, 3) mm, the mean mesh.
            meshes: (F, N, 3) mm, canonical, of the lab.
            whitened: (F, Z), the same frames' latents, of mean 0 and variance 1.
            still, moving: indices of candidate vertices that face the cameras, by how much they move.
        """
