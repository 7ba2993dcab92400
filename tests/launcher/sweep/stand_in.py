"""A trial in half a second: counts its beginnings and its ends in files that only grow, and leaves a summary.json.

Words: ``x=1 y=2`` and what the sweep adds. ``fail_at=2.20`` fails at x 2 and y 20; ``seconds`` is how long it takes.
``curve`` writes so many values of train/loss to metrics.csv, each x / (step + 1), before it ends.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(words: dict[str, str], folder: Path) -> None:
    x, y = float(words["x"]), float(words.get("y", 0))
    count(folder.parent / "begun.txt", x, y)
    if words.get("fail_at") == f"{x:g}.{y:g}":
        print("about to fail")
        sys.exit("stand-in: this is the one that fails")
    take_time(folder, x, float(words.get("seconds", 0.5)), int(words.get("curve", 0)))
    count(folder.parent / "ended.txt", x, y)
    part = folder / "summary.part"
    part.write_text(json.dumps({"held_out_clip": {"adapted": {"error": [x + y, x + y + 2]}}}), encoding="utf-8")
    part.replace(folder / "summary.json")


def count(path: Path, x: float, y: float) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"{x:g} {y:g}\n")


def take_time(folder: Path, x: float, seconds: float, curve: int) -> None:
    for step in range(curve):
        with (folder / "metrics.csv").open("a", encoding="utf-8") as stream:
            stream.write(f"{step},train/loss,{x / (step + 1)!r}\n")
        time.sleep(seconds)
    if not curve:
        time.sleep(seconds)


if __name__ == "__main__":
    main(dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word), Path(os.environ["STEADYFACE_TRIAL"]))
