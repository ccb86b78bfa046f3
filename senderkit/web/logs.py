"""How the process logs: one line for each event on standard error, for people on a terminal and
as JSON for everything else. No secret, recipient or message body is ever given to a logger; where
the words are somebody else's (an exception's, a provider's, a library's), what looks like an
address, a number or a key is taken out of them.

What others log (libraries, warnings, a thread that crashed) takes the same form.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from typing import Any, Final, TextIO

import structlog
from flask import g, has_request_context
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, ExcInfo

_LEVELS: Final = logging.getLevelNamesMapping()
_ROW_VALUES: Final = re.compile(
    r"^DETAIL:.*?(?=^CONTEXT:|^\[SQL|^\nThe above|^\nDuring handling|\Z)", re.MULTILINE | re.DOTALL
)

_TELLING: Final = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+"  # an email address
    r"|(?<![\w.])\+\d{7,15}\b"  # a phone number
    r"|\b(?:sk_(?:live|test)|whsec)_[A-Za-z0-9+/=_-]+"  # a key or secret of ours
    r"|(?<=Bearer )\S+"
)
_FOREIGN_WORDS: Final = ("reason", "event")
"""Fields that may hold the words of somebody else; our own events are short names."""

_log = structlog.get_logger(__name__)


def configure_logging(level: str) -> None:
    """Log from `level` ("debug", "info", "warning" or "error") on; of libraries warnings only."""
    threshold = _LEVELS[level.upper()]
    beginning = list(EVERY_LINE)
    end = _for_people() if sys.stderr.isatty() else for_programs()
    structlog.configure(
        processors=[*beginning, *end],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*beginning, structlog.stdlib.add_logger_name],
            processors=[ProcessorFormatter.remove_processors_meta, *end],
        )
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler])
    logging.captureWarnings(True)
    threading.excepthook = _log_crashed_thread


def name_request(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Whatever is logged while a request is answered carries its id."""
    if has_request_context() and "request_id" in g:
        event.setdefault("request_id", g.request_id)
    return event


def _for_people() -> list[Any]:
    return [structlog.dev.ConsoleRenderer(exception_formatter=_write_traceback)]


def for_programs() -> list[Any]:
    """One JSON object a line."""
    renderer = structlog.processors.ExceptionRenderer(_traceback_without_values)
    return [renderer, structlog.processors.JSONRenderer()]


def hide_values(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Take addresses, numbers and keys out of words that are not ours."""
    for name in _FOREIGN_WORDS:
        words = event.get(name)
        if isinstance(words, str):
            event[name] = _hidden(words)
    return event


EVERY_LINE: Final[tuple[Any, ...]] = (
    structlog.contextvars.merge_contextvars,
    name_request,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    hide_values,
)
"""What is done to each event before it is written."""


def _hidden(words: str) -> str:
    return _TELLING.sub("[hidden]", words)


def _traceback_without_values(exc_info: ExcInfo) -> str:
    """A plain traceback: no values of variables, none of the rows that Postgres quotes, and
    nothing in an exception's own words that looks like an address or a key."""
    text = "".join(traceback.format_exception(*exc_info))
    return _hidden(_ROW_VALUES.sub("DETAIL: hidden\n", text))


def _write_traceback(file: TextIO, exc_info: ExcInfo) -> None:
    file.write("\n" + _traceback_without_values(exc_info))


def _log_crashed_thread(crash: threading.ExceptHookArgs) -> None:
    name = crash.thread.name if crash.thread else None
    _log.error("thread_crashed", thread=name, exc_info=crash.exc_value)
