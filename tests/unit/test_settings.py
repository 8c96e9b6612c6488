"""Settings: each wrong one on a line of its own, and never a secret in it."""

import pytest

from tests.support.settings import RIGHT
from worker.runtime.open_files import raise_open_files_limit
from worker.settings import ErasureSettings, QueueSettings, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _right(
    clean_environment: None,  # noqa: ARG001 -- asked for its effect
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load_settings()
    assert settings.genesys_region == "us-east-1"
    assert settings.genesys_batch_size == 100
    assert settings.genesys_requests_per_minute == 300
    assert (settings.details_lag, settings.final_wait_seconds) == (90, 900)
    assert settings.end_event_types == {"customer.end"}
    assert settings.record == "basic"
    assert settings.shared_cache_url == "memory://"
    assert (settings.max_concurrency, settings.intake_concurrency) == (100, 10)
    assert settings.roles == {"intake", "activity"}
    assert (settings.heartbeat_seconds, settings.drain_seconds) == (20, 95)
    assert (settings.http_host, settings.http_port) == ("0.0.0.0", 8080)  # noqa: S104


def test_they_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().max_concurrency = 5  # type: ignore[misc]


def test_the_secret_is_not_in_their_text() -> None:
    assert "made-up-secret" not in repr(load_settings())


def test_queue_urls_stay_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_QUEUE_URL", "http://LocalHost:4566/000000000000/Events")
    assert load_settings().event_queue_url == "http://LocalHost:4566/000000000000/Events"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_DETAILS_PATH", "")
    monkeypatch.setenv("ACTIVITY_ARN", "")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert [problem.setting for problem in caught.value.problems] == ["ACTIVITY_ARN"]


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_a_missing_one_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    line = str(caught.value)
    assert line.startswith(f"{name}: is required and not set (")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EVENT_QUEUE_URL", "queue", "URL"),
        (
            "STATE_MACHINE_ARN",
            "arn:aws:states:us-east-1:000000000000:activity:a",
            "state machine ARN; expected arn:aws:",
        ),
        ("ACTIVITY_ARN", "activity", "activity ARN; expected arn:aws:states:REGION:ACCOUNT:activity:NAME"),
        ("INTERACTION_TABLE_NAME", "my table", "not a DynamoDB table"),
        ("GENESYS_REGION", "mars", "eu-central-1, eu-central-2, eu-west-1"),
        ("GENESYS_DETAILS_PATH", "/api/v2/conversations/", "{interactionId}"),
        ("GENESYS_DETAILS_PATH", "/api/{version}/{interactionId}", "placeholder"),
        ("GENESYS_BATCH_SIZE", "101", "100"),
        ("GENESYS_REQUESTS_PER_MINUTE", "many", "integer"),
        ("DETAILS_LAG_SECONDS", "-1", "0"),
        ("FINAL_WAIT_SECONDS", "3601", "3600"),
        ("RECORD", "full", "standard"),
        ("SHARED_CACHE_URL", "memcached://host", "redis://"),
        ("SHARED_CACHE_URL", "dynamodb://", "table"),
        ("MAX_CONCURRENCY", "0", "1"),
        ("ROLES", "intake,cleaner", "activity"),
        ("ROLES", ",", "1 item"),
        ("HTTP_PORT", "70000", "65535"),
        ("LOG_LEVEL", "loud", "warning"),
    ],
)
def test_a_wrong_one_is_one_readable_line(name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    line = str(caught.value)
    assert line.startswith(f"{name}: ")
    assert says in line
    assert "\n" not in line


def test_a_template_of_the_operational_endpoints_lags_by_a_moment_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_DETAILS_PATH", "/api/v2/conversations/{interactionId}")
    assert load_settings().details_lag == 5
    monkeypatch.setenv("DETAILS_LAG_SECONDS", "0")
    assert load_settings().details_lag == 0


@pytest.mark.parametrize(
    ("value", "types"), [("customer.end, acd.end,", {"customer.end", "acd.end"}), (",", set()), ("", {"customer.end"})]
)
def test_end_event_types_are_separated_by_commas(value: str, types: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("END_EVENT_TYPES", value)
    assert load_settings().end_event_types == types


def test_every_wrong_one_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTIVITY_ARN")
    monkeypatch.setenv("HTTP_PORT", "x")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert {problem.setting for problem in caught.value.problems} == {"ACTIVITY_ARN", "HTTP_PORT"}


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"DEAD_LETTER_QUEUE_URL": RIGHT["EVENT_QUEUE_URL"]}, "DEAD_LETTER_QUEUE_URL"),
        ({"HEARTBEAT_SECONDS": "30"}, "HEARTBEAT_SECONDS"),
        ({"HEARTBEAT_SECONDS": "5", "STATE_MACHINE_HEARTBEAT_SECONDS": "10"}, "HEARTBEAT_SECONDS"),
        ({"DRAIN_SECONDS": "111"}, "DRAIN_SECONDS"),
        ({"DRAIN_SECONDS": "60", "STOP_TIMEOUT_SECONDS": "30"}, "DRAIN_SECONDS"),
    ],
)
def test_settings_that_contradict_each_other_are_told(
    wrong: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in wrong.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert problem.setting == name
    assert load_settings(with_conflicts=False).conflicts() == [problem]


@pytest.mark.parametrize(
    ("queue", "owner", "expected"),
    [
        (RIGHT["DEAD_LETTER_QUEUE_URL"], "", "000000000000"),
        (RIGHT["DEAD_LETTER_QUEUE_URL"], "210987654321", "210987654321"),
        ("https://queues.example.com/dead", "210987654321", "210987654321"),
    ],
)
def test_the_archive_is_expected_in_the_account_of_the_queue_or_the_one_named(
    queue: str, owner: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue)
    monkeypatch.setenv("ARCHIVE_BUCKET_OWNER", owner)
    assert load_settings().archive_owner is None
    monkeypatch.setenv("ARCHIVE_URL", "s3://bucket/prefix")
    assert load_settings().archive_owner == expected


def test_an_archive_whose_account_nobody_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "https://queues.example.com/dead")
    monkeypatch.setenv("ARCHIVE_URL", "s3://bucket/prefix")
    with pytest.raises(SettingsError, match=r"^ARCHIVE_BUCKET_OWNER: is required with ARCHIVE_URL"):
        load_settings()


