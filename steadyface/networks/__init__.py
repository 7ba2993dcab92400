"""The networks: a personal face model, and the encoder that drives it from one image.

- ``face_model``, ``face_models``: what every deep appearance model is, (latent, view) -> mesh and texture, and
  its encoder; and all by name
- ``component_model``: the small one, which starts as the principal components of the lab's meshes
- ``multiface_model``: the published one in five variants (``weight_normalised`` layers, ``texture_blocks``,
  ``texture_warp``); ``multiface_weights``: the released networks in it
- ``encoder``, ``encoders``: what every encoder is, one image and its camera -> face state; and all by name
- ``state_encoder``: the one in texture space: head pose from points (``point_network``,
  ``head_points``) first, then the expression from the texture unwrapped under that pose
- ``i2znet``: the published one, a regression from an image classifier's features (``perceptual``,
  ``imagenet``) and a stacked ``hourglass``
- ``blocks``: the convolutions that most of them are made of
- ``checkpoints``: networks to and from a stage's checkpoint file
"""
