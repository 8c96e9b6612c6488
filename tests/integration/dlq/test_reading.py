"""`dlq list` and `dlq show`."""

import json

import pytest

from tests.support.letters import Aws
from worker.cli import main


async def test_list_shows_every_letter_and_takes_none(aws: Aws) -> None:
    await aws.failed("a-1")
    quarantined = await aws.quarantined("{broken")
    await aws.quarantined("somebody else's", reason=None)
    status, output, _ = await aws.dlq("list")
    assert status == 0
    lines = [line.split() for line in output.splitlines()]
    assert lines[0] == ["AGE", "ORIGIN", "ERROR", "INTERACTION", "MESSAGE"]
    assert [line[1:4] for line in lines[1:4]] == [
        ["interaction", "Genesys.Unavailable", "a-1"],
        ["event", "invalid_json", "-"],
        ["foreign", "-", "-"],
    ]
    assert lines[2][4] == quarantined
    assert "3 dead letters" in output
    assert await aws.waiting() == (3, 0)


async def test_list_as_json_has_the_facts_and_no_body(aws: Aws) -> None:
    message_id = await aws.failed("a-1")
    status, output, _ = await aws.dlq("list", "--json")
    (letter,) = json.loads(output)
    assert status == 0
    assert letter["sentAt"].endswith("Z")
    assert {name: letter[name] for name in ("messageId", "interactionId", "origin", "error")} == {
        "messageId": message_id,
        "interactionId": "a-1",
        "origin": "interaction",
        "error": "Genesys.Unavailable",
    }
    assert "503" not in output


async def test_list_reads_thousands_and_each_one_once(aws: Aws) -> None:
    await aws.many([(f"{{broken {n}", "invalid_json") for n in range(2000)])
    status, output, _ = await aws.dlq("list", "--json")
    assert status == 0
    assert len({letter["messageId"] for letter in json.loads(output)}) == 2000
    assert await aws.waiting() == (2000, 0)


async def test_an_empty_queue_is_no_error(aws: Aws) -> None:
    assert (await aws.dlq("list"))[:2] == (0, "0 dead letters\n")
    assert (await aws.dlq("redrive"))[:2] == (0, "redriven 0 of 0 letters\n")


async def test_a_queue_that_cannot_be_read_is_told_with_the_call_and_the_code(aws: Aws) -> None:
    aws.environment["DEAD_LETTER_QUEUE_URL"] += "-gone"
    status, output, errors = await aws.dlq("list")
    assert (status, output) == (1, "")
    assert errors.startswith("dlq list: AWS.SimpleQueueService.NonExistentQueue: ")
    assert "GetQueueAttributes" in errors
    assert "`doctor` checks" in errors


async def test_show_prints_the_body_by_either_id(aws: Aws) -> None:
    await aws.failed("a-1")
    message_id = await aws.quarantined("{broken \u202e")
    status, output, _ = await aws.dlq("show", "a-1")
    assert status == 0
    assert "the API answered 503" in output
    assert ":execution:" in output
    status, output, _ = await aws.dlq("show", message_id)
    assert status == 0
    assert "{broken \\x202e" in output
    assert await aws.waiting() == (2, 0)


async def test_on_ecs_show_prints_neither_body_nor_attributes_unless_asked_to(aws: Aws) -> None:
    """What a task of ECS prints is kept in a log group."""
    sent = await aws.clients.sqs.send_message(
        QueueUrl=aws.settings["DEAD_LETTER_QUEUE_URL"],
        MessageBody='{"customer": "Erika Mustermann"}',
        MessageAttributes={"caller": {"DataType": "String", "StringValue": "+49 30 1234567"}},
    )
    aws.environment["ECS_CONTAINER_METADATA_URI_V4"] = "http://169.254.170.2/v4/made-up"
    status, output, _ = await aws.dlq("show", sent["MessageId"])
    assert status == 0
    assert "Erika" not in output
    assert "+49" not in output
    assert "(32 characters, not printed into a log of ECS; --body prints them)" in output
    status, output, _ = await aws.dlq("show", sent["MessageId"], "--body")
    assert status == 0
    assert '{"customer": "Erika Mustermann"}' in output
    assert "+49 30 1234567" in output


async def test_show_of_an_unknown_id_is_an_error(aws: Aws) -> None:
    status, output, errors = await aws.dlq("show", "nobody")
    assert (status, output) == (1, "")
    assert "nobody" in errors


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["redrive"]])
def test_every_sub_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dlq", *command, "--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out
