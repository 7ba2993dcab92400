"""The box search behind its interface. What needs MediaPipe is tested in tests/services/test_detector.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steadyface.capture.detector import detect_box, enclosing_square, face_in_head, head_box, open_finder
from steadyface.capture.mediapipe_finder import MediaPipeFinder, has_mediapipe, tiles
from steadyface.capture.video import VideoWriter
from steadyface.errors import InputError


class SquareDetector:
    """Stands where MediaPipe's model does: the bright squares of a picture, with a score a brightness.

    As the model, it sees none that is small in the picture it is given, or cut by its border.
    """

    def __init__(self, smallest: float, score: float) -> None:
        self.smallest, self.score = smallest, score

    def process(self, image: np.ndarray) -> object:
        rows, columns = np.nonzero(image[..., 0] > 200)
        height, width = image.shape[:2]
        found = []
        if len(rows):
            y, x, h, w = rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1
            inside = x > 0 and y > 0 and x + w < width and y + h < height
            if inside and w / max(height, width) >= self.smallest:
                box = type("Box", (), {"xmin": x / width, "ymin": y / height, "width": w / width, "height": h / height})
                place = type("Place", (), {"relative_bounding_box": box})
                found.append(type("Detection", (), {"location_data": place, "score": [self.score]}))
        return type("Result", (), {"detections": found})


def finder(score: float = 0.9, second: float = 0.9) -> MediaPipeFinder:
    return MediaPipeFinder(SquareDetector(0.1, score), SquareDetector(0.0, second))


def picture(x: int, y: int, side: int) -> np.ndarray:
    image = np.zeros((120, 200, 3), np.uint8)
    image[max(y, 0) : y + side, max(x, 0) : x + side] = 255
    return image


def test_the_square_covers_every_detection_with_a_margin() -> None:
    boxes = np.array([[100.0, 50.0, 40.0, 40.0], [160.0, 60.0, 44.0, 42.0]])
    x, y, width, height = enclosing_square(boxes)
    assert width == height == pytest.approx(104 + 1.1 * 42)
    assert x + width / 2 == pytest.approx(152) and y + height / 2 == pytest.approx(76)


@pytest.mark.parametrize("head", [(20.0, 108.0, 440.0, 440.0), (-5.5, 3.0, 30.0, 30.0)])
def test_the_users_box_is_the_head_of_the_face_that_is_found(head: tuple[float, float, float, float]) -> None:
    assert head_box(face_in_head(head)) == pytest.approx(head)
    with open_finder(Path("none.mp4"), head) as fixed:
        (face,) = fixed.find(picture(0, 0, 1))
    assert head_box(face) == pytest.approx(head)


def test_a_box_that_is_no_square_gives_the_square_around_its_centre() -> None:
    assert head_box(face_in_head((10.0, 20.0, 30.0, 50.0))) == pytest.approx((0.0, 20.0, 50.0, 50.0))


def test_a_sure_detection_of_the_whole_picture_is_taken_as_it_is() -> None:
    assert finder(second=0.0).find(picture(60, 30, 40)) == [pytest.approx((60, 30, 40, 40))]


def test_an_unsure_one_is_looked_at_again() -> None:
    assert finder(score=0.6).find(picture(60, 30, 40)) == [pytest.approx((60, 30, 40, 40))]
    assert finder(score=0.6, second=0.6).find(picture(60, 30, 40)) == []


def test_a_small_face_is_found_in_a_tile() -> None:
    assert finder().find(picture(120, 70, 14)) == [pytest.approx((120, 70, 14, 14))]
    assert finder(second=0.5).find(picture(120, 70, 14)) == []  # and always looked at again
    assert finder().find(picture(120, 70, 6)) == []


def test_a_face_that_the_border_cuts_is_found_with_a_margin() -> None:
    assert finder().find(picture(-12, 30, 40)) == [pytest.approx((0, 30, 28, 40))]


def test_tiles_cover_a_picture_of_any_shape() -> None:
    for width, height in ((640, 360), (360, 640), (100, 100), (37, 500)):
        seen = np.zeros((height, width), bool)
        for left, top, side in tiles(width, height):
            assert min(left, top) >= 0
            seen[top : top + side, left : left + side] = True
        assert seen.all() and len(tiles(width, height)) <= 9


@pytest.mark.skipif(has_mediapipe(), reason="MediaPipe is installed")
def test_without_mediapipe_both_remedies_are_named(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 64, 48, 30) as writer:
        writer.write(np.full((48, 64, 3), 128, np.uint8))
    with pytest.raises(InputError, match=r"give the box.*or install MediaPipe") as error:
        detect_box(tmp_path / "a.mp4")
    assert "\n" not in str(error.value)
