"""The clips that all sides were scored on, found by what is in the files and not by their names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.compare.sides import Member, Side
from launcher.judge import JudgedClip
from steadyface.errors import InputError


@dataclass(frozen=True)
class CommonClip:
    """One clip. names: experiment's folder -> the name under which it was scored there, ``adapted_clip`` or
    ``held_out_clip``; path: of the first side's file."""

    path: Path
    names: dict[Path, str]

    def name_in(self, member: Member) -> str:
        return self.names[member.run.folder]

    def judged(self, member: Member) -> JudgedClip:
        """The clip as the member's experiment knows it, with its truth where there is one."""
        return next(clip for clip in member.run.clips if clip.name == self.name_in(member))

    @property
    def words(self) -> str:
        """The name in the first side's experiment, and the file's: ``adapted clip adapt.mp4``."""
        return f"{next(iter(self.names.values())).replace('_', ' ')} {self.path.name}"


def common_clips(sides: Sequence[Side]) -> list[CommonClip]:
    """The clips that every member has scores and tracks of, in the first one's order.

    Raises:
        InputError: a clip's file or a track is not there, or no clip is common to all.
    """
    members = [member for side in sides for member in side.members]
    by_member = [clips_by_content(member) for member in members]
    found = []
    for digest, (path, _) in by_member[0].items():
        if all(digest in clips for clips in by_member):
            pairs = zip(members, by_member, strict=True)
            found.append(CommonClip(path, {member.run.folder: clips[digest][1] for member, clips in pairs}))
    if not found:
        listed = "; ".join(
            f"{member.word}: {', '.join(path.name for path, _ in clips.values()) or 'none'}"
            for member, clips in zip(members, by_member, strict=True)
        )
        raise InputError(
            "compare", "runs with a clip in common", f"none ({listed})",
            "run the experiments on the same clip, or evaluate both on it as evaluation.held_out_clip",
        )  # fmt: skip
    for clip in found:
        for member in members:
            check_tracks(member, clip.name_in(member))
    return found


def clips_by_content(member: Member) -> dict[str, tuple[Path, str]]:
    """Hash of a clip's content -> its file, and its name among the member's scores."""
    return {
        file_hash(clip.path): (clip.path, clip.name)
        for clip in member.run.clips
        if member.row in member.run.rows(clip.name)
    }


def file_hash(path: Path) -> str:
    """SHA-256 of a clip's bytes.

    Raises:
        InputError: when it is not there.
    """
    if not path.is_file():
        remedy = "compare from the folder where the experiment was run, or put the clip there again"
        raise InputError(path, "the clip that was scored", "no such file", remedy)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_tracks(member: Member, clip: str) -> None:
    """Refuse a row without the tracks that its regions and segments are scored by."""
    for path in member.track_files(clip):
        if not path.is_file():
            raise InputError(path, f"the track of row {member.row}", "no such file",
                             f"run `steadyface evaluate {member.run.folder}`, or compare another row")  # fmt: skip
