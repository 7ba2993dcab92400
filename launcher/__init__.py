"""Reads an experiment, builds its stages, runs what was not run before, and shows what came out.

=====================  =======================================================================
``cli``, ``commands``  the command line: ``steadyface run | track | evaluate | ...``
``settings``           what an experiment YAML may say: one dataclass, composed of the stages' own
``load``, ``resolve``  YAML + ``extends:`` + ``key=value`` -> that dataclass, all faults at once
``sizes``              ``size=demo``: what changes where an experiment runs smaller
``checks``             the faults of values and of their combinations
``plan``               which stages an experiment needs, and the content hash of each
``weights``            ImageNet's, looked for before anything runs
``runs``               a stage's folder: state, code version, taken from there when it was finished
``execution``          a stage exactly once, whatever was killed before, on one process or several; ``locks``: who
                       works on a stage now
``resume``             goes on with what was stopped; ``unfinished``: the mark of what was; ``run_list``: what is there
``distributed``        the processes that train together; ``local_ranks``: started from here, ``take_part``
``stopping``           SIGTERM and Ctrl-C end a run where nothing is lost
``training``           the Lightning Trainer of a stage: checkpoints, resume
``wandb_runs``         a stage's W&B run, and what all runs share; ``wandb_artifacts``: checkpoints with their lineage;
                       ``wandb_agent``: the trial that a W&B agent started this process for
``wandb_evaluation``   the W&B run of the scores; ``evaluation_media``, ``wandb_tables``: its pictures and tables
``wandb_sync``         sends offline parts to the server; ``dashboard``: the view that compares runs
``metrics_file``       ``metrics.csv``: every logged number, cut back on a resume; ``covered_logger``: W&B gets what a
                       checkpoint covers
``checkpoint_io``      checkpoints that are whole or absent; ``last_checkpoint``: when one is written
``memory``             what becomes of freed memory
``logs``               what goes to the console, what to ``log.txt``
``joined_data``        clip windows and lab views in one loader
``outcome``            ``stages.json``: where an experiment's checkpoints lie
``stages``             studio, appearance, pretraining, adaptation
``guarding``           the guards of an adaptation, and ``selection.json``; ``selection_study``: the choice without
                       truth, judged by the truth
``experiment``         the main path, on one screen
``evaluation``         tracks every row of the table over the clips; ``judge`` scores it
``baselines``          rows that are no trained network; ``external_rows``: other trackers' files
``degradation_study``  the networks on clips made worse
``confidence_trials``  tracks under synthetic conditions, with evidence and truth
``confidence_study``   the calibration of confidence, fitted and judged; ``confidence_plot`` draws it
``focal_study``        what a wrong focal length costs; ``keyframe_study``: what an artist's keyframes buy
``few_frames``         an adaptation to few frames of each clip; ``budget_study``: what they cost
``keyframes``          an artist's keyframes over a finished track's file
``summary``            summary.json and the printed table
``import_decoder``     a released network of the public Multiface code as a decoder
``studio``             the synthetic subject in a folder of the user's
``tracking``           one clip through a trained model: states, vertices, overlay
``check``              what a person's model adds to ``steadyface check``
``generic_tracking``   a peer's landmarks of one clip: ``steadyface track --tracker mediapipe``
``live``               the newest frame of a pipe or camera; ``live_meter``: frames a second, latency, drops
``export``             a track as .glb, OBJ, PLY and curves
``sweep``              many runs of one experiment under other settings, as processes or SLURM jobs
``compare``            finished runs against one another: verdicts, a page, W&B's tables
``report``             the self-contained HTML page
``stress``             source, paper's objective and ours on clips whose premise breaks
``figures``            the paper's figures from finished experiments
``results``            the page of several experiments, one a subject: intervals, tests, claims
=====================  =======================================================================

A new stage is a function in ``stages``, an entry in ``plan`` and a field in ``settings``.
"""
