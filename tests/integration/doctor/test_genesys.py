"""`doctor` where Genesys Cloud refuses or nobody answers."""

import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integration.doctor.looking import doctor, faults, findings
from tests.support.stack import StartSimulator
from worker.local.simulator.server import Options, Simulator


@pytest.mark.usefixtures("healthy")
async def test_a_wrong_secret_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "not-the-secret-4711")
    found = await faults()
    assert set(found) == {"Genesys login"}
    assert "GENESYS_CLIENT_SECRET" in found["Genesys login"].fix
    assert "4711" not in str(found)


async def test_a_role_that_may_not_read_details_is_named(
    healthy: None,  # noqa: ARG001
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def forbidden(_: web.Request) -> web.Response:
        return web.json_response({"code": "missing.permissions", "status": 403}, status=403)

    app = web.Application()
    app.router.add_get("/{path:.*}", forbidden)
    async with TestServer(app) as server:
        monkeypatch.setenv("GENESYS_API_URL", str(server.make_url("")))
        monkeypatch.setenv("GENESYS_LOGIN_URL", simulator.url)
        found = await faults()
    assert set(found) == {"Genesys API"}
    assert "403 missing.permissions" in found["Genesys API"].text
    assert "analytics:conversationDetail:view" in found["Genesys API"].fix


@pytest.mark.usefixtures("healthy")
async def test_a_rate_limit_that_is_used_up_is_no_fault(
    start_simulator: StartSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = await start_simulator(Options())
    busy.throttle(30)
    for name, value in busy.environment.items():
        monkeypatch.setenv(name, value)
    assert (await findings())["Genesys API"].status == "skipped"


@pytest.mark.parametrize(
    ("setting", "checks"),
    [
        ("AWS_ENDPOINT_URL", {"event queue", "dead-letter queue", "state machine", "activity", "table"}),
        ("GENESYS_LOGIN_URL", {"Genesys login"}),
        ("GENESYS_API_URL", {"Genesys API"}),
        ("SHARED_CACHE_URL", {"shared cache"}),
    ],
)
@pytest.mark.usefixtures("healthy")
async def test_an_endpoint_that_does_not_answer_is_named(
    setting: str, checks: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:  # bound and not listening: connections are refused
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        scheme = "redis" if setting == "SHARED_CACHE_URL" else "http"
        monkeypatch.setenv(setting, f"{scheme}://127.0.0.1:{port}")
        found = await faults()
    assert checks <= set(found)
    assert all("answer" in found[check].text for check in checks)
    assert all("network" in found[check].fix or "security group" in found[check].fix for check in checks)


async def test_genesys_cloud_is_asked_without_cookies_and_its_answer_is_told_by_the_table_alone(
    worker_environment: dict[str, str],
) -> None:
    cookies: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie", ""))
        if request.path == "/oauth/token":
            return web.json_response(
                {"access_token": "made-up", "expires_in": 60}, headers={"Set-Cookie": "session=made-up; Path=/"}
            )
        return web.json_response({"code": "internal.server.error"}, status=500)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        url = f"http://localhost:{server.port}"
        status, output = await doctor(worker_environment | {"GENESYS_LOGIN_URL": url, "GENESYS_API_URL": url})
    assert (status, cookies) == (1, ["", ""]), output
    assert f"{url}: Genesys Cloud answered 500 internal.server.error" in " ".join(output.split())
    assert "genesys_request_failed" not in output


async def test_what_a_proxy_echoes_of_token_and_secret_is_not_shown(worker_environment: dict[str, str]) -> None:
    secret, token = "made-up-secret-4711", "made-up-token-4711"
    refused = False

    async def answer(request: web.Request) -> web.Response:
        sent = request.headers["Authorization"].partition(" ")[2]
        if request.path != "/oauth/token":
            return web.json_response({"code": sent, "message": sent}, status=400, headers={"ININ-Correlation-Id": sent})
        if not refused:
            return web.json_response({"access_token": token, "expires_in": 60})
        body = {"error": secret, "description": f"wrong secret {secret}"}
        return web.json_response(body, status=401, headers={"ININ-Correlation-Id": secret})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        url = f"http://localhost:{server.port}"
        environment = {"GENESYS_LOGIN_URL": url, "GENESYS_API_URL": url, "GENESYS_CLIENT_SECRET": secret}
        _, with_a_token = await doctor(worker_environment | environment)
        refused = True
        _, without = await doctor(worker_environment | environment)
    assert "answered 400 another code" in " ".join(with_a_token.split())
    assert "login answered 401 (another code)" in " ".join(without.split())
    assert "4711" not in with_a_token + without
