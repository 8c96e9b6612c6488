"""Looking into the simulator and changing its faults while it runs, under `/_simulator/`."""

from collections.abc import Awaitable, Callable
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from worker.events import utc_text
from worker.local.simulator.conversations import Conversation
from worker.local.simulator.stats import Stats

if TYPE_CHECKING:
    from worker.local.simulator.server import Simulator

CONVERSATIONS = TypeAdapter(list[Conversation])
"""How conversations travel to POST /_simulator/conversations."""
_CONVERSATION = TypeAdapter(Conversation)

_Handler = Callable[[web.Request], Awaitable[web.Response]]


def control_routes(simulator: "Simulator") -> list[web.RouteDef]:
    """GET stats, GET and POST faults, POST conversations and GET one of them, POST revoke, throttle and reset."""

    async def stats(_: web.Request) -> web.Response:
        more = {"tokens": len(simulator.tokens), "peak_in_window": simulator.limiter.peak}
        return web.json_response(simulator.stats.as_dict() | more)

    async def faults(_: web.Request) -> web.Response:
        return web.json_response(simulator.faults.plan.as_dict())

    async def change_faults(request: web.Request) -> web.Response:
        try:
            simulator.faults.plan = simulator.faults.plan.changed(await _body(request))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return await faults(request)

    async def revoke(_: web.Request) -> web.Response:
        return web.json_response({"revoked": simulator.tokens.revoke_all()})

    async def throttle(request: web.Request) -> web.Response:
        try:
            seconds = float((await _body(request))["seconds"])
        except (ValueError, KeyError, TypeError):
            return web.json_response({"error": 'give {"seconds": NUMBER}'}, status=400)
        simulator.throttle(seconds)
        return web.json_response({"throttled_seconds": seconds})

    async def reset(_: web.Request) -> web.Response:
        simulator.stats = Stats()
        simulator.limiter.peak = 0
        return web.json_response({})

    handlers: list[tuple[str, str, _Handler]] = [
        *_conversation_handlers(simulator),
        ("GET", "stats", stats),
        ("GET", "faults", faults),
        ("POST", "faults", change_faults),
        ("POST", "revoke", revoke),
        ("POST", "throttle", throttle),
        ("POST", "reset", reset),
    ]
    return [web.RouteDef(method, f"/_simulator/{name}", handler, {}) for method, name, handler in handlers]


def _conversation_handlers(simulator: "Simulator") -> list[tuple[str, str, _Handler]]:
    async def tell(request: web.Request) -> web.Response:
        try:
            conversations = CONVERSATIONS.validate_json(await request.read())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            return web.json_response({"error": f"{where}: {first['msg']}"}, status=400)
        simulator.tell(*conversations)
        return web.json_response({"told": len(conversations)})

    async def known(request: web.Request) -> web.Response:
        interaction_id = request.match_info["id"]
        asked = [utc_text(each) for each in simulator.stats.asked.get(interaction_id, ())]
        whole = _CONVERSATION.dump_python(simulator.conversations[interaction_id], mode="json")
        return web.json_response({"conversation": whole, "asked": asked})

    return [("POST", "conversations", tell), ("GET", "conversations/{id}", known)]


async def _body(request: web.Request) -> dict[str, Any]:
    """The JSON object sent. Raises ValueError when it is none."""
    try:
        body = await request.json()
    except JSONDecodeError as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")  # noqa: TRY004 -- bad input, not a bug
    return body
