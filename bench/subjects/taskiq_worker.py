"""`taskiq-aio-sqs` with the first half of the work: from the queue into an execution."""

import json
import os
from typing import Any

from aiobotocore.session import get_session
from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_sqs import SQSBroker

broker = SQSBroker(
    "events",
    endpoint_url=os.environ.get("AWS_ENDPOINT_URL"),
    aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID"),
    aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY"),
    max_number_of_messages=10,
    wait_time_seconds=20,
)
_states: dict[str, Any] = {}


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_client(state: TaskiqState) -> None:
    """One client for all tasks."""
    state.context = get_session().create_client("stepfunctions")
    _states["client"] = await state.context.__aenter__()


@broker.task(task_name="start")
async def start(body: str) -> None:
    """An event becomes an execution."""
    detail = json.loads(body)["detail"]
    await _states["client"].start_execution(
        stateMachineArn=os.environ["STATE_MACHINE_ARN"],
        name=f"process-interaction-{detail['interactionId']}",
        input=json.dumps(detail),
    )
