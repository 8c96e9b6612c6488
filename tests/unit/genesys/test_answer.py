"""What an answer means, and when its details were asked for."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import AttemptError, InteractionUnavailable, Invalid, NotReady, Unauthorized
from worker.genesys.answer import Refused, Suspect, Throttled, TokenRefused, asked_at, judge_failure
from worker.genesys.responses import DEFAULT_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, retry_after

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
NOON_DATE = "Sun, 01 Mar 2026 12:00:00 GMT"


def test_a_429_is_a_pause() -> None:
    assert judge_failure(429, "too.many.requests", "detail", 42) == Throttled(42, "detail")


def test_a_401_is_the_tokens_fault_unless_the_address_is_refused() -> None:
    assert judge_failure(401, "bad.credentials", "detail", 15) == TokenRefused("detail")
    refused = judge_failure(401, "ip.not.authorized", "detail", 15)
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, Unauthorized)


def test_a_403_may_be_one_ids_or_the_clients() -> None:
    suspect = judge_failure(403, "missing.permissions", "detail", 15)
    assert isinstance(suspect, Suspect)
    assert isinstance(suspect.error, InteractionUnavailable)
    assert "division" in str(suspect.error)
    assert suspect.is_refusal


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (404, NotReady),
        (408, InteractionUnavailable),
        (413, Invalid),
        (500, InteractionUnavailable),
        (302, InteractionUnavailable),
    ],
)
def test_any_other_status_may_be_the_fault_of_one_id(status: int, kind: type[AttemptError]) -> None:
    suspect = judge_failure(status, "", "detail", 15)
    assert isinstance(suspect, Suspect)
    assert type(suspect.error) is kind
    assert str(suspect.error) == "detail"
    assert suspect.status == status


def test_details_are_as_old_as_their_request() -> None:
    assert asked_at(NOON - 2.5, NOON_DATE).timestamp() == NOON - 2.5


def test_a_clock_that_is_ahead_makes_details_no_younger_than_their_answer() -> None:
    assert asked_at(NOON + 3600, NOON_DATE).timestamp() == NOON + 1


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "soon",
        "Sun, 99 Mar 2026 12:00:00 GMT",
        f"Sun, 01 Mar {'9' * 30} 12:00:00 GMT",
        f"Sun, 01 Mar 2026 12:00:00 +{'9' * 30}",
    ],
)
def test_without_a_readable_date_our_own_clock_counts(date: str | None) -> None:
    assert asked_at(NOON, date) == datetime.fromtimestamp(NOON, UTC)


@given(st.floats(0, 4e9), st.text(max_size=40) | st.datetimes().map(format_datetime))
def test_no_date_makes_details_younger_than_their_request(sent_at: float, date: str) -> None:
    assert asked_at(sent_at, date) <= datetime.fromtimestamp(sent_at, UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("42", 42),
        (" 7 ", 7),
        ("0", 1),
        ("9" * 30, LONGEST_PAUSE_SECONDS),
        *(
            (odd, DEFAULT_PAUSE_SECONDS)
            for odd in (None, "", "-1", "soon", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", "٣")
        ),
    ],
)
def test_a_pause_is_never_absurd(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds
