"""Frames as they come, the newest first: a source that is fed faster than it is asked drops frames, never queues.

A thread decodes whatever comes and keeps one frame, the newest; what was not fetched in time is counted and
forgotten. So a frame that is fetched is never older than one interval of the source, however slow its user is.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Generic, NamedTuple, TypeVar

from av.container import InputContainer
from av.video.frame import VideoFrame as AvFrame
from av.video.stream import VideoStream

from steadyface.capture.colour_conversion import to_srgb
from steadyface.capture.display_matrix import read_matrix, upright
from steadyface.capture.live_input import LiveInput, PipeReader, decode_live, find_input, open_live
from steadyface.capture.video_types import VideoFrame, check_picture_size
from steadyface.errors import InputError

_LOOK_S = 0.2  # how often a waiting user looks whether it was told to stop
_JOIN_S = 2.0  # a device may not answer when it is closed: it is then left to the end of the program
_LEAST_STEP_S = 1e-6

Item = TypeVar("Item")


class LiveFrame(NamedTuple):
    """A frame, and how it came.

    frame: its index counts every frame that the source sent, so dropped ones leave gaps; time_s as the source
    stamps it, or since the first frame where it does not. arrived_s: when it was decoded, of
    `time.monotonic`. dropped: frames since the one fetched before.
    """

    frame: VideoFrame
    arrived_s: float
    dropped: int


class NewestSlot(Generic[Item]):
    """Room for one item between a thread that puts and one that takes: a newer one replaces an older one.

    Attributes:
        put_s: when the item that was taken last had been put, of `time.monotonic`.

    >>> slot = NewestSlot()
    >>> for number in range(5):
    ...     slot.put(number)
    >>> slot.end()
    >>> slot.take(), slot.take()
    (4, None)
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._ended = False
        self._newest_s = self.put_s = 0.0

    def put(self, item: Item) -> None:
        """The newest item."""
        with self._changed:
            # the time inside the lock: no item can be taken between the two
            self._item, self._newest_s = item, time.monotonic()
            self._changed.notify()

    def end(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def take(self, stopped: threading.Event | None = None) -> Item | None:
        """The newest item, as soon as there is one; None at the end, or once ``stopped`` is set."""
        with self._changed:
            while self._item is None and not self._ended and not (stopped is not None and stopped.is_set()):
                self._changed.wait(_LOOK_S)
            item, self._item, self.put_s = self._item, None, self._newest_s
            return None if stopped is not None and stopped.is_set() else item


class _Arrival(NamedTuple):
    number: int
    time_s: float
    picture: AvFrame


class LiveSource:
    """Opens a source in a ``with`` block and gives its newest frame whenever asked.

    A video file plays at its own pace, as a camera would. A source that broke off gives its last frame first,
    then the error.

    Args:
        name: see `live_input`.

    Attributes:
        received: frames that the source sent so far, all of which were decoded.
        taken: frames that were given to the user.

    Raises:
        InputError: nothing of that name.
    """

    def __init__(self, name: str) -> None:
        self._input: LiveInput = find_input(name)
        self._slot: NewestSlot[_Arrival] = NewestSlot()
        self._stopped = threading.Event()
        self._fault: BaseException | None = None
        self._pipe: PipeReader | None = None
        self._thread = threading.Thread(target=self._read, name="live source", daemon=True)
        self._last_index = -1
        self.received = self.taken = 0

    @property
    def name(self) -> str:
        """As it was given."""
        return self._input.name

    @property
    def dropped(self) -> int:
        """Frames that were not given to the user so far; at the end, ``received - taken``."""
        return self.received - self.taken

    def __enter__(self) -> LiveSource:
        if self._input.kind == "pipe":
            self._pipe = PipeReader(self._input.address)
        self._thread.start()
        return self

    def next_frame(self) -> LiveFrame | None:
        """The newest frame that was not given before, as soon as there is one; None at the end or after `stop`.

        Raises:
            InputError: the source cannot be opened, is no video, has pictures that cannot be used, or broke off.
        """
        arrival = self._slot.take(self._stopped)
        if arrival is None:
            if self._fault is not None and not self._stopped.is_set():
                raise self._fault
            return None
        dropped, self._last_index = arrival.number - self._last_index - 1, arrival.number
        self.taken += 1
        # here and not in the reader: what is dropped is never converted
        image = upright(to_srgb(arrival.picture), read_matrix(arrival.picture))
        return LiveFrame(VideoFrame(arrival.number, arrival.time_s, image), self._slot.put_s, dropped)

    def stop(self) -> None:
        """The user wants no more; may be called from a signal's handler."""
        self._stopped.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._pipe is not None:
            self._pipe.stop()
        self._thread.join(_JOIN_S)
        if self._pipe is not None and not self._thread.is_alive():
            self._pipe.close()

    def _read(self) -> None:
        """The thread: decode, and keep the newest."""
        try:
            with open_live(self._input, self._pipe) as (container, stream):
                self._keep_newest(container, stream)
        except BaseException as error:  # goes to the user's thread
            self._fault = error
        finally:
            self._slot.end()

    def _keep_newest(self, container: InputContainer, stream: VideoStream) -> None:
        clock, size = _Clock(), (0, 0)
        for picture in decode_live(self._input, container, stream):
            if self._stopped.is_set():
                return
            if self.received == 0:
                size = (picture.width, picture.height)
                check_picture_size(self.name, *size)
            if (picture.width, picture.height) != size:
                expected = f"{size[0]} x {size[1]} pixels, as its first frame"
                got = f"{picture.width} x {picture.height} from frame {self.received} on"
                raise InputError(self.name, expected, got, "start again with that size")
            if self._input.kind == "file":
                self._stopped.wait(clock.seconds_early(picture.time))
            time_s = clock.stamp(picture.time, time.monotonic())
            self.received += 1
            self._slot.put(_Arrival(self.received - 1, time_s, picture))


class _Clock:
    """Increasing time stamps for frames whose own may be missing, repeat, or begin anew.

    >>> clock = _Clock()
    >>> [clock.stamp(stamp, arrived) for stamp, arrived in [(5.0, 100.0), (5.5, 100.5), (0.0, 101.0), (0.5, 101.5)]]
    [5.0, 5.5, 6.0, 6.5]
    >>> clock = _Clock()
    >>> [clock.stamp(None, arrived) for arrived in (100.0, 100.25)]
    [0.0, 0.25]
    """

    def __init__(self) -> None:
        self._shift: float | None = None
        self._last = self._arrived = self._first_stamp = self._first_arrived = 0.0

    def stamp(self, stamp: float | None, arrived_s: float) -> float:
        """The time of a frame, later than that of the frame before."""
        raw = arrived_s if stamp is None else stamp
        if self._shift is None:
            self._shift = -arrived_s if stamp is None else 0.0
        elif raw + self._shift <= self._last:  # it repeats or began anew: go on by what has passed here
            self._shift += self._last + max(arrived_s - self._arrived, _LEAST_STEP_S) - (raw + self._shift)
        self._last, self._arrived = raw + self._shift, arrived_s
        return self._last

    def seconds_early(self, stamp: float | None) -> float:
        """How long a file's frame must wait to come at its time."""
        if stamp is None:
            return 0.0
        if not self._first_arrived:
            self._first_stamp, self._first_arrived = stamp, time.monotonic()
        return max(0.0, stamp - self._first_stamp - (time.monotonic() - self._first_arrived))
