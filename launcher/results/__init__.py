"""``docs/results.md``: what several finished experiments, one a subject, show together and how surely.

==============  ==============================================================================
``inputs``      reads the experiments' folders and checks that they can stand in one table
``endpoints``   which metrics are shown, which are primary, which direction is better
``rows``        what each row of the tables is, in a line
``compared``    intervals, differences, shares of the gap: every number of the page, computed once
``tables``      the same numbers as Markdown tables
``claims``      which claims hold and which do not, in sentences that follow from the numbers
``setup``       times, machine, code version, sizes: what the page starts with
``page``        puts the page together and writes it
==============  ==============================================================================

The statistics themselves are ``steadyface.metrics.statistics``. To show another metric, add it to
``endpoints``; to explain another row, add it to ``rows``.
"""
