"""The ECS agent beside the task: scale-in protection."""

import aiohttp

from worker.errors import NotConfirmedError

_TIMEOUT = aiohttp.ClientTimeout(total=3)


class EcsAgent:
    """`ports.TaskProtection` on the agent's endpoint (`ECS_AGENT_URI`)."""

    def __init__(self, session: aiohttp.ClientSession, uri: str) -> None:
        self._session = session
        self._url = f"{uri.rstrip('/')}/task-protection/v1/state"

    async def protect(self, minutes: int | None) -> None:
        body: dict[str, object] = {"ProtectionEnabled": minutes is not None}
        if minutes is not None:
            body["ExpiresInMinutes"] = minutes
        try:
            async with self._session.put(self._url, json=body, timeout=_TIMEOUT) as answer:
                if not answer.ok:
                    raise NotConfirmedError(f"the ECS agent answered {answer.status}")
                # The agent answers 200 with a failure inside when ECS refuses.
                document = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NotConfirmedError(f"the ECS agent does not answer: {type(error).__name__}") from error
        if isinstance(document, dict) and (failure := document.get("failure") or document.get("error")):
            raise NotConfirmedError(f"ECS refuses: {failure}")
