"""The synthetic studio: a person who does not exist, the light, the lab and the phone that film them.

The subject (``subject.Subject``)
    subject.py          vertices(weights), albedo(weights, size), sheen(size) of an identity seed
    anatomy.py          landmarks in mm, and how identities differ in shape
    palette.py          how they differ in colour; the noise of the skin
    layout.py           charts, triangles and texture coordinates: one topology for every identity
    head.py             the head as a signed distance of blended solids
    surface.py          the head chart's grid laid onto it, lid and lip lines on rows of the grid
    relief.py           lips, philtrum, lid crease, hair
    organs.py           eyeballs, mouth cavity with teeth, ears
    fields.py           lip and jaw weights over the skin
    expressions.py      the expression shapes, ARKit's names; add one to its tables _MIDDLE or _LEFT
    build.py            an identity's mesh put together, its regions
    texels.py           where the texels of a chart lie on the mesh
    skin.py             the painted albedo of the head; organ_skin.py of eyes, mouth and ears
    wrinkles.py         what an expression adds to it
    atlas.py            the whole texture, kept for each size

The set: lighting, shading, scene, backgrounds, torso, phone_camera, lab_cameras.
The performance: motion, range_of_motion, speech.
What goes wrong: conditions (their registry, and the sets that confidence is fitted and judged on), condition_kinds,
occluders, faceless.
What the stress suite adds: stress_conditions (its registry), stress_overlays (laid over a clip), stress_staging (filmed
again), stress_clip (the clip, its truth, its facts).
A second generator of the same persons' clips, which shares none of that: other_world.
What is written: lab_capture, wild_clip; settings and generate drive both.

Head frame: mm, origin between the ears, x to the subject's left (right in a picture of them), y down,
z to the back; the face looks along -z, so an unturned head has head pose identity.
"""
