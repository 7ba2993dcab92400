"""Face rigs behind one interface, whatever they are written in: what a person is enrolled with.

What a rig is (``rig.Rig``)
    rig.py              neutral, expression shapes, identity modes, topology, landmarks, parts; vertices(...)
    landmarks.py        the one scheme of landmarks, iBUG's 68 points, as weighted means of three vertices
    mediapipe68.py      which of MediaPipe FaceMesh's points each of them is
    arkit.py            the names of expression shapes
    parts.py            what is tracked (the face's skin) and what is only drawn, by name or by place
    parts_file.py       a user's word on that, parts.json
    enrolment.py        check_for_enrolment: what a rig lacks, said before the long work starts

Where it comes from (``open_rig.open_rig``, one line a format; to add one, write its file and its line)
    own_head.py         ``own``: the mean of the synthetic subjects
    ict.py              ICT-FaceKit's folder
    obj_folder.py       a folder of OBJ files
    glb.py              a .glb with morph targets; glb_file.py its container, glb_scene.py its meshes
    flame.py            FLAME as .npz; skinning.py turns its joints into shapes

What they share
    frame.py            units and axes into the head frame
    uv_tiles.py         texture coordinates: what is only drawn lies beside what is tracked
    obj_parts.py        OBJ files: vertices alone, and the names of the triangles

Head frame: mm, x to the subject's left, y down, z to the back. Nothing is unpickled, and nothing kept on disk.
"""
