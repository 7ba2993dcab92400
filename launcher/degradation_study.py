"""How every network holds up when the clip gets worse: resolution, blur, noise, compression, crop error.

The clip is degraded, tracked by every row that is a network, and scored like the clip itself, against
the same truth (paper, Fig. 10). The kinds and their levels are those of ``steadyface.capture.degradation``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from callbacks.progress import duration
from datamodules.wild_clips import WildClips
from launcher.execution import say
from launcher.outcome import Outcome
from launcher.tracking import load_tracker, track_read_clip
from steadyface.capture.degradation import format_levels, parse_degradations
from steadyface.networks.face_model import FaceModel
from steadyface.tracking.track import Track

Score = Callable[[Track, FaceModel], dict[str, float]]
Study = dict[str, dict[str, dict[str, dict[str, list[float]]]]]
"""Kind -> level, as it is written -> row -> metric -> one value."""


def network_rows(outcome: Outcome) -> dict[str, Path]:
    """The rows of the table that are networks, under the first seed: row -> checkpoint."""
    rows = {"source": outcome.source, **outcome.sources}
    for (variant, _), checkpoint in outcome.adapted.items():
        rows.setdefault(variant, checkpoint)
    return rows


def study_degradations(requested: Sequence[str], rows: Mapping[str, Path], clip: WildClips, score: Score) -> Study:
    """Track one clip under each level of each degradation with each network, and score the tracks.

    Args:
        requested: ``name`` or ``name:level,level`` each.
        rows: row -> checkpoint, all of networks that see crops of one size.
        clip: one clip, clean and read: crops are degraded in memory; for what happens to its frames or
            its box, the file is decoded once for all levels.
        score: of a track, and the face model that its latents are of: metric -> value.

    Raises:
        InputError: an unknown name, a name twice, or a level outside its range, before anything is tracked.
    """
    chosen = parse_degradations(requested)
    count = len(rows) * sum(map(len, chosen.values()))
    study: Study = {}
    with tqdm(total=count, desc="degradations", unit="track", disable=None, file=sys.stderr) as bar:
        started, done = time.monotonic(), 0
        for name, levels in chosen.items():
            of_kind = study.setdefault(name, {})
            for level, degraded in zip(levels, clip.degraded(name, levels), strict=True):
                of_level = of_kind.setdefault(format_levels([level]), {})
                for row, checkpoint in rows.items():
                    # loaded anew at each level: the networks of all rows may not fit beside one another
                    networks = load_tracker(checkpoint)
                    found = score(track_read_clip(networks, degraded).track, networks.face_model)
                    of_level[row] = {metric: [value] for metric, value in found.items()}
                    bar.update()
                done += len(rows)
                if bar.disable:
                    say(progress_line(name, level, done, count, time.monotonic() - started))
    return study


def progress_line(name: str, level: float, done: int, count: int, elapsed_s: float) -> str:
    """What a log says after a level.

    >>> progress_line("blur", 2.0, 4, 12, 60.0)
    'degradations: 4/12 tracks, blur at 2 done, 2 min 0 s left'
    """
    left = f", {duration(elapsed_s * (count - done) / done)} left" if done < count else ""
    return f"degradations: {done}/{count} tracks, {name} at {level:g} done{left}"
