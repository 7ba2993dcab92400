"""``steadyface stress``: what becomes of source, paper's objective and ours when a clip breaks their premise.

==============  ============================================================================
``settings``    the files of ``experiments/stress/``: one condition each, over a common base
``subjects``    the people: finished experiments with a studio and a source network
``grid``        which cells there are: condition x strength x subject x seed x world
``worlds``      who films a cell's clip; another generator is another entry
``cell_run``    one cell: its clip, its adaptations (stages like any other), its scores
``study``       the cells one after another, with rate and time left
``cells``       what is stored of a cell, and ``read_cells`` for whoever wants to read it
``verdicts``    better, worse, hurt: the counts
``report``      docs/stress.md; ``plot``: its figure
==============  ============================================================================
"""
