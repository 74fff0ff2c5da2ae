"""Logs: one JSON object for each line, with the request's ids; never texts, tokens or addresses of
people."""

import json
import logging
import sys
import time
from typing import Any

from chalicelib.config import SettingsInvalid

# The ids of the current event: a process handles one at a time, and its threads log too.
_ids: dict[str, str] = {}
_level = "INFO"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: level, time, logger, message, ids, and its `extra`.

    Of an exception it has the type and the place, not the message: drivers quote values in their
    messages (G8).
    """

    converter = time.gmtime  # type: ignore[assignment]

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "level": record.levelname.lower(),
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}Z",
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(_ids)
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


def enter(**ids: str | None) -> None:
    """Call this where a Lambda enters: from now on, logs are JSON lines on stdout with these
    ids."""
    global _ids
    _ids = {name: value for name, value in ids.items() if value is not None}
    root = logging.getLogger()
    if any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers):
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=_level, handlers=[handler], force=True)  # replaces Lambda's own
    # Authlib's debug lines quote the tokens that it hands out.
    for noisy in ("authlib", "botocore", "urllib3", "google", "pymongo"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # RabbitMQ closes connections that are idle (docs/decisions/0030). pika calls that an error;
    # `Link` opens another one. If that fails, the publisher logs it.
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def set_level(level: str) -> None:
    """Log from this level on. Until settings are read, that is INFO."""
    global _level
    _level = level
    logging.getLogger().setLevel(level)
