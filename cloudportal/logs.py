"""Log lines: one event a line, `key=value`, always with the request id it belongs to."""

import contextlib
import json
import logging
from collections.abc import Iterator
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")


@contextlib.contextmanager
def logged_as(identifier: str) -> Iterator[None]:
    """Let every log line inside carry this request id."""
    token = request_id.set(identifier)
    try:
        yield
    finally:
        request_id.reset(token)


class RequestIdFilter(logging.Filter):
    """Put the current request id on each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always pass; the record gains `request_id`."""
        record.request_id = request_id.get()
        return True


class LogfmtFormatter(logging.Formatter):
    """One `key=value` line a record; values are JSON strings, so nothing can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, logger, request id, message and, when there is one, the traceback."""
        parts = [
            f"time={self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}",
            f"level={record.levelname}",
            f"logger={record.name}",
        ]
        identifier = getattr(record, "request_id", "")
        if identifier:
            parts.append(f"request_id={identifier}")
        parts.append(f"message={json.dumps(record.getMessage(), ensure_ascii=False)}")
        if record.exc_info:
            trace = json.dumps(self.formatException(record.exc_info), ensure_ascii=False)
            parts.append(f"trace={trace}")
        return " ".join(parts)
