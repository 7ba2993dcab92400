"""The lab session covers every shape, in named segments whose frame numbers run on."""

from __future__ import annotations

import numpy as np

from steadyface.studio.range_of_motion import SEGMENTS, lab_session
from steadyface.studio.subject import EXPRESSION_NAMES

NAMES = list(EXPRESSION_NAMES)


def test_session_has_every_segment_and_frame() -> None:
    session = lab_session(NAMES, 600, 30.0, 0)
    assert [segment.name for segment in session] == [plan.name for plan in SEGMENTS]
    assert [frame for segment in session for frame in segment.frames] == list(range(600))
    for segment in session:
        assert segment.performance.weights.shape == (len(segment.frames), len(NAMES))


def test_every_shape_is_exercised_without_the_held_out_segment() -> None:
    session = lab_session(NAMES, 600, 30.0, 0)
    weights = np.concatenate([s.performance.weights for s in session if s.name != "EXP_free_face"])
    assert weights.min() >= 0.0 and weights.max() <= 1.0
    weakest = weights.max(0).argmin()
    assert weights.max(0).min() > 0.25, NAMES[weakest]


def test_neutral_is_neutral_and_speech_moves_the_jaw() -> None:
    session = {segment.name: segment.performance for segment in lab_session(NAMES, 600, 30.0, 0)}
    assert np.all(session["E001_Neutral_Eyes_Open"].weights == 0.0)
    jaw = session["SEN_a_good_morrow_to_you_my_boy"].weights[:, NAMES.index("jawOpen")]
    turns = np.count_nonzero(np.diff(np.sign(np.diff(jaw))))
    assert jaw.max() > 0.2
    assert turns / 2 > 0.8 * len(jaw) / 30.0  # syllables, pauses counted in


def test_motion_is_smooth_at_30_frames_a_second() -> None:
    for segment in lab_session(NAMES, 600, 30.0, 0):
        for name, values in zip(NAMES, segment.performance.weights.T, strict=True):
            if not name.startswith(("eyeBlink", "eyeLook", "eyeWide")) and len(values) > 1:
                assert np.abs(np.diff(values)).max() < 0.6, (segment.name, name)


def test_short_session_leaves_segments_out() -> None:
    session = lab_session(NAMES, 5, 30.0, 0)
    assert sum(len(segment.frames) for segment in session) == 5


def test_seed_decides() -> None:
    one, same, other = (lab_session(NAMES, 60, 30.0, seed)[5].performance.weights for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
