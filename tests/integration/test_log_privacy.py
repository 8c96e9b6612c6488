"""Everything that a fleet in trouble writes, searched for what it must not write."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.environment import kept_environment
from worker.local.demo.accounting import Accounting
from worker.local.demo.script import Script
from worker.local.demo.world import World, running_world
from worker.local.simulator.conversations import Conversation
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.tokens import Tokens
from worker.local.traffic import Pace, make_events, send_bodies

pytestmark = pytest.mark.timeout(300)

MARK = "Qzx7personal"
"""Part of every made-up personal value, so that no other text has it."""
PHONE = "+15550107431"
AWS_SECRET = "Qzx7aws-secret-key"
AWS_SESSION = "Qzx7aws-session-token"
ODD = "odd-"
"""Interactions whose answer has a personal value where a time should be."""
EVENTS = 40

_PHONE_LIKE = re.compile(r"(?:tel:|\+)\d{9,}")


def hidden_in_details(original: Callable[[Conversation], dict[str, Any]]) -> Callable[[Conversation], dict[str, Any]]:
    def analytics(self: Conversation) -> dict[str, Any]:
        answer = original(self)
        answer["participants"][0] |= {"participantName": f"{MARK} Name", "attributes": {"note": f"{MARK} {PHONE}"}}
        answer["participants"][0]["sessions"][0] |= {"ani": f"tel:{PHONE}", "remoteNameDisplayable": f"{MARK} Name"}
        if self.interaction_id.startswith(ODD):
            answer["conversationStart"] = f"{MARK} {PHONE}"
        return answer

    return analytics


def private_bodies() -> list[str]:
    """Events with personal data in them: three that are read, and one of each kind that can't be."""

    def envelope(number: int, **detail: Any) -> str:
        note = {"note": f"{MARK} {PHONE}"}
        return json.dumps({"id": f"private-{number}", "time": "2026-03-01T10:00:00Z", **note, "detail": note | detail})

    good = [envelope(n, interactionId=f"fine-{n}", eventType="end") for n in range(3)]
    return [
        *good,
        f"{{not JSON {MARK} {PHONE}",
        envelope(4),
        envelope(5, interactionId=f"../{MARK} {PHONE}"),
        envelope(6, interactionId="x6", timestamp=f"{MARK} {PHONE}"),
        envelope(7, interactionId={"name": MARK}),
        envelope(8, topicName=f"{MARK}.{PHONE}", eventBody={"conversationId": "x8"}),
        json.dumps({"id": "private-9", "detail": f"{MARK} {PHONE}"}),
    ]


@asynccontextmanager
async def wrong_secret(world: World) -> AsyncIterator[None]:
    """While it lasts, the login refuses the workers' secret and no token is good."""
    right = world.simulator.options
    world.simulator.options = replace(right, client_secret="another")
    world.simulator.tokens.revoke_all()
    yield
    world.simulator.options = right


