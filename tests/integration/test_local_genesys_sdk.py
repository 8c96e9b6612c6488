"""Genesys Cloud's own SDK logs in to the simulator and reads its answers into its own models."""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from worker.local.simulator.conversations import conversation
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
        assert read["purposes"] == ["customer", "acd", "agent"]
        assert set(read["segments"]) == {"interact"}
        assert "nConnected" in read["metrics"]
    assert answer["one"] == answer["many"][ids[0]]
    assert datetime.fromisoformat(answer["operational"]["start"]) == conversation(ids[0]).start
    assert sum(answer["operational"]["channels"].values()) == len(conversation(ids[0]).channels)
    assert simulator.stats.logins == 1


async def test_the_official_sdk_reports_a_refused_login_as_such(simulator: Simulator, tmp_path: Path) -> None:
    answer = await _sdk(tmp_path, simulator.url, simulator.options.client_id, "wrong")
    assert answer["status"] == 401
    assert answer["body"]["error"] == "invalid_client"
