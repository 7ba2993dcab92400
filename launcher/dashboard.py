"""``steadyface dashboard``: the W&B view that compares sources, adapted runs and baselines, as code.

It shows what ``wandb_evaluation`` and ``wandb_runs`` log, by the same names. To add a section, write a function that
returns one and name it in `build_dashboard`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb_workspaces.reports.v2 as panels
import wandb_workspaces.workspaces as workspaces

from launcher.runs import make_folder, write_atomically
from launcher.wandb_runs import STEP

NAME = "Sources, adapted runs and baselines"
CLIPS = {"held_out_clip": "held-out clip", "adapted_clip": "adapted clip"}
NETWORKS = ("source", "source_smoothed", "adapted", "adapted_smoothed")
ROWS = (*NETWORKS, "photometric_fit", "generic_tracker", "decoder_floor")
ROWS_SHOWN = 4  # of a section's panels before it has pages
REGIONS = ("lips", "lids", "brows", "nose", "cheeks", "jaw")
FIGURES = {
    "reprojection_error_px": "Reprojection error, px of the full frame",
    "acceleration_error_px_s2": "Acceleration error in the picture, px/s²",
    "vertex_error_mm": "Vertex error in the head frame, mm",
    "stability_ratio_picture": "Stability ratio in the picture",
    "lag_ms_picture": "Lag in the picture, ms",
    "texture_coverage": "Share of the source's texels still seen",
}


def build_dashboard(project: str, entity: str) -> workspaces.Workspace:
    """The view; needs no network.

    Args:
        project, entity: of W&B; an empty entity can be written but not saved.
    """
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[stability(), regions(), figures(), videos(), pictures(), tables(), learning()],
        settings=workspaces.WorkspaceSettings(x_axis=STEP, max_runs=20, group_by_prefix="first"),
        runset_settings=workspaces.RunsetSettings(
            pinned_columns=[
                "run:displayName", "run:group", "run:jobType", *(f"summary:{name}" for name in pinned_figures()),
            ],
        ),
    )  # fmt: skip


def pinned_figures() -> list[str]:
    """The primary endpoints on the held-out clip, and the rival's."""
    metrics = ("reprojection_error_px", "vertex_error_mm", "acceleration_error_px_s2")
    return [f"held_out_clip/{row}/{metric}" for metric in metrics for row in ("source_smoothed", "adapted")]


def stability() -> workspaces.Section:
    """The stability graph of each clip: how much the face trembles, frame by frame."""
    lines = [
        panels.LinePlot(
            title=f"Tremor over the {words}, px/s²",
            x=f"time_s/{clip}",
            y=[f"stability/{clip}/{row}" for row in ROWS],
            title_x="seconds of the clip",
        )
        for clip, words in CLIPS.items()
    ]
    return _section("Stability", lines, columns=2, pinned=True)


def regions() -> workspaces.Section:
    """The vertex error of each region: a bar a row."""
    bars = [
        panels.BarPlot(
            title=f"{region}, {words}, mm",
            metrics=[f"{clip}/{row}/vertex_error_{region}_mm" for row in ROWS],
        )
        for clip, words in CLIPS.items()
        for region in REGIONS
    ]
    return _section("Vertex error by region", bars)


def figures() -> workspaces.Section:
    """The figures that are reported together: a bar a row."""
    bars = [
        panels.BarPlot(
            title=f"{title}, {words}",
            metrics=[f"{clip}/{row}/{metric}" for row in ROWS],
        )
        for clip, words in CLIPS.items()
        for metric, title in FIGURES.items()
    ]
    return _section("Figures", bars)


def videos() -> workspaces.Section:
    """Input, source and adapted in one video a clip; the runs beside each other."""
    browsers = [
        panels.MediaBrowser(
            title=f"Input, source, adapted: {words}",
            media_keys=[f"media/{clip}/overlay"],
            num_columns=2,
        )
        for clip, words in CLIPS.items()
    ]
    return _section("Videos side by side", browsers, columns=1)


def pictures() -> workspaces.Section:
    """Where the expression is wrong, and the texture as observed beside the model's."""
    browsers = [
        panels.MediaBrowser(
            title=f"{title}: {words}",
            media_keys=[f"media/{clip}/{name}"],
            num_columns=2,
        )
        for name, title in {"vertex_error": "Vertex error", "textures": "Texture, observed and the model's"}.items()
        for clip, words in CLIPS.items()
    ]
    return _section("Heat maps and textures", browsers, columns=2)


def tables() -> workspaces.Section:
    """Every score, every second, the worst seconds with their media."""
    found = [
        panels.WeavePanelSummaryTable(table_name=f"tables/{name}") for name in ("results", "worst_segments", "segments")
    ]
    return _section("Tables", found, columns=1)


def learning() -> workspaces.Section:
    """What is watched while the stages learn, over the optimiser step."""
    watched = {
        "Vertex error on held-out lab views, mm": ["val/vertex_error_mm", "val/vertex_error_lips_mm"],
        "Acceleration over the clip, px/s²": ["val/acceleration_px_s2"],
        "Stability ratio in the picture": ["val/stability_ratio_picture"],
        "Head rotation error, degrees": ["val/head_rotation_error_deg"],
        "Texture coverage": ["train/texture_coverage"],
        "Loss": ["train/loss"],
    }
    lines: list[panels.LinePlot | panels.MediaBrowser] = [
        panels.LinePlot(title=title, x=STEP, y=list(names)) for title, names in watched.items()
    ]
    media = [
        panels.MediaBrowser(title=title, media_keys=[f"media/{name}"], num_columns=2)
        for name, title in {"tracking": "Tracking at a validation", "vertex_error": "Error at a validation"}.items()
    ]
    return _section("While it learns", [*lines, *media], is_open=False)


def write_dashboard(project: str, entity: str, out: Path) -> None:
    """Write the view as JSON, as it would be sent."""
    make_folder(out.resolve().parent)
    view = build_dashboard(project, entity)._model
    write_atomically(out, view.model_dump_json(by_alias=True, exclude_none=True, indent=1) + "\n")
    print(f"{out}: {len(view.spec.section.panel_bank_config.sections)} sections")


def save_dashboard(project: str, entity: str) -> None:
    """Save the view on the server, as a new one; prints its address.

    Raises:
        InputError: without a login, or where the server does not answer.
    """
    import wandb

    from launcher.wandb_sync import check_server

    check_server()
    saved = build_dashboard(project, entity or wandb.Api().default_entity or "").save()
    print(saved.url)


def _section(
    name: str, found: Sequence[Any], columns: int = 3, pinned: bool = False, is_open: bool = True
) -> workspaces.Section:
    layout = workspaces.SectionLayoutSettings(columns=columns, rows=min(ROWS_SHOWN, -(-len(found) // columns)))
    return workspaces.Section(name=name, panels=list(found), is_open=is_open, pinned=pinned, layout_settings=layout)
