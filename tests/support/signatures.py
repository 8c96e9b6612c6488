"""What a request's Authorization header must be, by botocore's own signer."""

from collections.abc import Container
from typing import Any, cast

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials


def expected_authorization(
    request: AWSRequest,
    credentials: ReadOnlyCredentials,
    *,
    service: str,
    region: str,
    ignored: Container[str] = (),
) -> dict[str, str]:
    """The parts of the header, for the time that `request` itself states.

    `ignored` are headers, in lower case, that the HTTP client added after the signature.
    """
    signer: Any = SigV4Auth(cast("Any", credentials), service, region)
    unsigned = AWSRequest(method=request.method, url=request.url, data=request.data, params=request.params)
    for name, value in request.headers.items():
        if name.lower() != "authorization" and name.lower() not in ignored:
            unsigned.headers[name] = value
    unsigned.context["timestamp"] = request.headers["X-Amz-Date"]
    to_sign = signer.string_to_sign(unsigned, signer.canonical_request(unsigned))
    return {
        "AWS4-HMAC-SHA256 Credential": signer.scope(unsigned),
        "SignedHeaders": signer.signed_headers(signer.headers_to_sign(unsigned)),
        "Signature": signer.signature(to_sign, unsigned),
    }


def parts(authorization: str) -> dict[str, str]:
    """The header, taken apart."""
    return dict(part.split("=", 1) for part in authorization.split(", "))
