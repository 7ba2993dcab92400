"""A track as other programs read it. Everything reads the track a block at a time, so that its length is free.

Map:
    axes            from OpenCV's axes and mm to glTF's and metres
    whole_folder    a folder that appears whole, or not at all
    mesh_sequence   what the sequences of meshes share: which frames, where, and ``frames.csv``
    obj_sequence    an OBJ a frame
    ply_sequence    a binary PLY a frame
    texture_image   a texture as PNG
    seams           a vertex for each pair of vertex and texture coordinate
    morph_basis     the fewest shapes that hold a track's meshes within an error
    key_frames      when a head stands where, held over cuts and lost frames
    gltf_buffer     the binary part of a glTF file
    glb             one animated .glb of a whole track
    arkit           the 52 curves, by bounded least squares on named shapes
    bounded_least_squares   what finds them

A new format is a module here and an entry in ``launcher.export``.
"""
