"""The work of the recipe's two handlers, as boto3 and requests do it: what the peers are given to run.

The recipe is the usual serverless way: one function starts an execution for an event, another asks Genesys Cloud and
writes the item. Clients and the access token are kept between calls, to the recipe's advantage.
"""

import functools
import json
import os
import time
from typing import Any

import boto3
import requests


@functools.cache
def _table() -> Any:
    return boto3.resource("dynamodb").Table(os.environ["INTERACTION_TABLE_NAME"])


@functools.cache
def _states() -> Any:
    return boto3.client("stepfunctions")


@functools.cache
def _token() -> str:
    answer = requests.post(
        f"{os.environ['GENESYS_LOGIN_URL']}/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(os.environ["GENESYS_CLIENT_ID"], os.environ["GENESYS_CLIENT_SECRET"]),
        timeout=10,
    )
    return str(answer.json()["access_token"])


def start_execution(body: str) -> None:
    """The first handler: an event becomes an execution."""
    detail = json.loads(body)["detail"]
    _states().start_execution(
        stateMachineArn=os.environ["STATE_MACHINE_ARN"],
        name=f"process-interaction-{detail['interactionId']}",
        input=json.dumps(detail),
    )


def process_interaction(task: dict[str, Any]) -> dict[str, Any]:
    """The second handler: details asked for, item written."""
    answer = requests.get(
        f"{os.environ['GENESYS_API_URL']}/api/v2/interactions/events/details/{task['interactionId']}",
        headers={"Authorization": f"Bearer {_token()}"},
        timeout=10,
    )
    answer.raise_for_status()
    details = answer.json()
    _table().put_item(
        Item={
            "interactionId": task["interactionId"],
            "startTime": details["startTime"],
            "channels": details["channels"],
            "processedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "eventType": task["eventType"],
            "eventTime": task["timestamp"],
        }
    )
    return {"status": "processed"}
