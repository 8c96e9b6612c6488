"""`dlq delete`: only what is selected goes, and only after a yes."""

import pytest

from tests.support.letters import Aws


async def test_delete_removes_what_the_filter_selects_and_nothing_else(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.failed("a-2")
    await aws.failed("b-1", "Interaction.NotFound")
    await aws.quarantined("{broken")
    foreign = await aws.quarantined("somebody else's", reason=None)
    for options, left in [
        (("--id", "a-1"), 4),
        (("--error", "Interaction.NotFound"), 3),
        (("--error", "Genesys.Unavailable", "--id", "a-1"), 3),
        (("--id", foreign), 2),
    ]:
        status, output, errors = await aws.dlq("delete", "--yes", *options)
        assert (status, errors) == (0, "")
        assert output.startswith("deleted ")
        assert await aws.waiting() == (left, 0), options
    assert await aws.executions() == {}
    assert await aws.event_bodies() == []


async def test_delete_stops_at_its_limit_and_all_means_all(aws: Aws) -> None:
    await aws.many([(f"{{broken {n}", "invalid_json") for n in range(25)])
    await aws.quarantined("somebody else's", reason=None)
    status, output, _ = await aws.dlq("delete", "--error", "invalid_json", "--limit", "7", "--yes")
    assert (status, output) == (0, "deleted 7 of 7 letters: 7 invalid_json\n")
    assert await aws.waiting() == (19, 0)
    assert (await aws.dlq("delete", "--all", "--yes"))[0] == 0
    assert await aws.waiting() == (0, 0)


async def test_a_dry_run_of_delete_asks_nothing_and_changes_nothing(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.quarantined("{broken")
    status, output, _ = await aws.dlq("delete", "--dry-run", "--error", "invalid_json")
    assert (status, output) == (0, "would delete 1 letter: 1 invalid_json\n")
    assert await aws.waiting() == (2, 0)


@pytest.mark.parametrize(
    ("options", "answer", "status", "told"),
    [
        (["--all"], None, 2, "--yes"),
        (["--all"], "", 1, "Delete all dead letters, out of about 1, for good?"),
        (["--id", "a-1", "--limit", "3"], "no", 1, "Delete dead letters at most 3, of a-1, out of about 1"),
        ([], "y", 2, "say which letters"),
        (["--all", "--id", "a-1"], "y", 2, "contradict"),
    ],
)
async def test_without_a_yes_to_a_clear_choice_nothing_is_deleted(
    options: list[str], answer: str | None, status: int, told: str, aws: Aws
) -> None:
    await aws.failed("a-1")
    aws.typed = answer
    found, output, errors = await aws.dlq("delete", *options)
    assert (found, output) == (status, "")
    assert told in errors
    assert await aws.waiting() == (1, 0)


async def test_a_yes_on_the_terminal_deletes(aws: Aws) -> None:
    await aws.failed("a-1")
    aws.typed = "yes"
    assert (await aws.dlq("delete", "--all"))[0] == 0
    assert await aws.waiting() == (0, 0)
