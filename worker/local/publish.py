"""The `publish` command: made-up events for local work."""

import argparse
import asyncio
import os
import sys
import time
import uuid

from worker.aws.clients import AWS_ERRORS
from worker.local.arguments import amount, count
from worker.local.aws import Clients, explain, open_clients
from worker.local.traffic import Pace, PublishError, make_events, malformed_bodies, put_events, send_bodies
from worker.settings import Problem, SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Sends made-up events to AWS_ENDPOINT_URL: the seed's shape through EventBridge, partner events straight into "
        "EVENT_QUEUE_URL, because EventBridge takes none of their source from PutEvents."
    )
    parser.add_argument("--events", type=count, default=100, help="how many (default: %(default)s)")
    parser.add_argument(
        "--rate", type=amount, default=0.0, help="events a second; 0 is as fast as it goes (default: 0)"
    )
    parser.add_argument("--shape", choices=("seed", "genesys"), default="seed", help="(default: %(default)s)")
    parser.add_argument(
        "--duplicates", type=count, default=0, help="so many of them are delivered a second time (default: 0)"
    )
    parser.add_argument("--malformed", type=count, default=0, help="so many unusable bodies on top (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Publish, and say what was sent. Raises SettingsError."""
    start = time.monotonic()
    try:
        asyncio.run(_publish(args))
    except (PublishError, *AWS_ERRORS) as error:
        print(f"publish: {error if isinstance(error, PublishError) else explain(error)}", file=sys.stderr)
        return 1
    extra = f", {min(args.duplicates, args.events)} of them twice, {args.malformed} malformed bodies"
    print(
        f"published {args.events} events in the {args.shape} shape"
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
    async with open_clients() as clients:
        await _send(clients, queue_url, args)


async def _send(clients: Clients, queue_url: str, args: argparse.Namespace) -> None:
    events, pace = make_events(args.events, args.shape), Pace(args.rate)
    if args.shape == "seed":
        ids = await put_events(clients, events, pace)
        bodies = [event.envelope(given) for event, given in zip(events, ids, strict=True)]
    else:
        bodies = [event.envelope(str(uuid.uuid4())) for event in events]
        await send_bodies(clients, queue_url, bodies, pace)
    await send_bodies(clients, queue_url, bodies[: args.duplicates] + malformed_bodies(args.malformed), pace)
