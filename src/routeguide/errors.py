"""What can go wrong, in the project's own terms.

Every floor raises these; `routeguide.server.status` is the one place that turns them into gRPC
statuses, and the command line turns them into exit codes. The text of an error is written for
whoever made the request, or, where a server or a command cannot start, for its operator; only the latter is
told paths. It never carries a driver's message or a traceback: the cause is chained with `from`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


class RouteGuideError(Exception):
    """The root of everything that this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request, and what is wrong with its value."""

    field: str
    """The path to the field within the request, such as ``location.latitude``; empty for all of it."""
    description: str
    """Names the value and the bound that it breaks."""

    def within(self, parent: str) -> "FieldViolation":
        """The same violation, seen from the message whose field `parent` holds this one."""
        return FieldViolation(f"{parent}.{self.field}".rstrip("."), self.description)

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


class RequestRefused(RouteGuideError):
    """A request is refused for what is in it. Says which fields are at fault, and why."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        super().__init__("; ".join(map(str, violations)))
        self.violations = tuple(violations)

    def within(self, parent: str) -> Self:
        """The same error, seen from the message whose field `parent` is at fault."""
        return type(self)([each.within(parent) for each in self.violations])


class InvalidInput(RequestRefused):
    """A request breaks the contract; sending it again will not help."""


class LimitExceeded(RequestRefused):
    """A request asks for more than a setting allows."""


class ResultOutOfRange(RequestRefused):
    """The answer is known but does not fit the type that the wire contract gives it."""


class UnknownMethod(RouteGuideError):
    """A call of a method that this server does not have."""

    def __init__(self) -> None:
        super().__init__("this server has no such method")


class UnknownEntity(RouteGuideError):
    """A question about something that this server does not have, or not any more."""


class DeadlineExceeded(RouteGuideError):
    """A call took longer than the server allows."""


class Reconnect(RouteGuideError):
    """The server ends a stream for a reason of its own; the client may open another at once."""


class Overloaded(RouteGuideError):
    """The server has more to do than its settings allow."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which another try makes sense."""


class RateLimited(Overloaded):
    """One client calls more often than it may."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("this client calls more often than it may", retry_after)


class LiveChatOff(RouteGuideError):
    """A call asks for live chat, and the server's settings do not allow it."""

    def __init__(self) -> None:
        super().__init__(
            "live chat is off on this server: set ROUTEGUIDE_LIVE_CHAT=true there,"
            " or chat without --live (in the metadata: without routeguide-live)"
        )


class FeedBroken(RouteGuideError):
    """A live stream can no longer be given every note; another one begins with the whole history."""


class FellBehind(FeedBroken):
    """A live stream reads more slowly than others write."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"the reader fell behind by {waiting} notes; reconnect")


class NotesMissed(FeedBroken):
    """Retention has, or may have, dropped notes before a live stream could be sent them."""

    def __init__(self) -> None:
        super().__init__("notes may have been dropped before this stream could be sent them; reconnect")


class StorageError(RouteGuideError):
    """The store could not do what was asked."""


class StorageUnavailable(StorageError):
    """The store cannot be reached, is locked, or fails; the same call may succeed later."""


class StorageBusy(StorageUnavailable):
    """The store answers, and has more to do than it can; the same call may succeed a little later."""


class StorageClosed(StorageUnavailable):
    """The store was closed, because the server is stopping."""


class StorageFull(StorageError):
    """There is no room left to store anything; what was acknowledged is safe."""


class StorageUnusable(StorageError):
    """The store cannot be opened as it is: corrupt, read-only, of another kind, or no database."""


class SchemaBehind(StorageUnusable):
    """The store's schema is older than the code; a migration is due."""


class SchemaAhead(StorageUnusable):
    """The store's schema is newer than the code; only a newer release may open it."""


class NotAllowed(RouteGuideError):
    """The client's certificate is genuine, and carries none of the names that may call."""

    def __init__(self) -> None:
        super().__init__("the client's certificate carries no name that may call")


class Unauthenticated(RouteGuideError):
    """A call needs a token and has none that is valid. Nothing of what was presented is repeated."""

    def __init__(self) -> None:
        super().__init__(
            "this server wants a valid token in the metadata: authorization, as Bearer and the token"
        )


class FeatureFileError(RouteGuideError):
    """A file of features cannot be read, or has rows that are no features."""

    def __init__(self, summary: str, problems: Sequence[str] = ()) -> None:
        super().__init__("\n".join([summary, *(f"  {problem}" for problem in problems)]))
        self.summary = summary
        self.problems = tuple(problems)


class SettingsError(RouteGuideError):
    """The settings do not hold together. Carries every problem, not only the first."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
