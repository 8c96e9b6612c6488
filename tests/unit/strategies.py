"""What the outside may send, as hypothesis strategies: from nearly right to rubbish."""

import json
from typing import Any

from hypothesis import strategies as st

SURROGATES = st.characters(categories=["Cs"])
texts = st.one_of(st.text(), st.text(st.one_of(st.characters(), SURROGATES), max_size=20))

json_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    texts,
    st.sampled_from(["", "0", "../../oauth", "a" * 65, "2026-03-01T10:00:00Z", "9999-12-31T23:59:59-23:59"]),
)
json_values = st.recursive(
    json_leaves, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4))
)

ids = st.text("ABCdef019_-", min_size=1, max_size=64)
times = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
labels = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)

seed_envelopes = st.fixed_dictionaries(
    {
        "id": labels,
        "time": times,
        "source": st.just("genesys.cloud"),
        "detail-type": st.just("Genesys Cloud Interaction Event"),
        "detail": st.fixed_dictionaries(
            {"interactionId": ids, "eventType": labels, "timestamp": times}, optional={"more": json_values}
        ),
    }
)
partner_envelopes = st.fixed_dictionaries(
    {
        "id": labels,
        "time": times,
        "source": st.just("aws.partner/genesys.com/cloud/1/bus"),
        "detail-type": st.just("v2.detail.events.conversation.{id}.customer.end"),
        "detail": ids.flatmap(
            lambda one: st.fixed_dictionaries(
                {
                    "topicName": st.just(f"v2.detail.events.conversation.{one}.customer.end"),
                    "eventBody": st.fixed_dictionaries(
                        {"conversationId": st.just(one), "eventTime": st.integers(0, 4 * 10**12)}
                    ),
                }
            )
        ),
    }
)
envelopes = st.one_of(seed_envelopes, partner_envelopes)


@st.composite
def damaged(draw: st.DrawFn, documents: st.SearchStrategy[dict[str, Any]]) -> Any:
    """A right document with one place in it, at any depth, replaced or taken away."""
    document = json.loads(json.dumps(draw(documents)))
    place: Any = document
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            break
        place = inner
    if isinstance(place, dict) and draw(st.booleans()):
        del place[key]
    else:
        place[key] = draw(json_values)
    return document


@st.composite
def bodies(draw: st.DrawFn, documents: st.SearchStrategy[dict[str, Any]]) -> bytes:
    """What may stand in a body: right, damaged, cut off, nested deeply, any JSON, any bytes."""
    document = draw(st.one_of(documents, damaged(documents), json_values))
    whole = json.dumps(document, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    depth = draw(st.sampled_from([10, 300, 2_000, 100_000]))
    return draw(
        st.one_of(
            st.just(whole),
            st.integers(0, max(0, len(whole) - 1)).map(lambda cut: whole[:cut]),
            st.binary(),
            st.sampled_from([b"[" * depth, b'{"detail":' * depth, b"[" * depth + b"]" * depth, b"1" * 5_000]),
        )
    )
