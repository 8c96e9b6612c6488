"""The signature, with botocore's own signer as the judge."""

import string
from collections.abc import Iterator
from typing import Any, cast

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support.signatures import expected_authorization, parts
from worker.aws import signing
from worker.aws.clients import new_session
from worker.aws.signing import OnePassSigV4, sign_in_one_pass

_PLAIN = (
    "https://dynamodb.eu-central-1.amazonaws.com/",
    "https://sqs.us-east-1.amazonaws.com",
    "https://States.us-east-1.amazonaws.com:443/",
    "http://127.0.0.1:4566/",
    "http://localhost:80/",
    "https://user@host.example:8443/",
)
_OTHER = (
    "http://[::1]:4566/",
    "https://sqs.us-east-1.amazonaws.com/000000000000/events",
    "https://sqs.us-east-1.amazonaws.com/?Action=SendMessage&A=b",
    "https://host.example/a b/../c",
)
_NAMES = st.sampled_from(("X-Amz-Target", "content-type", "User-Agent", "X-Amzn-Query-Mode", "Expect", "Date", "Host"))
_VALUES = st.text(alphabet=string.ascii_letters + string.digits + " \t,;:=-_/.é", max_size=40)
_TOKENS = st.none() | st.text(alphabet=string.ascii_letters + "+/=", min_size=1, max_size=60)
_CREDENTIALS = ReadOnlyCredentials("made-up", "made-up too", None)


def _sign(request: AWSRequest, credentials: ReadOnlyCredentials | None = _CREDENTIALS) -> AWSRequest:
    OnePassSigV4(credentials, "dynamodb", "eu-central-1").add_auth(request)
    return request


def _post(url: str = _PLAIN[0], body: Any = b"{}", **headers: str) -> AWSRequest:
    return AWSRequest(method="POST", url=url, headers=headers, data=body)


@given(
    url=st.sampled_from((*_PLAIN, *_OTHER)),
    headers=st.dictionaries(_NAMES.filter(lambda name: name != "Date"), _VALUES),
    body=st.binary(max_size=200),
    secret=st.text(min_size=1, max_size=50),
    token=_TOKENS,
)
def test_every_request_is_signed_as_botocore_signs_it(
    url: str, headers: dict[str, str], body: bytes, secret: str, token: str | None
) -> None:
    credentials = ReadOnlyCredentials("made-up", secret, token)
    request = _sign(_post(url, body, **headers), credentials)
    assert parts(request.headers["Authorization"]) == expected_authorization(
        request, credentials, service="dynamodb", region="eu-central-1"
    )
    assert request.headers.get("X-Amz-Security-Token") == token


@pytest.mark.parametrize("url", _PLAIN)
def test_a_plain_request_takes_the_short_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SigV4Auth, "add_auth", None)
    assert _sign(_post(url)).headers["Authorization"]


@pytest.mark.parametrize(
    "request_",
    [
        *map(_post, _OTHER),
        _post(body="text"),
        _post(body={"form": "encoded"}),
        _post(Date="Wed, 04 Mar 2026 05:06:07 GMT"),
        _post(Authorization="of an earlier attempt"),
        _post(**{"X-Amz-Trailer": "x-amz-checksum-crc32"}),
        AWSRequest(method="GET", url=_PLAIN[0], headers={}, data=b""),
        AWSRequest(method="POST", url=_PLAIN[0], headers={}, data=b"", params={"a": "b"}),
    ],
    ids=lambda request: f"{request.method} {request.url}",
)
def test_every_other_request_is_left_to_botocore(request_: AWSRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[AWSRequest] = []
    monkeypatch.setattr(SigV4Auth, "add_auth", lambda _, request: seen.append(request))
    _sign(request_)
    assert seen == [request_]


def _signature(credentials: ReadOnlyCredentials) -> str:
    return parts(cast("str", _sign(_post(), credentials).headers["Authorization"]))["Signature"]


def test_only_the_key_of_the_credentials_in_use_is_kept() -> None:
    old, new = (ReadOnlyCredentials("made-up", secret, None) for secret in ("one", "two"))
    assert _signature(old) != _signature(new)
    assert [key.secret for place, key in signing._keys.items() if place == "eu-central-1/dynamodb"] == ["two"]


def test_a_new_day_takes_the_place_of_the_old_ones_key() -> None:
    first, second = (signing._key("one", day, "eu-central-1/dynamodb") for day in ("20260304", "20260305"))
    assert first != second
    assert signing._keys["eu-central-1/dynamodb"] == ("one", "20260305", second)


def test_nothing_of_a_request_is_used_but_its_documented_attributes() -> None:
    """`context` is botocore's own note on a request."""

    class Documented(AWSRequest):  # type: ignore[misc, unused-ignore]
        def __getattribute__(self, name: str) -> Any:
            assert name != "context"
            return super().__getattribute__(name)

    request = Documented(method="POST", url=_PLAIN[0], headers={"X-Amz-Target": "a"}, data=b"{}")
    assert _sign(request).headers["Authorization"]


def test_without_credentials_botocore_says_so() -> None:
    with pytest.raises(NoCredentialsError):
        _sign(_post(), None)


@pytest.fixture
def _unasked() -> Iterator[None]:
    """The question whether both signers agree is open, before the test and after it."""
    signing._agrees_with_botocore.cache_clear()
    yield
    signing._agrees_with_botocore.cache_clear()


async def _signers(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What two clients choose for a signature of version 4: the name of a signer, or None for botocore's choice."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    chosen = []
    for service in ("dynamodb", "sqs"):
        async with new_session().create_client(service) as client:
            sign_in_one_pass(client)
            events: Any = client.meta.events
            _, name = await events.emit_until_response(
                f"choose-signer.{service}.AnyOperation", signature_version="v4", signing_name=service, context={}
            )
            chosen.append(name)
    return chosen


@pytest.mark.usefixtures("_unasked")
async def test_it_signs_where_it_agrees_with_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as lines:
        assert await _signers(monkeypatch) == ["v4-one-pass"] * 2
    assert lines == []
    assert signing._SAMPLE_SECRET not in [key.secret for key in signing._keys.values()]


def _other_signature(_: SigV4Auth, request: AWSRequest) -> None:
    request.headers["X-Amz-Date"] = "20260304T050607Z"
    request.headers["Authorization"] = "of another algorithm"


def _one_more_header(self: SigV4Auth, request: AWSRequest) -> None:
    _BOTOCORE(self, request)
    request.headers["X-Amz-Version-To-Come"] = "5"


def _another_interface(self: SigV4Auth, request: AWSRequest, made_up: str) -> None:
    """A later botocore calls it another way."""


_BOTOCORE: Any = SigV4Auth.add_auth


@pytest.mark.usefixtures("_unasked")
@pytest.mark.parametrize("add_auth", [_other_signature, _one_more_header, _another_interface])
async def test_it_steps_aside_with_one_warning_where_it_does_not(
    add_auth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SigV4Auth, "add_auth", add_auth)
    with capture_logs() as lines:
        assert await _signers(monkeypatch) == [None] * 2
    assert [(line["event"], line["log_level"]) for line in lines] == [("signer_not_used", "warning")]


@pytest.mark.usefixtures("_unasked")
@pytest.mark.parametrize("sample", signing._SAMPLES, ids=lambda sample: sample[0])
async def test_every_sample_takes_the_short_way(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison would be of botocore with itself."""
    _, token, url, headers, body = sample
    monkeypatch.setattr(SigV4Auth, "add_auth", None)
    assert _sign(_post(url, body, **headers), ReadOnlyCredentials("made-up", "s", token)).headers["Authorization"]
