"""Which stages an experiment needs, in order, and what decides the result of each.

The hash of a stage covers its own settings, its data's settings and the hashes of its inputs, so a
changed adaptation leaves the source network as it was, and a changed lab capture makes both anew.
What changes no result (worker processes, threads, logging intervals, paths) is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datamodules.wild_clips import square_box
from launcher.outcome import ADAPTED, find_checkpoint
from launcher.runs import Stage, find_finished, fingerprint
from launcher.settings import STUDIO, Experiment, source_settings, variant_settings, variant_source
from lightning_modules.adaptation_settings import AdaptationSettings
from lightning_modules.pretraining import PretrainingSettings
from steadyface.capture.adaptable import check_adaptable
from steadyface.capture.clip_truth import truth_path
from steadyface.capture.video import probe
from steadyface.errors import InputError
from steadyface.tracking.guards import RESULT

NO_RESULT = {"folder", "clips", "workers", "processes", "in_memory"}
# Values that mean what a stage did before there was the setting: its hash stays.
LATER_SETTINGS: dict[str, Any] = {
    "follow": False, "frames": 0, "chosen_by": "coverage", "premise_power": 0.0, "refined": False,
    "most_registration": 0.0, "later_margin": 0.0, "apertures": 0.0, "acceleration": 0.0,
}  # fmt: skip
DATA = "data"  # the folder, in the studio's run folder, that holds lab/ and clips/


@dataclass(frozen=True)
class Plan:
    """The stages of an experiment; None where it needs none.

    decoder_checkpoint, source_checkpoint: the given files, None where they are trained here.
    sources: row -> pretraining of another source network.
    adaptations: (variant, seed) -> stage, the variant ``adapted`` first.
    """

    studio: Stage | None
    appearance: Stage | None
    pretraining: Stage | None
    decoder_checkpoint: Path | None
    source_checkpoint: Path | None
    sources: dict[str, Stage]
    adaptations: dict[tuple[str, int], Stage]

    def stages(self) -> Iterator[Stage]:
        """Every stage in the order in which they run."""
        for stage in (self.studio, self.appearance, self.pretraining):
            if stage is not None:
                yield stage
        yield from self.sources.values()
        yield from self.adaptations.values()


def make_plan(experiment: Experiment) -> Plan:
    """The plan of an experiment; reads no data, only the names, sizes and times of given files.

    Raises:
        InputError: for a given file or folder that is not there.
    """
    studio = plan_studio(experiment)
    lab_input = input_hash(experiment.lab.folder, studio)
    clip_inputs = [input_hash(clip, studio) for clip in experiment.clips.clips]
    check_held_out(experiment)
    appearance = pretraining = decoder = source = None
    sources: dict[str, Stage] = {}
    if experiment.source:
        source = find_checkpoint(Path(experiment.source))
        source_inputs = {"": fingerprint(source)}
    else:
        if experiment.decoder:
            decoder = find_checkpoint(Path(experiment.decoder))
            decoder_input = fingerprint(decoder)
        else:
            appearance = plan_appearance(experiment, lab_input)
            decoder_input = appearance.digest
        pretraining = plan_pretraining(experiment, "", lab_input, decoder_input)
        sources = {
            name: plan_pretraining(experiment, name, lab_input, decoder_input) for name in experiment.sources
        }
        source_inputs = {name: stage.digest for name, stage in {"": pretraining, **sources}.items()}
    inputs = {"lab": lab_input} | {f"clip {index}": digest for index, digest in enumerate(clip_inputs)}
    adaptations = plan_adaptations(experiment, inputs, source_inputs)
    return Plan(studio, appearance, pretraining, decoder, source, sources, adaptations)


def plan_studio(experiment: Experiment) -> Stage | None:
    """The studio's stage when some path of the experiment lies in its folder."""
    references = (experiment.lab.folder, *experiment.clips.clips, experiment.evaluation.held_out_clip)
    if not any(reference.startswith(STUDIO) for reference in references):
        return None
    return Stage("studio", "studio", data_settings(experiment.studio))


def plan_appearance(experiment: Experiment, lab_input: str) -> Stage:
    """The training of the face model."""
    settings = {
        "appearance": asdict(experiment.appearance),
        "lab": data_settings(experiment.lab),
        **machine_settings(experiment),
    }
    return Stage("appearance", "appearance", settings, {"lab": lab_input})


def plan_pretraining(experiment: Experiment, source: str, lab_input: str, decoder_input: str) -> Stage:
    """The training of a source encoder under the finished face model: the experiment's own, or one of `sources`."""
    chosen = source_settings(experiment, source) if source else experiment.pretraining
    settings = {
        "pretraining": network_settings(chosen),
        "lab": data_settings(experiment.lab),
        **machine_settings(experiment),
    }
    label = f"pretraining, {source}" if source else "pretraining"
    return Stage("pretraining", label, settings, {"lab": lab_input, "decoder": decoder_input})


def plan_adaptations(
    experiment: Experiment, inputs: dict[str, str], sources: dict[str, str]
) -> dict[tuple[str, int], Stage]:
    """Every adaptation: each row of the table under each seed, from the source network that the row names."""
    rows = [(name, seed) for name in (ADAPTED, *experiment.variants) for seed in experiment.seeds]
    return {
        (variant, seed): plan_adaptation(
            experiment, variant, seed, inputs | {"source": sources[variant_source(experiment, variant)]}
        )
        for variant, seed in (rows if experiment.adapt else [])
    }


