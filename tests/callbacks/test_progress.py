"""Progress over a whole stage: lines where there is no terminal, a bar where there is one."""

from __future__ import annotations

import io

import pytest

from callbacks.progress import StageProgress, progress_line


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_lines_with_rate_and_the_last_step(fit, stage):
    stream = io.StringIO()
    fit(stage(), [StageProgress("adapt", line_every_s=0.0, stream=stream)], steps=5, every=3)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 5 and lines[-1].startswith("adapt: 5/5 steps (100 %)")
    assert "left" in lines[1] and "loss" in lines[1] and "\r" not in stream.getvalue()


def test_lines_are_few_where_steps_are_fast(fit, stage):
    stream = io.StringIO()
    fit(stage(), [StageProgress("adapt", line_every_s=60.0, stream=stream)], steps=5)
    assert len(stream.getvalue().splitlines()) == 1


def test_a_terminal_gets_one_bar_over_all_epochs(fit, stage):
    stream = _Terminal()
    fit(stage(), [StageProgress("adapt", stream=stream)], steps=7)  # epochs of three steps
    last = stream.getvalue().split("\r")[-1]
    assert "7/7" in last and "step/s" in last


def test_a_resume_goes_on_counting(fit, stage):
    fit(stage(), [StageProgress(stream=io.StringIO())], steps=2)
    stream = io.StringIO()
    fit(stage(), [StageProgress("adapt", line_every_s=0.0, stream=stream)], steps=4, resume=True)
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["3/4", "4/4"]


@pytest.mark.parametrize(
    ("step", "elapsed", "expected"),
    [(0, 0.0, "0.0 steps/s"), (10, 100.0, "10.0 s/step, 5 min 0 s left"), (40, 1.0, "40.0 steps/s")],
)
def test_slow_steps_are_said_in_seconds(step, elapsed, expected):
    assert progress_line("x", step, 40, 0, elapsed).endswith(expected)


def test_a_resumed_bar_begins_where_it_was_and_counts_only_its_own_steps_as_speed(fit, stage):
    fit(stage(), [StageProgress(stream=io.StringIO())], steps=2)
    stream = _Terminal()
    progress = StageProgress("adapt", stream=stream)
    fit(stage(), [progress], steps=4, resume=True)
    drawn = [part for part in stream.getvalue().split("\r") if "adapt" in part]
    assert "2/4" in drawn[0] and "4/4" in drawn[-1]
    assert progress._first_step == 2  # the rate's zero
