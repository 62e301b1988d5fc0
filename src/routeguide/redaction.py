"""What may be shown of values that may hold secrets, to whom they belong or to everybody who reads the log.

Passwords are typed as they are, without the escapes that a URL wants; so nothing here trusts a URL to be one.
"""

import re

_HOST = r"(?:[\w.%-]+|\[[\w.:%]+\])(?::\d+)?"

_ADDRESS = re.compile(
    rf"(?P<scheme>\w+://)(?:[^?]*@)?(?P<place>(?:{_HOST}(?:,{_HOST})*)?(?:/[^/@:?#]*)?)(?:[?#][^@]*)?",
    re.DOTALL,
)
"""An at sign beyond a question mark may be that of a password with both in it; then there is no telling."""


def masked(value: object) -> str:
    """A setting's value, with its secrets and the passwords of its URLs hidden."""
    text = re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1****", str(value))
    text = re.sub(r"(https?://)[^/:@]+@", r"\1****@", text)  # a token may stand there alone
    return re.sub(r"(://[^/:@]*:).*@", r"\1****@", text, flags=re.DOTALL)


def shown(url: str) -> str:
    """The scheme, hosts, ports and database of `url`, and the scheme alone where the rest is not plain."""
    address = _ADDRESS.fullmatch(url)
    if address is None:
        return f"{url.partition('://')[0]}://…"
    return address["scheme"] + address["place"]
