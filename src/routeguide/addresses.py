"""How an address to listen on, or to call, is written."""

from urllib.parse import urlsplit


def checked_address(value: str) -> str:
    """`value`, if it is HOST:PORT. Raises ValueError: it is not."""
    try:
        parts = urlsplit(f"//{value}")
        valid = bool(parts.hostname) and parts.port is not None and parts.netloc == value
    except ValueError:
        valid = False
    if not valid or "@" in value:
        raise ValueError("must be HOST:PORT with a port of 0 to 65535, such as localhost:50051 or [::]:50051")
    return value
