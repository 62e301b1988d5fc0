"""What a running stack cannot change: what would replace its network, its balancer or its target group."""

from collections.abc import Iterator

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tests.support.cloudformation import RefusedError, Stack, template
from tests.support.deployments import EXISTING_NETWORK, deployed
from tests.unit.test_deploy_docs import rows

LASTING = (
    "AWS::EC2::VPC",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
)


def alternatives() -> Iterator[tuple[str, dict[str, str]]]:
    """A parameter, and what a deployment could give for it instead of the default."""
    for name, parameter in template("service.yaml")["Parameters"].items():
        for value in parameter.get("AllowedValues", []):
            yield name, {name: str(value)}
    yield "VpcCidr", {"VpcCidr": "10.60.0.0/16"}
    yield "VpcId", EXISTING_NETWORK


def identity(stack: Stack) -> dict[str, object]:
    """The properties that CloudFormation sets when it creates a resource, and never again."""
    return {
        f"{name}.{key}": stack[name].get(key)
        for kind in LASTING
        for name in stack.kinds(kind)
        for key in created_only(kind)
    }


def created_only(kind: str) -> list[str]:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-north-1", kind).schema
    return [path.rpartition("/")[2] for path in schema["createOnlyProperties"]]


def replacing() -> Iterator[str]:
    for parameter, given in alternatives():
        try:
            changed = deployed(**given)
        except RefusedError:
            continue  # it takes other parameters too, which are tried by themselves
        if identity(changed) != identity(deployed()):
            yield parameter


def test_the_docs_name_what_takes_a_stack_of_its_own() -> None:
    documented = {name.strip("`") for name, _ in rows("What a running stack cannot change")}

    assert documented == set(replacing()) == {"Scheme", "TargetTls", "VpcCidr", "VpcId"}
