"""Which clients may call, by the names in their certificates."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

_ALL_NAMES = ("x509_subject_alternative_name", "x509_common_name")
"""Where grpc has the names of a certificate; those that are DNS names are under peer_dns as well."""


def client_is_allowed(auth_context: Mapping[str, Iterable[bytes]], names: frozenset[str]) -> bool:
    """Whether the certificate of a client carries one of `names`; an empty collection allows every client.

    Args:
        auth_context: as `grpc.aio.ServicerContext.auth_context()` returns it.
        names: DNS names (in any case), or URIs such as SPIFFE ids and common names (in the very case); there
            are no wildcards.
    """
    if not names or not names.isdisjoint(_values(auth_context, *_ALL_NAMES)):
        return True
    in_lower_case = (name.lower() for name in _values(auth_context, "peer_dns"))
    return not _lowered(names).isdisjoint(in_lower_case)


@lru_cache(maxsize=8)
def _lowered(names: frozenset[str]) -> frozenset[str]:
    return frozenset(map(str.lower, names))


def _values(auth_context: Mapping[str, Iterable[bytes]], *keys: str) -> Iterator[str]:
    for key in keys:
        for value in auth_context.get(key, ()):
            yield value.decode(errors="replace")
