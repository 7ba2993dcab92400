"""One person's face is followed among several: never swapped, lost rather than guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from steadyface.capture.crop import Box
from steadyface.capture.face_choice import FORGOTTEN_AFTER, LARGEST, FaceChooser, choose_face, parse_face
from steadyface.errors import InputError

LEFT, MIDDLE, RIGHT = (10.0, 50.0, 40.0, 40.0), (100.0, 40.0, 60.0, 60.0), (220.0, 50.0, 50.0, 50.0)
ALL = [MIDDLE, RIGHT, LEFT]  # largest first, as a finder gives them


def moved(box: Box, x: float) -> Box:
    return (box[0] + x, *box[1:])


def test_the_choice_in_the_first_frame() -> None:
    assert choose_face(ALL, None, LARGEST) == MIDDLE
    assert [choose_face(ALL, None, number) for number in (1, 2, 3, 4)] == [LEFT, MIDDLE, RIGHT, None]
    assert choose_face([], None, LARGEST) is None


def test_afterwards_the_nearest_is_the_one_whatever_the_choice_was() -> None:
    assert choose_face([moved(face, 7) for face in ALL], LEFT, LARGEST) == moved(LEFT, 7)
    assert choose_face([MIDDLE, RIGHT], LEFT, LARGEST) is None  # nobody else instead
    assert choose_face([(10.0, 50.0, 120.0, 120.0)], LEFT, LARGEST) is None  # nor a face three times as large


def test_a_number_waits_for_the_frame_that_shows_so_many() -> None:
    chooser = FaceChooser(2)
    assert chooser.choose([RIGHT]) is None
    assert chooser.choose([LEFT, RIGHT]) == RIGHT
    assert chooser.choose([RIGHT]) == RIGHT


def test_two_persons_who_pass_each_other_are_not_swapped() -> None:
    """The one that is followed goes right, the other left; while they overlap, one detection is missing."""
    chooser, chosen = FaceChooser(1), []
    for step in range(21):
        own, other = moved(LEFT, 8 * step), moved(LEFT, 160 - 8 * step)
        seen = [own, other] if abs(step - 10) > 2 else [other]
        chosen.append(chooser.choose(sorted(seen, key=lambda box: -box[0])))
    for step, box in enumerate(chosen):
        assert box in ((moved(LEFT, 8 * step), None) if abs(step - 10) <= 2 else (moved(LEFT, 8 * step),))


def test_the_plain_nearest_would_have_swapped_them() -> None:
    previous: Box | None = None
    for step in range(21):
        own, other = moved(LEFT, 8 * step), moved(LEFT, 160 - 8 * step)
        seen = [own, other] if abs(step - 10) > 2 else [other]
        previous = choose_face(seen, previous, 1) or previous
    assert previous == moved(LEFT, 0)  # the other's place: what the chooser is for


def test_who_was_lost_for_long_is_chosen_anew_and_after_a_cut_at_once() -> None:
    chooser = FaceChooser()
    assert chooser.choose([MIDDLE]) == MIDDLE
    answers = [chooser.choose([RIGHT]) for _ in range(FORGOTTEN_AFTER)]
    assert answers[:-1] == [None] * (FORGOTTEN_AFTER - 1) and answers[-1] == RIGHT
    chooser.restart()
    assert chooser.choose([LEFT]) == LEFT


def test_what_is_said_when_nothing_was_chosen() -> None:
    chooser = FaceChooser(3)
    chooser.choose([LEFT, RIGHT])
    assert str(chooser.nothing_found(Path("a.mp4"))).startswith("a.mp4: expected face 3 from the left, got at most 2")
    assert "no detection" in str(FaceChooser().nothing_found(Path("a.mp4")))


@pytest.mark.parametrize("word", ["0", "-1", "two", "", "1.5"])
def test_a_wrong_word(word: str) -> None:
    with pytest.raises(InputError, match=r"--face: expected largest, or a number from 1"):
        parse_face(word)
