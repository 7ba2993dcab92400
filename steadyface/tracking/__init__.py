"""From a clip to a track, and what is drawn and measured from it without truth.

Map:
    tracker        encoder and decoder over a clip, in the canonical head frame; says when the face is another's
    track          what was found, frame by frame, and its file
    track_file     the same file written and read a stretch at a time, for clips longer than memory
    smoothing      the zero-lag smoother: the rival of every adaptation
    filters        filters by name over a track, or frame by frame; what they cost in lag
    floor          the oracle's row: true head pose, best latent
    oracles        half of it each: true head pose alone, best latent alone
    photometric_fit, photometric_step   a baseline: every frame fitted for itself to the picture's colours
    generic_tracker  a peer: MediaPipe's landmarks, where it is installed
    external       other trackers' results, read from a file
    landmark_track landmarks of a clip, and what they can be judged by; landmark_overlay: drawn over it
    residual       how well the model explains the picture, in texture space
    occlusion      how much of the face it does not explain
    evidence, front_texels          what a frame says of its own track: texture, points, coverage, by region
    confidence, confidence_features how likely a frame and its regions are right, calibrated
    presence       whether a face is there at all, in stretches
    focal, focal_observations, point_model   the clip's focal length from the points found in its frames
    keyframes      an artist's corrections spread over the take; keyframe_file: as they are written down;
                   keyframe_state: solved from landmark points
    frame_choice   which few frames of a clip cover its poses and expressions
    adaptation_score  a network's figures on a clip without truth, beside its source's
    guards         what they mean: score, rejection, choice, whose face it is
    held_out       the frames that no training window holds
    premise        how well the premise of adaptation holds over a clip: pairs kept, summed up, the worst stretch
    clip_evidence  textures unwrapped under given states, and what the source remembers
    replay         other expressions rendered into a clip's frames, whose truth is exact
    overlay        the tracked face drawn over the frame
    heat_map       a number at each vertex as colour on the head
"""
