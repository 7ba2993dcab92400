"""The stages: each builds its data and its module, and trains it in its run folder.

Every stage is taken from an earlier run where its hash says that nothing changed.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from pytorch_lightning import Callback, LightningDataModule, LightningModule

from callbacks.progress import StageProgress
from callbacks.temporal_stability import TemporalStability
from callbacks.tracking_video import TrackingVideo
from callbacks.vertex_error import VertexError
from datamodules.clip_settings import WildClipsSettings
from datamodules.lab_captures import LabCaptures
from datamodules.wild_clips import WildClips
from launcher.clip_way import Start, find_verified_way
from launcher.execution import execute, is_main_process
from launcher.few_frames import train_on_few_frames
from launcher.guarding import build_guards, say_choice
from launcher.joined_data import ClipsBesideLab
from launcher.openings import measure_openings
from launcher.plan import DATA, Plan, locate
from launcher.runs import RunRecord, Stage, StageResult
from launcher.settings import Experiment, source_settings, to_yaml, variant_settings
from launcher.tracking import Networks, load_tracker
from launcher.training import prepare_process, train
from lightning_modules.adaptation import WildAdaptation
from lightning_modules.appearance import AppearanceTraining
from lightning_modules.pretraining import LabPretraining
from steadyface.capture.clip_truth import ClipTruth, truth_path
from steadyface.errors import InputError
from steadyface.studio.generate import generate_studio
from steadyface.tracking.clip_evidence import Answers
from steadyface.tracking.crop_path import CropPath
from steadyface.tracking.openings import ClipOpenings
from steadyface.types import SubjectStatistics

LAB_MONITOR = "val/vertex_error_mm"  # over held-out segments and cameras


class StageRunner:
    """Runs the stages of one experiment; the lab capture is read once for all of them.

    Args:
        experiment: resolved and checked.
        plan: of that experiment.
    """

    def __init__(self, experiment: Experiment, plan: Plan) -> None:
        self.experiment, self.plan = experiment, plan
        self.studio_folder: Path | None = None
        self._resolved = to_yaml(experiment)
        self._answers: dict[Path, Answers] = {}
        self._known_ways: dict[Path, list[CropPath]] = {}

    def run_studio(self, stage: Stage) -> StageResult:
        """Write the synthetic lab capture and clips into ``data/`` of the stage's folder."""

        def work(folder: Path, record: RunRecord) -> None:
            # What an interrupted attempt left is not a capture; it is written anew.
            shutil.rmtree(folder / DATA, ignore_errors=True)
            generate_studio(self.experiment.studio, folder / DATA)

        result = execute(stage, self._runs, self.experiment.name, self._resolved, work, alone=True)
        self.studio_folder = result.folder
        return result

    def run_appearance(self, stage: Stage) -> StageResult:
        """Train the face model on the lab capture."""

        def work(folder: Path, record: RunRecord) -> None:
            prepare_process(self.experiment.trainer, self.experiment.appearance.seed)
            self.lab.setup("fit")
            module = AppearanceTraining(self.experiment.appearance, self.lab.statistics)
            self._train(module, self.lab, self.experiment.appearance.steps, folder, record, [VertexError()])

        return execute(stage, self._runs, self.experiment.name, self._resolved, work)

    def run_pretraining(self, stage: Stage, decoder: Path, source: str = "") -> StageResult:
        """Train a source encoder (one of `sources`, or the experiment's own) under the frozen face model of
        ``decoder``."""

        def work(folder: Path, record: RunRecord) -> None:
            settings = source_settings(self.experiment, source) if source else self.experiment.pretraining
            prepare_process(self.experiment.trainer, settings.seed)
            module = LabPretraining(settings, str(decoder))
            self._check_capture(module.statistics, decoder)
            self._train(module, self.lab, settings.all_steps, folder, record, [VertexError()])

        return execute(stage, self._runs, self.experiment.name, self._resolved, work)

    def run_adaptation(self, stage: Stage, source: Path, variant: str, seed: int) -> StageResult:
        """Adapt the encoder of ``source`` to the clips, without labels, as one row of the table."""

        def work(folder: Path, record: RunRecord) -> None:
            prepare_process(self.experiment.trainer, seed)
            settings = variant_settings(self.experiment, variant, seed)
            labels = self._labels if settings.labelled_frames else ()
            openings = self._openings if settings.weights.apertures > 0 else None
            # the rows of a table ask the same sources about the same frames
            module = WildAdaptation(settings, str(source), labels, self._answers.setdefault(source, {}), openings)
            check_crop_size(self.experiment.clips, module.learner.image_size, source)
            self._check_capture(module.statistics, source)
            chooses = settings.guard.select and settings.weights.look_at_clip
            held_out = settings.guard.held_out if chooses else 0.0
            clips = WildClips(self._clip_settings, seed, self._ways(source, folder), held_out)
            networks = Networks(module.statistics, module.face_model, module.source)
            train_on_few_frames(clips, self._clip_settings, networks, folder)
            data = ClipsBesideLab(clips, self.lab, settings.lab_batch, seed)
            guards = build_guards(settings, variant, data, self._clip_settings.clips, folder)
            self._train(
                module, data, settings.all_steps, folder, record, [TemporalStability(), TrackingVideo(), *guards]
            )
            say_choice(guards, stage.label)

        return execute(stage, self._runs, self.experiment.name, self._resolved, work)

    @cached_property
    def _openings(self) -> ClipOpenings:
        """Of mouth and eyes in the clips, by MediaPipe."""
        self.lab.setup("fit")
        return measure_openings(self._clip_settings.clips, self.lab)

    @cached_property
    def lab(self) -> LabCaptures:
        """The lab capture, shared by the stages: its pictures are decoded once a process."""
        folder = locate(self.experiment.lab.folder, self.studio_folder)
        return LabCaptures(replace(self.experiment.lab, folder=str(folder)), self.experiment.appearance.seed)

    def _check_capture(self, learned: SubjectStatistics, checkpoint: Path) -> None:
        """Refuse a lab capture whose meshes or textures are not those of the face model in ``checkpoint``."""
        self.lab.setup("fit")
        given = self.lab.statistics
        sizes = {"vertices": "vertex_count", "texels a side": "texture_size"}
        wanted, got = ({name: getattr(s, field) for name, field in sizes.items()} for s in (learned, given))
        if wanted != got:
            expected, came = (", ".join(f"{value} {name}" for name, value in part.items()) for part in (wanted, got))
            remedy = f"give the capture of {checkpoint}, with lab.texture_size={learned.texture_size}"
            raise InputError(self.experiment.lab.folder, expected, came, remedy)

    @property
    def _runs(self) -> Path:
        return Path(self.experiment.runs)

    @property
    def _labels(self) -> list[ClipTruth]:
        """The truth of each clip. Raises InputError where a clip has none."""
        return [ClipTruth.load(truth_path(Path(clip))) for clip in self._clip_settings.clips]

    @property
    def _clip_settings(self) -> WildClipsSettings:
        clips = [str(locate(clip, self.studio_folder)) for clip in self.experiment.clips.clips]
        return replace(self.experiment.clips, clips=clips)

    def _ways(self, source: Path, folder: Path) -> list[CropPath]:
        """Where the head goes in each clip, as the source network sees it; none where one box is for all frames.

        Every row from the same source takes the same crops; they are kept beside the checkpoint, to be looked at.
        """
        clips = self._clip_settings
        if not clips.follow:
            return []
        if source not in self._known_ways:
            networks = load_tracker(source)
            start, focal_px = Start(clips.box), clips.focal_px
            ways = [find_verified_way(Path(clip), networks, start, focal_px) for clip in clips.clips]
            self._known_ways[source] = ways
        if is_main_process():
            for number, way in enumerate(self._known_ways[source]):
                way.save(folder / "crops" / f"{number}.npz")
        return self._known_ways[source]

    def _train(
        self,
        module: LightningModule,
        data: LightningDataModule,
        steps: int,
        folder: Path,
        record: RunRecord,
        callbacks: list[Callback],
    ) -> None:
        train(
            module,
            data,
            steps=steps,
            # The clips have no truth to choose a best checkpoint by.
            monitor=LAB_MONITOR if data is self.lab else "",
            folder=folder,
            record=record,
            settings=self.experiment.trainer,
            wandb_settings=self.experiment.wandb,
            callbacks=[StageProgress(record.label), *callbacks],
        )


def check_crop_size(clips: WildClipsSettings, size: int, source: Path) -> None:
    """Refuse crops of another size than the source network sees."""
    if clips.image_size != size:
        expected, got = f"{size}, the crop that {source} sees", str(clips.image_size)
        raise InputError("clips.image_size", expected, got, f"write clips.image_size={size}")
