"""What is opened from the settings, where it cannot be opened."""

import sys

import pytest

from worker.settings import Settings, SettingsError
from worker.wiring import freshness, open_cache

REQUIRED = {
    "event_queue_url": "https://sqs.us-east-1.amazonaws.com/000000000000/events",
    "dead_letter_queue_url": "https://sqs.us-east-1.amazonaws.com/000000000000/dead",
    "state_machine_arn": "arn:aws:states:us-east-1:000000000000:stateMachine:machine",
    "activity_arn": "arn:aws:states:us-east-1:000000000000:activity:activity",
    "interaction_table_name": "interactions",
    "genesys_client_id": "made-up-client",
    "genesys_client_secret": "made-up-secret",
}


@pytest.mark.usefixtures("clean_environment")
async def test_a_cache_whose_library_is_missing_is_a_problem_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.delitem(sys.modules, "worker.fleet.redis", raising=False)
    settings = Settings.model_validate(REQUIRED | {"shared_cache_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(SettingsError) as caught:
        async with open_cache(settings, None):
            pass
    (problem,) = caught.value.problems
    assert (problem.setting, problem.text) == (
        "SHARED_CACHE_URL",
        "names Redis and its library is not installed",
    )
    assert "pip install '.[redis]'" in problem.fix


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        (None, {"customer.end"}),
        ("/api/v2/conversations/{interactionId}", {"customer.end"}),
        ("/api/v2/analytics/conversations/{interactionId}/details?x=1", {"customer.end"}),
        ("/of/my/own/{interactionId}", set()),
    ],
)
def test_an_end_is_not_waited_for_where_the_source_knows_none(template: str | None, ends: set[str]) -> None:
    settings = Settings.model_validate(REQUIRED | {"genesys_details_path": template})
    assert freshness(settings).end_types == ends
