"""The paper's figures from finished experiments: what ``steadyface figures RUN...`` draws.

================  =================================================================================
``finished``      a finished experiment as the figures read it: scores, tracks, truth, face model
``style``         one look for all of them: colours by row, sizes, how a file is written
``stability``     tremor over time by row, one file a subject (Yoon et al. 2019, Fig. 6)
``bars``          a bar with its interval and single values, as the figures share it
``sheet``         frames of a clip as input, mesh, textured, overlay (Fig. 8)
``ablation``      a bar a row and metric, with its interval over subjects and seeds (Fig. 9)
``degradations``  the error over the level of each degradation (Fig. 10)
``accuracy``      the error of each vertex as colour on the head (Fig. 12)
``write``         the command: which figures are drawn, where to, and what was skipped
================  =================================================================================

Numbers and pictures are made by functions that draw nothing, so that they can be tested; a figure only
lays them out. To add a figure, write a module with a function that yields `style.Drawing` or `style.Skipped`,
and name it in ``write.FIGURES``.
"""
