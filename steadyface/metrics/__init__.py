"""What is measured: every metric as a pure function, and a torchmetrics class of the same name in CamelCase.

Map:
    head_frame       canonicalise: moves the rigid motion that a mesh contains into its head pose
    geometry_errors  vertex_error_mm, vertex_error_camera_mm (lateral, log depth), reprojection_error_px,
                     head_rotation_error_deg, head_translation_error_mm
    stability        acceleration_error_{mm,px}_s2, acceleration_{mm,px}_s2, stability_ratio, motion_gain
    lag              lag_ms
    photometric      photometric_error, photometric_psnr_db, photometric_ssim
    warping          warp_psnr_db and the correspondence it warps through
    texture          texture_residual, texture_residual_normalised, texture_coverage
    latents          latent_distance
    landmarks        landmark_nme
    evaluate_track   every geometric metric of a track against its truth, as a dict of names
    frame_correctness  which frames and regions of a track are wrong
    calibration      area under the ROC, expected calibration error, reliability of probabilities
    statistics       intervals over subjects, clips and seeds; differences, Holm, equivalence, share of a gap
    accumulate       what the classes share: float64 sums, added over batches and processes

Rules: head-frame metrics take vertices that `canonicalise` returned; every mean is a ratio of two
sums (over the mask, never over the whole image), so batches and processes of any size add up exactly.
To add a metric: write `NAME_terms`-style sums, a function NAME and a class on `RatioOfSums`, and test
all three against a slow loop, in one process and in two.
"""
