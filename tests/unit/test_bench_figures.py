"""What the benchmark makes of its measurements, and what conversations cost."""

import json
import math
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bench.cost import (
    FIGURES,
    OVER_THE_QUOTA,
    OVER_THE_RATE_LIMIT,
    Prices,
    Setup,
    break_even,
    recipe,
    refused,
    requests,
    service,
)
from bench.cost_model import ASKED_AFTER, Counts, call, count
from bench.cost_tables import PAGE, by_volume, page, read_prices, tables
from bench.measure_cpu import compare, quartiles
from bench.rig import ROOT, Burst
from worker.local.topics import topics

SETUP = Setup(message_cpu_seconds=0.001, attempt_cpu_seconds=0.002)
PRICES = Prices()


def test_quartiles_of_one_value_are_that_value() -> None:
    assert quartiles([2.5]) == {"median": 2.5, "low": 2.5, "high": 2.5}


def test_a_ratio_is_taken_burst_by_burst() -> None:
    quiet, busy = Burst(10, cpu=1.0, wall=1.0), Burst(10, cpu=4.0, wall=8.0)
    half = [Burst(10, cpu=0.5, wall=0.5), Burst(10, cpu=2.0, wall=4.0)]
    row = compare({"floor": [quiet, busy], "half": half}, "floor")["half"]
    assert row["cpu_ratio"] == {"median": 0.5, "low": 0.5, "high": 0.5}
    assert row["throughput_ratio"]["median"] == 2.0


def windows(events: int, delay: float, lag: float) -> int:
    """The fewest windows that cover the call's events; the first event that none covers begins the next one."""
    length = timedelta(seconds=delay - lag) + ASKED_AFTER
    found, covered_until = 0, None
    for _, moment in topics(call(events), events):
        if covered_until is None or moment > covered_until:
            found += 1
            covered_until = moment + length
    return found


@pytest.mark.parametrize("delay", [95, 120, 150, 300, 450, 900])
def test_a_call_needs_as_many_executions_as_windows_of_delay_less_lag_cover_its_events(delay: float) -> None:
    assert count(12, delay).executions == windows(12, delay, lag=90)
    assert count(12, delay - 85, lag=5).executions == windows(12, delay, lag=90)


@pytest.mark.parametrize("delay", [0, 90])
def test_with_a_delay_no_longer_than_the_lag_each_event_costs_an_execution(delay: float) -> None:
    assert count(12, delay).executions == 12


def test_a_covered_event_costs_a_read_and_a_write_and_no_execution() -> None:
    one = count(12, 900)
    assert (one.executions, one.attempts) == (1, 1)
    assert one.writes == 12
    assert one.reads == one.receives == 12 + one.hides


def test_an_end_that_is_not_there_yet_costs_another_transition_and_one_that_is_there_none() -> None:
    assert count(1, delay=0).attempts == 2
    assert count(1, delay=150).attempts == 1
    assert count(1, delay=0, final_wait=0).attempts == 1


def test_an_item_is_billed_whole_by_each_kilobyte_written_and_four_read() -> None:
    one = Counts(events=1, receives=1, executions=1, reads=1, writes=1)
    idle = service(Counts(), 0, SETUP, PRICES)["DynamoDB"]

    def paid(item_kb: float) -> float:
        return service(one, 1_000_000, replace(SETUP, item_kb=item_kb), PRICES)["DynamoDB"] - idle

    assert paid(0.4) == pytest.approx(0.625 + 0.0625)
    assert paid(4.1) == pytest.approx(5 * 0.625 + 2 * 0.0625)


def test_the_shared_cache_is_billed_by_the_second_and_by_the_request() -> None:
    idle = service(Counts(), 0, SETUP, PRICES)["DynamoDB"]
    assert idle == pytest.approx(2 * 730 * 3600 * (1 + 1 / 15) * 0.125e-6)
    asked = service(Counts(attempts=1), 1_000_000, SETUP, PRICES)["DynamoDB"]
    assert asked - idle == pytest.approx(0.125 + 0.5 * 0.625)


def test_logs_nat_and_receives_that_carry_one_message_are_in_the_price() -> None:
    one = Counts(events=1, receives=1, executions=1, attempts=1, reads=1, writes=1)
    idle, month = service(Counts(), 0, SETUP, PRICES), service(one, 1_000_000, SETUP, PRICES)
    assert month["logs"] == pytest.approx((0.6 + 0.16) * 0.5)
    assert idle["NAT"] > 730 * 0.045
    assert month["NAT"] - idle["NAT"] == pytest.approx(((2 + 2 + 3) * 3.0 + 5.0) * 0.045)
    assert month["SQS"] - idle["SQS"] == pytest.approx(3 * 0.40)


