"""The balancer's matcher: which grpc-status of a health check is a pass."""

import re
from dataclasses import dataclass

_GRAMMAR = re.compile(r"\d{1,2}(-\d{1,2})?(,\d{1,2}(-\d{1,2})?)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Matcher:
    """Codes and ranges of codes, as ALB's GrpcCode has them: ``12``, ``0,12`` or ``0-99``."""

    text: str

    def __post_init__(self) -> None:
        """Raises ValueError: `text` is none."""
        if not _GRAMMAR.fullmatch(self.text):
            raise ValueError(f"{self.text!r} is no matcher; write 12, 0,12 or 0-99")
        for low, high in self.ranges:
            if low > high:
                raise ValueError(f"{self.text!r} is no matcher; {low}-{high} is backwards")

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """From and to, both included."""
        parts = (part.split("-") for part in self.text.split(","))
        return [(int(part[0]), int(part[-1])) for part in parts]
