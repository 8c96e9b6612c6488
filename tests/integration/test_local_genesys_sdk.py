"""Genesys Cloud's own SDK logs in to the simulator and reads its answers into its own models."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from worker.local.simulator.conversations import conversation, make_conversation
from worker.local.simulator.server import Simulator

SCRIPT = Path(__file__).with_name("genesys_sdk_client.py")


async def _sdk(home: Path, *arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        *arguments,
        env={"HOME": str(home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    answer: dict[str, Any] = json.loads(output)
    return answer


async def test_the_official_sdk_reads_every_answer_into_its_models(simulator: Simulator, tmp_path: Path) -> None:
    ids = [f"made-up-{index}" for index in range(20)]
    options = simulator.options
    answer = await _sdk(tmp_path, simulator.url, options.client_id, options.client_secret, *ids)

    assert answer["kinds"] == [
        "AnalyticsConversationWithoutAttributesMultiGetResponse",
        "AnalyticsConversationWithoutAttributes",
        "AnalyticsConversationWithoutAttributes",
        "Conversation",
    ]
    assert set(answer["many"]) == set(ids)
    for one in ids:
        read, expected = answer["many"][one], conversation(one)
        assert datetime.fromisoformat(read["start"]) == expected.start
        assert (read["end"] and datetime.fromisoformat(read["end"])) == expected.end
        assert list(dict.fromkeys(read["channels"])) == list(expected.channels)
        assert read["direction"] == expected.direction
        assert read["purposes"][:2] == ["customer", "acd"]
        assert {"interact"} <= set(read["segments"]) <= {"interact", "hold", "wrapup"}
        assert {"nConnected", "tAcd"} <= set(read["metrics"])
        assert len(read["agents"]) == len(read["wrap_up_codes"]) == read["purposes"].count("agent")
        assert read["queues"]
        assert len(read["divisions"]) == 1
    assert answer["one"] == answer["many"][ids[0]]
    assert datetime.fromisoformat(answer["operational"]["start"]) == conversation(ids[0]).start
    assert sum(answer["operational"]["channels"].values()) == len(conversation(ids[0]).channels)
    assert simulator.stats.logins == 1


async def test_the_official_sdk_reads_a_conversation_as_it_grows(simulator: Simulator, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    begun = {"just-begun": 1, "in-the-queue": 40, "with-an-agent": 200, "after-call-work": 340, "over": 360}
    simulator.tell(
        *(
            make_conversation(name, now - timedelta(seconds=ago), 360, outcome="answered", channels=["voice"])
            for name, ago in begun.items()
        )
    )
    options = simulator.options
    answer = await _sdk(tmp_path, simulator.url, options.client_id, options.client_secret, *begun)
    many = answer["many"]
    assert {name: len(many[name]["purposes"]) for name in begun} == {
        "just-begun": 1,
        "in-the-queue": 2,
        "with-an-agent": 3,
        "after-call-work": 3,
        "over": 3,
    }
    assert [name for name in begun if many[name]["disconnects"].count("client")] == ["after-call-work", "over"]
    assert [name for name in begun if many[name]["wrap_up_codes"]] == ["over"]
    assert [name for name in begun if many[name]["end"]] == ["over"]
    for earlier, later in pairwise(many[name]["metrics"] for name in begun):
        assert set(earlier) <= set(later)


async def test_the_official_sdk_reports_a_refused_login_as_such(simulator: Simulator, tmp_path: Path) -> None:
    answer = await _sdk(tmp_path, simulator.url, simulator.options.client_id, "wrong")
    assert answer["status"] == 401
    assert answer["body"]["error"] == "invalid_client"
