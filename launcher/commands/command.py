"""What a sub-command is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """A sub-command: its name, what it calls, its help, and what adds its words to its parser."""

    name: str
    action: Callable[[argparse.Namespace], int | None]
    what: str
    example: str
    add_words: Callable[[argparse.ArgumentParser], None]
