"""Where words go: the console gets our lines and warnings, a stage's ``log.txt`` gets everything."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.execution import is_main_process

OURS = ("launcher", "callbacks", "lightning_modules", "datamodules", "steadyface")
OTHERS = ("pytorch_lightning", "py.warnings")  # what they say is for the file alone


def quiet_console() -> None:
    """Warnings of ours on stderr, one line each; nothing else."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.getLogger().addHandler(handler)


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Write what is logged meanwhile, Python's warnings included, to a file; on rank 0 only."""
    handler: logging.Handler = logging.NullHandler()
    if is_main_process():
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