def test_the_task_is_of_one_size_in_module_benchmark_and_definition() -> None:
    variables = (ROOT / "deploy" / "terraform" / "variables.tf").read_text()
    example = (ROOT / "deploy" / "ecs" / "example.env").read_text()
    for name, size in (("cpu", SETUP.task_vcpu), ("memory", SETUP.task_gb)):
        default = re.search(rf'^variable "{name}" {{\n.*\n.*\n  default +=\s(\d+)$', variables, re.MULTILINE)
        assert default
        assert int(default[1]) == size * 1024
        assert f"\n{name}={default[1]}\n" in example


def test_the_task_has_twice_the_memory_that_was_measured_and_the_cpu_of_the_rate_limit_in_few_tasks() -> None:
    measured = json.loads(FIGURES.read_text())
    most = max(figures["most"] for figures in measured["memory"]["figures"].values())
    assert SETUP.task_gb * 1024 > 2 * most
    seconds = measured["peers"]["figures"]["whole"]["service, whole"]["cpu_ms"]["median"] / 1000
    assert 500 * seconds / SETUP.utilisation / SETUP.task_vcpu < 8


def test_the_least_tasks_cost_the_same_at_any_volume_that_they_can_do() -> None:
    one = count(12, 150)
    few, more = (service(one, conversations, SETUP, PRICES)["compute"] for conversations in (1, 1_000_000))
    assert few == more == pytest.approx(730 * 2 * (0.25 * 0.03238 + 0.5 * 0.00356))
    cpu_seconds = one.receives * 0.001 + one.attempts * 0.002
    tasks = math.ceil(cpu_seconds * 1e9 / 0.6 / 3600 / 730 / 0.25)
    assert service(one, 1e9, SETUP, PRICES)["compute"] == pytest.approx(few / 2 * tasks)


def test_the_recipe_costs_the_same_for_each_event() -> None:
    once, often = (sum(recipe(events, 1000, SETUP, PRICES).values()) for events in (1, 12))
    assert often == pytest.approx(12 * once)


def test_both_cost_the_same_where_the_recipe_becomes_dearer() -> None:
    one = count(12, 150)
    volume = break_even(one, SETUP, PRICES)
    assert volume is not None
    here, there = service(one, volume, SETUP, PRICES), recipe(12, volume, SETUP, PRICES)
    assert sum(here.values()) == pytest.approx(sum(there.values()))
    shared = break_even(one, replace(SETUP, nat_gateways=0), PRICES)
    assert shared is not None
    assert shared < volume


def test_the_recipe_is_dearer_at_no_volume_where_each_event_costs_an_execution_here_too() -> None:
    assert break_even(count(12, 90), SETUP, PRICES) is None


def test_no_price_is_given_for_what_a_limit_does_not_let_through() -> None:
    month = 300 * 60 * 730
    alone = replace(SETUP, ids_per_request=1)
    assert refused(month, month, alone) == ""
    assert refused(month + 1, month, alone) == OVER_THE_RATE_LIMIT
    assert refused(month * 100, 300 * 3600 * 730 + 1, SETUP) == OVER_THE_QUOTA


def test_the_table_has_each_volume_and_says_which_is_cheaper_and_what_a_limit_forbids() -> None:
    head, *rows = by_volume(SETUP, PRICES)
    assert [row[:2] for row in rows] == [
        (volume, events) for volume in ("1,000,000", "10,000,000", "100,000,000") for events in (1, 12)
    ]
    cells = {(row[0], row[1]): dict(zip(head[2:], row[2:], strict=True)) for row in rows}
    most = cells["100,000,000", 12]
    assert most["this service, delay 90 s"] == OVER_THE_QUOTA
    assert most["the recipe"] == OVER_THE_RATE_LIMIT
    assert most["cheaper"] == "this service"
    assert cells["1,000,000", 1]["cheaper"] == "the recipe"
    assert cells["1,000,000", 12]["cheaper"] == "this service with 150 s or 900 s, else the recipe"


def test_other_prices_come_from_a_file_and_an_unknown_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"transition": 0}')
    prices = read_prices(file)
    assert prices == replace(PRICES, transition=0)
    assert tables(SETUP, prices) != tables(SETUP, PRICES)
    file.write_text('{"transitions": 0}')
    with pytest.raises(ValueError, match="no price is named transitions"):
        read_prices(file)


def test_no_more_requests_are_counted_than_the_rate_limit_admits() -> None:
    assert requests(1000, SETUP) == 1000
    assert requests(1e9, SETUP) == 300 * 60 * 730


def test_the_cost_tables_are_as_the_script_prints_them() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
