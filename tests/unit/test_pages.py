"""The pages over HTTP: what `/metrics` answers to whom, and an address that is taken."""

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from worker.telemetry.http import ListenError, serve_http
from worker.telemetry.metrics import PrometheusMetrics

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""What a Prometheus server accepts."""


async def ready() -> list[str]:
    return []


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Of `/metrics`, with one event counted."""
    metrics = PrometheusMetrics()
    metrics.event("started")
    async with serve_http("127.0.0.1", 0, metrics.registry, live=list, ready=ready) as port:
        yield f"http://127.0.0.1:{port}/metrics"


async def get(url: str, **headers: str) -> tuple[str, str]:
    """Content type and body."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 200
        return answer.headers["Content-Type"], await answer.text()


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*"}, {"Accept": "text/plain;version=0.0.4"}])
async def test_the_metrics_are_the_text_format_to_whoever_asks_for_nothing_else(
    url: str, headers: dict[str, str]
) -> None:
    kind, body = await get(url, **headers)
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert 'worker_events_total{outcome="started"} 1.0\n' in body
    assert "# EOF" not in body
    assert "_created" not in body
    assert {"worker_events", "worker_slots", "worker_build_info"} <= {family.name for family in read_text(body)}


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=1.0.0", PROMETHEUS])
async def test_the_metrics_are_openmetrics_to_a_client_that_accepts_it(url: str, accept: str) -> None:
    kind, body = await get(url, Accept=accept)
    assert kind.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert 'worker_events_total{outcome="started"} 1.0\n' in body
    assert body.endswith("# EOF\n")
    assert "_created" not in body
    families = read_openmetrics(body)  # type: ignore[no-untyped-call]
    assert {"worker_events", "worker_slots", "worker_build_info"} <= {family.name for family in families}


async def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"HTTP_HOST 127.0.0.1, HTTP_PORT {port}: .*address already in use"):
            async with serve_http("127.0.0.1", port, PrometheusMetrics().registry, live=list, ready=ready):
                pass
