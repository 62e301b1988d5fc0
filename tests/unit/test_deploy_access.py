"""Who may do what in a deployment: its role, its secrets, its bucket."""

from typing import Any

from tests.support.cloudformation import Stack
from tests.support.deployments import (
    DATABASE_SECRET,
    TOKENS_SECRET,
    containers,
    deployed,
    secrets,
    server,
)

ACCOUNT = "123412341234"


def allowed(stack: Stack) -> list[tuple[Any, str]]:
    """What the role allows: actions and the resource."""
    [policy] = stack["ExecutionRole"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    assert {item["Effect"] for item in statements} == {"Allow"}
    return [(item["Action"], item["Resource"]) for item in statements]


START = [
    ("ecr:GetAuthorizationToken", "*"),
    (
        ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        f"arn:aws:ecr:eu-north-1:{ACCOUNT}:repository/routeguide",
    ),
    (["logs:CreateLogStream", "logs:PutLogEvents"], "<LogGroup.Arn>"),
]
READ = "secretsmanager:GetSecretValue"


def test_the_role_allows_what_a_start_takes_and_no_more() -> None:
    assert allowed(deployed("one task with SQLite")) == START
    assert allowed(deployed()) == [*START, (READ, "<DatabaseSecret>")]
    assert allowed(deployed("into what exists")) == [
        *START,
        (READ, DATABASE_SECRET),
        (READ, TOKENS_SECRET),
    ]


def test_the_role_is_taken_by_this_account_s_tasks_alone() -> None:
    [statement] = deployed()["ExecutionRole"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
            "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:eu-north-1:{ACCOUNT}:*"},
        },
    }


def test_the_server_is_given_no_rights_in_aws() -> None:
    stack = deployed()

    assert stack.kinds("AWS::IAM") == ["ExecutionRole"]
    for task in stack.kinds("AWS::ECS::TaskDefinition"):
        assert stack[task]["ExecutionRoleArn"] == "<ExecutionRole.Arn>"
        assert "TaskRoleArn" not in stack[task]


def test_secrets_reach_the_server_and_nothing_else() -> None:
    assert secrets(server(deployed())) == {"PGPASSWORD": "<DatabaseSecret>:password::"}
    assert secrets(server(deployed("one task with SQLite"))) == {}
    existing = deployed("into what exists")
    assert secrets(server(existing)) == {
        "PGPASSWORD": f"{DATABASE_SECRET}:password::",
        "ROUTEGUIDE_AUTH_TOKENS": TOKENS_SECRET,
    }
    one_off = containers(existing, "OneOffTaskDefinition")["routeguide"]
    assert secrets(one_off) == {"PGPASSWORD": f"{DATABASE_SECRET}:password::"}
    assert "Secrets" not in containers(deployed("Aurora with one instance"))["certificate"]


def test_the_password_is_made_and_written_down_nowhere() -> None:
    password = "{{resolve:secretsmanager:<DatabaseSecret>:SecretString:password}}"  # noqa: S105  # a reference

    assert deployed()["DatabaseInstance"]["MasterUserPassword"] == password
    assert deployed("Aurora with one instance")["DatabaseCluster"]["MasterUserPassword"] == password
    assert deployed()["DatabaseSecret"]["GenerateSecretString"] == {
        "SecretStringTemplate": '{"username": "routeguide"}',
        "GenerateStringKey": "password",
        "PasswordLength": 40,
        "ExcludePunctuation": True,
    }


def test_private_tasks_reach_no_bucket_but_that_of_the_image_s_layers() -> None:
    [statement] = deployed("RDS without a way out")["S3Endpoint"]["PolicyDocument"]["Statement"]

    assert statement == {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::prod-eu-north-1-starport-layer-bucket/*",
    }


def test_the_bucket_is_written_by_this_account_s_balancers_alone() -> None:
    stack = deployed("into what exists")
    policy = stack["AccessLogBucketPolicy"]

    assert policy["Bucket"] == "<AccessLogBucket>"
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"<AccessLogBucket.Arn>/AWSLogs/{ACCOUNT}/*",
            "Condition": {
                "ArnLike": {
                    "aws:SourceArn": f"arn:aws:elasticloadbalancing:eu-north-1:{ACCOUNT}:loadbalancer/*"
                }
            },
        }
    ]


def test_the_bucket_is_closed_encrypted_and_kept() -> None:
    stack = deployed("into what exists")
    bucket = stack["AccessLogBucket"]

    assert set(bucket["PublicAccessBlockConfiguration"].items()) == {
        ("BlockPublicAcls", True),
        ("BlockPublicPolicy", True),
        ("IgnorePublicAcls", True),
        ("RestrictPublicBuckets", True),
    }
    [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    [expiry] = bucket["LifecycleConfiguration"]["Rules"]
    assert (expiry["Status"], expiry["ExpirationInDays"]) == ("Enabled", 30)
    kept = stack.resources["AccessLogBucket"]
    assert kept["DeletionPolicy"] == kept["UpdateReplacePolicy"] == "Retain"
