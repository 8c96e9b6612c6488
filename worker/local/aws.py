"""AWS clients of the local commands, and the refusal to touch anything but a local endpoint."""

import argparse
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from worker.aws.clients import call_config, new_session
from worker.loopback import is_loopback
from worker.printable import printable
from worker.settings import Problem, SettingsError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_events import EventBridgeClient
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_stepfunctions import SFNClient

ACCESS_KEY = "local"
SECRET_KEY = "local"
"""Made up: an emulator asks for none, and the caller's own keys are for AWS."""

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?\.?", re.IGNORECASE)
_EXAMPLE = "the emulator's address, for example http://127.0.0.1:4566"


@dataclass(frozen=True, slots=True)
class Clients:
    """One client of each service, all on the same endpoint."""

    sqs: "SQSClient"
    events: "EventBridgeClient"
    stepfunctions: "SFNClient"
    dynamodb: "DynamoDBClient"


def endpoint(*, allow_remote: bool = False) -> str:
    """The checked AWS_ENDPOINT_URL. Raises SettingsError where it is not of this machine, or of AWS itself.

    With `allow_remote` it may be another machine's. Its name is then not looked up: whoever asks for it knows where it
    leads, and the keys are made up.
    """
    url = os.environ.get("AWS_ENDPOINT_URL", "")
    if not url:
        fix = f"this command is for local work only ({_EXAMPLE})"
        raise SettingsError(Problem("AWS_ENDPOINT_URL", "is required and not set", fix, missing=True))
    scheme, host, port = _parts(url)
    if any(host == name or host.endswith(f".{name}") for name in _names_of_aws()):
        raise _refused(f"{host} is AWS itself", f"this command is for local work only ({_EXAMPLE})")
    if not allow_remote:
        _require_loopback(host)
    # Made anew of what was checked, so that nobody reads another host out of it.
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"


def _refused(text: str, fix: str) -> SettingsError:
    return SettingsError(Problem("AWS_ENDPOINT_URL", text, fix))


def _parts(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port. The host is in lower case, and without a dot at its end."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if not _is_host(host) or parts.scheme not in {"http", "https"} or parts.path.strip("/") or set(url) & {"?", "#"}:
        raise _refused("is not of the form http://HOST:PORT", f"set it to {_EXAMPLE}")
    if "@" in parts.netloc:
        raise _refused("holds a user name or a password", "remove it: the keys of local commands are made up")
    return parts.scheme, host.removesuffix("."), port


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return _HOST_NAME.fullmatch(text) is not None
    return True


def _names_of_aws() -> set[str]:
    """The domains below which AWS publishes its services, of every partition that the SDK knows."""
    # The SDK's own files alone: AWS_DATA_PATH may name others.
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    names = {"aws.amazon.com", "on.aws"}
    for partition in loader.load_data("partitions")["partitions"]:
        names |= {partition["outputs"]["dnsSuffix"], partition["outputs"]["dualStackDnsSuffix"]}
    for partition in loader.load_data("endpoints")["partitions"]:
        variants = partition["defaults"].get("variants", ())
        names |= {partition["dnsSuffix"], *(each["dnsSuffix"] for each in variants if "dnsSuffix" in each)}
    return names


def _require_loopback(host: str) -> None:
    """Raises SettingsError where the host is not this machine, by its name or by what the name leads to."""
    fix = f"set it to {_EXAMPLE}; `bootstrap` and `publish` take --allow-remote for an emulator on another machine"
    if not is_loopback(host):
        raise _refused(f"{host} is not this machine", fix)
    with suppress(OSError):  # a name that leads nowhere: the first call says so
        for found in socket.getaddrinfo(host, None):
            if not is_loopback(str(found[4][0])):
                raise _refused(f"{host} leads to {found[4][0]}, which is not this machine", fix)


def add_remote_argument(parser: argparse.ArgumentParser) -> None:
    """`--allow-remote`, of the commands that may be led to another machine."""
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="AWS_ENDPOINT_URL may be an emulator on another machine; names of AWS itself are refused all the same",
    )


@asynccontextmanager
async def open_clients(*, allow_remote: bool = False) -> AsyncIterator[Clients]:
    """Clients of the checked endpoint and no other, past every proxy, which sign with made-up keys.

    Whatever else the environment and the AWS files say of endpoints and credentials counts for nothing here. Raises
    SettingsError as `endpoint`, and when the region is missing.
    """
    url = endpoint(allow_remote=allow_remote)
    session = new_session()
    config = call_config(pool=50).merge(AioConfig(proxies={}))
    async with AsyncExitStack() as stack:

        async def client(service: Literal["sqs", "events", "stepfunctions", "dynamodb"]) -> Any:
            created = session.create_client(
                service,
                endpoint_url=url,
                aws_access_key_id=ACCESS_KEY,
                aws_secret_access_key=SECRET_KEY,
                config=config,
            )
            return await stack.enter_async_context(created)

        yield Clients(
            sqs=await client("sqs"),
            events=await client("events"),
            stepfunctions=await client("stepfunctions"),
            dynamodb=await client("dynamodb"),
        )


def explain(error: BaseException) -> str:
    """One line for a person about a call that failed."""
    if isinstance(error, ClientError):
        fault = error.response.get("Error", {})
        return printable(f"{error.operation_name}: {fault.get('Code', 'unknown')}: {fault.get('Message', '')}".strip())
    return printable(str(error) or type(error).__name__)
