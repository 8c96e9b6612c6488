"""Checks of what the user has added: functions of their own, and the archive in S3."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from worker.aws.errors import Kind
from worker.aws.inspection import MADE_UP, CallFailedError, Inspection
from worker.commands.doctor.checks import Finding, explain, failed, ok, permission
from worker.extensions.event_reader import load_reader
from worker.extensions.transform import load_transform
from worker.settings import Settings, SettingsError


def check_functions(settings: Settings) -> list[Finding]:
    """Whether EVENT_READER and DETAILS_TRANSFORM load; nothing is said of what is unset."""
    given: list[tuple[str, str | None, Callable[[str], object]]] = [
        ("EVENT_READER", settings.event_reader, load_reader),
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


async def check_archive(inspection: Inspection, settings: Settings) -> list[Finding]:
    """The bucket is there, and reading, writing and deleting below its prefix are allowed."""
    if settings.archive_url is None or "activity" not in settings.roles:
        return []
    parts = urlsplit(settings.archive_url)
    key = f"{parts.path.strip('/')}/{MADE_UP}".lstrip("/")
    name = "archive"
    try:
        await inspection.bucket(parts.netloc)
    except CallFailedError as error:
        if error.kind in {Kind.MISSING, Kind.NO_OBJECT}:
            fix = "name an existing bucket in ARCHIVE_URL"
            return [failed(name, f"ARCHIVE_URL: there is no bucket {parts.netloc}", fix)]
        if error.kind is not Kind.DENIED:
            return [failed(name, *explain(error))]
        text = f"s3:ListBucket on {parts.netloc} is denied, or the bucket is not of account {settings.archive_owner}"
        fix = "allow it in the role's policy, or set ARCHIVE_BUCKET_OWNER to the account of the bucket"
        return [replace(failed(name, text, fix), tried=True, denied=True)]
    return [
        ok(name, settings.archive_url),
        await permission("s3:GetObject", inspection.may_read(parts.netloc, key)),
        await permission("s3:PutObject", inspection.may_write(parts.netloc, key)),
        await permission("s3:DeleteObjectVersion", inspection.may_remove(parts.netloc, key)),
    ]
