"""Types of settings that are text of a certain form."""

import re
from typing import Annotated
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, HttpUrl, TypeAdapter, ValidationError

from worker.loopback import is_loopback
from worker.regions import DOMAINS


def matching(pattern: str, problem: str) -> AfterValidator:
    """Text that matches `pattern` as a whole; `problem` tells what is wrong and what was expected."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(problem)
        return value

    return AfterValidator(check)


def arn_of(kind: str, words: str) -> AfterValidator:
    """The ARN of a resource of Step Functions: of its `kind`, which is called `words`."""
    return matching(
        rf"arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]{{12}}:{kind}:[^\s:]+",
        f"is not a Step Functions {words} ARN; expected arn:aws:states:REGION:ACCOUNT:{kind}:NAME",
    )


_HTTP_URL = TypeAdapter(HttpUrl)


def _http_url(value: str) -> str:
    """Checked as a URL and kept as written: SQS compares queue URLs as text.

    Texts of errors and logs show it, so it holds no credentials: @, ? and # are refused wherever they are, because a
    password may hold a / too, which ends the host early.
    """
    if "@" in value:
        raise ValueError("may hold no user and password; expected a URL as https://HOST/PATH")
    try:
        _HTTP_URL.validate_python(value)
    except ValidationError:
        raise ValueError("is not a URL; expected https://HOST/PATH") from None
    if set(value) & set("?#\\") or not value.isprintable() or " " in value:
        raise ValueError("is not a base URL; expected https://HOST/PATH, without ? and #")
    return value.rstrip("/")


def is_plain_http_elsewhere(url: str | None) -> bool:
    """Whether requests to `url` leave this machine unencrypted."""
    parts = urlsplit(url or "")
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


Url = Annotated[str, AfterValidator(_http_url)]


def _known_region(value: str) -> str:
    if value not in DOMAINS:
        raise ValueError(f"is not a Genesys Cloud region; known are {', '.join(sorted(DOMAINS))}")
    return value


Region = Annotated[str, AfterValidator(_known_region)]


_REDIS_URL = (
    "is not the URL of a Redis server; expected redis://USER:PASSWORD@HOST:PORT/DATABASE (or rediss://), with each "
    "character of the password but letters and digits written as %XX"
)
"""The same for each fault, as a text that says more would show parts of a password."""


def _cache_backend(value: str) -> str:
    try:
        url = urlsplit(value)
    except ValueError:
        raise ValueError("is not a URL; expected memory://, dynamodb://TABLE, redis://… or rediss://…") from None
    if url.scheme not in {"memory", "dynamodb", "redis", "rediss"}:
        raise ValueError("must be memory://, dynamodb://TABLE, redis://… or rediss://…")
    if url.scheme != "memory" and not url.netloc:
        raise ValueError(f"names no {'table' if url.scheme == 'dynamodb' else 'host'} after {url.scheme}://")
    if url.scheme == "dynamodb" and not re.fullmatch(r"dynamodb://[A-Za-z0-9_.:/-]+", value):
        raise ValueError("is not a table; expected dynamodb://TABLE")
    if url.scheme in {"redis", "rediss"}:
        _check_redis(url)
    return value


def _check_redis(url: SplitResult) -> None:
    """Raises ValueError with one of the fixed texts: a / # ? or @ of a password would end it early."""
    try:
        good = bool(url.hostname) and url.netloc.count("@") <= 1 and (url.port is None or url.port > 0)
    except ValueError:
        good = False
    query = parse_qs(url.query, keep_blank_values=True)
    if not good or not re.fullmatch(r"/?[0-9]*", url.path) or url.fragment or "@" in url.query:
        raise ValueError(_REDIS_URL)
    if any(value != "required" for value in query.get("ssl_cert_reqs", ())) or any(
        value.lower() not in {"true", "1", "yes"} for value in query.get("ssl_check_hostname", ())
    ):
        raise ValueError("may not switch off the check of the server's certificate; remove ssl_cert_reqs and its like")


def is_plain_redis_elsewhere(url: str) -> bool:
    """Whether the connection to the shared cache leaves this machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "redis" and not is_loopback(parts.hostname or "")


CacheUrl = Annotated[str, AfterValidator(_cache_backend)]

TableName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9_.-]{3,255}|arn:aws[a-z-]*:dynamodb:.+",
        "is not a DynamoDB table; expected its name (3 to 255 letters, digits, _ . or -) or its ARN",
    ),
]

FunctionName = Annotated[
    str,
    matching(
        r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", "is not the name of a function; expected package.module:function"
    ),
]

AccountId = Annotated[str, matching(r"[0-9]{12}", "is not an AWS account; expected its 12 digits")]


def account_of_queue(url: str) -> str | None:
    """The AWS account that a queue's URL names before the queue; None where it names none."""
    found = re.search(r"/([0-9]{12})/[^/]+\Z", urlsplit(url).path)
    return found[1] if found else None


S3Url = Annotated[
    str,
    matching(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()=/-]*)?",
        "is not an S3 URL; expected s3://BUCKET/PREFIX, the bucket's name in lower case, the prefix of letters, digits "
        "and !_.*'()=-/",
    ),
]
