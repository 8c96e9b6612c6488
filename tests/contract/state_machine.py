"""What `deploy/state_machine.asl.json` promises, as tests that any engine of Step Functions can be put under.

The tests play the worker by hand. Each engine is a subclass with an `engine` fixture.
"""

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_stepfunctions import SFNClient

ORDINARY_ATTEMPTS = 12
"""How often an ordinary failure is tried again: MaxAttempts of the last retrier, and what a suspect has in all."""

INCOMPLETE_ATTEMPTS = 6
"""MaxAttempts of the retrier for a missing end."""

_WAIT_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Task:
    token: str
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Engine:
    """The state machine on one emulator, with the worker's part to be played by the test."""

    sfn: "SFNClient"
    sqs: "SQSClient"
    settings: Mapping[str, str]
    """What `bootstrap` prints."""
    heartbeat_seconds: int = 60

    async def start(self) -> str:
        """A new execution; its ARN."""
        answer = await self.sfn.start_execution(
            stateMachineArn=self.settings["STATE_MACHINE_ARN"],
            name=f"test-{uuid.uuid4().hex}",
            input=json.dumps(
                {
                    "interactionId": "interaction-1",
                    "eventType": "customer.end",
                    "timestamp": "2026-03-01T10:00:00.000Z",
                    "eventId": "event-1",
                }
            ),
        )
        return answer["executionArn"]

    async def take(self) -> Task:
        """The next task; the test fails when none comes."""
        async with asyncio.timeout(_WAIT_SECONDS):
            while True:
                answer = await self.sfn.get_activity_task(activityArn=self.settings["ACTIVITY_ARN"])
                if token := answer.get("taskToken"):
                    return Task(token, json.loads(answer["input"]))

    async def fail_next(self, error: str) -> Task:
        task = await self.take()
        await self.sfn.send_task_failure(taskToken=task.token, error=error, cause="the cause")
        return task

    async def ended(self, arn: str) -> dict[str, Any]:
        """The execution's description once it has ended."""
        async with asyncio.timeout(_WAIT_SECONDS):
            while (description := await self.sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
                await asyncio.sleep(0.2)
        return dict(description)

    async def dead_letters(self) -> list[tuple[dict[str, Any], str]]:
        """Body and reason of every dead letter, once executions have ended; they are taken away."""
        answer = await self.sqs.receive_message(
            QueueUrl=self.settings["DEAD_LETTER_QUEUE_URL"],
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
        )
        letters = []
        for message in answer.get("Messages", []):
            await self.sqs.delete_message(
                QueueUrl=self.settings["DEAD_LETTER_QUEUE_URL"], ReceiptHandle=message["ReceiptHandle"]
            )
            letters.append((json.loads(message["Body"]), message["MessageAttributes"]["reason"]["StringValue"]))
        return letters


class StateMachineConformance:
    """Every engine has to pass these."""

    async def test_the_task_gets_the_event_and_what_the_worker_needs_to_judge_lateness(self, engine: Engine) -> None:
        arn = await engine.start()
        task = await engine.take()
        assert task.input.pop("executionStartTime").startswith("20")
        assert task.input.pop("enteredTime").startswith("20")
        assert task.input == {
            "interactionId": "interaction-1",
            "eventType": "customer.end",
            "timestamp": "2026-03-01T10:00:00.000Z",
            "eventId": "event-1",
            "executionArn": arn,
            "retryCount": 0,
            "definition": 3,
        }
        await engine.sfn.send_task_success(taskToken=task.token, output='{"written": true}')
        assert (await engine.ended(arn))["status"] == "SUCCEEDED"
        assert await engine.dead_letters() == []

    @pytest.mark.parametrize("error", ["Interaction.Invalid", "Interaction.NotFound"])
    async def test_a_rejected_interaction_is_a_dead_letter_after_one_attempt(self, engine: Engine, error: str) -> None:
        arn = await engine.start()
        await engine.fail_next(error)
        description = await engine.ended(arn)
        assert (description["status"], description["error"], description["cause"]) == ("FAILED", error, "the cause")
        assert await engine.dead_letters() == [_letter(arn, error)]

    @pytest.mark.parametrize("error", ["Interaction.Invalid", "Interaction.NotFound"])
    async def test_a_rejected_suspect_is_a_dead_letter_at_once(self, engine: Engine, error: str) -> None:
        arn = await engine.start()
        await engine.fail_next("Interaction.Unavailable")
        await engine.fail_next(error)
        assert (await engine.ended(arn))["error"] == error
        assert await engine.dead_letters() == [_letter(arn, error)]

    @pytest.mark.timeout(180)
    async def test_only_real_failures_burn_ordinary_attempts_and_an_exhausted_one_is_a_dead_letter(
        self, engine: Engine
    ) -> None:
        arn = await engine.start()
        patient = ["Genesys.RateLimited", "Worker.Draining", "Interaction.NotReady", "Store.Unavailable"]
        for count, error in enumerate([*patient, *["Worker.Unexpected"] * ORDINARY_ATTEMPTS]):
            task = await engine.fail_next(error)
            assert task.input["retryCount"] == count
        assert (await engine.sfn.describe_execution(executionArn=arn))["status"] == "RUNNING"
        await engine.fail_next("Worker.Unexpected")
        assert (await engine.ended(arn))["error"] == "Worker.Unexpected"
        [(letter, reason)] = await engine.dead_letters()
        assert (letter["executionArn"], letter["error"]["Error"], reason) == (arn, *["Worker.Unexpected"] * 2)

    @pytest.mark.timeout(180)
    async def test_an_outage_burns_no_ordinary_attempts(self, engine: Engine) -> None:
        arn = await engine.start()
        outage = ["Genesys.Unavailable", "Genesys.Unauthorized", "Store.Unavailable"]
        for error in outage * 5:
            task = await engine.fail_next(error)
            assert "alone" not in task.input
        await _succeed_next(engine, arn)

    @pytest.mark.timeout(180)
    async def test_a_suspect_is_asked_for_alone_and_an_exhausted_one_is_a_dead_letter(self, engine: Engine) -> None:
        arn = await engine.start()
        first = await engine.fail_next("Interaction.Unavailable")
        assert "alone" not in first.input
        for count in range(ORDINARY_ATTEMPTS - 1):
            again = await engine.fail_next("Interaction.Unavailable")
            assert (again.input.pop("alone"), again.input.pop("retryCount")) == (True, count)
            assert again.input.pop("enteredTime") > first.input["enteredTime"], "lateness counts anew"
            assert again.input.items() <= first.input.items(), "the Catch keeps the input"
        assert (await engine.sfn.describe_execution(executionArn=arn))["status"] == "RUNNING"
        await engine.fail_next("Interaction.Unavailable")
        assert (await engine.ended(arn))["error"] == "Interaction.Unavailable"
        assert await engine.dead_letters() == [_letter(arn, "Interaction.Unavailable")]

    async def test_what_says_not_now_burns_no_attempt_of_a_suspect_and_keeps_it_apart(self, engine: Engine) -> None:
        arn = await engine.start()
        await engine.fail_next("Worker.Draining")
        await engine.fail_next("Interaction.Unavailable")
        for error in ("Worker.Draining", "Genesys.RateLimited", "Interaction.NotReady", "Store.Unavailable"):
            assert (await engine.fail_next(error)).input["alone"] is True
        await _succeed_next(engine, arn, alone=True)

    @pytest.mark.parametrize("alone", [False, True], ids=["together", "alone"])
    async def test_a_missing_end_is_looked_for_again_and_is_no_failure(self, engine: Engine, alone: bool) -> None:
        arn = await engine.start()
        if alone:
            await engine.fail_next("Interaction.Unavailable")
        first = await engine.fail_next("Interaction.Incomplete")
        assert ("alone" in first.input) is alone
        for count in range(1, INCOMPLETE_ATTEMPTS + 1):
            again = await engine.fail_next("Interaction.Incomplete")
            assert again.input["retryCount"] == count
            assert again.input["enteredTime"] == first.input["enteredTime"], "the wait counts from the first attempt"
        assert (await engine.ended(arn))["status"] == "SUCCEEDED"
        assert await engine.dead_letters() == []

    async def test_an_execution_stays_open_until_its_dead_letter_is_taken(self, engine: Engine) -> None:
        url = engine.settings["DEAD_LETTER_QUEUE_URL"]
        await engine.sqs.delete_queue(QueueUrl=url)
        arn = await engine.start()
        await engine.fail_next("Interaction.Invalid")
        await _until_the_dead_letter_was_refused(engine, arn)
        assert (await engine.sfn.describe_execution(executionArn=arn))["status"] == "RUNNING"
        await engine.sqs.create_queue(QueueName=url.rpartition("/")[2])
        assert (await engine.ended(arn))["status"] == "FAILED"
        assert [reason for _, reason in await engine.dead_letters()] == ["Interaction.Invalid"]


class HeartbeatConformance:
    """For engines that enforce heartbeats."""

    async def test_a_missed_heartbeat_brings_the_work_back(self, engine: Engine) -> None:
        arn = await engine.start()
        lost = await engine.take()
        again = await engine.take()
        assert (again.input["executionArn"], again.input["retryCount"]) == (arn, 1)
        with pytest.raises(ClientError) as refusal:
            await engine.sfn.send_task_success(taskToken=lost.token, output='{"written": false}')
        assert refusal.value.response["Error"]["Code"] in {"TaskTimedOut", "TaskDoesNotExist"}
        await engine.sfn.send_task_success(taskToken=again.token, output='{"written": true}')
        description = await engine.ended(arn)
        assert json.loads(description["output"]) == {"written": True}

    async def test_a_missed_heartbeat_sets_nothing_apart_and_brings_back_what_is(self, engine: Engine) -> None:
        arn = await engine.start()
        await engine.take()
        assert "alone" not in (await engine.fail_next("Interaction.Unavailable")).input
        lost = await engine.take()
        again = await engine.take()
        assert lost.input["alone"] is again.input["alone"] is True
        await engine.sfn.send_task_success(taskToken=again.token, output='{"written": true}')
        assert (await engine.ended(arn))["status"] == "SUCCEEDED"

    async def test_heartbeats_keep_the_work(self, engine: Engine) -> None:
        arn = await engine.start()
        task = await engine.take()
        for _ in range(6):
            await asyncio.sleep(engine.heartbeat_seconds / 2)
            await engine.sfn.send_task_heartbeat(taskToken=task.token)
        await engine.sfn.send_task_success(taskToken=task.token, output='{"written": true}')
        assert (await engine.ended(arn))["status"] == "SUCCEEDED"


def _letter(arn: str, error: str) -> tuple[dict[str, Any], str]:
    """The dead letter of an interaction that ended under `error`."""
    body = {
        "interactionId": "interaction-1",
        "eventType": "customer.end",
        "timestamp": "2026-03-01T10:00:00.000Z",
        "eventId": "event-1",
        "error": {"Error": error, "Cause": "the cause"},
        "executionArn": arn,
    }
    return body, error


async def _succeed_next(engine: Engine, arn: str, *, alone: bool = False) -> None:
    task = await engine.take()
    assert ("alone" in task.input) is alone
    await engine.sfn.send_task_success(taskToken=task.token, output='{"written": true}')
    assert (await engine.ended(arn))["status"] == "SUCCEEDED"
    assert await engine.dead_letters() == []


async def _until_the_dead_letter_was_refused(engine: Engine, arn: str) -> None:
    async with asyncio.timeout(_WAIT_SECONDS):
        while True:
            history = await engine.sfn.get_execution_history(executionArn=arn, maxResults=100)
            if any(event["type"] == "TaskFailed" for event in history["events"]):
                return
            await asyncio.sleep(0.2)
