"""What the benchmark makes of its measurements."""

from bench.cost import Prices, Work, recipe, service
from bench.measure_cpu import compare, quartiles
from bench.rig import Burst


def test_quartiles_of_one_value_are_that_value() -> None:
    assert quartiles([2.5]) == {"median": 2.5, "low": 2.5, "high": 2.5}


def test_a_ratio_is_taken_burst_by_burst() -> None:
    quiet, busy = Burst(10, cpu=1.0, wall=1.0), Burst(10, cpu=4.0, wall=8.0)
    half = [Burst(10, cpu=0.5, wall=0.5), Burst(10, cpu=2.0, wall=4.0)]
    row = compare({"floor": [quiet, busy], "half": half}, "floor")["half"]
    assert row["cpu_ratio"] == {"median": 0.5, "low": 0.5, "high": 0.5}
    assert row["throughput_ratio"]["median"] == 2.0


def test_the_least_task_dominates_the_cost_of_little_work_only() -> None:
    few = service(Work(cpu_seconds=0.003, per_month=1_000_000), Prices())
    many = service(Work(cpu_seconds=0.003, per_month=1_000_000_000), Prices())
    assert few["Fargate"] > 50 * many["Fargate"]
    # 0.003 s of a vCPU each, at 60 %: 1,389 vCPU hours a billion, each with 2 GiB.
    assert many["Fargate"] == round(0.003 * 1e6 / 0.6 / 3600 * (0.04048 + 2 * 0.004445), 2)


def test_the_recipe_costs_the_same_each_at_any_volume() -> None:
    assert recipe(Work(0.003, per_month=1_000_000), Prices()) == recipe(Work(0.003, per_month=10**9), Prices())
