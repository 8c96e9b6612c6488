"""The `simulator` command: Genesys Cloud's login and API on one local port."""

import argparse
import asyncio
import os
import signal
import sys
from typing import Any

from worker.local.arguments import amount, count, positive, share
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options, Simulator

DEFAULT_PORT = 8090


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Simulates Genesys Cloud: POST /oauth/token and the conversation endpoints under /api/v2. One logs in with the "
        "GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET of the environment. Every legal id exists: a conversation that "
        "was told of with POST /_simulator/conversations, as `publish` does, unfolds in time; any other has ended and "
        "is always answered alike. GET /_simulator/stats shows what was asked, GET /_simulator/conversations/ID what "
        "is known of one; POST /_simulator/faults changes the faults, "
        '/_simulator/revoke ends all tokens, /_simulator/throttle {"seconds": 30} answers 429 for a while.'
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=count, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--requests", type=positive, default=300, help="API requests a client may send in a window (default: 300)"
    )
    limits.add_argument(
        "--window", type=amount, default=60.0, help="length of the sliding window in seconds (default: 60)"
    )
    limits.add_argument(
        "--token-lifetime", type=amount, default=86_400.0, help="expires_in of a token in seconds (default: 86400)"
    )
    limits.add_argument(
        "--most-tokens",
        type=positive,
        default=10,
        help="tokens of a client that are good at once; one more ends the oldest (default: 10)",
    )
    faults = parser.add_argument_group("faults", "shares are of API requests, from 0 to 1")
    faults.add_argument("--errors", type=share, default=0.0, help="share answered with 500, 502, 503 or 504")
    faults.add_argument("--slow", type=share, default=0.0, help="share answered late")
    faults.add_argument("--slow-seconds", type=amount, default=5.0, help="how late that is (default: 5)")
    faults.add_argument("--cut-off", type=share, default=0.0, help="share whose body ends half way")
    faults.add_argument("--revoke", type=share, default=0.0, help="share whose token is revoked and answered with 401")
    faults.add_argument("--missing-prefix", default="", help="ids that start with this do not exist")
    faults.add_argument("--poison-prefix", default="", help="a request naming an id that starts with this gets 500")
    faults.add_argument(
        "--analytics-lag",
        type=amount,
        default=0.0,
        help="seconds that analytics takes to know what happened in a conversation that was told of (default: 0)",
    )
    faults.add_argument("--seed", type=int, default=1, help="of the random faults (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    try:
        return asyncio.run(_serve(args))
    except OSError as error:
        print(f"simulator: cannot listen on {args.host}:{args.port}: {error.strerror or error}", file=sys.stderr)
        return 1


async def _serve(args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    options = _options(args)
    async with Simulator(options, host=args.host, port=args.port) as simulator:
        print(f"GENESYS_LOGIN_URL={simulator.url}")
        print(f"GENESYS_API_URL={simulator.url}", flush=True)
        if "GENESYS_CLIENT_ID" not in os.environ:
            print(f"no GENESYS_CLIENT_ID set: log in as {options.client_id}", file=sys.stderr, flush=True)
        if "GENESYS_CLIENT_SECRET" not in os.environ:
            print(f"no GENESYS_CLIENT_SECRET set: it is {options.client_secret!r} here", file=sys.stderr, flush=True)
        await stop.wait()
    return 0


def _options(args: argparse.Namespace) -> Options:
    credentials: dict[str, Any] = {
        name: os.environ[variable]
        for name, variable in (("client_id", "GENESYS_CLIENT_ID"), ("client_secret", "GENESYS_CLIENT_SECRET"))
        if os.environ.get(variable)
    }
    plan = FaultPlan(
        error_share=args.errors,
        slow_share=args.slow,
        slow_seconds=args.slow_seconds,
        cut_off_share=args.cut_off,
        revoke_share=args.revoke,
        missing_prefix=args.missing_prefix,
        poison_prefix=args.poison_prefix,
        analytics_lag_seconds=args.analytics_lag,
    )
    return Options(
        requests=args.requests,
        window_seconds=args.window,
        token_seconds=args.token_lifetime,
        most_tokens=args.most_tokens,
        seed=args.seed,
        plan=plan,
        **credentials,
    )
