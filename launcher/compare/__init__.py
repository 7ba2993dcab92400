"""``steadyface compare RUN RUN ...``: what differs between finished experiments, and which tracks better.

================  =================================================================================
``comparison``    the main path: read, judge, print, write the page, push to W&B
``sides``         ``RUN:ROW`` words to what is compared; refuses what cannot be
``common_clips``  the clips that all runs were scored on, found by their content
``differences``   the settings that decide results and differ
``values``        a side's values by source network and seed, as the statistics want them
``verdicts``      better, worse, equivalent, undecided: by the primary endpoints, seeds as a random effect
``segments``      the scores of each second of a clip
``tables``        every number as tables, built once for the terminal, the page and W&B
``page``          the self-contained page: ``compare.css`` and ``compare.js`` are built in
``videos``        one video a side over the same frames
``wandb_tables``  the same tables as a W&B run
================  =================================================================================

The statistics are ``steadyface.metrics.statistics``, the endpoints those of ``launcher.results.endpoints``. To add a
table, build a `Table` in ``tables`` and name it in ``tables.clip_tables``: all three outputs then show it.
"""
