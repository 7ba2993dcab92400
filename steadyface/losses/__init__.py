"""What the stages minimise. Every loss is a function of tensors; the stages hold the weights.

- ``supervised``: pose, geometry and latent against the lab's
- ``consistency``: CFTC and MOTC, textures that must agree (Yoon et al. 2019, section 4)
- ``registration``: dense registration in texture space, where each texel should lie in the picture
- ``guards``: the frame's border and the pull to the source, without which consistency collapses
- ``colour``: the colour matrix C between the model's texture and the phone's
- ``robust``: one robust penalty for all

To add one: write a function here, give it a weight in the stage's settings, and add it to the
stage's sum.
"""
