"""What the server tells its operators: logs, the access log, metrics and traces.

Nothing here knows grpc or the settings: calls come as an `ObservedCall`, settings as plain values.
"""

from routeguide.observability.calls import CallObserver, ObservedCall
from routeguide.observability.logs import configure_logging
from routeguide.observability.metrics import Metrics
from routeguide.observability.telemetry import Telemetry, TelemetryOptions

__all__ = ["CallObserver", "Metrics", "ObservedCall", "Telemetry", "TelemetryOptions", "configure_logging"]
