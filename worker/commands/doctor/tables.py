"""Checks of the interaction table and of the shared cache."""

from collections.abc import Awaitable, Callable

from worker.aws.errors import Kind
from worker.aws.inspection import MADE_UP, CallFailedError, Inspection
from worker.commands.doctor.checks import Finding, cannot_look, failed, ok, permission, skipped
from worker.errors import SharedCacheError
from worker.setting_types import is_plain_redis_elsewhere
from worker.settings import Settings, SettingsError
from worker.wiring import open_cache

_TTL_ATTRIBUTE = "expiresAt"


async def check_tables(inspection: Inspection, settings: Settings) -> list[Finding]:
    """The table of the records, and the shared cache."""
    table = settings.interaction_table_name
    found = await _table(inspection, table, "interactionId", name="table", setting="INTERACTION_TABLE_NAME")
    days = {"ITEM_TTL_DAYS": settings.item_ttl_days, "TOMBSTONE_DAYS": settings.tombstone_days}
    expiring = [name for name, number in days.items() if number]
    expiry = await _expiry(inspection, "item expiry", table, " and ".join(expiring)) if expiring else []
    permissions = []
    for role, action, attempt in (
        ("activity", "PutItem", lambda: inspection.may_put(table, "interactionId")),
        ("intake", "BatchGetItem", lambda: inspection.may_look_up(table)),
        ("intake", "UpdateItem", lambda: inspection.may_update(table, "interactionId")),
    ):
        if role in settings.roles:
            permissions.append(await _may(found, action, attempt))
        else:
            permissions.append(skipped(f"dynamodb:{action} on {found.name}", f"not needed: ROLES has no {role}"))
    return [found, *expiry, *permissions, *await _shared_cache(inspection, settings)]


async def _may(found: Finding, action: str, attempt: Callable[[], Awaitable[None]]) -> Finding:
    """Whether `action` is allowed on the table of `found`; tried only where there is such a table."""
    name = f"dynamodb:{action} on {found.name}"
    if found.status == "FAILED":
        return skipped(name, f"not checked: see {found.name}")
    return await permission(name, attempt())


async def _table(inspection: Inspection, table: str, key: str, *, name: str, setting: str) -> Finding:
    try:
        described = await inspection.table(table)
    except CallFailedError as error:
        if error.kind is not Kind.MISSING:
            return cannot_look(name, error)
        return failed(
            name,
            f"{setting}: there is no table {table}",
            "set it to a name of `aws dynamodb list-tables` in AWS_REGION",
        )
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in described["AttributeDefinitions"]}
    keys = [(part["AttributeName"], types.get(part["AttributeName"], "?")) for part in described["KeySchema"]]
    if keys != [(key, "S")]:
        has = " and ".join(f"{attribute} ({kind})" for attribute, kind in keys)
        return failed(
            name,
            f"{setting}: the key of {table} is {has}, not the partition key {key} (S) alone",
            f"name a table with the partition key {key} of type S; the key of a table cannot be changed",
        )
    if described["TableStatus"] not in {"ACTIVE", "UPDATING"}:
        return failed(name, f"{setting}: {table} is {described['TableStatus']}", "wait until it is ACTIVE")
    return ok(name, f"{table}, key {key} (S)")


async def _expiry(inspection: Inspection, name: str, table: str, setting: str) -> list[Finding]:
    try:
        expiry = await inspection.expiry(table)
    except CallFailedError as error:
        return [] if error.kind is Kind.MISSING else [cannot_look(name, error)]
    enabled = expiry.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    if enabled and expiry.get("AttributeName") == _TTL_ATTRIBUTE:
        return [ok(name, f"by {_TTL_ATTRIBUTE}")]
    return [
        failed(
            name,
            f"{setting} is set, but the table does not expire items by {_TTL_ATTRIBUTE}",
            f"enable the table's time to live on the attribute {_TTL_ATTRIBUTE}, or set {setting} to 0",
        )
    ]


async def _shared_cache(inspection: Inspection, settings: Settings) -> list[Finding]:
    name = "shared cache"
    scheme, _, rest = settings.shared_cache_url.partition("://")
    if scheme == "memory":
        return [ok(name, "memory: right for one worker; several would each log in and take the whole rate limit")]
    if scheme == "dynamodb":
        table = rest.rstrip("/")
        found = await _table(inspection, table, "pk", name=name, setting="SHARED_CACHE_URL")
        if found.status == "FAILED":
            return [found]
        reads = await permission(f"dynamodb:GetItem on {name}", inspection.may_get(table, "pk"))
        return [found, reads, await _may(found, "PutItem", lambda: inspection.may_put(table, "pk"))]
    return [await _redis(name, settings)]


async def _redis(name: str, settings: Settings) -> Finding:
    try:
        async with open_cache(settings, None) as cache:
            await cache.get(MADE_UP)
    except SettingsError as error:
        (problem,) = error.problems
        return failed(name, f"{problem.setting} {problem.text}", problem.fix or "correct the URL")
    except SharedCacheError as error:
        return failed(
            name,
            f"SHARED_CACHE_URL: the server does not answer as it should ({error})",
            "check its host, port, user and password, rediss:// for TLS, and its security group",
        )
    if is_plain_redis_elsewhere(settings.shared_cache_url):
        return ok(name, "Redis answers, over a connection that is not encrypted: use rediss://")
    return ok(name, "Redis answers")
