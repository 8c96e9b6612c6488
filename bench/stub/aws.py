"""AWS JSON 1.0 in front of an `Account`: the calls that the service and its peers make."""

import json
import time
from collections.abc import Callable
from typing import Any

from bench.stub.account import Account
from bench.stub.documents import ACTIVITY_ARN, STATE_MACHINE_ARN
from bench.stub.http import Request

Call = dict[str, Any]
Answer = dict[str, Any]


def _delete_batch(account: Account, call: Call) -> Answer:
    account.delete([entry["ReceiptHandle"] for entry in call["Entries"]])
    return {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]], "Failed": []}


def _delete(account: Account, call: Call) -> Answer:
    account.delete([call["ReceiptHandle"]])
    return {}


def _hide(account: Account, call: Call) -> Answer:
    for entry in call["Entries"]:
        account.hide(entry["ReceiptHandle"], entry["VisibilityTimeout"])
    return {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]], "Failed": []}


def _hide_one(account: Account, call: Call) -> Answer:
    account.hide(call["ReceiptHandle"], call["VisibilityTimeout"])
    return {}


def _send(account: Account, call: Call) -> Answer:  # noqa: ARG001
    account.counts["dead_lettered"] += 1
    return {"MessageId": "m", "MD5OfMessageBody": ""}


def _queue_url(account: Account, call: Call) -> Answer:  # noqa: ARG001
    return {"QueueUrl": f"http://127.0.0.1/000000000000/{call['QueueName']}"}


def _queue_attributes(account: Account, call: Call) -> Answer:  # noqa: ARG001
    counted = account.summary()
    return {
        "Attributes": {
            "QueueArn": "arn:aws:sqs:us-east-1:000000000000:bench",
            "ApproximateNumberOfMessages": str(counted["in_queue"]),
            "ApproximateNumberOfMessagesNotVisible": str(counted["received_not_deleted"]),
            "ApproximateNumberOfMessagesDelayed": "0",
            "VisibilityTimeout": "60",
        }
    }


def _start(account: Account, call: Call) -> Answer:
    arn = call["stateMachineArn"].replace("stateMachine", "execution")
    return {"executionArn": f"{arn}:{call['name']}", "startDate": account.start(call["name"], call["input"])}


def _succeed(account: Account, call: Call) -> Answer:
    account.end(call["taskToken"], "succeeded")
    return {}


def _fail(account: Account, call: Call) -> Answer:
    account.end(call["taskToken"], call.get("error") or "failed")
    return {}


def _heartbeat(account: Account, call: Call) -> Answer:  # noqa: ARG001
    account.counts["heartbeats"] += 1
    return {}


def _put_item(account: Account, call: Call) -> Answer:
    account.store(call["Item"]["interactionId"]["S"])
    return {}


def _update_item(account: Account, call: Call) -> Answer:
    if "interactionId" in call["Key"]:
        account.store(call["Key"]["interactionId"]["S"])
    return {}


def _batch_get_item(account: Account, call: Call) -> Answer:  # noqa: ARG001
    return {"Responses": {table: [] for table in call["RequestItems"]}, "UnprocessedKeys": {}}


def _nothing(account: Account, call: Call) -> Answer:  # noqa: ARG001
    return {}


def _describe_table(account: Account, call: Call) -> Answer:  # noqa: ARG001
    keys = [{"AttributeName": "interactionId", "KeyType": "HASH"}]
    return {"Table": {"TableName": call["TableName"], "TableStatus": "ACTIVE", "KeySchema": keys}}


def _describe_activity(account: Account, call: Call) -> Answer:  # noqa: ARG001
    return {"activityArn": ACTIVITY_ARN, "name": "bench", "creationDate": time.time()}


def _describe_state_machine(account: Account, call: Call) -> Answer:  # noqa: ARG001
    return {
        "stateMachineArn": STATE_MACHINE_ARN,
        "name": "bench",
        "status": "ACTIVE",
        "definition": "{}",
        "roleArn": "arn:aws:iam::000000000000:role/bench",
        "type": "STANDARD",
        "creationDate": time.time(),
    }


_CALLS: dict[str, Callable[[Account, Call], Answer]] = {
    "DeleteMessageBatch": _delete_batch,
    "DeleteMessage": _delete,
    "ChangeMessageVisibilityBatch": _hide,
    "ChangeMessageVisibility": _hide_one,
    "SendMessage": _send,
    "GetQueueUrl": _queue_url,
    "GetQueueAttributes": _queue_attributes,
    "StartExecution": _start,
    "SendTaskSuccess": _succeed,
    "SendTaskFailure": _fail,
    "SendTaskHeartbeat": _heartbeat,
    "PutItem": _put_item,
    "UpdateItem": _update_item,
    "GetItem": _nothing,
    "BatchGetItem": _batch_get_item,
    "DescribeTable": _describe_table,
    "CreateActivity": _describe_activity,
    "DescribeActivity": _describe_activity,
    "DescribeStateMachine": _describe_state_machine,
}


def handle(account: Account, request: Request) -> None:
    """Answer one AWS call, or hold it when it is a long poll."""
    account.calls[request.operation] += 1
    if request.operation == "GetActivityTask":
        account.poll(request)
        return
    call = json.loads(request.body)
    if request.operation == "ReceiveMessage":
        account.receive(request, call)
        return
    perform = _CALLS.get(request.operation)
    if perform is None:
        account.counts["unknown_calls"] += 1
        request.reply(b'{"__type":"UnknownOperationException"}', status=400)
        return
    request.reply(json.dumps(perform(account, call)).encode(), delay=account.options.aws_delay)
