"""How each stage learns; one Lightning module a stage.

- ``appearance``: the deep appearance model from lab captures -> the decoder
- ``pretraining``: the encoder from lab captures, the decoder frozen -> the source
- ``adaptation``: the encoder on a clip without labels, the decoder frozen -> adapted
- ``replaying``: what the adaptation learns from replayed views of the clip, after the clip itself
- ``clip_labels``: the truth of a clip as supervision, for the adaptation's supervised rivals
- ``schedule``: the one learning-rate schedule

Each module writes what builds its networks again into its checkpoint; ``steadyface.networks.checkpoints``
reads it. To add a stage: a settings dataclass and a module here, and a step in the launcher's plan.
"""