def plan_adaptation(experiment: Experiment, variant: str, seed: int, inputs: dict[str, str]) -> Stage:
    """One adaptation: a row of the table under one seed."""
    adaptation = variant_settings(experiment, variant, seed)
    if adaptation.labelled_frames:
        inputs = inputs | truth_inputs(experiment, variant)
    settings = {
        "adaptation": adaptation_settings(adaptation),
        "clips": data_settings(experiment.clips),
        "lab": data_settings(experiment.lab),
        **machine_settings(experiment),
    }
    return Stage("adaptation", f"{variant}, seed {seed}", settings, inputs)


def adaptation_settings(settings: AdaptationSettings) -> dict[str, Any]:
    """An adaptation's section without what decides nothing: guards that choose no weights, a replay of no steps."""
    values = data_settings(settings)
    if not settings.replay.replays:
        del values["replay"]
    guard = values.pop("guard")
    if guard["select"]:
        values["guard"] = {name: guard[name] for name in ("select", *RESULT) if name in guard}
    return values


def truth_inputs(experiment: Experiment, variant: str) -> dict[str, str]:
    """The hashes of the truth of given clips, for a row that learns from it; the studio's is in the studio's hash.

    Raises:
        InputError: for a clip without truth: found here, and not after the source network's training.
    """
    found = {}
    for index, clip in enumerate(experiment.clips.clips):
        if not clip.startswith(STUDIO):
            path = truth_path(Path(clip))
            if not path.is_file():
                remedy = f"leave the row {variant} out, or put the truth there"
                raise InputError(path, "the truth of a labelled clip", "no such file", remedy)
            found[f"truth {index}"] = fingerprint(path)
    return found


def machine_settings(experiment: Experiment) -> dict[str, Any]:
    trainer = experiment.trainer
    # machines make a difference only as more processes than those of one
    nodes = {"num_nodes": trainer.num_nodes} if trainer.num_nodes > 1 else {}
    return {"accelerator": trainer.accelerator, "devices": trainer.devices, "precision": trainer.precision, **nodes}


def network_settings(settings: PretrainingSettings) -> dict[str, Any]:
    """The pretraining's section without the sizes of the network that it does not train, or lessons of no steps."""
    other = {"texture_space": "i2znet", "i2znet": "encoder"}.get(settings.network)
    left_out = {other, None if settings.expression_steps else "expression"}
    return without_later({key: value for key, value in asdict(settings).items() if key not in left_out})


def data_settings(settings: Any) -> dict[str, Any]:
    """A section without what changes no result: paths (the input's hash covers them) and workers."""
    return without_later({key: value for key, value in asdict(settings).items() if key not in NO_RESULT})


def without_later(settings: dict[str, Any]) -> dict[str, Any]:
    """A section and those within it without what was not set when it was not there yet."""
    return {
        key: without_later(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if not (key in LATER_SETTINGS and value == LATER_SETTINGS[key])
    }


def input_hash(reference: str, studio: Stage | None) -> str:
    """The hash of what a path refers to: a part of the studio's output, or files that are given."""
    if reference.startswith(STUDIO) and studio is not None:
        return f"{studio.digest}/{reference.removeprefix(STUDIO)}"
    return fingerprint(Path(reference))


def check_held_out(experiment: Experiment) -> None:
    clip = experiment.evaluation.held_out_clip
    if clip and not clip.startswith(STUDIO) and not Path(clip).exists():
        raise InputError(clip, "a video file or a folder of images", "no such file", "correct evaluation.held_out_clip")


def check_given_clips(experiment: Experiment) -> None:
    """Open every given clip before any stage runs: minutes of training are not to end in an unreadable video.

    Raises:
        InputError: for a clip that cannot be read, whose picture does not hold the box, or that is to be adapted to
            and holds nothing to learn from: too few frames, no picture, no motion.
    """
    clips, held_out = experiment.clips, experiment.evaluation
    given = [(clip, clips.box) for clip in clips.clips]
    given += [(held_out.held_out_clip, held_out.held_out_box or clips.box)] if held_out.held_out_clip else []
    for clip, box in given:
        if clip.startswith(STUDIO):
            continue
        info = probe(Path(clip))
        square = square_box(Path(clip), box, info) if box else None
        if experiment.adapt and clip in clips.clips:
            check_adaptable(Path(clip), square)


def locate(reference: str, studio_folder: Path | None) -> Path:
    """Where a path of the experiment lies once the studio's folder is known."""
    if reference.startswith(STUDIO) and studio_folder is not None:
        return studio_folder / DATA / reference.removeprefix(STUDIO)
    return Path(reference)


def describe_plan(plan: Plan, runs: Path) -> list[str]:
    """A line a stage: done (and where) or to run."""
    lines = []
    for stage in plan.stages():
        folder = find_finished(runs, stage)
        state = f"done in {folder}" if folder else "to run"
        lines.append(f"  {stage.folder_name:26} {stage.label:24} {state}")
    return lines
