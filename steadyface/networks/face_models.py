"""The architectures of the face model, by name.

To add one: a subclass of ``FaceModel`` in a file of its own, and its name here.
"""

from __future__ import annotations

from steadyface.errors import InputError
from steadyface.networks.component_model import ComponentFaceModel
from steadyface.networks.face_model import FaceModel, FaceModelSettings
from steadyface.networks.multiface_model import MULTIFACE_VARIANTS, MultifaceModel
from steadyface.types import SubjectStatistics

COMPONENTS = "components"

ARCHITECTURES: dict[str, type[FaceModel]] = {
    COMPONENTS: ComponentFaceModel,
    **dict.fromkeys(MULTIFACE_VARIANTS, MultifaceModel),
}


def build_face_model(statistics: SubjectStatistics, settings: FaceModelSettings) -> FaceModel:
    """The face model that ``settings.architecture`` names, its weights drawn from torch's global generator.

    Raises:
        InputError: an architecture that is not known.
    """
    architecture = ARCHITECTURES.get(settings.architecture)
    if architecture is None:
        raise InputError("architecture", f"one of {', '.join(ARCHITECTURES)}", repr(settings.architecture),
                         "choose one of them")
    return architecture(statistics, settings)
