"""The one error that a user's input can cause: what was expected, what came, what to do."""

from __future__ import annotations

from pathlib import Path


class InputError(Exception):
    """A fault in what the user gave; the command line prints it as one line and exits with 2.

    Args:
        subject: what is at fault, a path or a setting's name.
        expected: what would have been accepted.
        got: what was found instead.
        remedy: what the user can do about it.

    >>> print(InputError("clip.mp4", "a video with frames", "an empty file", "record it again"))
    clip.mp4: expected a video with frames, got an empty file; record it again
    """

    def __init__(self, subject: str | Path, expected: str, got: str, remedy: str) -> None:
        self.subject, self.expected, self.got, self.remedy = str(subject), expected, got, remedy
        super().__init__(f"{subject}: expected {expected}, got {got}; {remedy}")
