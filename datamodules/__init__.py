"""Where frames come from.

- ``lab_captures``: ``LabCaptures``, a subject's lab capture in the Multiface layout -> ``LabBatch``.
- ``lab_cache``: how its views are decoded, cropped and kept in memory.
- ``lab_drawings``: the mesh drawn into each view, kept from start to start.
- ``lab_disk_cache``: files in the user's cache folder: atomic, checked, bounded.
- ``lab_subject``: what is fixed for the subject: topology, normalisation, regions.
- ``lab_splits``: which instants and cameras train, which are held out.
- ``wild_clips``: ``WildClips``, phone clips -> ``ClipBatch`` windows of consecutive frames.
- ``clip_crops``: a clip's frames cut to the head, clean or degraded; each file is decoded once for all levels.
- ``windows``: which frames belong together.
- ``batches``: order, sharding and resuming, shared by both.
"""
