"""Structured log: one JSON line per unit of work, to a file per role and, for people, to stderr."""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

LOGGER = "conductor"
LOG_BYTES_MAX = 32 * 1024 * 1024
LOG_FILES_MAX = 4


class JsonLines(logging.Formatter):
    """`{"at": ..., "role": ..., "event": "journal.posted", ...fields}`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "role": self.role,
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Plain(logging.Formatter):
    """`14:02:11 journal.posted store=7 took_ms=83`, for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{key}={value}" for key, value in getattr(record, "fields", {}).items())
        text = f"{at} {record.getMessage()} {fields}".rstrip()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def log_dir(state_dir: Path) -> Path:
    return state_dir / "logs"


def configure(role: str, state_dir: Path, *, to_stderr: bool = True) -> Path:
    """Send the log to `<state>/logs/<role>.jsonl` (rotated, bounded). Returns that path."""
    from logging.handlers import RotatingFileHandler

    folder = log_dir(state_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{role}.jsonl"
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    to_file = RotatingFileHandler(
        path, maxBytes=LOG_BYTES_MAX, backupCount=LOG_FILES_MAX, delay=True, encoding="utf-8"
    )
    to_file.setFormatter(JsonLines(role))
    logger.addHandler(to_file)
    if to_stderr:
        stream = logging.StreamHandler(sys.stderr)
        stream.setFormatter(Plain() if sys.stderr.isatty() else JsonLines(role))
        logger.addHandler(stream)
    return path
