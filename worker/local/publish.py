"""The `publish` command: made-up events for local work."""

import argparse
import asyncio
import os
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp

from worker.aws.errors import AWS_ERRORS
from worker.local.arguments import amount, count, positive
from worker.local.aws import Clients, add_remote_argument, explain, open_clients
from worker.local.simulator.control import CONVERSATIONS
from worker.local.simulator.conversations import Conversation
from worker.local.traffic import (
    Pace,
    PublishError,
    batches,
    events_of,
    make_conversations,
    malformed_bodies,
    put_events,
    send_bodies,
    when_due,
)
from worker.loopback import is_loopback
from worker.printable import printable
from worker.settings import Problem, SettingsError

_AT_ONCE = Pace(0)
_TOLD_AT_ONCE = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Sends made-up events to AWS_ENDPOINT_URL: the seed's shape through EventBridge, partner events straight into "
        "EVENT_QUEUE_URL, because EventBridge takes none of their source from PutEvents. The simulator is told of the "
        "conversations first, so that their details unfold as their events say."
    )
    parser.add_argument(
        "--events", type=count, default=100, help="how many interactions send events (default: %(default)s)"
    )
    add_unfolding_arguments(parser, events_per_interaction=1, spread=0.0)
    parser.add_argument(
        "--rate", type=amount, default=0.0, help="events per second; 0 is as fast as it goes (default: 0)"
    )
    parser.add_argument("--shape", choices=("seed", "genesys"), default="seed", help="(default: %(default)s)")
    parser.add_argument(
        "--duplicates", type=count, default=0, help="so many of the events are delivered a second time (default: 0)"
    )
    parser.add_argument("--malformed", type=count, default=0, help="so many unusable bodies on top (default: 0)")
    parser.add_argument(
        "--simulator",
        metavar="URL",
        help="the simulator to tell of the conversations (default: GENESYS_API_URL, if that is on this machine)",
    )
    add_remote_argument(parser)


def add_unfolding_arguments(parser: argparse.ArgumentParser, *, events_per_interaction: int, spread: float) -> None:
    """How the conversations unfold; the two options are the demo's too."""
    parser.add_argument(
        "--events-per-interaction",
        metavar="N",
        type=positive,
        default=events_per_interaction,
        help="how many events each interaction sends; a usual call has twelve (default: %(default)s)",
    )
    parser.add_argument(
        "--spread",
        metavar="SECONDS",
        type=amount,
        default=spread,
        help="over how long the events of one interaction are spread (default: %(default)g)",
    )


def run(args: argparse.Namespace) -> int:
    """Publish, and say what was sent. Raises SettingsError."""
    start = time.monotonic()
    try:
        asyncio.run(_publish(args))
    except (PublishError, *AWS_ERRORS) as error:
        text = printable(str(error)) if isinstance(error, PublishError) else explain(error)
        print(f"publish: {text}", file=sys.stderr)
        return 1
    events = args.events * args.events_per_interaction
    of = f" of {args.events} interactions" if args.events_per_interaction > 1 else ""
    extra = f", {min(args.duplicates, events)} of them twice, {args.malformed} malformed bodies"
    print(
        f"published {events} events{of} in the {args.shape} shape"
        f"{extra if args.duplicates or args.malformed else ''} in {time.monotonic() - start:.1f} s"
    )
    return 0


async def _publish(args: argparse.Namespace) -> None:
    queue_url = os.environ.get("EVENT_QUEUE_URL", "")
    if not queue_url and (args.shape == "genesys" or args.duplicates or args.malformed):
        raise SettingsError(
            Problem(
                "EVENT_QUEUE_URL",
                "is required for --shape genesys, --duplicates and --malformed, which go to the queue",
                missing=True,
            )
        )
    if args.simulator and not args.allow_remote and not _local_url(args.simulator):
        raise SettingsError(
            Problem("--simulator", "is not on this machine", "--allow-remote lets it be on another one")
        )
    async with open_clients(allow_remote=args.allow_remote) as clients:
        rate = args.rate / args.events_per_interaction
        conversations = make_conversations(args.events, start=datetime.now(UTC), rate=rate, spread=args.spread)
        await _tell_simulator(args.simulator, conversations)
        await _send(clients, queue_url, conversations, args)


async def _tell_simulator(given: str | None, conversations: Sequence[Conversation]) -> None:
    """Raises PublishError when the simulator that was given cannot be told. Another one may be no simulator at all."""
    url = given or _local_url(os.environ.get("GENESYS_API_URL", ""))
    if not url:
        return
    try:
        await _tell(url, conversations)
    except PublishError as error:
        if given:
            raise
        print(printable(f"publish: the simulator was not told of the conversations: {error}"), file=sys.stderr)


async def _tell(url: str, conversations: Sequence[Conversation]) -> None:
    try:
        async with aiohttp.ClientSession() as session:
            for batch in batches(conversations, _TOLD_AT_ONCE):
                body = CONVERSATIONS.dump_json(list(batch))
                async with session.post(f"{url.rstrip('/')}/_simulator/conversations", data=body) as answer:
                    answer.raise_for_status()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise PublishError(f"{url}: {error or type(error).__name__}") from error


def _local_url(url: str) -> str:
    """`url` when it leads to this machine, else nothing."""
    return url if is_loopback(_host(url)) else ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


async def _send(
    clients: Clients, queue_url: str, conversations: Sequence[Conversation], args: argparse.Namespace
) -> None:
    events = [event for each in conversations for event in events_of(each, args.events_per_interaction, args.shape)]
    events.sort(key=lambda event: event.time)
    again: list[str] = []
    async for batch in when_due(events):
        if args.shape == "seed":
            ids = await put_events(clients, batch, _AT_ONCE)
            bodies = [event.envelope(given) for event, given in zip(batch, ids, strict=True)]
        else:
            bodies = [event.envelope(str(uuid.uuid4())) for event in batch]
            await send_bodies(clients, queue_url, bodies, _AT_ONCE)
        again += bodies[: max(0, args.duplicates - len(again))]
    await send_bodies(clients, queue_url, again + malformed_bodies(args.malformed), Pace(args.rate))
