"""The settings that decide a row's scores and are not the same on all sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from launcher.compare.sides import Member, Side
from launcher.plan import data_settings, machine_settings, network_settings, plan_studio
from launcher.results.inputs import stage_folders
from launcher.results.rows import flatten
from launcher.runs import read_record
from launcher.settings import source_settings, variant_settings
from steadyface.errors import InputError

SEEDS = ("seeds", "appearance.seed", "pretraining.seed")
NONE = "-"


class Difference(NamedTuple):
    """A dotted setting, and its value on each side."""

    name: str
    values: tuple[str, ...]


def differences(sides: Sequence[Side]) -> list[Difference]:
    """The settings that differ, in the order of an experiment file.

    Raises:
        InputError: runs joined into one side differ in more than their seeds.
    """
    for side in sides:
        check_joined(side)
    flat = [side_settings(side) for side in sides]
    names = dict.fromkeys(name for settings in flat for name in settings)
    adapted = [settings for side, settings in zip(sides, flat, strict=True) if side.seeded]
    found = []
    for name in names:
        # beside a row that was not adapted, each setting of the adaptation would count as a difference
        asked = adapted if name.startswith("adaptation.") else flat
        if len({settings.get(name, NONE) for settings in asked}) > 1:
            found.append(Difference(name, tuple(settings.get(name, NONE) for settings in flat)))
    return found


def side_settings(side: Side) -> dict[str, str]:
    """A side's settings; of joined runs, every value that occurs."""
    flat = [effective_settings(member) for member in side.members]
    return {name: " / ".join(dict.fromkeys(settings.get(name, NONE) for settings in flat)) for name in flat[0]}


def effective_settings(member: Member) -> dict[str, str]:
    """Dotted setting -> value, of what decides the row's scores: paths, workers and logging are left out.

    An adapted row has the adaptation's settings with what the row changes in them; a row of another source network
    has that network's pretraining.
    """
    experiment, name = member.experiment, member.source_name
    settings: dict[str, Any] = {
        "row": member.row,
        "seeds": member.seeds or NONE,
        "studio": data_settings(experiment.studio) if plan_studio(experiment) else {},
        "lab": data_settings(experiment.lab),
        "clips": data_settings(experiment.clips),
        "appearance": asdict(experiment.appearance),
        "pretraining": network_settings(source_settings(experiment, name) if name else experiment.pretraining),
        "adaptation": adaptation_settings(member),
        "evaluation.held_out_box": experiment.evaluation.held_out_box or experiment.clips.box,
        "trainer": machine_settings(experiment),
        "given decoder": experiment.decoder or NONE,
        "given source": experiment.source or NONE,
        "content of the lab capture": lab_content(member),
        "code version": code_versions(member),
    }
    return {key: str(value) for key, value in flatten(settings).items()}


def adaptation_settings(member: Member) -> dict[str, Any]:
    """The adaptation of the row without its seed; nothing for a row that was not adapted."""
    if not member.seeds:
        return {}
    changed = variant_settings(member.experiment, member.base, member.seeds[0])
    return {key: value for key, value in asdict(changed).items() if key != "seed"}


def lab_content(member: Member) -> str:
    """The hash of the lab capture that the stages read."""
    records = [read_record(folder) for folder in stage_folders(member.outcome)]
    labs = [record.inputs["lab"] for record in records if record is not None and "lab" in record.inputs]
    return labs[0] if labs else NONE


def code_versions(member: Member) -> str:
    """The versions of the code that ran the stages."""
    records = [read_record(folder) for folder in stage_folders(member.outcome)]
    return ", ".join(sorted({record.code_version for record in records if record is not None})) or NONE


def check_joined(side: Side) -> None:
    """Refuse runs joined into one side that are not one setting under several seeds."""
    flat = [effective_settings(member) for member in side.members]
    for member, settings in zip(side.members[1:], flat[1:], strict=True):
        names = [
            name
            for name in dict.fromkeys([*flat[0], *settings])
            if flat[0].get(name) != settings.get(name) and name not in (*SEEDS, "code version")
        ]
        if names:
            got = f"{', '.join(names[:3])} of another value than {side.members[0].word} has"
            raise InputError(member.word, "joined runs that differ in their seeds only", got,
                             "give it as a side of its own")  # fmt: skip
