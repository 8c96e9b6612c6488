"""The Genesys Cloud simulator as an aiohttp application: login and API on one port, strict about both."""

import asyncio
import base64
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from worker.events import INTERACTION_ID
from worker.local.simulator import replies
from worker.local.simulator.control import control_routes
from worker.local.simulator.conversations import Conversation, Conversations
from worker.local.simulator.faults import FaultPlan, FaultSource
from worker.local.simulator.limiter import SlidingWindow
from worker.local.simulator.stats import Stats
from worker.local.simulator.tokens import Tokens

MOST_IDS = 100
_BATCH_PATH = "/api/v2/analytics/conversations/details"
_LARGEST_BODY = 64 * 2**20
"""Many conversations may be told of at once."""
_GRACE_SECONDS = 1.0
"""How long after the first 429 of a throttle other requests may still arrive without counting as impolite."""

_Show = Callable[[Conversation], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Options:
    """How strict the simulator is, and as whom one may log in."""

    client_id: str = "simulator-client"
    client_secret: str = "simulator-secret"
    requests: int = 300
    window_seconds: float = 60.0
    token_seconds: float = 86_400.0
    most_tokens: int = 10
    seed: int = 1
    plan: FaultPlan = field(default_factory=FaultPlan)


class Simulator:
    """One simulated organisation. As a context it serves on a port of `host`, 0 for a free one; then `url` is set."""

    def __init__(self, options: Options | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.options = options or Options()
        self.stats = Stats()
        self.conversations = Conversations()
        self.tokens = Tokens(self.options.token_seconds, self.options.most_tokens)
        self.limiter = SlidingWindow(self.options.requests, self.options.window_seconds)
        self.faults = FaultSource(self.options.plan, self.options.seed)
        self.url = ""
        self._throttled_until = 0.0
        self._told_at: float | None = None
        self._address = (host, port)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        host, port = self._address
        await web.TCPSite(self._runner, host, port, backlog=512).start()
        bound = self._runner.addresses[0]
        self.url = f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which a worker logs in here and asks here."""
        return {
            "GENESYS_LOGIN_URL": self.url,
            "GENESYS_API_URL": self.url,
            "GENESYS_CLIENT_ID": self.options.client_id,
            "GENESYS_CLIENT_SECRET": self.options.client_secret,
        }

    def throttle(self, seconds: float) -> None:
        """Answer every API request with 429 for so long from now."""
        self._throttled_until = time.monotonic() + seconds
        self._told_at = None

    def tell(self, *conversations: Conversation) -> None:
        """From now on these conversations unfold as they say."""
        self.conversations.tell(conversations)

    def seen(self, interaction_id: str, at: datetime, *, lagging: bool = True) -> Conversation | None:
        """The conversation as a request at this time sees it, `lagging` by analytics; None: not known yet."""
        plan = self.faults.plan
        if plan.missing_prefix and interaction_id.startswith(plan.missing_prefix):
            return None
        lag = timedelta(seconds=plan.analytics_lag_seconds if lagging else 0)
        return self.conversations.seen(interaction_id, at - lag)

    def application(self) -> web.Application:
        """Login, API and the control endpoints under `/_simulator/`."""
        app = web.Application(middlewares=[_correlate], client_max_size=_LARGEST_BODY)
        app.add_routes(
            [
                web.post("/oauth/token", self._login),
                web.get(_BATCH_PATH, self._api("batch", self._batch)),
                web.get(
                    "/api/v2/analytics/conversations/{id}/details",
                    self._api("analytics", self._one(Conversation.analytics, lagging=True)),
                ),
                web.get("/api/v2/conversations/{id}", self._api("conversation", self._one(Conversation.operational))),
                web.get("/api/v2/interactions/events/details/{id}", self._api("plain", self._one(Conversation.plain))),
                *control_routes(self),
                web.route("*", "/api/{rest:.*}", self._api("other", self._nothing)),
            ]
        )
        return app

    async def _login(self, request: web.Request) -> web.StreamResponse:
        answer = await self._login_answer(request)
        if answer.status == 200:  # noqa: PLR2004
            self.stats.logins += 1
        else:
            self.stats.logins_refused += 1
        return answer

    async def _login_answer(self, request: web.Request) -> web.Response:
        if self.faults.plan.outage or self.faults.plan.login_outage:
            return replies.login_error(503, "service_unavailable", "the login is away")
        if request.content_type != "application/x-www-form-urlencoded":
            return replies.login_error(400, "invalid_request", "the body is no form")
        if (await request.post()).get("grant_type") != "client_credentials":
            return replies.login_error(400, "unsupported_grant_type", "only client_credentials is known here")
        return self._mint(request.headers.get("Authorization", ""))

    def _mint(self, authorization: str) -> web.Response:
        kind, _, credentials = authorization.partition(" ")
        try:
            client_id, _, client_secret = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            kind = ""
        if kind.lower() != "basic":
            return replies.login_error(400, "invalid_request", "no basic authorization")
        if client_id != self.options.client_id:
            return replies.login_error(400, "invalid_client", "client not found")
        if not secrets.compare_digest(client_secret.encode(), self.options.client_secret.encode()):
            return replies.login_error(401, "invalid_client", "authentication failed")
        token = self.tokens.mint(client_id)
        return web.json_response(
            {"access_token": token, "token_type": "bearer", "expires_in": int(self.tokens.lifetime)}
        )

    def _api(
        self, operation: str, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """`handler` behind everything that is checked first, and with the faults that are due."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self.stats.requests[operation] += 1
            fault = self.faults.draw()
            refusal = self._refuse(request, revoke=fault == "revoke")
            if refusal is None and fault == "error":
                refusal = replies.api_error(self.faults.error_status(), "internal.server.error", "a fault on request")
            if refusal is not None:
                self.stats.statuses[refusal.status] += 1
                return refusal
            # A late answer shows what was there when the request came, like one that is computed slowly.
            answer = await handler(request)
            if fault == "slow":
                await asyncio.sleep(self.faults.plan.slow_seconds)
            if fault == "cut_off":
                self.stats.statuses[0] += 1
                return await _cut_off(request, answer)
            self.stats.statuses[answer.status] += 1
            return answer

        return handle

    def _refuse(self, request: web.Request, *, revoke: bool) -> web.Response | None:
        """Outage, authentication and rate limit, in this order."""
        if self.faults.plan.outage:
            return replies.api_error(503, "service.unavailable", "the service is away")
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return replies.authentication_required()
        if revoke:
            self.tokens.revoke(token)
        client = self.tokens.client_of(token)
        if client is None:
            return replies.bad_credentials()
        wait = self._throttle_wait()
        if wait is None:
            wait = self.limiter.admit(client)
        return None if wait is None else replies.too_many_requests(wait)

    def _throttle_wait(self) -> int | None:
        now = time.monotonic()
        if now >= self._throttled_until:
            return None
        if self._told_at is None:
            self._told_at = now
        elif now > self._told_at + _GRACE_SECONDS:
            self.stats.during_throttle += 1
        return max(1, round(self._throttled_until - now + 0.5))

    async def _batch(self, request: web.Request) -> web.Response:
        # The official SDKs send one `id` with commas, others repeat it.
        ids = [one for value in request.query.getall("id", []) for one in value.split(",")]
        self.stats.batch_sizes[len(ids)] += 1
        if not ids or len(ids) > MOST_IDS:
            return replies.api_error(400, "bad.request", f"{len(ids)} ids where 1 to {MOST_IDS} are allowed")
        if not all(INTERACTION_ID.match(one) for one in ids):
            return replies.api_error(400, "bad.request", "an id is not a conversation id")
        if self._poisoned(ids):
            return replies.api_error(500, "internal.server.error", "an id that cannot be answered")
        found = [self._look_up(one, lagging=True) for one in dict.fromkeys(ids)]
        known = [one for one in found if one is not None]
        self.stats.ids_answered += len(known)
        # Not in the order asked for, since the API promises none.
        known.sort(key=lambda one: one.start)
        return web.json_response({"conversations": [one.analytics() for one in known]})

    def _one(self, show: _Show, *, lagging: bool = False) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            interaction_id = request.match_info["id"]
            if self._poisoned([interaction_id]):
                return replies.api_error(500, "internal.server.error", "an id that cannot be answered")
            if not INTERACTION_ID.match(interaction_id):
                return replies.api_error(404, "not.found", "no such conversation")
            found = self._look_up(interaction_id, lagging=lagging)
            if found is None:
                return replies.api_error(404, "not.found", "no such conversation")
            self.stats.ids_answered += 1
            return web.json_response(show(found))

        return handle

    async def _nothing(self, _: web.Request) -> web.Response:
        return replies.api_error(404, "not.found", "no such resource")

    def _poisoned(self, ids: list[str]) -> bool:
        prefix = self.faults.plan.poison_prefix
        return bool(prefix) and any(one.startswith(prefix) for one in ids)

    def _look_up(self, interaction_id: str, *, lagging: bool) -> Conversation | None:
        """What is known now; the question is noted."""
        now = datetime.now(UTC)
        self.stats.asked.setdefault(interaction_id, []).append(now)
        return self.seen(interaction_id, now, lagging=lagging)


@web.middleware
async def _correlate(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    answer = await handler(request)
    if not answer.prepared:
        answer.headers["ININ-Correlation-Id"] = str(uuid.uuid4())
    return answer


async def _cut_off(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Half of the answer under the length of all of it, then the end of the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b"{}"
    answer = web.StreamResponse(status=whole.status, headers={"Content-Type": "application/json"})
    answer.content_length = len(body)
    await answer.prepare(request)
    await answer.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.abort()
    return answer
