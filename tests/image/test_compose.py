"""`docker compose up`, as somebody with a fresh clone does it. The tests go on from one another, in this order."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import aiohttp
import pytest
from aiobotocore.session import get_session

from tests.image.docker import Project, images_in_compose, require_image

INTERACTIONS = 20
EVENTS = 12 * INTERACTIONS


@pytest.fixture(scope="module")
def stack(images: None) -> Iterator[Project]:  # noqa: ARG001 -- asked for its effect
    for image in sorted(images_in_compose()):
        require_image(image)
    project = Project({"TRAFFIC_INTERACTIONS": str(INTERACTIONS), "TRAFFIC_RATE": "30"})
    try:
        project("up", "--no-build", "--wait", "--wait-timeout", "600")
        yield project
    finally:
        project("down", "--volumes", "--timeout", "5")


def test_every_service_is_healthy(stack: Project) -> None:
    states = {
        container["Config"]["Labels"]["com.docker.compose.service"]: container["State"]
        for container in stack.containers()
    }
    assert states.pop("bootstrap")["ExitCode"] == 0
    states.pop("traffic")
    assert {service: state["Health"]["Status"] for service, state in states.items()} == dict.fromkeys(
        ("aws", "genesys", "worker", "prometheus", "grafana"), "healthy"
    )


def test_ports_are_published_to_this_machine_alone(stack: Project) -> None:
    published = [
        binding["HostIp"]
        for container in stack.containers()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    ]
    assert set(published) == {"127.0.0.1"}


def test_our_containers_may_do_nothing_that_they_need_not(stack: Project) -> None:
    for service in ("aws", "genesys", "worker", "traffic"):
        for container in stack.containers(service):
            assert container["HostConfig"]["ReadonlyRootfs"], service
            assert container["HostConfig"]["CapDrop"] == ["ALL"], service
            assert container["Config"]["User"] == "65532:65532", service


async def test_every_interaction_of_the_generator_is_stored_with_its_end(stack: Project) -> None:
    async with get_session().create_client(
        "dynamodb",
        "us-east-1",
        endpoint_url=stack.url("aws", 4566),
        aws_access_key_id="local",
        aws_secret_access_key="local",
    ) as dynamodb:

        async def stored() -> bool:
            items = (await dynamodb.scan(TableName="interaction-worker-interactions"))["Items"]
            return [item["complete"]["BOOL"] for item in items] == [True] * INTERACTIONS

        await _eventually(stored)

    async def sent() -> bool:
        states = [container["State"] for container in stack.containers("traffic")]
        return [(state["Status"], state["ExitCode"]) for state in states] == [("exited", 0)]

    await _eventually(sent)


async def test_prometheus_sees_both_workers_and_that_most_events_are_covered(stack: Project) -> None:
    async def complete() -> bool:
        up = await _query(stack, 'up{job="interaction-worker"}')
        taken = await _query(stack, 'sum(worker_events_total{outcome=~"started|covered|duplicate"})')
        return [sample["value"][1] for sample in up] == ["1", "1"] and [s["value"][1] for s in taken] == [str(EVENTS)]

    await _eventually(complete)
    (started,) = await _query(stack, 'sum(worker_events_total{outcome="started"})')
    assert INTERACTIONS <= int(started["value"][1]) < EVENTS / 2


async def test_prometheus_has_loaded_the_rules(stack: Project) -> None:
    async def evaluated() -> bool:
        groups = (await _ask_prometheus(stack, "rules"))["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert {rule["type"] for rule in rules} == {"alerting", "recording"}
        return {rule["health"] for rule in rules} == {"ok"}

    await _eventually(evaluated)


async def test_more_workers_are_one_option_away(stack: Project) -> None:
    stack("up", "--no-build", "--no-recreate", "--wait", "--wait-timeout", "600", "--scale", "worker=4", "worker")

    async def four() -> bool:
        up = await _query(stack, 'up{job="interaction-worker"}')
        return [sample["value"][1] for sample in up] == ["1"] * 4

    await _eventually(four)


def test_every_worker_stops_cleanly(stack: Project) -> None:
    stack("stop", "worker")
    assert [container["State"]["ExitCode"] for container in stack.containers("worker")] == [0] * 4


async def _eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is true; the test's own time-out is the limit."""
    while not await condition():
        await asyncio.sleep(0.5)


async def _query(stack: Project, expression: str) -> list[dict[str, Any]]:
    """The samples of an instant query."""
    data = await _ask_prometheus(stack, "query", {"query": expression})
    samples: list[dict[str, Any]] = data["result"]
    return samples


async def _ask_prometheus(stack: Project, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(stack.url("prometheus", 9090), raise_for_status=True) as session,
        session.get(f"/api/v1/{path}", params=parameters) as answer,
    ):
        data: dict[str, Any] = (await answer.json())["data"]
        return data
