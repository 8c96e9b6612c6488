"""Where local commands may call, and with which keys."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from botocore.exceptions import EndpointConnectionError

from tests.support.aws_endpoint import aws_endpoint
from worker import cli
from worker.local import aws
from worker.settings import SettingsError

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The endpoint as the commands get it, for an AWS_ENDPOINT_URL."""

    def checked(url: str, *, allow_remote: bool = False) -> str:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        return aws.endpoint(allow_remote=allow_remote)

    return checked


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
        ("http://127.0.0.1:4566/", "http://127.0.0.1:4566"),
        ("http://LocalHost:4566", "http://localhost:4566"),
        ("http://[::1]:4566", "http://[::1]:4566"),
        ("https://127.0.0.1", "https://127.0.0.1"),
    ],
)
def test_this_machine_is_allowed(check: Callable[..., str], url: str, endpoint: str) -> None:
    assert check(url) == endpoint


@pytest.mark.parametrize("url", ["http://aws:4566", "http://10.0.0.7:4566", "http://emulator.example.com"])
def test_another_machine_needs_to_be_asked_for(check: Callable[..., str], url: str) -> None:
    with pytest.raises(SettingsError, match=r"is not this machine.*--allow-remote"):
        check(url)
    assert check(url, allow_remote=True) == url


@pytest.mark.parametrize(
    "host",
    [
        "sqs.us-east-1.amazonaws.com",
        "sqs.us-east-1.amazonaws.com.",
        "SQS.US-EAST-1.AMAZONAWS.COM",
        "queue.amazonaws.com",
        "vpce-0a1b2c3d-x.sqs.us-east-1.vpce.amazonaws.com",
        "sqs.cn-north-1.amazonaws.com.cn",
        "sqs.eusc-de-east-1.amazonaws.eu",
        "sqs.us-east-1.api.aws",
        "sqs.cn-north-1.api.amazonwebservices.com.cn",
        "sqs.eusc-de-east-1.api.amazonwebservices.eu",
        "sqs.us-iso-east-1.c2s.ic.gov",
        "sqs.us-isob-east-1.sc2s.sgov.gov",
        "sqs.eu-isoe-west-1.cloud.adc-e.uk",
        "sqs.us-isof-south-1.csp.hci.ic.gov",
        "made-up.lambda-url.us-east-1.on.aws",
        "amazonaws.com",
    ],
)
@pytest.mark.parametrize("allow_remote", [False, True])
def test_names_that_aws_publishes_are_refused_whatever_is_asked(
    check: Callable[..., str], host: str, allow_remote: bool
) -> None:
    with pytest.raises(SettingsError, match="is AWS itself"):
        check(f"https://{host}:443", allow_remote=allow_remote)


def test_files_of_the_callers_do_not_change_which_names_are_of_aws(
    check: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("partitions", "endpoints"):
        (tmp_path / f"{name}.json").write_text('{"partitions": []}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="is AWS itself"):
        check("https://sqs.us-east-1.amazonaws.com", allow_remote=True)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:4566",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:port",
        "http://[127.0.0.1",
        "http://127.0.0.1/queues",
        "http://127.0.0.1?region=x",
        "http://127.0.0.1#sqs.us-east-1.amazonaws.com",
        "http://sqs.us-east-1.amazonaws.com\\@127.0.0.1",
        "http://sqs.us-east-1.amazonaws%2ecom",
        "http://sqs.us-east-1.amazonaws\N{IDEOGRAPHIC FULL STOP}com",
        "http://127.0.0.1 .amazonaws.com",
    ],
)
def test_what_two_readers_may_understand_differently_is_refused(check: Callable[..., str], url: str) -> None:
    with pytest.raises(SettingsError):
        check(url, allow_remote=True)


def test_a_password_in_the_url_is_refused_and_not_repeated(check: Callable[..., str]) -> None:
    with pytest.raises(SettingsError, match="holds a user name or a password") as refused:
        check("http://user:made-up-secret@127.0.0.1:4566")
    assert "made-up-secret" not in str(refused.value)


def test_a_name_of_this_machine_that_leads_elsewhere_is_refused(
    check: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(*_: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    with pytest.raises(SettingsError, match=r"leads to 203\.0\.113\.7"):
        check("http://queues.localhost:4566")


_BYPASSES = {
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_SFN": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "AWS_SESSION_TOKEN": "callers-own-token",
}
"""Each leads a client of the usual kind away from AWS_ENDPOINT_URL; 127.0.0.1:9 stands for AWS, as nothing is there."""


@pytest.mark.parametrize("name", _BYPASSES)
async def test_no_variable_leads_elsewhere_and_the_callers_keys_are_not_used(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({}, content_type="application/x-amz-json-1.0")

    async with aws_endpoint(answer, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "callers-own-key")
        monkeypatch.setenv(name, _BYPASSES[name])
        async with aws.open_clients() as clients, asyncio.timeout(20):
            await clients.sqs.send_message(QueueUrl="https://sqs.us-east-1.amazonaws.com/1/q", MessageBody="made up")
            await clients.events.put_events(Entries=[])
            await clients.stepfunctions.list_activities()
            await clients.dynamodb.list_tables()
    assert len(seen) == 4
    for request in seen:
        assert f"Credential={aws.ACCESS_KEY}/" in request.headers["Authorization"]
        assert "callers-own" not in str(request.headers)


async def test_no_program_is_asked_for_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = us-east-1\ncredential_process = touch {tmp_path / 'ran'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    async with aws.open_clients() as clients:
        with pytest.raises(EndpointConnectionError):
            await clients.sqs.list_queues()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", ["bootstrap", "publish"])
def test_the_commands_take_another_machine_only_with_the_option(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://emulator.invalid:4566")
    assert cli.main([command]) == 2
    assert "AWS_ENDPOINT_URL: emulator.invalid is not this machine" in capsys.readouterr().err
    assert cli.main([command, "--allow-remote"]) == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://sqs.us-east-1.amazonaws.com")
    assert cli.main([command, "--allow-remote"]) == 2
    assert "is AWS itself" in capsys.readouterr().err


def test_publish_tells_a_simulator_on_another_machine_only_with_the_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert cli.main(["publish", "--simulator", "http://genesys.invalid:8090"]) == 2
    assert "--simulator: is not on this machine" in capsys.readouterr().err
