"""Puts the page together: one HTML file that needs nothing beside it."""

from __future__ import annotations

from html import escape
from pathlib import Path

from launcher.report.charts import clip_charts
from launcher.report.figures import SOURCE
from launcher.report.heads import heat_maps
from launcher.report.inputs import ReportClip, ReportInputs, judge_rows
from launcher.report.player import player
from launcher.report.tables import figures_table, headline, time_bar
from launcher.report.unwrapped import unwrapped_textures
from launcher.runs import write_atomically
from steadyface.errors import InputError

_HERE = Path(__file__).parent
_TITLES = {
    "adapted_clip": ("The clip it adapted to", "On the adapted clip"),
    "held_out_clip": ("A clip it never saw", "On a held-out clip"),
}


def build_report(inputs: ReportInputs, out: Path) -> None:
    """Write the page; its name appears only once it is whole.

    Args:
        inputs: what it is made from.
        out: the target, ``*.html``.

    Raises:
        InputError: a clip without the source's track, or an unreadable video.
    """
    sections = "".join(clip_section(clip, inputs) for clip in inputs.clips)
    cards = "".join(headline(inputs.rows(clip.name), title_of(clip)[1]) for clip in inputs.clips)
    notes = "".join(f"<p>{escape(note)}</p>" for note in inputs.notes)
    notes = f'<aside class="notes">{notes}</aside>' if notes else ""
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(inputs.experiment)} · steadyface</title><style>{style}</style></head>"
        f"<body><main>{_header(inputs)}{notes}{cards}{sections}{time_bar(inputs.seconds)}{_footer()}</main>"
        f"<script>{script}</script></body></html>\n"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, page)


def clip_section(clip: ReportClip, inputs: ReportInputs) -> str:
    """Everything about one clip: side by side, steadiness, figures, heads, textures."""
    if SOURCE not in clip.tracks:
        rows = ", ".join(clip.tracks) or "none"
        raise InputError(f"report of {clip.name}", "a track of the source", rows, "run the evaluation again")
    scores, judged = inputs.rows(clip.name), judge_rows(clip, inputs.topology)
    table = (
        f'<section class="part"><h3>Figures</h3><p>{_seed_words(inputs.seeds)} '
        f"Changes are against the source.</p>{figures_table(scores)}</section>"
        if scores
        else ""
    )
    return (
        f'<section class="clip"><h2>{escape(title_of(clip)[0])}<code>{escape(clip.video.name)}</code></h2>'
        f"{player(clip, inputs.topology)}{clip_charts(clip, judged)}{table}"
        f"{heat_maps(clip, inputs.topology, judged)}{unwrapped_textures(clip, inputs.topology)}</section>"
    )


def title_of(clip: ReportClip) -> tuple[str, str]:
    """The clip's heading, and the heading of its cards."""
    plain = clip.name.replace("_", " ").capitalize()
    return _TITLES.get(clip.name, (plain, plain))


def _seed_words(seeds: list[int]) -> str:
    if len(seeds) == 1:
        return f"Values of one seed ({seeds[0]}): no spread can be told from it."
    return f"Medians over {len(seeds)} seeds ({', '.join(map(str, seeds))}); beneath, each seed."


def _header(inputs: ReportInputs) -> str:
    return (
        f"<header><p>steadyface</p><h1>{escape(inputs.experiment)}</h1>"
        "<p>One person's face model, learned in the lab, tracks a phone clip: "
        "before and after adapting to the clip without labels.</p></header>"
    )


def _footer() -> str:
    return (
        "<footer>The videos show about 15 frames a second of the clip; the graphs have every frame. "
        "Reprojection error: mean distance of projected vertices, pixels of the full frame. "
        "Acceleration error: of the same points, from second differences over true time stamps. "
        "Expression error: in the head frame, after the rigid motion of forehead and nose bridge is taken out. "
        "Stability ratio: length of the way of the projected vertices over two frames to its chord. Lag: the shift in "
        "time at which the speeds of tracked and true vertices correlate best. Coverage: share of the texels that the "
        "source saw and that are still seen; where the source is off, the truth shows less of them as well "
        "(its own share stands in the decoder's floor).</footer>"
    )
