"""The stacks that the templates make, with every choice."""

from pathlib import Path

import pytest

from tests.deploy.aws.cloudformation import Template

ROOT = Path(__file__).resolve().parents[3]
NETWORK, DATA, WATCH = TEMPLATES = [Template(name) for name in ("network", "data", "watch")]
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.name)
GIVEN: dict[str, dict[str, object]] = {
    "network": {"Stage": "dev"},
    "data": {
        "Stage": "dev",
        "VpcId": "vpc-1",
        "PrivateSubnetIds": "subnet-1,subnet-2",
        "FunctionSecurityGroupId": "sg-functions",
        "KeyArn": "arn:aws:kms:us-east-1:111122223333:key/1",
    },
    "watch": {
        "Stage": "dev",
        "RestApiId": "rest123",
        "AccountConcurrency": 1000,
        "FirstNatId": "nat-1",
        "WebSocketApiId": "abc123",
        "BrokerName": "parley-dev",
        "PostgresId": "parley-dev",
        "RedisId": "parley-dev",
        "KeyArn": "arn:aws:kms:us-east-1:111122223333:key/1",
    },
}
AURORA: dict[str, object] = {"PostgresKind": "aurora", "PostgresMultiAz": "true"}
MONGODB: dict[str, object] = {
    "MessagesKind": "url",
    "MessagesUrlSecretArn": "arn:aws:secretsmanager:...:mongo",
}
CHOICES: dict[str, list[dict[str, object]]] = {
    "network": [{}, {"Zones": 3, "NatGateways": "one-per-zone", "SecretsEndpoint": "true"}],
    "data": [
        {},
        AURORA,
        MONGODB,
        {"RedisNodes": 2, "BrokerMode": "CLUSTER_MULTI_AZ", "BrokerClass": "mq.m7g.large"},
        {"MediaOrigins": "https://chat.example.org", "PostgresVersion": "16.9"},
        {"PostgresVersion": "16", "PasswordGeneration": 7},
    ],
    "watch": [
        {},
        {"PostgresKind": "aurora", "BrokerVersion": "4.2"},
        {
            "AlarmEmail": "ops@example.org",
            "PostgresClass": "db.m7g.large",
            "SecondNatId": "nat-2",
            "ThirdNatId": "nat-3",
            "FloodRequests": 20000,
            "RedisNodes": 2,
        },
        {"PostgresClass": "db.t3.small"},
    ],
}
STACKS = [
    template.with_parameters(**GIVEN[template.name], **choice)
    for template in TEMPLATES
    for choice in CHOICES[template.name]
]
WATCHED = [stack for stack in STACKS if stack.template is WATCH]
