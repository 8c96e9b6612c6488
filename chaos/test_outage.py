"""The outage of forty minutes in its full size: 10,000 interactions, in virtual time."""

import pytest

from tests.support.outage_scenarios import outage_of_forty_minutes, virtually

INTERACTIONS = 10_000


@pytest.mark.parametrize("rollout", [False, True])
def test_an_outage_of_forty_minutes_costs_nothing(*, rollout: bool) -> None:
    async def main() -> None:
        await outage_of_forty_minutes(INTERACTIONS, rollout=rollout)

    virtually(main)
