"""What the stages minimise. Every loss is a function of tensors; the stages hold the weights.

- ``supervised``: pose, geometry and latent against the lab's
- ``consistency``: CFTC and MOTC, textures that must agree (Yoon et al. 2019, section 4)
- ``registration``: dense registration in texture space, where each texel should lie in the picture
- ``landmarks``: reprojection onto landmarks that were detected in the frame
- ``guards``, ``coverage``: the frame's border, what must stay in sight, and the pulls to the source,
  without which consistency collapses
- ``premise``: how well the premise of consistency holds in a pair of frames, told apart; the pair's weight
- ``colour``, ``colour_fit``: the colour model C between the model's texture and the phone's
- ``robust``: one robust penalty for all
- ``self_supervision``: the objective of adaptation; its ``parts`` by name, and what they look at
  (``comparison``)

To add a part of the adaptation: see ``parts``. To add another loss: write a function here, give it
a weight in the stage's settings, and add it to the stage's sum.
"""
