"""Forward Python's logging to the node's logger, a line at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from rclpy.impl.rcutils_logger import RcutilsLogger

from clip2scene_ros.messages.quoting import one_line


class RosLogHandler(logging.Handler):
    """Sends the log records of libraries to the node's logger, at the same severity, until `close`.

    The node's logger writes to /rosout and the console; it decides which severities are shown.

    Args:
        logger: Logger of the node.
        libraries: Names of Python packages.
    """

    def __init__(self, logger: RcutilsLogger, libraries: Iterable[str]) -> None:
        super().__init__()
        self._logger = logger
        self._sources = [logging.getLogger(library) for library in libraries]
        for source in self._sources:
            source.addHandler(self)
            source.setLevel(logging.DEBUG)  # by default Python drops all records below WARNING

    def close(self) -> None:
        """Stop forwarding."""
        for source in self._sources:
            source.removeHandler(self)
            source.setLevel(logging.NOTSET)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Forward one record; its traceback, if it has one, line by line."""
        texts = [record.getMessage()]
        if record.exc_info:
            texts += logging.Formatter().formatException(record.exc_info).splitlines()
        for text in texts:
            self._write(record, one_line(text))

    def _write(self, record: logging.LogRecord, text: str) -> None:
        # rclpy ties a call site to one severity, so each severity has its own line here.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)
