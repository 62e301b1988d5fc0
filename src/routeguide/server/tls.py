"""TLS for the listener, with certificates that are replaced while it runs.

grpc asks for a new certificate at each connection, in a thread of its core that everybody waits for. So all
work is done elsewhere: the files are looked at in between, and what grpc is given has been checked and built.
"""

from collections.abc import Sequence
from datetime import datetime

import grpc
import structlog

from routeguide.errors import SettingsError
from routeguide.server.certificates import Identity, load_identity, read_files
from routeguide.server.files import NamedFile
from routeguide.settings import Settings

_log = structlog.get_logger(__name__)


class ServerTls:
    """What the server shows to new connections; established ones keep what they began with.

    Files may be replaced one after the other, in place, by renaming or by a link that moves: what counts is
    what they hold, and that is judged only when two looks in a row have found the same, as somebody may be
    writing them at the first: half a chain may look whole. A replacement that cannot be served changes
    nothing and is told once.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError: with every problem of the files."""
        self._settings = settings
        self._files = read_files(settings)
        self._identity = load_identity(self._files)
        self._given = self._identity
        self._seen: tuple[NamedFile, ...] | None = None
        """What the last look found, where it was new."""
        self._told: tuple[NamedFile, ...] | None = None
        self.mode = "mtls" if settings.tls_client_ca_file else "tls"
        self.reloads = 0
        """How often a new certificate was taken."""
        self.reload_failures = 0
        """How many replacements could not be served."""

    @property
    def not_after(self) -> datetime:
        """When the certificate that new connections are shown expires, or one that vouches for it."""
        return self._identity.not_after

    def credentials(self) -> grpc.ServerCredentials:
        """For one listener. Clients must show a certificate where there are authorities to verify it."""
        return grpc.dynamic_ssl_server_credentials(
            self._identity.configuration,
            self._newer_configuration,  # type: ignore[arg-type]  # the stubs do not know of None
            require_client_authentication=self.mode == "mtls",
        )

    def look(self) -> None:
        """Takes what the files hold now, if that is new, can be served and was there at the look before.

        To be called again and again, and from a thread: it blocks, on files that may be on a network, and a
        key takes milliseconds to check.
        """
        files = read_files(self._settings)
        if files == self._files:
            self._seen = self._told = None
        elif files == self._seen:
            self._judge(files)
        else:
            self._seen = files

    def _judge(self, files: tuple[NamedFile, ...]) -> None:
        try:
            identity = load_identity(files)
        except SettingsError as error:
            self._reject(files, error.problems)
        else:
            self._take(files, identity)

    def _take(self, files: tuple[NamedFile, ...], identity: Identity) -> None:
        self._files, self._identity = files, identity
        self._seen = self._told = None
        self.reloads += 1
        _log.info(
            "certificate reloaded",
            subject=identity.subject,
            serial_number=f"{identity.serial_number:x}",
            not_after=identity.not_after.isoformat(),
        )

    def _reject(self, files: tuple[NamedFile, ...], problems: Sequence[str]) -> None:
        """Tells of `files` once."""
        if files == self._told:
            return
        self._told = files
        self.reload_failures += 1
        _log.warning(
            "certificate not reloaded; the previous one stays",
            problems=list(problems),
            not_after=self.not_after.isoformat(),
        )

    def _newer_configuration(self) -> grpc.ServerCertificateConfiguration | None:
        """None where nothing is new. grpc calls it at every connection, one at a time."""
        identity = self._identity
        if identity is self._given:
            return None
        self._given = identity
        return identity.configuration