async def command(world: World, *arguments: str) -> str:
    """What a command writes, on either stream."""
    environment = {
        "PATH": os.environ["PATH"],
        **world.emulator.environment,
        **world.settings,
        "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
        "GENESYS_LOGIN_URL": world.simulator.url,
        "GENESYS_API_URL": world.simulator.url,
        "GENESYS_CLIENT_ID": world.simulator.options.client_id,
        "GENESYS_CLIENT_SECRET": world.simulator.options.client_secret,
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "worker", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


async def some_are_held(world: World) -> None:
    """Send a few events and wait until the fleet holds them."""
    bodies = [event.envelope(event.interaction_id) for event in make_events(5, "seed")]
    await send_bodies(world.clients, world.settings["EVENT_QUEUE_URL"], bodies, Pace(0))
    await until_shown(world, 'worker_dependency_up{dependency="genesys"} 0.0')


async def until_shown(world: World, sample: str) -> None:
    """Wait until every worker has this sample."""
    async with asyncio.timeout(90):
        while (await metrics(world)).count(sample) < len(world.worker_urls):
            await asyncio.sleep(0.2)


async def metrics(world: World) -> str:
    async with aiohttp.ClientSession() as session:
        return "\n".join([await (await session.get(f"{url}/metrics")).text() for url in world.worker_urls])


async def letters(world: World) -> list[dict[str, Any]]:
    """The dead letters of failed interactions."""
    listed: list[dict[str, Any]] = json.loads(await command(world, "dlq", "list", "--json"))
    return listed


async def test_logs_metrics_and_commands_hold_no_secret_and_no_personal_data(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clean_environment: None,  # noqa: ARG001
) -> None:
    tokens: list[str] = []
    mint = Tokens.mint

    def remembered(self: Tokens, client_id: str) -> str:
        tokens.append(mint(self, client_id))
        return tokens[-1]

    monkeypatch.setattr(Tokens, "mint", remembered)
    monkeypatch.setattr(Conversation, "analytics", hidden_in_details(Conversation.analytics))
    more = {"LOG_LEVEL": "debug", "AWS_SECRET_ACCESS_KEY": AWS_SECRET, "AWS_SESSION_TOKEN": AWS_SESSION}
    with kept_environment():
        async with running_world(tmp_path, workers=2, faults=True, more=more) as world:
            secret = world.simulator.options.client_secret
            written = await trouble(world)
    logs = worker_logs(tmp_path)
    assert_there_was_trouble("\n".join(logs))
    everything = "\n".join([*logs, *written])
    assert len(tokens) > 1
    for hidden in (MARK, PHONE, PHONE.strip("+"), secret, AWS_SECRET, AWS_SESSION, "taskToken", *tokens):
        found = everything.find(hidden)
        assert found == -1, everything[max(0, found - 300) : found + 100]
    assert not _PHONE_LIKE.findall(everything)
    assert "Traceback" not in everything


def worker_logs(directory: Path) -> list[str]:
    return [path.read_text() for path in sorted(directory.glob("worker-*.log"))]


async def trouble(world: World) -> list[str]:
    """Every fault of the demo, refused logins, events and details with personal data; what was written besides logs."""
    await Script(
        world, Accounting(world.clients, world.settings, world.simulator.seen), EVENTS, rate=40, faults=True
    ).play()
    odd = [event.envelope(f"odd-{n}") for n, event in enumerate(make_events(3, "seed", id_prefix=ODD))]
    await send_bodies(world.clients, world.settings["EVENT_QUEUE_URL"], private_bodies() + odd, Pace(0))
    demo = world.simulator.faults.plan
    world.simulator.faults.plan = replace(demo, outage=True)
    await some_are_held(world)
    world.simulator.faults.plan = demo
    await until_shown(world, 'worker_dependency_up{dependency="genesys"} 1.0')
    async with wrong_secret(world):
        await some_are_held(world)
    async with asyncio.timeout(90):
        while True:
            found = await letters(world)
            if sum(letter["error"] == "Interaction.Invalid" for letter in found) >= len(odd):
                break
            await asyncio.sleep(0.5)
    # What the state machine keeps of failures: the causes that the worker reported.
    failed = next(letter for letter in found if letter["error"] == "Interaction.Invalid")
    world.simulator.faults.plan = FaultPlan()  # doctor is right to fail when its own request meets a fault
    commands = (
        ["dlq", "list"],
        ["dlq", "list", "--json"],
        ["dlq", "redrive", "--dry-run"],
        ["dlq", "show", failed["interactionId"]],
        ["doctor"],
    )
    return [await metrics(world), *[await command(world, *arguments) for arguments in commands]]


def assert_there_was_trouble(logs: str) -> None:
    """So that the search does not pass for want of anything to find."""
    lines = [json.loads(line) for line in logs.splitlines() if line.startswith("{")]
    assert len(lines) > EVENTS
    assert {"attempt", "intake_batch", "event_quarantined", "genesys_request_failed"} <= {
        line["event"] for line in lines
    }
    outcomes = {line.get("outcome") for line in lines if line["event"] == "attempt"}
    assert {"succeeded", "Interaction.Invalid"} <= outcomes
    outages = {line["error"] for line in lines if line["event"] == "outage_began"}
    assert outages == {"Genesys.Unavailable", "Genesys.Unauthorized"}
    reasons = {line["reason"] for line in lines if line["event"] == "event_quarantined"}
    assert {"invalid_json", "invalid_time", "invalid_interaction_id", "unknown_topic", "invalid_envelope"} <= reasons
