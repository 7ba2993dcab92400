"""Many runs of one experiment under other settings: what a W&B sweep file describes, on engines of its own.

===================  =======================================================================
``sweep_file``       the W&B sweep schema, read and checked
``distributions``    those of the schema by name: keys, defaults, faults
``parameters``       the parameters of a sweep, and the points that they give
``command``          ``command:`` of a sweep file to the words of one trial
``check``            what the experiment itself says to the sweep's points and to its metric
``metric_names``     which metrics an experiment will log
``results``          a trial's metric, out of its summary.json or its metrics.csv
``storage``          where the trials are kept: a file, or PostgreSQL for many machines
``journal``          the lock of that file
``leases``           who works on a trial now: a lock that dies with its holder
``start``            all of it on one screen: check, open the trials, go through them
``trials``           the trials of a sweep over an Optuna study: taken, finished, taken up again
``space``            the parameters in Optuna's trials; ``samplers`` its samplers and pruners
``engine``           the loop: takes trials, starts them, watches them, goes on
``trial_launcher``   what starts a trial: the interface; ``local`` starts processes on this machine
``slurm``            trials as jobs of a cluster; ``slurm_queue`` is what SLURM says of them
``progress``         the progress lines, the table at the end, ``sweep.json``
``online``           a W&B sweep with agents; ``online_trial`` is one of its trials
===================  =======================================================================

To add a launcher (a scheduler, say): a class with the methods of ``trial_launcher.TrialLauncher``, and its name in
``launcher.commands.sweep``.
"""
