"""Ways to deploy the service: parameters that together take every condition of the template both ways."""

REQUIRED = {
    "ImageDigest": "sha256:" + "a" * 64,
    "DomainName": "routeguide.example.com",
    "HostedZoneId": "Z0123456789",
    "ClientCidr": "203.0.113.7/32",
}
EXISTING_NETWORK = {
    "VpcId": "vpc-0a",
    "PublicSubnetIds": "subnet-0a,subnet-0b",
    "TaskSubnetIds": "subnet-0c,subnet-0d",
}
DATABASE_SECRET = "arn:aws:secretsmanager:eu-north-1:123412341234:secret:database-abcdef"  # noqa: S105  # a name
TOKENS_SECRET = "arn:aws:secretsmanager:eu-north-1:123412341234:secret:tokens-abcdef"  # noqa: S105  # a name
CERTIFICATE = "arn:aws:acm:eu-north-1:123412341234:certificate/0123-4567"

DEPLOYMENTS = {
    "as it comes": {},
    "one task with SQLite": {
        "Storage": "sqlite",
        "DesiredCount": "1",
        "MaxCount": "1",
        "DrainTiming": "quick",
    },
    "Aurora without a way out": {"Storage": "aurora", "DatabaseMultiAz": "true", "TaskNetwork": "private"},
    "Aurora with one instance": {"Storage": "aurora", "TargetTls": "true", "HealthMatcher": "0"},
    "into what exists": {
        **EXISTING_NETWORK,
        "TaskNetwork": "private",
        "Storage": "external",
        "StorageUrl": "postgresql://routeguide@db.example.com:5432/routeguide",
        "DatabaseSecretArn": DATABASE_SECRET,
        "CertificateArn": CERTIFICATE,
        "HostedZoneId": "",
        "AuthTokensSecretArn": TOKENS_SECRET,
        "OneOffImageDigest": "sha256:" + "b" * 64,
        "AlarmTopicArn": "arn:aws:sns:eu-north-1:123412341234:alarms",
        "AccessLogs": "true",
    },
    "RDS in an existing VPC": {**EXISTING_NETWORK, "Scheme": "internal"},
}
"""What each gives beside, or instead of, what is required."""
