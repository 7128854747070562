"""JSON lines on standard output: time, level, component, message, and whatever `extra` names."""

import json
import logging
import sys
from datetime import UTC, datetime

# What every LogRecord carries; all else on a record came in by `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def configure(level: str) -> None:
    """Send the root logger's lines to standard output; safe to call again."""
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(JsonLines())
    logging.root.handlers[:] = [lines]
    logging.root.setLevel(level.upper())
    # It repeats what our own lines say, once a start.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.root.level))


class JsonLines(logging.Formatter):
    """One object a line; the logger's name is the component."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "component": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
