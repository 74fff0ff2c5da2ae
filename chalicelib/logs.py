"""One JSON object a line, with the request's ids; never text, tokens or addresses of people."""

import json
import logging
import sys
import time
from contextvars import ContextVar
from typing import Any

from chalicelib.config import SettingsInvalid

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: level, time, logger, message, request_id, and its `extra`.

    Of an exception it keeps the type and where it was raised, not its message: drivers quote
    values in theirs (G8).
    """

    converter = time.gmtime  # type: ignore[assignment]

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "level": record.levelname.lower(),
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}Z",
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            if isinstance(record.exc_info[1], SettingsInvalid):
                line["reason"] = str(record.exc_info[1])
            line["trace"] = _where(record.exc_info[2])
        return json.dumps(line, default=str)


def _where(traceback: Any) -> list[str]:
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-12:]


def enter(level: str, current: str | None = None) -> None:
    """Call where a Lambda enters: JSON lines on stdout from now on, with this request's id."""
    request_id.set(current)
    root = logging.getLogger()
    if any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers):
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)  # replaces Lambda's own
    for noisy in ("pika", "botocore", "urllib3", "google", "pymongo"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
