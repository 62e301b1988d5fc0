"""The HTTP session of an exporter, which knows why the last request failed; the exporter does not say."""

from typing import Any

import requests


class ExportSession(requests.Session):
    """Remembers how its last request ended: each exporter has one, and makes one request at a time."""

    reason: str | None = None
    """Why it failed: the class of the error at its root, or the status; None where it did not. Never a URL,
    which may hold a secret."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            response = super().request(*args, **kwargs)
        except Exception as error:
            self.reason = type(_root(error)).__name__
            raise
        self.reason = None if response.ok else f"HTTP {response.status_code}"
        return response


def _root(error: BaseException) -> BaseException:
    """ConnectionRefusedError, say, beneath requests' and urllib3's own errors, which all look alike."""
    while (earlier := error.__cause__ or error.__context__) is not None:
        error = earlier
    return error
