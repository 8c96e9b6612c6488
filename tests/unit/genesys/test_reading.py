"""What of an answer becomes details: whether there is an end, and the standard record."""

from datetime import UTC, datetime
from typing import Any

import pytest

from worker.genesys.reading import has_ends, mapper_for

ASKED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANALYTICS = "/api/v2/analytics/conversations/{interactionId}/details"
OPERATIONAL = "/api/v2/conversations/{interactionId}"
OWN = "/api/v2/of/my/own/{interactionId}"


def end(template: str | None, **fields: Any) -> datetime | None:
    document = {"conversationStart": "2026-03-01T10:00:00Z", "startTime": "2026-03-01T10:00:00Z", **fields}
    return mapper_for(template)(document, ASKED_AT).end_time


@pytest.mark.parametrize(
    ("template", "field"), [(None, "conversationEnd"), (ANALYTICS, "conversationEnd"), (OPERATIONAL, "endTime")]
)
def test_an_end_is_read_where_there_is_one(template: str | None, field: str) -> None:
    assert has_ends(template)
    assert end(template, **{field: "2026-03-01T11:00:00+01:00"}) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert end(template) is None


@pytest.mark.parametrize("value", [None, "", "soon", 7, ["2026-03-01T11:00:00Z"], {}])
def test_an_unreadable_end_counts_as_missing(value: Any) -> None:
    assert end(None, conversationEnd=value) is None


def test_a_template_of_ones_own_knows_no_ends() -> None:
    assert not has_ends(OWN)
    assert end(OWN, endTime="2026-03-01T11:00:00Z", conversationEnd="2026-03-01T11:00:00Z") is None


@pytest.mark.parametrize("template", [None, ANALYTICS, ANALYTICS + "?expand=x"])
def test_the_standard_record_is_read_from_analytics_when_asked_for(template: str | None) -> None:
    document = {"conversationStart": "2026-03-01T10:00:00Z"}
    assert mapper_for(template)(document, ASKED_AT).attributes == {}
    assert mapper_for(template, standard=True)(document, ASKED_AT).attributes


@pytest.mark.parametrize("template", [OPERATIONAL, OWN])
def test_other_sources_have_no_standard_record(template: str) -> None:
    document = {"startTime": "2026-03-01T10:00:00Z"}
    assert mapper_for(template, standard=True)(document, ASKED_AT).attributes == {}


def test_what_has_thousands_of_channels_does_not_fill_the_memory() -> None:
    sessions = [{"mediaType": f"channel-{number}"} for number in range(10_000)]
    document = {"conversationStart": "2026-03-01T10:00:00Z", "participants": [{"sessions": sessions}]}
    assert mapper_for(None)(document, ASKED_AT).channels == tuple(f"channel-{number}" for number in range(100))
