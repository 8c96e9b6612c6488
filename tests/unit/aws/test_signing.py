"""The signature, with botocore's own signer as the judge."""

import string
from typing import Any, cast

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.aws.signatures import expected_authorization, parts
from worker.aws.signing import OnePassSigV4

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


def test_an_unsigned_payload_is_left_to_botocore() -> None:
    request = _post()
    request.context["payload_signing_enabled"] = False
    assert _sign(request).headers["X-Amz-Content-SHA256"] == "UNSIGNED-PAYLOAD"


def test_new_credentials_sign_with_a_new_key() -> None:
    signatures = set()
    for secret in ("one", "two"):
        request = _sign(_post(), ReadOnlyCredentials("made-up", secret, None))
        signatures.add(parts(cast("str", request.headers["Authorization"]))["Signature"])
    assert len(signatures) == 2


def test_without_credentials_botocore_says_so() -> None:
    with pytest.raises(NoCredentialsError):
        _sign(_post(), None)
