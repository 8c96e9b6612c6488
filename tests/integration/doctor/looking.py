"""What `doctor` finds."""

import asyncio
import subprocess
import sys

from worker.commands.doctor import examine
from worker.commands.doctor.checks import Finding
from worker.settings import load_settings

DENIALS = {
    "AmazonSQS.ReceiveMessage": "sqs:ReceiveMessage",
    "AmazonSQS.DeleteMessageBatch": "sqs:DeleteMessage",
    "AmazonSQS.ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "AmazonSQS.SendMessageBatch": "sqs:SendMessage",
    "AWSStepFunctions.SendTaskHeartbeat": "states:SendTaskHeartbeat",
    "AWSStepFunctions.SendTaskSuccess": "states:SendTaskSuccess",
    "AWSStepFunctions.SendTaskFailure": "states:SendTaskFailure",
    "DynamoDB_20120810.PutItem": "dynamodb:PutItem on table",
    "DynamoDB_20120810.BatchGetItem": "dynamodb:BatchGetItem on table",
    "DynamoDB_20120810.UpdateItem": "dynamodb:UpdateItem on table",
    "AWSStepFunctions.DescribeExecution": "states:DescribeExecution",
    "DynamoDB_20120810.GetItem": "dynamodb:GetItem on shared cache",
}
"""By X-Amz-Target: the check that fails when the call is denied."""


async def findings() -> dict[str, Finding]:
    return {finding.name: finding for finding in await examine(load_settings(with_conflicts=False))}


async def faults() -> dict[str, Finding]:
    """The failed checks; each says how to fix it."""
    found = {name: finding for name, finding in (await findings()).items() if finding.status == "FAILED"}
    assert all(finding.fix for finding in found.values())
    return found


async def doctor(environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and stdout of the command."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "worker", "doctor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout
