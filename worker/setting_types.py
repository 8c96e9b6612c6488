"""Types of settings that are text of a certain form."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, HttpUrl, TypeAdapter

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
    """Checked as a URL and kept as written: SQS compares queue URLs as text."""
    _HTTP_URL.validate_python(value)
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_http_url)]


def _known_region(value: str) -> str:
    if value not in DOMAINS:
        raise ValueError(f"is not a Genesys Cloud region; known are {', '.join(sorted(DOMAINS))}")
    return value


Region = Annotated[str, AfterValidator(_known_region)]


def _cache_backend(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"memory", "dynamodb", "redis", "rediss"}:
        raise ValueError("must be memory://, dynamodb://TABLE, redis://… or rediss://…")
    if url.scheme != "memory" and not url.netloc:
        raise ValueError(f"names no {'table' if url.scheme == 'dynamodb' else 'host'} after {url.scheme}://")
    return value


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
