"""Filters over a track: less jitter, for a lag or for none.

Map:
    apply        the filters by name, over a track in memory or in a file; how to add one
    causal       those that need no frame to come, a frame a step, for live tracking
    one_euro     a low pass whose cut-off rises with speed; causal
    kalman       the Kalman smoother over a run; needs the frames to come
    settings     how strongly they work on latent, rotation, translation and vertices
    lag_report   what a filter did: its lag and the jitter that it took away
    rotations    rotation vectors: differences and steps on the manifold
"""
