"""The image, run as a platform runs it: a quarter of a processor, 512 MB, no rights, one folder to write to.

It takes a minute, and one more where podman has no layers of the image in its cache.
"""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routeguide import __version__
from routeguide.pb import route_guide_pb2_grpc as pb_grpc
from tests.conftest import CHANNEL_OPTIONS
from tests.e2e.test_commands_demo import TRANSCRIPT, comparable
from tests.e2e.test_foreign_clients import BERKSHIRE, NAME, documents, execute, grpcurl
from tests.support import containers
from tests.support.commands import run
from tests.support.containers import Container, container
from tests.support.wire import DEADLINE, drained, note, point

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a build from nothing waits for downloads

NO_IPV6 = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 97,  # EAFNOSUPPORT
            "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"}],  # AF_INET6
        }
    ],
}
"""For seccomp: a kernel that was started without IPv6."""


@pytest.fixture(scope="module", autouse=True)
def _image() -> None:
    containers.build()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """With nothing in the folder that has the shell and all programs of Debian, and no room in /tmp."""
    nothing = tmp_path_factory.mktemp("no_programs")
    nothing.chmod(0o755)
    with container(f"--volume={nothing}:/usr/bin:ro", f"--volume={nothing}:/tmp:ro") as running:
        yield running


def test_it_is_healthy_by_its_own_command(server: Container) -> None:
    assert server.becomes_healthy()


def test_it_has_no_rights(server: Container) -> None:
    status = server.python("print(open('/proc/1/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {"10001"}
    assert {int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}


def test_it_can_write_its_data_alone(server: Container) -> None:
    places = ["/", "/opt/routeguide", "/opt/bytecode", "/tmp", "/data"]  # noqa: S108  # it writes nothing there
    code = f"import os; print([place for place in {places} if os.access(place, os.W_OK)])"
    assert server.python(code) == "['/data']"


def test_it_has_no_shell_to_need(server: Container) -> None:
    assert server.python("import os; print(os.listdir('/usr/bin'), os.path.exists('/bin/sh'))") == "[] False"


async def test_grpcurl(server: Container) -> None:
    program = grpcurl()
    if program is None:
        pytest.skip("grpcurl is not here: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest")
    answered = await execute(
        *(program, "-plaintext", "-d", json.dumps(BERKSHIRE), server.address),
        "routeguide.RouteGuide/GetFeature",
    )
    assert documents(answered) == [{"name": NAME, "location": BERKSHIRE}]


async def test_the_demo(server: Container) -> None:
    shown = await run("demo", "--target", server.address)
    assert comparable(shown.out) == comparable(TRANSCRIPT), shown.err


def test_its_labels_tell_what_it_was_made_of() -> None:
    labels = json.loads(containers.podman("image", "inspect", "--format={{json .Labels}}", containers.IMAGE))
    told = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert told["version"] == __version__
    assert re.fullmatch("[0-9a-f]{40}", told["revision"])
    assert told["base.name"] == containers.BASE
    assert {"title", "description", "licenses", "source"} <= set(told)


def test_bytecode_halves_its_start(record_property: Callable[[str, object], None]) -> None:
    """In time of the processor, which other work disturbs less than the clock; docs/image.md has figures.

    A slow or busy machine takes more time for the same work; the ratio, a quarter, is the same everywhere.
    """
    with container() as server:
        as_it_is = start_time(server)
    with container("--env=PYTHONPYCACHEPREFIX=/nonexistent") as server:
        compiling = start_time(server)
    record_property("seconds", (as_it_is, compiling))
    assert as_it_is < 0.5 * compiling


def start_time(server: Container) -> float:
    """Seconds of a processor that the server has used."""
    fields = server.python("print(open('/proc/1/stat').read().rpartition(')')[2])").split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


async def test_it_drains_and_exits_with_0() -> None:
    with container("--env=ROUTEGUIDE_DRAIN_DELAY=15") as server:
        async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
            await channel.channel_ready()
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            await asyncio.to_thread(server.wait_for, "draining")

            feature = await pb_grpc.RouteGuideStub(channel).GetFeature(point(**BERKSHIRE), timeout=DEADLINE)
            health = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=DEADLINE
            )

            await stopping
        assert feature.name == NAME
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert server.wait_for("stopped")["cut_off"] == 0
        assert server.exit_code == 0


async def test_notes_survive_on_a_volume() -> None:
    with containers.volume() as data:
        with container(f"--volume={data}:/data") as server:
            assert await chat(server, "before the kill") == []
            server.kill()
        with container(f"--volume={data}:/data") as server:
            assert await chat(server, "after it") == ["before the kill"]


async def chat(server: Container, message: str) -> list[str]:
    """The replies to one note."""
    async with grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel:
        call = pb_grpc.RouteGuideStub(channel).RouteChat(iter([note(1, 1, message)]), timeout=DEADLINE)
        return [reply.message for reply in await drained(call)]


async def test_it_serves_where_there_is_no_ipv6(tmp_path: Path) -> None:
    profile = tmp_path / "no_ipv6.json"
    profile.write_text(json.dumps(NO_IPV6))
    with container(f"--security-opt=seccomp={profile}") as server:
        asked = (
            "import socket\ntry: socket.socket(socket.AF_INET6)\nexcept OSError as error: print(error.errno)"
        )
        assert server.python(asked) == "97"
        assert server.becomes_healthy()
        assert await chat(server, "over IPv4") == []


def test_the_sbom_names_what_is_installed(server: Container, tmp_path: Path) -> None:
    made = tmp_path / "sbom.json"
    # The environment is as it is: a test must not install anything.
    make = ("make", "--assume-old=.venv/.ready", "sbom", f"SBOM={made}")
    subprocess.run(make, cwd=containers.ROOT, check=True, timeout=containers.DEADLINE)
    sbom = json.loads(made.read_text())

    code = (
        "from importlib.metadata import distributions as d; print(*(i.name + '=' + i.version for i in d()))"
    )
    installed = {normalised(each) for each in server.python(code).split()}

    named = [sbom["metadata"]["component"], *sbom["components"]]
    assert {normalised(f"{each['name']}={each.get('version', __version__)}") for each in named} == installed


def normalised(name: str) -> str:
    """As registries compare names."""
    return re.sub(r"[-_]+", "-", name).lower()


@pytest.mark.soak
def test_two_builds_are_the_same() -> None:
    layers = []
    for image in ("localhost/routeguide:first", "localhost/routeguide:second"):
        containers.build("--no-cache", image=image)
        layers.append(containers.podman("image", "inspect", "--format={{.RootFS.Layers}}", image))
        containers.podman("image", "rm", image)
    assert layers[0] == layers[1]
