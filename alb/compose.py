"""The configuration for docker/compose.yaml, on standard output: `python -m alb.compose`.

There the targets have names and do not change, and files are where the image of Envoy may have them.
"""

import json

from alb.envoy import configuration
from alb.parameters import Parameters

PARAMETERS = Parameters(
    certificate="/certs/server.pem",
    key="/certs/server.key",
    listen=("0.0.0.0", 50051),  # noqa: S104  # inside a container; what is published is for compose.yaml to say
    run_folder="/tmp",  # noqa: S108  # the container's own
)
TARGETS = [("task-1", 50051), ("task-2", 50051)]


def text() -> str:
    """What docker/alb/envoy.json holds."""
    return json.dumps(configuration(PARAMETERS, TARGETS), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201  # that is what it is for
