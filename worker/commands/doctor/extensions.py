"""Checks of what the user has added: functions of their own, and the archive in S3."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from worker.commands.doctor.checks import Asker, AwsCallError, Finding, failed, ok, skipped
from worker.extensions.event_reader import open_reader
from worker.extensions.transform import load_transform
from worker.settings import Settings, SettingsError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_MADE_UP_KEY = "interaction-worker-doctor"

_NO_SUCH_OBJECT = frozenset({"404", "NoSuchKey", "PreconditionFailed", "412"})


def check_functions(settings: Settings) -> list[Finding]:
    """Whether EVENT_READER and DETAILS_TRANSFORM load; nothing is said of what is unset."""
    given: list[tuple[str, str | None, Callable[[str], object]]] = [
        ("EVENT_READER", settings.event_reader, open_reader),
        ("DETAILS_TRANSFORM", settings.details_transform, load_transform),
    ]
    return [_function(setting, name, load) for setting, name, load in given if name]


def _function(setting: str, name: str, load: Callable[[str], object]) -> Finding:
    try:
        load(name)
    except SettingsError as error:
        fix = "name a function as module:function, of a module that the image has on its Python path"
        return failed(setting, error.problems[0].text, fix)
    return ok(setting, f"{name} loads")


async def check_archive(ask: Asker, s3: "S3Client", settings: Settings) -> list[Finding]:
    """The bucket is there, and reading and writing below its prefix are allowed."""
    if settings.archive_url is None or "activity" not in settings.roles:
        return []
    parts = urlsplit(settings.archive_url)
    key = f"{parts.path.strip('/')}/{_MADE_UP_KEY}".lstrip("/")
    name = "archive"
    try:
        await ask(s3, s3.head_bucket(Bucket=parts.netloc))
    except AwsCallError as error:
        if error.code in {"404", "NoSuchBucket"}:
            fix = "name an existing bucket of this account in ARCHIVE_URL"
            return [failed(name, f"ARCHIVE_URL: there is no bucket {parts.netloc}", fix)]
        if error.code not in {"403", "AccessDenied"}:
            return [failed(name, str(error), error.fix)]
        found = skipped(
            name, f"not checked: s3:ListBucket on {parts.netloc} is denied, so a missing object looks denied"
        )
        return [found]
    # Written only if an object with this ETag is there already, which there never is.
    write = s3.put_object(Bucket=parts.netloc, Key=key, Body=b"", IfMatch='"interaction-worker-doctor"')
    return [
        ok(name, settings.archive_url),
        await ask.permission("s3:GetObject", s3, s3.head_object(Bucket=parts.netloc, Key=key), _NO_SUCH_OBJECT),
        await ask.permission("s3:PutObject", s3, write, _NO_SUCH_OBJECT),
    ]
