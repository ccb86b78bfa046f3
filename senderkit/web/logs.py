"""How the process logs: one line for each event on standard error, for people on a terminal and
as JSON for everything else. No secret, recipient or message body is ever given to a logger.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_LEVELS = logging.getLevelNamesMapping()


def configure_logging(level: str) -> None:
    """Log from `level` ("debug", "info", "warning" or "error") on."""
    is_terminal = sys.stderr.isatty()
    threshold = _LEVELS[level.upper()]
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if is_terminal:
        # A prettier traceback would show the values of variables: keys, recipients, passwords.
        plain = structlog.dev.plain_traceback
        processors.append(structlog.dev.ConsoleRenderer(exception_formatter=plain))
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), stream=sys.stderr)
