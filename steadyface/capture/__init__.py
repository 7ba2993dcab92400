"""What comes in and goes out as files: lab captures, phone clips, and the truth of synthetic clips.

- ``obj``: meshes with texture coordinates.
- ``krt``: the cameras of a lab capture (K, R, t and distortion).
- ``multiface``: every other file of the Multiface layout, one reader and one writer each.
- ``arkit_names``: the 52 names of ARKit's shapes.
- ``named_shapes``: a person's expression shapes by name, beside a capture.
- ``capture_index``: ``MultifaceCapture``, what a capture folder holds and what it lacks.
- ``canonical``: rigid vertices, and the rigid motion of the meshes moved into the head poses.
- ``distortion``: lens distortion undone.
- ``crop``: a box of an image, resampled to a square.
- ``video``: clips in, upright sRGB frames with true time stamps, from video files and folders of images.
- ``video_types``: ``VideoInfo`` and ``VideoFrame``; which picture sizes are taken.
- ``video_writer``: clips out; ``sound``: the sound of a clip carried over into one that is written.
- ``colour_conversion``: matrix, range and high dynamic range; ``display_matrix``: the rotation flag.
- ``container_size``: whether a file was cut short; ``clip_metadata``: the focal length that a file states.
- ``image_folder_index``: which images make a clip, and when each is shown; ``image_folder``: those as frames.
- ``cuts``: where a new shot starts. ``adaptable``: clips that nothing can be learned from, refused.
- ``live_source``: the newest frame of a pipe, camera or address; ``live_input``: what such a name means.
- ``degradation``: what lowers a clip's quality, by name and level: resolution, blur, noise, compression, crop error.
- ``detector``: where faces are, behind one interface: a box, or ``mediapipe_finder`` where MediaPipe is installed;
  ``face_choice``: which of several is followed.
- ``clip_truth``: what a synthetic clip really shows; opened by evaluation only.
- ``check``: what ``steadyface check`` says: of a capture (``capture_check``) or of a clip. Of a clip, ``clip_check``
  measures (``sharpness``, ``face_light``) what ``clip_figures`` holds; ``clip_verdicts``, ``face_verdicts``,
  ``light_verdicts`` and ``person_verdicts`` judge it; ``finding`` is a line of the result.
"""
