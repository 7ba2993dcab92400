"""Where words go: the console gets our lines and warnings, a stage's ``log.txt`` gets everything."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OURS = ("launcher", "callbacks", "lightning_modules", "datamodules", "steadyface")
OTHERS = ("pytorch_lightning", "py.warnings")  # what they say is for the file alone


class Console(logging.Handler):
    """Warnings as one line each on whatever stderr is now, once whatever the number of processes."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if speaks_here():
            print(self.format(record), file=sys.stderr)


def quiet_console() -> None:
    """Send warnings of ours to stderr, and nothing else; a second call changes nothing."""
    root = logging.getLogger()
    if not any(isinstance(handler, Console) for handler in root.handlers):
        root.addHandler(Console())


def speaks_here() -> bool:
    """Whether this process is the one that writes. It is where nothing trains, and torch is not imported to ask."""
    execution = sys.modules.get("launcher.execution")
    return execution is None or bool(execution.is_main_process())


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Write what is logged meanwhile, Python's warnings included, to a file; on rank 0 only."""
    handler: logging.Handler = logging.NullHandler()
    if speaks_here():
        handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in (*OURS, *OTHERS)]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        if logger.name in OTHERS:
            logger.propagate, logger.handlers = False, []
        logger.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
            logger.level, logger.propagate, logger.handlers = level, propagate, handlers
        handler.close()
