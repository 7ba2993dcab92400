"""The science of steadyface in plain PyTorch: no Lightning, no W&B, no run folders.

- ``types``: face states, batches, a subject's fixed facts; ``errors``: the one error of bad input
- ``geometry``: cameras, the fragment rasteriser, texture unwrapping, visibility, contrast
- ``networks``: the personal face model (deep appearance model) and the encoder that drives it
- ``losses``: what the stages minimise
- ``metrics``: what is measured, as functions and torchmetrics classes
- ``capture``: lab captures and videos on disk
- ``studio``: the synthetic subject, its light, its cameras
- ``rigs``: face rigs of several formats behind one interface
- ``tracking``: from a clip to a track, smoothing, overlays
"""

__version__ = "0.1.0"