def test_more_slots_than_open_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.settings.resource.getrlimit", lambda _: (256, 4096))
    with pytest.raises(SettingsError, match="MAX_CONCURRENCY: 100 slots need 320 open files"):
        load_settings()


def test_the_limit_of_open_files_is_raised_to_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("worker.runtime.open_files.resource.getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr("worker.runtime.open_files.resource.setrlimit", lambda _, limits: asked.append(limits))
    raise_open_files_limit()
    assert asked == [(4096, 4096)]


def test_a_system_that_raises_no_limit_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr("worker.runtime.open_files.resource.setrlimit", refuse)
    raise_open_files_limit()


def test_who_uses_the_queues_alone_is_not_asked_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RIGHT.keys() - {"EVENT_QUEUE_URL", "STATE_MACHINE_ARN", "DEAD_LETTER_QUEUE_URL"}:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HEARTBEAT_SECONDS", "soon")
    assert load_settings(QueueSettings).event_queue_url == RIGHT["EVENT_QUEUE_URL"]


def test_who_uses_the_queues_alone_is_told_what_is_wrong_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", RIGHT["EVENT_QUEUE_URL"])
    with pytest.raises(SettingsError, match="DEAD_LETTER_QUEUE_URL: is the event queue itself"):
        load_settings(QueueSettings)
    monkeypatch.delenv("DEAD_LETTER_QUEUE_URL")
    with pytest.raises(SettingsError, match="DEAD_LETTER_QUEUE_URL: is required"):
        load_settings(QueueSettings)


def test_who_erases_is_asked_neither_for_genesys_cloud_nor_for_the_event_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RIGHT.keys() - {"DEAD_LETTER_QUEUE_URL", "INTERACTION_TABLE_NAME"}:
        monkeypatch.delenv(name)
    settings = load_settings(ErasureSettings)
    assert (settings.tombstone_days, settings.archive_url) == (0, None)
    monkeypatch.setenv("TOMBSTONE_DAYS", "-1")
    with pytest.raises(SettingsError, match="TOMBSTONE_DAYS: "):
        load_settings(ErasureSettings)


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())
