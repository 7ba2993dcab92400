"""Geometry between a mesh, a camera and a texture.

- ``cameras``: rigid transforms, perspective projection, what a crop does to K
- ``rasterizer``: which triangle covers which pixel (the fragment rasteriser)
- ``texture_space``: unwrap an image onto the mesh's texture, and which texels a camera sees
- ``contrast``: local contrast normalisation inside a mask
- ``alignment``: the rigid motion between two meshes
- ``normals``: vertex normals
"""
