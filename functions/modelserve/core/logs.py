"""One JSON object per log line, as Cloud Logging reads it: https://cloud.google.com/logging/docs/structured-logging.

Input values are never logged: of an exception only the type and the places, and its text only at DEBUG.
"""

import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import msgspec

from modelserve.core.errors import ServeError

_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonFormatter(logging.Formatter):
    def __init__(self, **fields: str) -> None:
        super().__init__()
        self.fields = fields

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(self.fields | getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = describe(record.exc_info[1])
        return _encoder.encode(line).decode()


def describe(error: BaseException) -> dict[str, Any]:
    known = {"code": error.code, "message": error.message} if isinstance(error, ServeError) else {}
    if logging.getLogger("modelserve").isEnabledFor(logging.DEBUG):
        known["text"] = str(error)
    cause = error.__cause__
    return {
        "type": type(error).__name__,
        **known,
        "at": places(error.__traceback__),
        **({"cause": describe(cause)} if cause else {}),
    }


def places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-12:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]


def configure(level: str, **fields: str) -> None:
    """Our own loggers write to standard output; those of libraries are left to the host."""
    logger = logging.getLogger("modelserve")
    logger.handlers[:] = [json_lines(**fields)]
    logger.setLevel(level)
    logger.propagate = False


def configure_host() -> None:
    """Configure the loggers of libraries too, where we are the host. uvicorn warns of every request that it cannot
    parse, so only its errors are logged. Google's clients do not propagate to the root logger:
    google.api_core.client_logging."""
    logging.getLogger().handlers[:] = [json_lines()]
    google = logging.getLogger("google")
    google.handlers[:] = [json_lines()]
    google.propagate = False
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


def json_lines(**fields: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(**fields))
    return handler
