"""Made-up conversations that unfold in time: what is known of one is what has happened by the moment of the question.

One that the simulator was told of has the times that it was told. Any other is derived from nothing but its id: it has
ended, and is always answered alike.
"""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, Field

from worker.local.simulator import documents

Channel = Literal["callback", "chat", "email", "message", "voice"]
Direction = Literal["inbound", "outbound"]
Outcome = Literal["answered", "transferred", "abandoned"]

_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_SPAN_SECONDS = 300 * 24 * 3600
_OUTCOMES: tuple[Outcome, ...] = ("answered",) * 8 + ("transferred", "abandoned")
_LONGEST_WAIT = timedelta(seconds=30)
_BETWEEN_SESSIONS = timedelta(seconds=20)
_AGENT_LEAVES_AFTER = timedelta(seconds=1.5)

_QUEUED, _ANSWERED, _TRANSFERRED, _ANSWERED_AGAIN, _HUNG_UP = 0.08, 0.2, 0.5, 0.6, 0.9
"""When what happens, as shares of a conversation's length; after-call work fills the rest."""


@dataclass(frozen=True, slots=True)
class CustomerSession:
    """One channel on which the customer took part."""

    channel: Channel
    start: AwareDatetime


@dataclass(frozen=True, slots=True)
class Leg:
    """One way through a queue to an agent. A moment that is None never came, or has not come yet."""

    queued: AwareDatetime
    answered: AwareDatetime | None = None
    hold: tuple[AwareDatetime, AwareDatetime] | None = None
    left: AwareDatetime | None = None
    """When the agent's session ended; before the customer hung up, it was a transfer."""
    wrapped_up: AwareDatetime | None = None

    def at(self, moment: datetime) -> "Leg":
        """What of it had happened by `moment`."""
        return Leg(
            self.queued,
            _if_by(self.answered, moment),
            self.hold if self.hold is not None and self.hold[1] <= moment else None,
            _if_by(self.left, moment),
            _if_by(self.wrapped_up, moment),
        )


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is known about one made-up interaction; times are in whole milliseconds."""

    interaction_id: str
    sessions: Annotated[tuple[CustomerSession, ...], Field(min_length=1)]
    """In the order of their start."""
    direction: Direction = "inbound"
    legs: tuple[Leg, ...] = ()
    hung_up: AwareDatetime | None = None
    """When the customer's sessions ended."""
    end: AwareDatetime | None = None
    """`conversationEnd`; None: it never ends, or has not ended yet."""

    @property
    def start(self) -> datetime:
        return self.sessions[0].start

    @property
    def channels(self) -> tuple[Channel, ...]:
        return tuple(dict.fromkeys(session.channel for session in self.sessions))

    def at(self, moment: datetime) -> "Conversation | None":
        """The conversation as it was then; None before its start."""
        if self.start > moment:
            return None
        return replace(
            self,
            sessions=tuple(session for session in self.sessions if session.start <= moment),
            legs=tuple(leg.at(moment) for leg in self.legs if leg.queued <= moment),
            hung_up=_if_by(self.hung_up, moment),
            end=_if_by(self.end, moment),
        )

    def analytics(self) -> dict[str, Any]:
        """As `/api/v2/analytics/conversations/…` shows it."""
        return documents.analytics(self)

    def operational(self) -> dict[str, Any]:
        """As `/api/v2/conversations/{id}` shows it."""
        return documents.operational(self)

    def plain(self) -> dict[str, Any]:
        """As a details endpoint outside Genesys Cloud's own API would: the fields and no more."""
        return documents.plain(self)


class Conversations:
    """All conversations of the simulated organisation."""

    def __init__(self) -> None:
        self._told: dict[str, Conversation] = {}

    def tell(self, conversations: Iterable[Conversation]) -> None:
        """From now on these unfold as they say; what was known under their ids before is forgotten."""
        self._told |= {each.interaction_id: each for each in conversations}

    def __getitem__(self, interaction_id: str) -> Conversation:
        """All of a conversation, with what is still to come."""
        return self._told.get(interaction_id) or conversation(interaction_id)

    def seen(self, interaction_id: str, moment: datetime) -> Conversation | None:
        """What had happened by `moment`; None before its start."""
        return self[interaction_id].at(moment)


