"""`pause` and `resume` as they are written: how long, and what the document holds afterwards."""

import argparse
import json

import pytest

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_fleet import DistantCache
from tests.support.virtual_time import EPOCH, VirtualClock, run_virtually
from worker import cli
from worker.commands.pause import parse_duration, pause, resume
from worker.errors import SharedCacheError
from worker.fleet.document import Document
from worker.fleet.gate import gate_document
from worker.fleet.gate_record import Closure, GateRecord, Pause
from worker.fleet.guarded import GuardedCache
from worker.fleet.memory import MemoryCache
from worker.ports import CacheEntry
from worker.settings import FleetSettings, SettingsError, load_settings

OUTAGE = Closure("Genesys.Unavailable", "503", since=EPOCH, probes=3)


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("90s", 90), ("30m", 1800), ("24h", 86_400), ("007m", 420)])
def test_a_duration_is_a_whole_number_with_s_m_or_h(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "m", "0s", "0h", "1.5h", "-5m", "+5m", "1d", "5M", "5 m", "1h30m", "٣m", "9000h", "9999999999s"]
)
def test_any_other_duration_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a whole number above 0 with s, m or h, for example 30m"):
        parse_duration(text)


@pytest.mark.parametrize("arguments", [["pause", "--for", "soon"], ["pause", "--for"], ["resume", "--for", "5m"]])
@pytest.mark.usefixtures("clean_environment")
def test_a_wrong_option_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.usefixtures("clean_environment")
def test_only_the_client_and_the_shared_cache_are_asked_for(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command]) == 2
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["GENESYS_CLIENT_ID"]
    monkeypatch.setenv("GENESYS_CLIENT_ID", "made-up-client")
    assert cli.main([command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("SHARED_CACHE_URL: is memory://, which a worker shares with nobody")
    monkeypatch.setenv("SHARED_CACHE_URL", "dynamodb://cache")
    assert cli.main([command]) == 2
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["AWS_REGION"]


@pytest.mark.usefixtures("clean_environment")
def test_their_settings_have_no_secret_and_refuse_what_the_service_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("secret" in name for name in FleetSettings.model_fields)
    monkeypatch.setenv("GENESYS_CLIENT_ID", "made-up-client")
    for name, value in (("GENESYS_REGION", "mars"), ("GENESYS_LOGIN_URL", "nowhere"), ("SHARED_CACHE_URL", "file://x")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(SettingsError) as caught:
                load_settings(FleetSettings)
        assert [problem.setting for problem in caught.value.problems] == [name]


class Fleet:
    """A clock, a cache and the document in it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.cache = MemoryCache(self.clock)
        self.document = gate_document(self.cache, "client")

    async def record(self) -> GateRecord:
        return (await self.document.read()).value


def test_a_pause_changes_nothing_else_in_the_document_and_keeps_what_another_version_wrote() -> None:
    async def main() -> None:
        fleet = Fleet()
        before = GateRecord(closed={"genesys#x": OUTAGE}, doubts={"store#y": "worker"})
        content = json.dumps({**before.to_fields(), "of_a_newer_version": [1, 2]})
        await fleet.cache.put("gate#client", content, expected=None, seconds=60)
        told = await pause(fleet.document, fleet.clock, 1800)
        assert told.startswith("paused: no worker asks Genesys Cloud from within 2 s until 2026-05-28T20:56:40.000Z;")
        after = await fleet.document.read()
        assert after.value == GateRecord(before.closed, before.doubts, Pause(EPOCH, 1800))
        assert after.unknown == {"of_a_newer_version": [1, 2]}
        assert (await resume(fleet.document, fleet.clock)).startswith("resumed: ")
        after = await fleet.document.read()
        assert (after.value, after.unknown) == (before, {"of_a_newer_version": [1, 2]})

    run_virtually(main())


def test_pausing_again_replaces_the_end() -> None:
    async def main() -> None:
        fleet = Fleet()
        await pause(fleet.document, fleet.clock, 1800)
        await fleet.clock.sleep(60)
        assert (await pause(fleet.document, fleet.clock, None)).endswith("until `resume`")
        assert (await fleet.record()).pause == Pause(EPOCH + 60, None)
        await pause(fleet.document, fleet.clock, 10)
        assert (await fleet.record()).pause == Pause(EPOCH + 60, 10)

    run_virtually(main())


def test_a_pause_without_an_end_outlives_the_time_for_which_other_things_are_kept() -> None:
    async def main() -> None:
        fleet = Fleet()
        await pause(fleet.document, fleet.clock, None)
        fleet.clock.skew += 300 * 86_400
        assert (await fleet.record()).pause == Pause(EPOCH, None)

    run_virtually(main())


def test_resume_says_so_where_nothing_is_paused_or_the_pause_is_over() -> None:
    async def main() -> None:
        fleet = Fleet()
        assert await resume(fleet.document, fleet.clock) == "not paused: there is nothing to resume"
        await pause(fleet.document, fleet.clock, 5)
        await fleet.clock.sleep(6)
        assert await resume(fleet.document, fleet.clock) == "not paused: there is nothing to resume"
        assert (await fleet.record()).pause is None

    run_virtually(main())


class ContestedCache(MemoryCache):
    """Somebody else writes before each of the first `writes` puts."""

    writes = 0

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        if self.writes:
            self.writes -= 1
            seen = await super().get(key)
            other = json.dumps(GateRecord(doubts={"store#y": f"worker-{self.writes}"}).to_fields())
            await super().put(key, other, expected=seen.version if seen else None, seconds=60)
        return await super().put(key, content, expected=expected, seconds=seconds)


def test_what_others_write_meanwhile_is_not_lost_and_never_to_be_first_is_told() -> None:
    async def main() -> None:
        clock = VirtualClock()
        cache = ContestedCache(clock)
        document = gate_document(cache, "client")
        cache.writes = 5
        await pause(document, clock, None)
        assert (await document.read()).value == GateRecord(doubts={"store#y": "worker-0"}, pause=Pause(EPOCH, None))
        cache.writes = 1000
        with pytest.raises(SharedCacheError, match="again and again"):
            await pause(document, clock, 60)

    run_virtually(main())


def test_a_cache_that_does_not_answer_is_an_error() -> None:
    async def main() -> None:
        clock = VirtualClock()
        distant = DistantCache(MemoryCache(clock), clock)
        distant.reachable = False
        document: Document[GateRecord] = gate_document(GuardedCache(distant, RecordingMetrics(), clock), "client")
        with pytest.raises(SharedCacheError):
            await pause(document, clock, None)

    run_virtually(main())
