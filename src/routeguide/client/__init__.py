"""A typed asynchronous client, in the terms of the domain."""

from routeguide.client.chat import RouteChat
from routeguide.client.errors import RpcFailed
from routeguide.client.reconnecting import ReconnectingChat, Watcher
from routeguide.client.route_guide import RouteGuideClient
from routeguide.client.tls import ClientTls

__all__ = ["ClientTls", "ReconnectingChat", "RouteChat", "RouteGuideClient", "RpcFailed", "Watcher"]
