"""The dashboard: it builds and serialises without a network, and shows names that are really logged."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from wandb_workspaces.workspaces.internal import View

from launcher.dashboard import build_dashboard, write_dashboard


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def refuse(*arguments: object) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    out = tmp_path / "new" / "dashboard.json"
    write_dashboard("steadyface", "", out)
    return json.loads(out.read_text(encoding="utf-8"))


def panels(view: dict[str, Any], section: str) -> list[dict[str, Any]]:
    sections = view["spec"]["section"]["panelBankConfig"]["sections"]
    (found,) = (one for one in sections if one["name"] == section)
    return [panel["config"] for panel in found["panels"]]


def test_it_is_one_view_with_every_section(view: dict[str, Any]) -> None:
    names = [one["name"] for one in view["spec"]["section"]["panelBankConfig"]["sections"]]
    assert names == [
        "Stability", "Vertex error by region", "Figures", "Videos side by side", "Heat maps and textures", "Tables",
        "While it learns",
    ]  # fmt: skip
    assert view["project"] == "steadyface" and view["displayName"] == "Sources, adapted runs and baselines"


def test_what_is_written_can_be_read_back(view: dict[str, Any]) -> None:
    again = View.model_validate(view)
    assert again.model_dump_json(by_alias=True, exclude_none=True) == json.dumps(
        view, separators=(",", ":"), ensure_ascii=False
    )


def test_the_graph_is_over_the_clips_time_for_sources_adapted_and_baselines(view: dict[str, Any]) -> None:
    held_out, adapted = panels(view, "Stability")
    assert held_out["xAxis"] == "time_s/held_out_clip" and adapted["xAxis"] == "time_s/adapted_clip"
    rows = {name.rpartition("/")[2] for name in held_out["metrics"]}
    assert {"source", "source_smoothed", "adapted", "photometric_fit", "generic_tracker"} <= rows


def test_every_region_has_a_bar_a_row(view: dict[str, Any]) -> None:
    bars = panels(view, "Vertex error by region")
    assert len(bars) == 12
    shown = [name for bar in bars for name in bar["metrics"]]
    # bars read a run's summary, where these names are
    assert any(name.endswith("held_out_clip/adapted/vertex_error_lips_mm") for name in shown)


def test_media_and_tables_go_by_the_names_they_are_logged_under(view: dict[str, Any]) -> None:
    keys = [key for section in ("Videos side by side", "Heat maps and textures") for one in panels(view, section)
            for key in one["mediaKeys"]]  # fmt: skip
    assert set(keys) == {
        f"media/{clip}/{name}" for clip in ("held_out_clip", "adapted_clip")
        for name in ("overlay", "vertex_error", "textures")
    }  # fmt: skip
    shown = json.dumps(panels(view, "Tables"))
    for name in ("tables/results", "tables/worst_segments", "tables/segments"):
        assert name in shown


def test_a_named_entity_is_kept() -> None:
    assert build_dashboard("p", "team").entity == "team"