@lru_cache(maxsize=20_000)
def conversation(interaction_id: str) -> Conversation:
    """The conversation of an id that nobody told of; it took place in 2026, before November, and has ended."""
    source = _source("when", interaction_id)
    start = _EARLIEST + timedelta(milliseconds=source.randrange(_SPAN_SECONDS * 1000))
    return make_conversation(interaction_id, start, source.randrange(60, 3600))


def make_conversation(
    interaction_id: str,
    start: datetime,
    seconds: float,
    *,
    end_after: float | None = 0.0,
    outcome: Outcome | None = None,
    channels: Sequence[Channel] | None = None,
) -> Conversation:
    """A conversation that takes `seconds` from the customer's start to the end of the after-call work.

    Its end comes `end_after` seconds later; None: never. What is not given is derived from the id: one in ten is
    transferred, and one in ten is abandoned in the queue, which also is over earlier.
    """
    source = _source("what", interaction_id)
    drawn_channels: list[Channel] = source.sample(get_args(Channel), k=source.choice((1, 1, 1, 2, 3)))
    drawn_outcome = source.choice(_OUTCOMES)
    direction: Direction = source.choice(get_args(Direction))
    held = source.randrange(4) == 0
    start = _whole_milliseconds(start)
    length = timedelta(seconds=seconds)
    gap = min(0.03 * length, _BETWEEN_SESSIONS)
    outcome = outcome or drawn_outcome
    if outcome == "abandoned":
        queued = start + _QUEUED * length
        legs: tuple[Leg, ...] = (Leg(_whole_milliseconds(queued)),)
        hung_up = over = _whole_milliseconds(queued + min(0.1 * length, _LONGEST_WAIT))
    else:
        hung_up = _whole_milliseconds(start + _HUNG_UP * length)
        legs = _answered_legs(start, length, hung_up, transferred=outcome == "transferred", held=held)
        over = _whole_milliseconds(start + length)
    return Conversation(
        interaction_id,
        tuple(
            CustomerSession(channel, _whole_milliseconds(start + index * gap))
            for index, channel in enumerate(channels or drawn_channels)
        ),
        direction,
        legs,
        hung_up,
        None if end_after is None else _whole_milliseconds(over + timedelta(seconds=end_after)),
    )


def _answered_legs(
    start: datetime, length: timedelta, hung_up: datetime, *, transferred: bool, held: bool
) -> tuple[Leg, ...]:
    """With a transfer, the first agent's leg ends where the second one's begins."""
    last_left = hung_up + min(0.004 * length, _AGENT_LEAVES_AFTER)
    shares = [(_QUEUED, _ANSWERED)]
    if transferred:
        shares.append((_TRANSFERRED, _ANSWERED_AGAIN))
    legs = []
    for index, (queued_share, answered_share) in enumerate(shares):
        queued = start + queued_share * length
        answered = queued + min((answered_share - queued_share) * length, _LONGEST_WAIT)
        is_last = index == len(shares) - 1
        left = last_left if is_last else start + _TRANSFERRED * length
        hold = (answered + 0.4 * (left - answered), answered + 0.5 * (left - answered)) if held and is_last else None
        legs.append(
            Leg(
                _whole_milliseconds(queued),
                _whole_milliseconds(answered),
                hold and (_whole_milliseconds(hold[0]), _whole_milliseconds(hold[1])),
                _whole_milliseconds(left),
                _whole_milliseconds(start + (length if is_last else _ANSWERED_AGAIN * length)),
            )
        )
    return tuple(legs)


def _source(purpose: str, interaction_id: str) -> random.Random:
    return random.Random(hashlib.sha256(f"{purpose}:{interaction_id}".encode()).digest())


def _whole_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _if_by(event: datetime | None, moment: datetime) -> datetime | None:
    return event if event is not None and event <= moment else None
