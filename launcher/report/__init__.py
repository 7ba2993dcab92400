"""The page that a run ends with: one HTML file that shows what changed, and how sure one can be.

==============  ==============================================================================
``inputs``      what the page is made from, as one dataclass
``from_run``    gathers it from an experiment's folder, and writes ``report.html`` there
``page``        puts the page together; ``report.css`` and ``report.js`` are built in
``player``      the clip, the source and the adapted network side by side, as one video
``charts``      the stability graphs per frame, as inline SVG
``heads``       the vertex error heat maps and their colour bar
``unwrapped``   the texture as each network unwraps it, mean and deviation over the clip
``tables``      the figures, their values per seed and changes
``sentences``   what each row shows, in words that follow from its numbers
==============  ==============================================================================

Everything is inside the file: no script, font or picture comes from elsewhere. To add a section, write
a function that returns HTML and name it in ``page.clip_section``.
"""
