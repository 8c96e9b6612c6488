"""An AWS account of emulators for Terraform: the one of the demo, and moto for what it lacks."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.session import get_session

from tests.support.tools import ROOT, tool
from worker.local.aws import ACCESS_KEY, SECRET_KEY
from worker.local.emulator import REGION

_HERE = (
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "events",
    "iam",
    "kms",
    "logs",
    "secretsmanager",
    "sfn",
    "sqs",
    "sts",
)
"""Services that the emulator of the demo has."""

_MOTO = ("appautoscaling", "cloudwatch", "servicediscovery")
"""Services that it lacks, or of which it forgets most."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where Terraform's provider finds each service, and the network that is there already."""

    provider: str
    """Configuration of the provider, as JSON."""
    vpc_id: str
    subnet_ids: list[str]

    def variables(self, prefix: str) -> dict[str, Any]:
        """The module's variables for this account, under a name of its own that begins with `prefix`."""
        return {
            "name": f"{prefix}-{uuid.uuid4().hex[:8]}",
            "vpc_id": self.vpc_id,
            "subnet_ids": self.subnet_ids,
            "genesys_region": "us-east-1",
            "image": "registry.example.com/interaction-worker:0.1.0",
            "create_kms_key": True,
            "delivery_delay_seconds": 0,
            "deletion_protection": False,
        }


@contextmanager
def account(url: str) -> Iterator[Account]:
    """The emulator at this address, and moto for the rest for as long as the context lasts."""
    moto = tool("moto_server", get_it="tools/infra-tools installs it")
    python = moto.replace("moto_server", "python")
    with subprocess.Popen(
        [python, ROOT / "tests" / "infra" / "control_plane.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as control_plane:
        try:
            assert control_plane.stdout is not None
            moto_url = f"http://127.0.0.1:{int(control_plane.stdout.readline())}"
            vpc_id, subnet_ids = _network(url)
            yield Account(_provider(url, moto_url), vpc_id, subnet_ids)
        finally:
            control_plane.kill()


def _provider(url: str, moto_url: str) -> str:
    endpoints = dict.fromkeys(_HERE, url) | dict.fromkeys(_MOTO, moto_url)
    settings = {
        "region": REGION,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "max_retries": 2,
        "endpoints": [endpoints],
    }
    return json.dumps({"provider": {"aws": settings}})


def _network(url: str) -> tuple[str, list[str]]:
    """The default VPC, and two of its subnets."""
    ec2: Any = get_session().create_client(
        "ec2", REGION, endpoint_url=url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )
    vpc_id = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Subnets"]
    ec2.close()
    return vpc_id, [subnet["SubnetId"] for subnet in subnets[:2]]
