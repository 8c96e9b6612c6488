"""`erase` on an emulated AWS: nothing is left of a conversation, and what is left is told."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.erase.world import ID, OTHER, START, World, details, event, is_tombstone
from tests.support.letters import event_body
from tests.support.stack import item_of

if TYPE_CHECKING:
    pass


async def test_nothing_but_a_tombstone_is_left_of_a_conversation_and_everything_of_others(world: World) -> None:
    for one in (ID, OTHER):
        await world.store().put(event(one), details(5))
        await world.store().put(event(one), details(6))
        await world.aws.failed(one)
        await world.aws.quarantined(event_body(one), "future_time")
    await world.s3.delete_object(Bucket=world.bucket, Key=world.store().key(ID, START))  # a marker
    status, output, errors = await world.erase(ID, "--yes")
    assert (status, errors) == (0, "")
    assert output == f"{ID}  erased: an item, 2 archived versions, 2 dead letters\n"
    assert is_tombstone(await item_of(world.stack, ID))
    assert "startTime" in (await item_of(world.stack, OTHER) or {})
    assert set(await world.archived()) == {world.store().key(OTHER, START)}
    assert await world.aws.waiting() == (2, 0)
    (line,) = world.logs
    assert (line["event"], line["interaction_id"], line["wholly"], line["log_level"]) == ("erased", ID, True, "info")
    assert "Erika" not in json.dumps(world.logs) + output


async def test_an_unknown_id_gets_a_tombstone_and_its_object_is_looked_for_day_by_day(world: World) -> None:
    key = world.store().key(ID, START)
    await world.s3.put_object(Bucket=world.bucket, Key=key, Body=b"x")
    await world.s3.put_object(Bucket=world.bucket, Key=f"{key}.copy", Body=b"x")
    status, output, _ = await world.erase(ID, "--yes", "--archive-days", "2")
    first = datetime.now(UTC).date() - timedelta(days=2)
    assert status == 0
    assert output == (
        f"{ID}  erased: no item, 0 archived versions, 0 dead letters, "
        f"its day is unknown: the archive was searched back to {first}\n"
    )
    assert is_tombstone(await item_of(world.stack, ID))
    status, output, _ = await world.erase(ID, "--yes")
    assert status == 0
    assert "erased before, 1 archived version," in output
    assert await world.archived() == [f"{key}.copy"], "only the object of the very id"


async def test_under_an_object_lock_it_fails_and_says_which_day_to_look_at_again(world: World) -> None:
    await world.store().put(event(), details())
    key = world.store().key(ID, START)
    await world.s3.put_object_legal_hold(Bucket=world.bucket, Key=key, LegalHold={"Status": "ON"})
    status, output, errors = await world.erase(ID, "--yes")
    assert status == 1
    assert f"{ID}  NOT WHOLLY ERASED: an item, 0 archived versions" in output
    assert "the object is under a lock" in output
    assert "repeat it with --archive-days 3" in output
    assert "1 of 1 conversation not wholly erased" in errors
    assert [(line["event"], line["log_level"]) for line in world.logs] == [("erased", "error")]
    await world.s3.put_object_legal_hold(Bucket=world.bucket, Key=key, LegalHold={"Status": "OFF"})
    assert (await world.erase(ID, "--yes", "--archive-days", "3"))[0] == 0
    assert await world.archived() == []


async def test_without_a_table_nothing_is_erased(world: World) -> None:
    await world.store().put(event(), details())
    await world.aws.failed(ID)
    world.aws.environment["INTERACTION_TABLE_NAME"] = "none"
    status, output, _ = await world.erase(ID, "--yes")
    assert status == 1
    assert output == f"{ID}  NOT WHOLLY ERASED: DynamoDB did not confirm the tombstone: ResourceNotFoundException\n"
    assert len(await world.archived()) == 1
    assert await world.aws.waiting() == (1, 0)


async def test_letters_that_cannot_be_read_or_are_hidden_by_another_run_make_it_fail(world: World) -> None:
    await world.aws.failed(ID)
    url = world.stack.settings["DEAD_LETTER_QUEUE_URL"]
    await world.clients.sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)
    status, output, _ = await world.erase(ID, "--yes")
    assert status == 1
    assert "another run has hidden 1 dead letter" in output
    world.aws.environment["DEAD_LETTER_QUEUE_URL"] += "-none"
    status, output, _ = await world.erase(ID, "--yes")
    assert status == 1
    assert "not all dead letters could be read: " in output


async def test_bodies_without_a_readable_id_go_when_they_name_a_long_id_as_a_whole_word(world: World) -> None:
    gone = [f'{{"topic": "v2.detail.events.conversation.{ID}.acd"', f"{{{ID}}} of somebody else's"]
    stay = [f"{{x{ID}", f"{ID[:-1]}", '{"short": "a"', f"{event_body(OTHER)}"]
    for body in [*gone, *stay[:-1]]:
        await world.aws.quarantined(body)
    await world.aws.quarantined(stay[-1].replace("event-", f"{ID} "), "future_time")
    status, output, _ = await world.erase(ID, "a", "--yes")
    assert status == 0
    assert f"{ID}  erased: no item, 0 archived versions, 2 dead letters" in output
    assert "a  erased: no item, 0 archived versions, 0 dead letters" in output
    assert await world.aws.waiting() == (len(stay), 0)


async def test_an_id_may_begin_with_a_dash_and_a_file_names_many(world: World, tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text(f"# asked for on Monday\n{ID}\n\n  {OTHER}\n{ID}\n")
    status, output, _ = await world.erase("--yes", "--archive-days", "0", "--file", str(file), "--", "-a", "--b")
    assert status == 0
    assert [line.split()[0] for line in output.splitlines()] == ["-a", "--b", ID, OTHER]
    for one in ("-a", "--b", ID, OTHER):
        assert is_tombstone(await item_of(world.stack, one))


@pytest.mark.parametrize(
    ("arguments", "answer", "status", "told"),
    [
        ((ID,), None, 2, "--yes"),
        ((ID,), "", 1, "Erase everything kept of 1 conversation"),
        ((ID,), "n", 1, "nothing was changed"),
        ((), "y", 2, "at least one conversation id"),
        ((ID, "a/b"), "y", 2, "a/b is not an interaction id"),
        ((ID, "\x1b[2J"), "y", 2, r"\x1b[2J is not an interaction id"),
        ((ID, "--file", "/none/at/all"), "y", 2, "/none/at/all cannot be read"),
    ],
)
async def test_without_a_clear_yes_to_sound_ids_nothing_is_erased(
    arguments: tuple[str, ...], answer: str | None, status: int, told: str, world: World
) -> None:
    await world.store().put(event(), details())
    found, output, errors = await world.erase(*arguments, answer=answer)
    assert (found, output) == (status, "")
    assert told in errors
    assert "startTime" in (await item_of(world.stack, ID) or {})


async def test_a_yes_on_the_terminal_erases(world: World) -> None:
    await world.store().put(event(), details())
    assert (await world.erase(ID, answer="y"))[0] == 0
    assert is_tombstone(await item_of(world.stack, ID))
