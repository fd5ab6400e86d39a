"""Forwards Python's logging to the node's logger."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from rclpy.impl.rcutils_logger import RcutilsLogger


class RosLogHandler(logging.Handler):
    """Sends what libraries log to /rosout and the console, at the same severity, until `close`.

    The node's logger decides which severities are shown.

    Args:
        logger: The node's.
        libraries: Names of Python packages.
    """

    def __init__(self, logger: RcutilsLogger, libraries: Iterable[str]) -> None:
        super().__init__()
        self._logger = logger
        self._sources = [logging.getLogger(library) for library in libraries]
        for source in self._sources:
            source.addHandler(self)
            source.setLevel(logging.DEBUG)  # unset, Python itself would hold back all below WARNING

    def close(self) -> None:
        """Leave the libraries."""
        for source in self._sources:
            source.removeHandler(self)
            source.setLevel(logging.NOTSET)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record."""
        # rclpy ties a call site to one severity, so each severity has its own line here.
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)
