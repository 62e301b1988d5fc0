"""The template of the service as a whole: its references and branches, and what it refuses."""

import copy
import itertools

import pytest

from tests.support.cloudformation import (
    DEPLOY,
    DanglingError,
    RefusedError,
    TooSmallError,
    branch_sites,
    resolved,
    template,
)
from tests.support.deployments import (
    DATABASE_SECRET,
    DEPLOYMENTS,
    EXISTING_NETWORK,
    REQUIRED,
    deployed,
    server,
    variables,
)

SERVICE = template("service.yaml")


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_reference_is_to_something_that_is_created(name: str) -> None:
    assert deployed(name).resources


def test_a_reference_to_nothing_would_be_noticed() -> None:
    faulty = copy.deepcopy(SERVICE)
    del faulty["Resources"]["DefaultRoute"]["Condition"]

    with pytest.raises(DanglingError):
        resolved(faulty, **REQUIRED, **EXISTING_NETWORK)


def test_the_deployments_take_every_condition_both_ways() -> None:
    taken = {item for name in DEPLOYMENTS for item in deployed(name).conditions.items()}

    assert taken == set(itertools.product(SERVICE["Conditions"], (True, False)))


def test_the_deployments_take_every_branch_both_ways() -> None:
    sites = {
        site: f"{section}{path}"
        for section in ("Resources", "Outputs")
        for site, path in branch_sites(SERVICE[section])
    }
    taken = {branch for name in DEPLOYMENTS for branch in deployed(name).branches}

    missed = set(itertools.product(sites, (True, False))) - taken
    assert sorted((sites[site], answer) for site, answer in missed) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Storage": "sqlite"}, "several stores"),
        ({"Storage": "sqlite", "DesiredCount": "1"}, "several stores"),
        ({"TaskMemory": "4096"}, "256 CPU units"),
        ({"TaskCpu": "512"}, "512 CPU units"),
        ({"TaskCpu": "1024", "TaskMemory": "1024"}, "1024 CPU units"),
        ({"TaskCpu": "2048", "TaskMemory": "2048"}, "2048 CPU units"),
        ({"TaskCpu": "4096", "TaskMemory": "4096"}, "4096 CPU units"),
        ({"DesiredCount": "5"}, "DesiredCount is refused"),
        ({"DesiredCount": "10"}, "MaxCount is below DesiredCount"),
        ({"MaxCount": "1"}, "MaxCount is below DesiredCount"),
        ({"MaxCount": "10"}, "connections of a database of 1 GiB"),
        ({"DatabasePoolSize": "10"}, "connections of a database of 1 GiB"),
        ({"Storage": "external"}, "needs StorageUrl"),
        ({"Storage": "external"}, "needs DatabaseSecretArn"),
        ({"StorageUrl": "postgresql://routeguide@db/routeguide"}, "are for Storage external"),
        ({"DatabaseSecretArn": DATABASE_SECRET, "Storage": "aurora"}, "are for Storage external"),
        ({"HostedZoneId": ""}, "needs HostedZoneId"),
        ({"VpcId": "vpc-0a"}, "needs PublicSubnetIds"),
        ({**EXISTING_NETWORK, "TaskSubnetIds": ""}, "needs TaskSubnetIds"),
        ({**EXISTING_NETWORK, "VpcId": "", "TaskSubnetIds": ""}, "need VpcId"),
        ({**EXISTING_NETWORK, "VpcId": "", "PublicSubnetIds": ""}, "need VpcId"),
        ({"VpcCidr": "10.50.0.0/23"}, "VpcCidr is refused"),
        ({"ImageDigest": "latest"}, "ImageDigest is refused"),
        ({"HealthMatcher": "0-99"}, "HealthMatcher is refused"),
        ({"IdleTimeout": "120"}, "IdleTimeout is refused"),
        ({"IdleTimeout": "4001"}, "IdleTimeout is refused"),
        ({"LogLevel": "error"}, "LogLevel is refused"),  # it would silence the alarm that counts warnings
        ({"StorageUrl": "postgresql://routeguide:secret@db/routeguide"}, "StorageUrl is refused"),
        ({"StorageUrl": "postgresql://routeguide@db/routeguide?password=secret"}, "StorageUrl is refused"),
        ({"StorageUrl": "postgresql://routeguide@db/routeguide?sslpassword=secret"}, "StorageUrl is refused"),
        ({"SslPolicy": "ELBSecurityPolicy-2016-08"}, "SslPolicy is refused"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        deployed(**given)


def accepted(**given: str) -> bool:
    try:
        deployed(**given)
    except RefusedError:
        return False
    return True


@pytest.mark.parametrize("query", ["", "?sslmode=verify-full&sslrootcert=/rds.pem"])
def test_an_external_url_may_say_how_it_is_encrypted(query: str) -> None:
    url = f"postgresql://routeguide@db.example.com:5432/routeguide{query}"

    assert variables(server(deployed("into what exists", StorageUrl=url)))["ROUTEGUIDE_STORAGE_URL"] == url


def counts(parameter: str) -> list[int]:
    return [int(value) for value in SERVICE["Parameters"][parameter]["AllowedValues"]]


def test_no_more_tasks_are_wanted_than_are_allowed() -> None:
    for least, most in itertools.product(counts("DesiredCount"), counts("MaxCount")):
        given = {"DesiredCount": str(least), "MaxCount": str(most), "DatabasePoolSize": "2"}
        assert accepted(**given) == (least <= most), given


def test_the_pools_of_a_deployment_fit_a_small_database() -> None:
    for pool, most in itertools.product(counts("DatabasePoolSize"), counts("MaxCount")):
        fits = 2 * most * (pool + 1) + 10 < 80  # docs/postgres.md; a micro instance keeps some for itself
        given = {"DatabasePoolSize": str(pool), "MaxCount": str(most), "DesiredCount": "1"}
        assert accepted(**given) == fits, given
        assert accepted(**given, DatabaseInstanceClass="db.t4g.medium")


def test_the_smallest_network_holds_its_subnets() -> None:
    stack = deployed(VpcCidr="10.50.4.0/22")

    assert [stack[name]["CidrBlock"] for name in stack.kinds("AWS::EC2::Subnet")] == [
        "10.50.6.0/24",
        "10.50.7.0/24",
        "10.50.4.0/24",
        "10.50.5.0/24",
    ]


def test_a_network_that_is_too_small_would_be_noticed() -> None:
    careless = copy.deepcopy(SERVICE)
    del careless["Parameters"]["VpcCidr"]["AllowedPattern"]

    with pytest.raises(TooSmallError):
        resolved(careless, **REQUIRED, VpcCidr="10.50.0.0/23")


def test_what_has_no_default_must_be_given() -> None:
    with pytest.raises(RefusedError) as refused:
        resolved(SERVICE)

    assert set(refused.value.problems) == {
        f"{name} is missing" for name in REQUIRED if name != "HostedZoneId"
    }


@pytest.mark.parametrize("name", ["registry.yaml", "service.yaml"])
def test_a_template_fits_into_a_request(name: str) -> None:
    assert (DEPLOY / name).stat().st_size < 51_200  # more would have to be uploaded to S3 first
