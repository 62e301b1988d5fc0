"""Two releases on one database: the newer one has migrated while servers of the older one run."""

import asyncpg
import grpc

from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from tests.conftest import CHANNEL_OPTIONS
from tests.support import commands
from tests.support.server_process import server_process
from tests.support.steady_load import FIRST_LOOK
from tests.support.wire import DEADLINE, Stub, drained, note

LATER_MIGRATION = """
BEGIN;
CREATE TABLE colour (name text PRIMARY KEY);
ALTER TABLE note ADD COLUMN colour text;
ALTER TABLE feature ADD COLUMN height integer NOT NULL DEFAULT 0;
INSERT INTO schema_migration (name, checksum, applied_at) VALUES ('9999.colours', '', now());
COMMIT;
"""
"""What `docs/postgres.md` says that a migration may do."""


async def test_servers_of_the_older_release_go_on_but_cannot_start(postgres_url: str) -> None:
    async with (
        server_process(storage_url=postgres_url) as server,
        grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
    ):
        stub: Stub = pb_grpc.RouteGuideStub(channel)
        assert await _messages(stub, "before") == []
        await _migrate_as_a_later_release(postgres_url)
        assert await _messages(stub, "after") == ["before"]
        assert (await stub.GetFeature(FIRST_LOOK, timeout=DEADLINE)).name

        finished = await commands.run("serve", "--listen=localhost:0", f"--storage-url={postgres_url}")
        assert finished.code == 1
        assert "9999.colours" in finished.err
        assert await server.stop() == 0


async def _messages(stub: Stub, message: str) -> list[str]:
    replies = await drained(stub.RouteChat(iter([note(1, 1, message)]), timeout=DEADLINE))
    return [reply.message for reply in replies]


async def _migrate_as_a_later_release(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=DEADLINE)
    try:
        await connection.execute(LATER_MIGRATION, timeout=DEADLINE)
    finally:
        await connection.close()
