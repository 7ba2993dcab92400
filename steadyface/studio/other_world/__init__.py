"""A second generator of phone clips with truth, of the studio's persons, to see whether a verdict outlives its world.

It has the person in common with the first: neutral mesh, topology, albedo, rigid head. Light, shading, camera, motion
and expressions are its own: a room that is ray traced from every vertex, Oren-Nayar and GGX skin, a mosaic
sensor with a rolling shutter and a film curve, springs instead of waves and keys, displacements that spread by heat
instead of blend shapes. docs/other-world.md says what that is for and when it was looked at.

    settings.py         what is asked for, and its fingerprint
    generate.py         writes clips, truth and settings
    film_clip.py        one clip, frame by frame
The performance: deformation (of shapes, on mesh_fields), dynamics (the stand-in), replay (of tracked landmarks,
landmark_track). span: how much of it the lab's meshes do not span.
Light: room, environment, ray_light. Picture: drawing, body, rolling_shutter, sensor.

Axes of the room: the phone's at its rest, mm. Turned heads, swaying phones and subframe times are all in
``film_clip.Instant``.
"""
