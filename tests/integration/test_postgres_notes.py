"""What only PostgreSQL promises of notes: locks of single locations, numbers, and a count without a scan."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from routeguide.domain.models import Point, RouteNote
from routeguide.errors import StorageUnavailable
from routeguide.storage.base import Retention, Storage
from routeguide.storage.postgres.opening import Database
from routeguide.storage.postgres.options import PostgresOptions
from routeguide.storage.postgres.storage import PostgresStorage, open_postgres
from tests.support.leaks import nothing_leaks  # noqa: F401  # a fixture: its name is all that is used

HERE, THERE = Point(0, 0), Point(0, 1)

DEADLINE = 40.0


@pytest.fixture
async def administrator(postgres_url: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]", None]:
    """A connection beside the store's."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def opened(url: str, retention: Retention) -> AsyncGenerator[PostgresStorage, None]:
    options = PostgresOptions(statement_timeout=DEADLINE)
    store = await open_postgres(Database(url, DEADLINE, options), retention=retention)
    try:
        yield store
    finally:
        await store.close()


async def post(store: Storage, location: Point, message: str = "") -> None:
    await store.notes.post(RouteNote(location, message))


async def test_who_writes_elsewhere_does_not_wait(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Another server holds one location for as long as it likes: this one stores notes at another."""
    async with opened(postgres_url, Retention()) as held, opened(postgres_url, Retention()) as free:
        await asyncio.gather(post(held, HERE), post(free, THERE))
        async with administrator.transaction():
            await administrator.execute("UPDATE location SET last_number = last_number WHERE longitude = 0")
            waiting = asyncio.create_task(post(held, HERE))
            async with asyncio.timeout(DEADLINE):
                await post(free, THERE)
            assert not waiting.done()
        async with asyncio.timeout(DEADLINE):
            await waiting


async def test_a_held_location_stops_few_others_of_the_same_server(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Those that share its poster wait for it; there are four."""
    async with opened(postgres_url, Retention()) as store:
        await post(store, HERE)
        async with administrator.transaction():
            await administrator.execute("UPDATE location SET last_number = last_number")
            held = asyncio.create_task(post(store, HERE))
            others = [asyncio.create_task(post(store, Point(1, each))) for each in range(100)]
            async with asyncio.timeout(DEADLINE):
                for _, stored in zip(range(60), asyncio.as_completed(others), strict=False):
                    await stored
            assert not held.done()
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(held, *others)


async def test_a_long_backup_does_not_slow_down_storing(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """While it holds its snapshot all that was dropped stays in the tables; storing must not look at it."""
    looked_at = "SELECT pg_stat_get_xact_tuples_returned('note_pkey'::regclass)"

    async def entries_looked_at() -> int:
        """Of the index of notes, by a server that stores one."""
        async with administrator.transaction():
            before = await administrator.fetchval(looked_at)
            await administrator.fetch("SELECT * FROM post_notes('{0}', '{0}', '{x}', now(), NULL, 5)")
            return int(await administrator.fetchval(looked_at) - before)

    async with opened(postgres_url, Retention(per_location=5)) as store:
        backup = await asyncpg.connect(postgres_url)
        try:
            async with backup.transaction(isolation="repeatable_read"):
                await backup.fetch("SELECT FROM note")
                await asyncio.gather(*(post(store, HERE) for _ in range(2000)))
                assert 5 <= await entries_looked_at() < 20
        finally:
            await backup.close()


async def test_a_much_lower_limit_takes_hold_bit_by_bit(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """No note has to wait until all is dropped that a larger limit has left, and no reply shows it."""
    async with opened(postgres_url, Retention(per_location=2000)) as store:
        await asyncio.gather(*(post(store, HERE) for _ in range(1500)))
    async with opened(postgres_url, Retention(per_location=3)) as store:
        kept = []
        for _ in range(4):
            assert len(await store.notes.post(RouteNote(HERE, ""))) == 3
            kept.append(await administrator.fetchval("SELECT count(*) FROM note"))
        assert kept == [988, 476, 3, 3]
        assert await store.notes.count() == 3


async def test_servers_that_write_crosswise_and_drop_old_notes_do_not_deadlock(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Few are kept in all, so that every commit drops notes, and forgets locations, that others write to."""
    chance = random.Random(0)  # noqa: S311  # reproducible, not secret
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(opened(postgres_url, Retention(per_location=3, total=8)))
            for _ in range(4)
        ]
        async with asyncio.timeout(DEADLINE):
            for _ in range(40):
                locations = [Point(0, chance.randrange(12)) for _ in range(60)]
                await asyncio.gather(
                    *(post(stores[number % 4], location) for number, location in enumerate(locations))
                )
        for _ in range(4):  # what was left because somebody held it goes with the next commits
            await post(stores[0], HERE)
        assert await stores[0].notes.count() == await administrator.fetchval("SELECT count(*) FROM note") <= 8


async def test_numbers_rise_by_one_and_never_return(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A forgotten location begins above what it ever had, or its followers would miss what is new."""

    async def numbers() -> list[int]:
        rows = await administrator.fetch("SELECT number FROM note WHERE longitude = 0 ORDER BY stored_order")
        return [row["number"] for row in rows]

    async with opened(postgres_url, Retention(total=3)) as store:
        for _ in range(3):
            await post(store, HERE)
        first = await numbers()
        for _ in range(3):
            await post(store, THERE)
        await administrator.execute("UPDATE location SET emptied_at = emptied_at - interval '6 minutes'")
        await post(store, THERE)
        assert await administrator.fetchval("SELECT count(*) FROM location") == 1
        for _ in range(3):
            await post(store, HERE)
        later = await numbers()
    assert first == list(range(first[0], first[0] + 3))
    assert later == list(range(later[0], later[0] + 3))
    assert later[0] > first[-1]


async def test_an_empty_location_is_remembered_for_a_while(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Its numbers go on, so whoever follows it notices what came and went."""
    async with opened(postgres_url, Retention(total=1)) as store:
        await post(store, HERE)
        await post(store, THERE)
        assert await administrator.fetchval("SELECT longitude FROM location WHERE emptied_at < now()") == 0
        first = await administrator.fetchval("SELECT last_number FROM location WHERE longitude = 0")
        await post(store, HERE)
        assert await administrator.fetchval("SELECT number FROM note") == first + 1
        assert await administrator.fetchval("SELECT longitude FROM location WHERE emptied_at < now()") == 1


async def test_a_store_that_turns_read_only_fails_its_check(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with opened(postgres_url, Retention()) as store:
        await store.check()
        await administrator.execute(
            "DO $$ BEGIN EXECUTE format("
            "'ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$"
        )
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(StorageUnavailable):
            await store.check()
        with pytest.raises(StorageUnavailable):
            await store.check()  # on a new connection, if the first only found the old one cut


async def test_the_count_is_that_of_the_table_after_every_kind_of_loss(
    postgres_url: str, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with opened(postgres_url, Retention(per_location=2, total=5)) as store:
        for number in range(40):
            await post(store, Point(0, number % 7))
            assert await store.notes.count() == await administrator.fetchval("SELECT count(*) FROM note")
