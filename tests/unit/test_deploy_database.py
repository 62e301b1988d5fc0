"""The databases that a deployment makes: where they are, how safe their data is, who finds them."""

import pytest

from tests.support.deployments import deployed, server, variables

MADE = [("as it comes", "DatabaseInstance"), ("Aurora with one instance", "DatabaseCluster")]


@pytest.mark.parametrize(("name", "resource"), MADE)
def test_data_is_encrypted_backed_up_and_outlives_its_stack(name: str, resource: str) -> None:
    stack = deployed(name)

    assert stack[resource]["StorageEncrypted"] is True
    assert stack[resource]["BackupRetentionPeriod"] == 7
    assert stack.resources[resource]["DeletionPolicy"] == "Snapshot"
    assert stack.resources[resource]["UpdateReplacePolicy"] == "Snapshot"


@pytest.mark.parametrize("name", ["as it comes", "Aurora without a way out", "RDS in an existing VPC"])
def test_no_database_has_a_public_address(name: str) -> None:
    stack = deployed(name)
    instances = stack.kinds("AWS::RDS::DBInstance")

    assert instances
    assert [stack[instance]["PubliclyAccessible"] for instance in instances] == [False] * len(instances)


def test_databases_are_in_the_subnets_and_the_group_made_for_them() -> None:
    instance = deployed()["DatabaseInstance"]
    cluster = deployed("Aurora with one instance")["DatabaseCluster"]

    assert instance["DBSubnetGroupName"] == cluster["DBSubnetGroupName"] == "<DatabaseSubnets>"
    assert instance["VPCSecurityGroups"] == cluster["VpcSecurityGroupIds"] == ["<DatabaseSecurityGroup>"]
    for name, vpc in (("as it comes", "<Vpc>"), ("RDS in an existing VPC", "vpc-0a")):
        assert deployed(name)["DatabaseSecurityGroup"]["VpcId"] == vpc


def test_the_database_is_of_the_size_and_version_that_is_asked_for() -> None:
    asked = {"DatabaseVersion": "16.4", "DatabaseInstanceClass": "db.t4g.medium"}
    instance = deployed(**asked)["DatabaseInstance"]
    aurora = deployed("Aurora without a way out", **asked)

    assert (instance["Engine"], instance["EngineVersion"]) == ("postgres", "16.4")
    assert instance["DBInstanceClass"] == "db.t4g.medium"
    assert (instance["StorageType"], instance["AllocatedStorage"]) == ("gp3", "20")
    assert instance["MaxAllocatedStorage"] == 100
    cluster = aurora["DatabaseCluster"]
    assert (cluster["Engine"], cluster["EngineVersion"]) == ("aurora-postgresql", "16.4")
    assert cluster["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 0.5, "MaxCapacity": 4}
    for name in aurora.kinds("AWS::RDS::DBInstance"):
        assert (aurora[name]["Engine"], aurora[name]["DBInstanceClass"]) == (
            "aurora-postgresql",
            "db.serverless",
        )


def test_an_instance_survives_a_zone_where_it_shall() -> None:
    assert deployed()["DatabaseInstance"]["MultiAZ"] == "false"
    assert deployed("RDS without a way out")["DatabaseInstance"]["MultiAZ"] == "true"


def test_aurora_has_a_reader_where_it_shall_survive_a_zone() -> None:
    both, alone = deployed("Aurora without a way out"), deployed("Aurora with one instance")

    assert both.kinds("AWS::RDS::DBInstance") == ["DatabaseReader", "DatabaseWriter"]
    assert alone.kinds("AWS::RDS::DBInstance") == ["DatabaseWriter"]
    assert both.resources["DatabaseReader"]["DependsOn"] == "DatabaseWriter"  # the first becomes the writer
    for name in both.kinds("AWS::RDS::DBInstance"):
        assert both[name]["DBClusterIdentifier"] == "<DatabaseCluster>"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("as it comes", "postgresql://routeguide@<DatabaseInstance.Endpoint.Address>:5432/routeguide"),
        (
            "Aurora with one instance",
            "postgresql://routeguide@<DatabaseCluster.Endpoint.Address>:5432/routeguide",
        ),
        ("into what exists", "postgresql://routeguide@db.example.com:5432/routeguide"),
    ],
)
def test_servers_and_one_off_tasks_find_the_same_database(name: str, url: str) -> None:
    stack = deployed(name)
    [one_off] = stack["OneOffTaskDefinition"]["ContainerDefinitions"]

    assert variables(server(stack))["ROUTEGUIDE_STORAGE_URL"] == url
    assert variables(one_off) == {"ROUTEGUIDE_STORAGE_URL": url, "PGSSLMODE": "require"}
    assert variables(server(stack))["PGSSLMODE"] == "require"


def test_the_name_and_the_owner_are_those_of_the_url() -> None:
    instance = deployed()["DatabaseInstance"]
    cluster = deployed("Aurora with one instance")["DatabaseCluster"]

    assert (instance["DBName"], instance["MasterUsername"]) == ("routeguide", "routeguide")
    assert (cluster["DatabaseName"], cluster["MasterUsername"]) == ("routeguide", "routeguide")


def test_what_is_not_asked_for_is_not_made() -> None:
    for name in ("one task with SQLite", "into what exists"):
        stack = deployed(name)
        assert stack.kinds("AWS::RDS") == stack.kinds("AWS::SecretsManager") == []
