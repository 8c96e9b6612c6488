"""The made-up conversations are of the real API's shape: the official SDK's models know all that they say."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from worker.events import parse_time, utc_text

SCRIPT = Path(__file__).with_name("genesys_sdk_models.py")
CONVERSATIONS = Path(__file__).parents[1] / "fixtures" / "conversations"


async def test_the_official_sdk_knows_every_field_and_word_of_the_made_up_conversations(tmp_path: Path) -> None:
    files = sorted(path for path in CONVERSATIONS.glob("*.json") if not path.stem.endswith(".record"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        *map(str, files),
        env={"HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()

    answers = json.loads(output)
    assert len(answers) == len(files)
    for file, answer in zip(files, answers, strict=True):
        assert answer["unknown_metrics"] == [], file.name
        assert with_same_times(answer["document"]) == with_same_times(json.loads(file.read_text())), file.name


def with_same_times(value: Any) -> Any:
    """The same document with every time written alike; the SDK writes an offset where the API writes `Z`."""
    match value:
        case dict():
            return {name: with_same_times(part) for name, part in value.items()}
        case list():
            return [with_same_times(part) for part in value]
        case str():
            try:
                return utc_text(parse_time(value))
            except ValueError:
                return value
    return value
