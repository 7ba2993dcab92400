"""The networks: a personal face model, and the encoder that drives it from one image.

- ``face_model``: the deep appearance model; (latent, view) -> mesh and texture, and its encoder
- ``state_encoder``: one image and its camera -> face state: head pose first, then the expression
  from the texture unwrapped under that pose
- ``blocks``: the convolutions both are made of
- ``checkpoints``: networks to and from a stage's checkpoint file
"""
