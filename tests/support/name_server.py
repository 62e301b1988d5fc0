"""A server of DNS that knows one address, whatever is asked, until a test gives it another."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import Any

_LASTS = 600
"""Seconds that an answer may be kept for: as many as the one of Docker says."""

_IPV4 = b"\0\1\0\1"
"""The end of a question: type A, class IN."""


class NameServer(asyncio.DatagramProtocol):
    """Open one with `name_server`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.port = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        question = data[12 : data.index(b"\0", 12) + 5]
        answers = [self._answer()] if question.endswith(_IPV4) else []
        # A response, without error: one question, so many answers, and nothing else.
        header = data[:2] + b"\x81\x80\0\1" + len(answers).to_bytes(2, "big") + bytes(4)
        self._transport.sendto(header + question + b"".join(answers), addr)

    def _answer(self) -> bytes:
        name = b"\xc0\x0c"  # the one in the question
        address = IPv4Address(self.address).packed
        return name + _IPV4 + _LASTS.to_bytes(4, "big") + len(address).to_bytes(2, "big") + address


@asynccontextmanager
async def name_server(address: str) -> AsyncGenerator[NameServer, None]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(address), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
