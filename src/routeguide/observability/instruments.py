"""What is measured: every instrument, with its name, unit and attributes.

Names and attributes of calls are those of OpenTelemetry's conventions for RPCs; where these have none (the
messages of a call were dropped from them), the name begins with routeguide. Prometheus shows the same names
in its own spelling: dots as underscores, the unit and `_total` at the end.
"""

from dataclasses import dataclass, field
from enum import Enum

from routeguide.observability.calls import ObservedCall

SYSTEM = {"rpc.system.name": "grpc"}
"""What the conventions want said of every call."""
METHOD = "rpc.method"
CODE = "rpc.response.status_code"
ERROR = "error.type"
"""The code again, where the server is at fault; absent otherwise."""

SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Codes that say that the server is at fault, not its client; UNIMPLEMENTED is a client's mistake here."""


def is_fault(code: str, call: ObservedCall) -> bool:
    """Whether the server is at fault for how a call ended: not where it sent its client away on purpose."""
    return code in SERVER_FAULTS and not call.sent_away


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One thing that is measured."""

    name: str
    kind: Kind
    unit: str
    """As UCUM has it: s, or what is counted in braces."""
    description: str
    attributes: tuple[str, ...] = ()
    constants: dict[str, str] = field(default_factory=dict, hash=False)
    """Attributes whose values are always the same."""


CALL_DURATION = Instrument(
    "rpc.server.call.duration",
    Kind.HISTOGRAM,
    "s",
    "Time that calls took.",
    (METHOD, CODE, ERROR),
    SYSTEM,
)
CALL_RECEIVED = Instrument(
    "routeguide.call.messages.received",
    Kind.HISTOGRAM,
    "{message}",
    "Messages from the client in a call.",
    (METHOD,),
)
CALL_SENT = Instrument(
    "routeguide.call.messages.sent",
    Kind.HISTOGRAM,
    "{message}",
    "Messages to the client in a call.",
    (METHOD,),
)
CALLS_ACTIVE = Instrument(
    "routeguide.calls.active", Kind.GAUGE, "{call}", "Calls in flight, streams among them.", (METHOD,)
)
CALLS_SHED = Instrument(
    "routeguide.calls.shed",
    Kind.COUNTER,
    "{call}",
    "Calls refused to spare the server.",
    ("routeguide.reason",),
)
STORAGE_DURATION = Instrument(
    "routeguide.storage.operation.duration",
    Kind.HISTOGRAM,
    "s",
    "Time that operations on the store took.",
    ("routeguide.storage.operation",),
)
NOTES = Instrument("routeguide.notes", Kind.GAUGE, "{note}", "Notes that the store keeps.")
READY = Instrument("routeguide.ready", Kind.GAUGE, "1", "1 while the server wants calls, 0 otherwise.")
CERTIFICATE_EXPIRY = Instrument(
    "routeguide.tls.certificate.expiry",
    Kind.GAUGE,
    "s",
    "When the server's certificate expires, as Unix time.",
)
RELOAD_FAILURES = Instrument(
    "routeguide.tls.reload.failures",
    Kind.COUNTER,
    "{failure}",
    "Changes of the certificate that could not be used; the old one stayed.",
)
