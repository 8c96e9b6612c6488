"""What the embedded emulator refuses: services that run code, pages of browsers, and this process's environment."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from botocore.session import get_session

from tests.support.worker_process import until
from worker.local.aws import ACCESS_KEY, SECRET_KEY, open_clients
from worker.local.emulator import REGION, Emulator

_SECRETS = {
    "AWS_ACCESS_KEY_ID": "callers-own-key",
    "AWS_SECRET_ACCESS_KEY": "callers-own-secret",
    "AWS_SESSION_TOKEN": "callers-own-token",
    "AWS_PROFILE": "callers-own-profile",
    "GENESYS_CLIENT_SECRET": "callers-own-client-secret",
    "ANYTHING_ELSE": "callers-own-value",
}


def _client(emulator: Emulator, service: str) -> Any:
    return get_session().create_client(
        service, REGION, endpoint_url=emulator.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
    )


def test_nothing_of_the_callers_environment_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _SECRETS.items():
        monkeypatch.setenv(name, value)
    with Emulator() as emulator:
        environment = Path(f"/proc/{emulator.process_id}/environ").read_bytes()
    assert b"callers-own" not in environment


def test_it_makes_no_function(emulator: Emulator) -> None:
    client = _client(emulator, "lambda")
    with pytest.raises(ClientError):
        client.create_function(
            FunctionName="made-up",
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/made-up",
            Handler="made_up.handler",
            Code={"ZipFile": b"made up"},
        )
    client.close()


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("ecs", "list_clusters"),
        ("codebuild", "list_projects"),
        ("ec2", "describe_instances"),
        ("sns", "list_topics"),
        ("sesv2", "list_email_identities"),
    ],
)
def test_it_has_no_service_that_nobody_uses(emulator: Emulator, service: str, call: str) -> None:
    client = _client(emulator, service)
    # Some answers are in JSON here where the client expects XML.
    with pytest.raises((ClientError, ResponseParserError)):
        getattr(client, call)()
    client.close()


@pytest.mark.usefixtures("aws_environment")
@pytest.mark.parametrize(
    ("resource", "parameters"),
    [
        (
            "arn:aws:states:::aws-sdk:lambda:createFunction",
            {
                "FunctionName": "made-up",
                "Runtime": "python3.13",
                "Role": "arn:aws:iam::000000000000:role/made-up",
                "Handler": "made_up.handler",
                "Code": {"ZipFile": "bWFkZSB1cA=="},
            },
        ),
        ("arn:aws:states:::aws-sdk:ecs:listClusters", {}),
    ],
)
async def test_no_state_machine_reaches_such_a_service_from_within(resource: str, parameters: dict[str, Any]) -> None:
    states = {"Only": {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}}
    async with open_clients() as clients:
        name = resource.rpartition(":::")[2].replace(":", "-")
        machine = await clients.stepfunctions.create_state_machine(
            name=name,
            definition=json.dumps({"StartAt": "Only", "States": states}),
            roleArn="arn:aws:iam::0:role/made-up",
        )
        arn = machine["stateMachineArn"]
        started = await clients.stepfunctions.start_execution(stateMachineArn=arn)

        async def ended() -> str:
            found = await clients.stepfunctions.describe_execution(executionArn=started["executionArn"])
            return "" if found["status"] == "RUNNING" else found["status"]

        assert await until(ended) == "FAILED"
        await clients.stepfunctions.delete_state_machine(stateMachineArn=arn)


async def _status(emulator: Emulator, method: str, path: str, **headers: str) -> int:
    async with aiohttp.ClientSession() as session:
        request = session.request(
            method, f"{emulator.url}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        async with request as answer:
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
            return answer.status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:4566", "[::1]:4566"])
async def test_requests_to_this_machine_are_answered(emulator: Emulator, host: str) -> None:
    assert await _status(emulator, "GET", "/_ministack/health", Host=host) == 200
    assert await _status(emulator, "GET", "/?Action=ListQueues", Host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["rebound.example.com", "aws", "", "127.0.0.1.example.com", "127.0.0.1@example.com", "sqs.us-east-1.amazonaws.com"],
)
async def test_a_foreign_host_is_refused(emulator: Emulator, host: str) -> None:
    assert await _status(emulator, "GET", "/?Action=ListQueues", Host=host) in {400, 403}


@pytest.mark.parametrize("origin", ["https://example.com", "null", "http://localhost:3000", ""])
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
async def test_what_a_page_sends_is_refused(emulator: Emulator, method: str, origin: str) -> None:
    assert await _status(emulator, method, "/?Action=ListQueues", Origin=origin) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin"])
async def test_what_a_page_fetches_without_an_origin_is_refused(emulator: Emulator, site: str) -> None:
    assert await _status(emulator, "GET", "/?Action=ListQueues", Sec_Fetch_Site=site) == 403


async def test_no_answer_lets_another_origin_read_it(emulator: Emulator) -> None:
    for path in ("/_ministack/health", "/?Action=ListQueues", "/no-such-bucket"):
        await _status(emulator, "GET", path)  # which looks at the headers
    await _status(emulator, "OPTIONS", "/")


@pytest.mark.parametrize("path", ["/_ministack/config", "/_ministack/reset", "/_aws/sqs/messages", "/_localstack/init"])
async def test_its_own_settings_cannot_be_changed(emulator: Emulator, path: str) -> None:
    assert await _status(emulator, "POST", path) == 403


async def test_a_websocket_is_refused(emulator: Emulator) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{emulator.url}/_aws/execute-api/0a1b2c3d/stage")
    assert refused.value.status == 403
