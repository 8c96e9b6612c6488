"""Every alarm of the module, on metrics that arrive late, each by another number of minutes.

What CloudWatch does is a model (`metric_math`, `cloudwatch`); the expressions are those of the rendered plan.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.infra.cloudwatch import Alarm, View, alarms_of, late_views
from tests.infra.stories import FIRES, QUIET, Story, samples


@pytest.fixture(scope="module")
def alarms(rendered: list[dict[str, Any]]) -> dict[str, Alarm]:
    return alarms_of(rendered, "interaction-worker-")


def test_each_alarm_has_a_story_in_which_it_fires_and_one_in_which_it_does_not(alarms: Mapping[str, Alarm]) -> None:
    assert {story.alarm for story in FIRES} == {story.alarm for story in QUIET} == alarms.keys()


@pytest.mark.parametrize("story", FIRES, ids=lambda story: f"{story.alarm}: {story.what}")
def test_an_alarm_fires_when_it_should_however_late_its_metrics_are(alarms: Mapping[str, Alarm], story: Story) -> None:
    for view in _views(alarms[story.alarm]):
        begins = list(_begins(alarms[story.alarm], story, view))
        assert len(begins) == len(story.fires_at), f"{begins} {view}"
        for begin, earliest in zip(begins, story.fires_at, strict=True):
            assert earliest < begin <= earliest + story.within, f"{begins} {view}"


@pytest.mark.parametrize("story", QUIET, ids=lambda story: f"{story.alarm}: {story.what}")
def test_an_alarm_does_not_fire_when_it_should_not_however_late_its_metrics_are(
    alarms: Mapping[str, Alarm], story: Story
) -> None:
    for view in _views(alarms[story.alarm]):
        assert list(_begins(alarms[story.alarm], story, view)) == [], view


@pytest.mark.parametrize("queue", ["dead-letters", "undelivered-events"])
def test_looking_at_letters_does_not_end_the_alarm_that_there_are_some(alarms: Mapping[str, Alarm], queue: str) -> None:
    looked_at = Story(
        queue,
        {"visible": [(60, 0), (30, 100), (12, 0), (30, 100)], "hidden": [(90, 0), (12, 100), (30, 0)]},
        (60,),
    )
    for view in _views(alarms[queue]):
        assert len(list(_begins(alarms[queue], looked_at, view))) == 1, view


def _begins(alarm: Alarm, story: Story, view: View) -> Iterator[int]:
    """The minutes in which the alarm goes on."""
    data = {id_: samples(runs) for id_, runs in story.metrics.items()}
    length = story.until or max(map(len, data.values()), default=120)
    was_on = False
    for now in range(story.normal, length + 1, story.step):
        is_on = alarm.fires(data, now, view)
        if is_on and not was_on:
            yield now
        was_on = is_on


def _views(alarm: Alarm) -> Iterator[View]:
    return late_views(sorted(alarm.query.metrics), latest=5)
