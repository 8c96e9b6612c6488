"""The floor: a bare aiobotocore loop that makes exactly the calls of one interaction, and nothing else.

A tenth of a receive and of a delete, one start, one poll, one fetch, one put, one success. No errors are handled, no
logs written, nothing is validated: what it costs is what the SDK costs. Options switch on the public client settings
one by one, which shows what each of them is worth.
"""

import argparse
import asyncio
import json
import os
import time
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session


class Batcher:
    """Ids that wait for the next request; `per_minute` requests, evenly spaced, up to 100 ids in each."""

    def __init__(self, http: aiohttp.ClientSession, url: str, per_minute: int) -> None:
        self._http = http
        self._url = url
        self._gap = 60 / per_minute
        self._waiting: dict[str, asyncio.Future[Any]] = {}

    async def fetch(self, interaction_id: str) -> Any:
        return await self._waiting.setdefault(interaction_id, asyncio.get_running_loop().create_future())

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._gap)
            if not self._waiting:
                continue
            asked = {key: self._waiting.pop(key) for key in list(self._waiting)[:100]}
            async with self._http.get(self._url, params=[("id", key) for key in asked]) as response:
                for conversation in json.loads(await response.read())["conversations"]:
                    asked[conversation["conversationId"]].set_result(conversation)


async def _intake(sqs: Any, sfn: Any) -> None:
    url, machine = os.environ["EVENT_QUEUE_URL"], os.environ["STATE_MACHINE_ARN"]
    while True:
        answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        messages = answer.get("Messages", [])
        for message in messages:
            detail = json.loads(message["Body"])["detail"]
            name = f"process-interaction-{detail['interactionId']}"
            await sfn.start_execution(stateMachineArn=machine, name=name, input=json.dumps(detail))
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            await sqs.delete_message_batch(QueueUrl=url, Entries=entries)


async def _activity(sfn: Any, dynamodb: Any, fetch: Any) -> None:
    activity, table = os.environ["ACTIVITY_ARN"], os.environ["INTERACTION_TABLE_NAME"]
    while True:
        task = await sfn.get_activity_task(activityArn=activity, workerName="floor")
        if "taskToken" not in task:
            continue
        event = json.loads(task["input"])
        details = await fetch(event["interactionId"])
        item = {
            "interactionId": {"S": event["interactionId"]},
            "startTime": {"S": details.get("startTime") or details["conversationStart"]},
            "channels": {"L": [{"S": "voice"}]},
            "processedAt": {"S": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())},
            "eventType": {"S": event["eventType"]},
            "eventTime": {"S": event["timestamp"]},
            "eventId": {"S": event.get("eventId", "")},
        }
        await dynamodb.put_item(TableName=table, Item=item)
        await sfn.send_task_success(taskToken=task["taskToken"], output="{}")


async def _run(options: argparse.Namespace) -> None:
    settings: dict[str, Any] = {"max_pool_connections": 2 * options.slots + 20, "read_timeout": 70}
    if options.user_agent:
        settings["user_agent"] = "floor/1"
    if options.no_validation:
        settings["parameter_validation"] = False
    config = AioConfig(**settings)
    session = get_session()
    async with AsyncExitStack() as stack:
        sqs, sfn, dynamodb = [
            await stack.enter_async_context(session.create_client(name, config=config))
            for name in ("sqs", "stepfunctions", "dynamodb")
        ]
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                os.environ["GENESYS_API_URL"],
                connector=aiohttp.TCPConnector(limit=0),
                headers={"Authorization": "Bearer floor"},
            )
        )

        async def fetch(interaction_id: str) -> Any:
            async with http.get(f"/api/v2/interactions/events/details/{interaction_id}") as response:
                return json.loads(await response.read())

        loops = []
        if options.batched:
            batcher = Batcher(http, "/api/v2/analytics/conversations/details", options.batched)
            loops.append(batcher.run())
        if "intake" in options.roles:
            loops += [_intake(sqs, sfn) for _ in range(10)]
        if "activity" in options.roles:
            loops += [
                _activity(sfn, dynamodb, batcher.fetch if options.batched else fetch) for _ in range(options.slots)
            ]
        await asyncio.gather(*loops)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--roles", default="intake,activity")
    parser.add_argument("--batched", type=int, default=0, help="details requests a minute; 0: one an interaction")
    parser.add_argument("--user-agent", action="store_true", help="a constant User-Agent header")
    parser.add_argument("--no-validation", action="store_true", help="parameter validation off")
    parser.add_argument("--uvloop", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _parse()
    (uvloop.run if chosen.uvloop else asyncio.run)(_run(chosen))
