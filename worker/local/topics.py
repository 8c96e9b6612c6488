"""What Genesys Cloud sends of a conversation: topics of its detail events, each at the moment when it happens.

The names are those behind `v2.detail.events.conversation.{id}.`; of the sixteen there are, the four for outbound
campaigns, voicemail and contacts and `flow.outcome` are not made up here.
"""

from datetime import datetime, timedelta

from worker.local.simulator.conversations import Conversation

_IMPORTANCE = (
    "customer.end",
    "customer.start",
    "user.start",
    "acw",
    "user.end",
    "acd.start",
    "acd.end",
    "wrapup",
    "flow.start",
    "flow.end",
    "attributes",
)
"""Which ones are sent when fewer are asked for than there are."""
_APART = timedelta(milliseconds=1)

Topic = tuple[str, datetime]


def topics(conversation: Conversation, count: int | None = None) -> list[Topic]:
    """Topics and their times in order, no two at the same time; a usual call has twelve.

    With a `count`, exactly so many: the most important ones, or all and further updates of attributes in between.
    """
    found = _all_topics(conversation)
    if count is not None:
        by_importance = sorted(range(len(found)), key=lambda index: _IMPORTANCE.index(found[index][0]))
        found = [found[index] for index in sorted(by_importance[:count])]
        missing = count - len(found)
        until = conversation.hung_up or conversation.start
        step = (until - conversation.start) / (missing + 1)
        found += [("attributes", conversation.start + step * (index + 1)) for index in range(missing)]
    return _apart(sorted(found, key=lambda topic: topic[1]))


def _all_topics(conversation: Conversation) -> list[Topic]:
    """Everything that is sent, those of one moment in their usual order."""
    start = conversation.start
    found = [("customer.start", start), ("flow.start", start)]
    for index, leg in enumerate(conversation.legs):
        if index == 0:
            found += [("attributes", start + (leg.queued - start) / 2), ("flow.end", leg.queued)]
        found.append(("acd.start", leg.queued))
        if (routed := leg.answered or conversation.hung_up) is not None:
            found.append(("acd.end", routed))
        if leg.answered is not None:
            found.append(("user.start", leg.answered))
            if leg.left is not None:
                found += [("attributes", leg.answered + (leg.left - leg.answered) / 2), ("user.end", leg.left)]
            if leg.wrapped_up is not None:
                found += [("wrapup", leg.wrapped_up), ("acw", leg.wrapped_up)]
    if conversation.hung_up is not None:
        found.append(("customer.end", conversation.hung_up))
    return found


def _apart(ordered: list[Topic]) -> list[Topic]:
    result: list[Topic] = []
    for name, moment in ordered:
        whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        result.append((name, max(whole, result[-1][1] + _APART) if result else whole))
    return result
