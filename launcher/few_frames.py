"""An adaptation to few frames of each clip: the source network looks at all of them, and says which."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from datamodules.clip_settings import WildClipsSettings
from datamodules.wild_clips import WildClips
from launcher.execution import is_main_process, say
from launcher.logs import log_file
from launcher.runs import write_atomically
from launcher.tracking import Networks
from steadyface.errors import InputError
from steadyface.tracking.frame_choice import (
    ChosenFrames,
    choose_frames,
    first_frames,
    frame_places,
    frame_quality,
    largest_distance,
    look_at_frames,
)

logger = logging.getLogger(__name__)

CHOSEN_FRAMES = "chosen_frames.json"
"""In the run's folder: the frames of each clip that the adaptation saw."""


def train_on_few_frames(clips: WildClips, settings: WildClipsSettings, networks: Networks, folder: Path) -> None:
    """Leave a data module only the windows of the chosen frames; all, where the settings ask for all.

    The choice follows from clip, network and settings alone: every process, and a resumed run, makes the same one.

    Args:
        clips: read here, where it was not yet.
        settings: of the clips.
        networks: the frozen source's.
        folder: of the run; the choice is kept there, to be looked at.

    Raises:
        InputError: a clip without a window of frames that training may hold.
    """
    if not settings.frames:
        return
    clips.setup("fit")
    with log_file(folder / "log.txt"):
        chosen = choose_in_clips(clips, settings, networks)
    clips.train_only_on([choice.frames for choice in chosen])
    if is_main_process():
        kept = {
            str(info.path.name): {"frames": choice.frames.tolist(), "largest_distance": choice.distance}
            for info, choice in zip(clips.clip_infos, chosen, strict=True)
        }
        write_atomically(folder / CHOSEN_FRAMES, json.dumps(kept, indent=2) + "\n")


def choose_in_clips(clips: WildClips, settings: WildClipsSettings, networks: Networks) -> list[ChosenFrames]:
    """The choice in each clip, said with its reason; arguments as `train_on_few_frames`, the clips read."""
    looks = clips.frames_of_clips()
    found = []
    for info, windows, frames in zip(clips.clip_infos, clips.training_windows(), looks, strict=True):
        if not len(windows):
            expected, remedy = "a window of neighbouring frames with a face", "use a longer clip, or clips.frames=0"
            raise InputError(info.path, expected, "none", remedy)
        seen = look_at_frames(*networks, frames)
        place = frame_places(seen.state, networks.face_model.whiten(seen.state.latent))
        quality = frame_quality(seen.implausibility, seen.blur_px)
        choice = choose_frames(windows, place, quality, settings.frames)
        first = first_frames(windows, settings.frames)
        allowed = windows.unique()
        distance = largest_distance(place, allowed, first)
        if settings.chosen_by == "first":
            choice = ChosenFrames(first, distance, 0)
        line = (
            f"{info.path.name}: {len(choice.frames)} of {len(allowed)} frames to learn from, by {settings.chosen_by}: "
            f"no pose or expression lies farther than {choice.distance:.1f} from theirs (the first ones leave "
            f"{distance:.1f}); {choice.refused} blurred or doubtful frames were not to be chosen"
        )
        logger.info(line)
        say(line)
        found.append(choice)
    return found
