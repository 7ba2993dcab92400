"""What comes in and goes out as files: lab captures, phone clips, and the truth of synthetic clips.

- ``obj``: meshes with texture coordinates.
- ``krt``: the cameras of a lab capture (K, R, t and distortion).
- ``multiface``: every other file of the Multiface layout, one reader and one writer each.
- ``capture_index``: ``MultifaceCapture``, what a capture folder holds and what it lacks.
- ``canonical``: rigid vertices, and the rigid motion of the meshes moved into the head poses.
- ``distortion``: lens distortion undone.
- ``crop``: a box of an image, resampled to a square.
- ``video``: clips in and out, with true time stamps and the rotation flag.
- ``degradation``: what lowers a clip's quality, by name and level: resolution, blur, noise, compression, crop error.
- ``detector``: where the face is, by MediaPipe where it is installed.
- ``clip_truth``: what a synthetic clip really shows; opened by evaluation only.
- ``check``: what ``steadyface check`` says of a clip or a capture.
"""
