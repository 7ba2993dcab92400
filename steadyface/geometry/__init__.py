"""Geometry between a mesh, a camera and a texture.

- ``cameras``: rigid transforms, perspective projection, what a crop does to K
- ``rasterizer``: which triangle covers which pixel (the fragment rasteriser)
- ``screen_triangles``: projected triangles, and the spans of pixels that lie inside them
- ``texture_space``: unwrap an image onto the mesh's texture, and which texels a camera sees
- ``contrast``: local contrast normalisation inside a mask
- ``alignment``: the rigid motion between two meshes, and moving it from the mesh into the pose
- ``pose_from_points``: head pose from points of the head seen in the image
- ``projection_jacobian``: how projected points move with pose and shape
- ``crop_rays``: head pose in the coordinates of a crop, whatever its place and K
- ``normal_equations``: least squares of many unknowns
- ``normals``: vertex normals
"""
