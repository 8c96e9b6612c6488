"""Checks of the interaction table and of the shared cache."""

from typing import TYPE_CHECKING, Any

from worker.commands.doctor.checks import Asker, AwsCallError, Finding, cannot_look, failed, ok, skipped
from worker.errors import SharedCacheError
from worker.fleet.shared_cache import open_shared_cache
from worker.settings import Settings

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_MADE_UP_KEY = "interaction-worker-doctor"

_UNMET = frozenset({"ConditionalCheckFailedException"})

_TTL_ATTRIBUTE = "expiresAt"


async def check_tables(ask: Asker, dynamodb: "DynamoDBClient", settings: Settings) -> list[Finding]:
    """The table of the records, and the shared cache."""
    findings = []
    if "activity" in settings.roles:
        table = settings.interaction_table_name
        found = await _table(ask, dynamodb, table, "interactionId", name="table", setting="INTERACTION_TABLE_NAME")
        expiry = await _expiry(ask, dynamodb, "item expiry", table) if settings.item_ttl_days else []
        findings = [found, *expiry, await _put(ask, dynamodb, found, table, "interactionId")]
    else:
        findings = [skipped("table", "not needed: ROLES has no activity")]
    return [*findings, *await _shared_cache(ask, dynamodb, settings)]


async def _table(ask: Asker, dynamodb: "DynamoDBClient", table: str, key: str, *, name: str, setting: str) -> Finding:
    try:
        described = (await ask(dynamodb, dynamodb.describe_table(TableName=table)))["Table"]
    except AwsCallError as error:
        if error.code != "ResourceNotFoundException":
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
            f"name a table with the partition key {key} of type S; the key of a table can't be changed",
        )
    if described["TableStatus"] not in {"ACTIVE", "UPDATING"}:
        return failed(name, f"{setting}: {table} is {described['TableStatus']}", "wait until it is ACTIVE")
    return ok(name, f"{table}, key {key} (S)")


async def _put(ask: Asker, dynamodb: "DynamoDBClient", found: Finding, table: str, key: str) -> Finding:
    """Asks to write an item under a condition that is never true."""
    name = f"dynamodb:PutItem on {found.name}"
    if found.status == "FAILED":
        return skipped(name, f"not checked: see {found.name}")
    call = dynamodb.put_item(
        TableName=table,
        Item={key: {"S": _MADE_UP_KEY}},
        ConditionExpression=f"attribute_exists({key}) AND attribute_not_exists({key})",
    )
    return await ask.permission(name, dynamodb, call, _UNMET)


async def _expiry(ask: Asker, dynamodb: "DynamoDBClient", name: str, table: str) -> list[Finding]:
    try:
        answer = await ask(dynamodb, dynamodb.describe_time_to_live(TableName=table))
    except AwsCallError as error:
        return [] if error.code == "ResourceNotFoundException" else [cannot_look(name, error)]
    expiry = answer["TimeToLiveDescription"]
    enabled = expiry.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    if enabled and expiry.get("AttributeName") == _TTL_ATTRIBUTE:
        return [ok(name, f"by {_TTL_ATTRIBUTE}")]
    return [
        failed(
            name,
            f"ITEM_TTL_DAYS is set, but the table does not expire items by {_TTL_ATTRIBUTE}",
            f"enable the table's time to live on the attribute {_TTL_ATTRIBUTE}, or set ITEM_TTL_DAYS=0",
        )
    ]


async def _shared_cache(ask: Asker, dynamodb: "DynamoDBClient", settings: Settings) -> list[Finding]:
    name = "shared cache"
    scheme, _, rest = settings.shared_cache_url.partition("://")
    if scheme == "memory":
        return [ok(name, "memory: right for one task; several would each log in and take the whole rate limit")]
    if scheme == "dynamodb":
        table = rest.rstrip("/")
        found = await _table(ask, dynamodb, table, "pk", name=name, setting="SHARED_CACHE_URL")
        if found.status == "FAILED":
            return [found]
        read: Any = dynamodb.get_item(TableName=table, Key={"pk": {"S": _MADE_UP_KEY}})
        reads = await ask.permission(f"dynamodb:GetItem on {name}", dynamodb, read, frozenset())
        return [found, reads, await _put(ask, dynamodb, found, table, "pk")]
    return [await _redis(name, settings.shared_cache_url, dynamodb)]


async def _redis(name: str, url: str, dynamodb: "DynamoDBClient") -> Finding:
    try:
        async with open_shared_cache(url, dynamodb) as cache:
            await cache.get(_MADE_UP_KEY)
    except ValueError as error:
        return failed(
            name, "SHARED_CACHE_URL names Redis and its library is not installed", str(error).rpartition(": ")[2]
        )
    except SharedCacheError as error:
        return failed(
            name,
            f"SHARED_CACHE_URL: the server does not answer as it should ({error})",
            "check its host, port, user and password, rediss:// for TLS, and its security group",
        )
    return ok(name, "Redis answers")
