"""How Prometheus follows a task that ECS takes out of service discovery before it stops, tried with a real one."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.infra.scrape import refresh_seconds
from tests.support.prometheus import running_prometheus
from tests.support.worker_process import until


class Cluster:
    """Two tasks, and the service discovery, which tells of one of them."""

    def __init__(self) -> None:
        self.scrapes: dict[str, int] = {}
        self.told = ""

    async def tasks(self, _: web.Request) -> web.Response:
        return web.json_response([{"targets": [self.told]}])

    async def metrics(self, request: web.Request) -> web.Response:
        self.scrapes[request.host] = self.scrapes.get(request.host, 0) + 1
        return web.Response(text="worker_draining 1\n")


@pytest.mark.parametrize("name", ["prometheus.ecs.yml", "prometheus.ecs-tasks.yml"])
async def test_a_task_that_ecs_no_longer_tells_of_is_scraped_through_its_drain_and_never_twice(
    name: str, tmp_path: Path
) -> None:
    """A discovery that looks every minute or less looks every second here, and a slower one every hour."""
    cluster = Cluster()
    async with AsyncExitStack() as stack:
        addresses = []
        for _ in range(2):
            app = web.Application()
            app.router.add_get("/tasks", cluster.tasks)
            app.router.add_get("/metrics", cluster.metrics)
            server = await stack.enter_async_context(TestServer(app))
            addresses.append(f"127.0.0.1:{server.port}")
        stopping, new = addresses
        cluster.told = stopping
        discoveries = [
            {"url": f"http://{new}/tasks", "refresh_interval": "1s" if seconds <= 60 else "1h"}
            for seconds in refresh_seconds(name)
        ]
        prometheus = await stack.enter_async_context(running_prometheus(tmp_path, discoveries=discoveries))
        cluster.told = new
        await until(lambda: new in cluster.scrapes)
        scrapes = cluster.scrapes[stopping]
        await until(lambda: cluster.scrapes[stopping] > scrapes, 10)
        async with prometheus.session.get(f"{prometheus.url}/api/v1/targets") as answer:
            targets = (await answer.json())["data"]["activeTargets"]
        assert sorted(target["labels"]["instance"] for target in targets) == sorted(addresses)
