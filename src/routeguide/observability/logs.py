"""Structured logs: one event a line, on standard error, from this project and from its libraries alike."""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure_logging(level: str, log_format: str) -> None:
    """Sends every log of the process through one formatter.

    Args:
        level: debug, info, warning or error; the least that is logged.
        log_format: console, json, or auto: console on a terminal and json elsewhere.

    grpc's own loggers never go below info: at debug they log while grpc holds a lock that a finaliser
    on another thread may want, and the process stops (grpc/grpc#43421).
    """
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _timestamp(console),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(console)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("grpc").setLevel(max(logging.INFO, root.level))
    logging.getLogger("aiosqlite").setLevel(max(logging.INFO, root.level))
    # These write a line for each export that fails, and the collector's URL, which may hold a secret; what
    # matters of that, observability.collector says.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    # And these a line for each call whose trace headers are malformed, with the caller's own words.
    logging.getLogger("opentelemetry.propagators").setLevel(logging.CRITICAL)
    logging.getLogger("opentelemetry.trace").setLevel(logging.CRITICAL)


def _timestamp(console: bool) -> Processor:
    """The time of day for a person who looks on; the date and the zone for a log that is kept."""
    if console:
        return structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
    return structlog.processors.TimeStamper(fmt="iso", utc=True)


def _renderers(console: bool) -> list[Processor]:
    """How an event is written. Tracebacks come without local variables: those hold payloads and secrets."""
    if console:
        colors = sys.stderr.isatty()
        return [
            structlog.dev.ConsoleRenderer(
                colors=colors, exception_formatter=structlog.dev.plain_traceback, pad_event_to=16
            )
        ]
    transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(transformer), structlog.processors.JSONRenderer()]
