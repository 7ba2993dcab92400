"""What is watched while a stage learns.

Map:
    vertex_error        val/vertex_error_mm and kin on held-out lab frames, with a heat map
    temporal_stability  val/acceleration_mm_s2 and kin on clip frames in order
    collapse_guard      stops or flags an adaptation that shows ever less of the face, or loses it otherwise
    checkpoint_selection  chooses the weights that an adaptation ends with, or the source's; refuses another's face
    tracking_video      the tracked face over the validation clip, as mp4 and to W&B
    progress            rate and time left, in a terminal and in a log
    outputs             what a module hands to callbacks: the types they all rely on

A callback knows a module only by what ``outputs`` describes, imports no stage and no data module, and
survives a resume: it is a function of the step, or what it remembers is in the checkpoint.
To add one: a file here, a line in this map, and its name where the launcher puts a stage together.
"""
