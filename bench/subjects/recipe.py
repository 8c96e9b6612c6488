"""The recipe's two handlers in a container: the shortest loops that call them, in order or in threads.

What Lambda does around the handlers (polling the queue, deleting what worked, calling again) is done here by hand.
"""

import argparse
import json
import os
import threading
from typing import Any

import boto3
from botocore.config import Config

from bench.subjects import work

_POLLS = Config(read_timeout=70)


def take_messages(sqs: Any, wait: int = 20) -> int:
    """One receive, and an execution for each message; how many there were."""
    url = os.environ["EVENT_QUEUE_URL"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait).get("Messages", [])
    for message in messages:
        work.start_execution(message["Body"])
    if messages:
        entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return len(messages)


def take_task(states: Any) -> None:
    """One poll, and the task it brings."""
    task = states.get_activity_task(activityArn=os.environ["ACTIVITY_ARN"], workerName="recipe")
    if task.get("taskToken"):
        output = work.process_interaction(json.loads(task["input"]))
        states.send_task_success(taskToken=task["taskToken"], output=json.dumps(output))


def _forever(function: Any, *arguments: Any) -> None:
    while True:
        function(*arguments)


def main() -> None:
    """`--threads 0`: one loop that does both in turn, as a script would."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=0)
    threads = parser.parse_args().threads
    sqs, states = boto3.client("sqs", config=_POLLS), boto3.client("stepfunctions", config=_POLLS)
    if not threads:
        _one_loop(sqs, states)
    for _ in range(max(1, threads // 10)):
        threading.Thread(target=_forever, args=(take_messages, sqs)).start()
    for _ in range(threads):
        # A client of one's own: a boto3 client's pool has ten connections.
        own = boto3.client("stepfunctions", config=_POLLS)
        threading.Thread(target=_forever, args=(take_task, own)).start()


def _one_loop(sqs: Any, states: Any) -> None:
    """As many tasks done as messages started: without threads, a poll for a task that is not there blocks the rest."""
    while True:
        for _ in range(take_messages(sqs)):
            take_task(states)


if __name__ == "__main__":
    main()
