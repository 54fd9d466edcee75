"""The compiled audience: from a run's frozen plan to the SQL of its rows. Fan-out inserts them, review counts them.

One compiler for both, so that what the review promises is what fan-out writes. Only people are selected here; posts and
feed entries have no audience.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection

from outreach.audience.models import Subscription
from outreach.audience.rule_sql import NO_CONDITION, Condition, thaw_rule
from outreach.core.vocabulary import PERSONAL_CHANNELS, ChannelMode, SubscriptionState

#: More than any key: the end of the whole audience.
EVERYBODY: Final = 2**62


@dataclass(frozen=True, kw_only=True)
class Selection:
    """SQL that yields the rows of one chunk: `WITH` clauses ending in `chosen`, and their parameters.

    `chosen` has subscriber_id, channel, address_id, account_id, language, state, reason, draw, choice. A chunk is a
    range of keys whose end is asked for first: the planner then knows how much of each table lies in it.
    """

    #: The first and the last of the next `chunk` keys behind `after`, and how many there are.
    bound: str
    sql: str
    #: The same for a range of which they are a good part: all tables are read in the order of the key and merged, for
    #: half the price. For `enable_nestloop = off` only: without statistics the planner would take it for a few rows.
    #: '' where a segment looks people up in other tables: merged, those would be read whole for each chunk.
    dense: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    #: Whether `chosen` tells apart who gets it in a digest.
    has_digests: bool = False

    def behind(self, after: int, chunk: int) -> dict[str, Any]:
        """Parameters of `bound`."""
        return {**self.params, "after": after, "chunk": chunk}

    def between(self, after: int, last: int) -> dict[str, Any]:
        """Parameters of `sql`: the people behind the key `after`, up to `last`."""
        return {**self.params, "after": after, "last": last}


@dataclass(frozen=True, kw_only=True)
class AudienceCount:
    """What fan-out would write now."""

    #: People with at least one message to be sent.
    people: int = 0
    #: Everybody in the audience, also those who get nothing.
    audience: int = 0
    #: Channel -> messages to be sent.
    recipients: Mapping[str, int] = field(default_factory=dict)
    #: Reason -> rows that are not sent.
    skipped: Mapping[str, int] = field(default_factory=dict)
    #: (channel, reason) -> the same, by channel.
    skipped_by_channel: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: People held out to compare.
    held_out: int = 0


def personal_channels(frozen: Mapping[str, Any]) -> list[str]:
    """The campaign's channels that carry messages to persons, in its order of preference."""
    return [channel for channel in frozen["channels"] if channel in PERSONAL_CHANNELS]


def compile_selection(
    frozen: Mapping[str, Any],
    *,
    ancestors: list[int],
    salt: bytes,
    split: Mapping[str, list[Any]] | None = None,
    has_digests: bool = False,
) -> Selection | None:
    """Compile the audience of a frozen plan; None where it has no personal channel or no topic.

    `ancestors` are the organisation's ids up to the root: each of them, and the installation, may suppress an address.
    `split` says which accounts of a channel get which part of its messages, where there are several. `has_digests`:
    some of the topics' readers may have chosen a digest; unless the campaign goes to them at once, too, `chosen` has
    `digest_days` as well. Otherwise nothing asks for them, and nothing is paid.
    """
    channels = personal_channels(frozen)
    topics = [int(topic) for topic in frozen["topics"]]
    if not channels or not topics:
        return None
    mode = _ONE if len(channels) == 1 else _PREFERRED if frozen["mode"] == ChannelMode.PREFERRED else _ALL
    has_digests = has_digests and not frozen.get("is_pressing")
    params = _params(frozen, ancestors=ancestors) | {"holdout": float(frozen.get("holdout") or 0.0)}
    params |= {"salt": _seed(salt[:8]), "holdout_salt": _seed(salt[8:16])}
    params |= {f"topic{number}": topic for number, topic in enumerate(topics)}
    keys = " UNION ".join(_KEYS.format(number=number) for number in range(len(topics)))
    segment = _segment(frozen)
    params.update(segment.params)
    sql, dense = (
        _candidates(
            _RANGE,
            topics=len(topics),
            has_wish=mode is _PREFERRED,
            stored=stored,
            segment=segment,
            has_digests=has_digests,
        )
        + _fated(mode, has_digests=has_digests)
        for stored in ("MATERIALIZED", "")
    )
    sql, _ = with_accounts(sql, params, frozen, split)
    dense, params = with_accounts(dense, params, frozen, split)
    dense = "" if segment.looks_elsewhere else dense
    return Selection(bound=_BOUND.format(keys=keys), sql=sql, dense=dense, params=params, has_digests=has_digests)


def _segment(frozen: Mapping[str, Any]) -> Condition:
    """What the plan's segment asks of a person, where it has one."""
    return thaw_rule(frozen["segment"]) if frozen.get("segment") else NO_CONDITION


def with_accounts(
    sql: str, params: Mapping[str, Any], frozen: Mapping[str, Any], split: Mapping[str, list[Any]] | None
) -> tuple[str, dict[str, Any]]:
    """Say in the SQL which account a row gets: that of its content, or where it is split over several, by a fixed draw.

    The draw is a person's own and the same for every run: whom an account wrote to, it writes to again.
    """
    if not split:
        return sql.replace("{account}", "account_id"), dict(params)
    channels = personal_channels(frozen)
    contents = [content for content in frozen["contents"] if content["channel"] in channels]
    accounts = [
        SPLIT if content.get("pooled") else account
        for content, account in zip(contents, params["content_accounts"], strict=True)
    ]
    return sql.replace("{account}", _SPLIT_ACCOUNT), {**params, "content_accounts": accounts, **split}


def compile_choices(frozen: Mapping[str, Any], *, ancestors: list[int]) -> Selection | None:
    """The SQL of every choice that some people have now: `WITH` clauses ending in `candidates`, one row for each of
    `people` (a parameter) and channel. Who left the audience has none.
    """
    channels, topics = personal_channels(frozen), frozen["topics"]
    if not channels or not topics:
        return None
    segment = _segment(frozen)
    params = {**_params(frozen, ancestors=ancestors), "topic0": topics[0], **segment.params}
    sql = _candidates(_THESE, topics=len(topics), has_wish=True, stored="MATERIALIZED", segment=segment)
    return Selection(bound="", sql=sql, params=params)


def _params(frozen: Mapping[str, Any], *, ancestors: list[int]) -> dict[str, Any]:
    channels = personal_channels(frozen)
    contents = [content for content in frozen["contents"] if content["channel"] in channels]
    return {
        "topics": [int(topic) for topic in frozen["topics"]],
        "excluded": [int(topic) for topic in frozen.get("excluded_topics", ())],
        "kinds": list(frozen.get("kinds", ())),
        "ancestors": ancestors,
        "channels": channels,
        "fallback": frozen.get("fallback_language", ""),
        "content_channels": [content["channel"] for content in contents],
        "content_languages": [content["language"] for content in contents],
        "content_accounts": [
            content.get("account") or frozen.get("accounts", {}).get(content["channel"]) for content in contents
        ],
    }


def _seed(salt: bytes) -> int:
    """A part of the salt as the seed of PostgreSQL's hash."""
    return int.from_bytes(salt, "big", signed=True)


def _candidates(
    who: str, *, topics: int, has_wish: bool, stored: str, segment: Condition, has_digests: bool = False
) -> str:
    """`_CANDIDATES` for these people: what nobody reads is not worked out for each of them.

    `stored` says whether each part is worked out once and kept, which forgets its order, or merged with the others.
    """
    return (
        # A person wants one topic by one channel at most once.
        _CANDIDATES.replace("{digests}", _DIGESTS if has_digests else "")
        .replace("{digest_columns}", _DIGEST_COLUMNS if has_digests else "")
        .replace("{digest_join}", _DIGEST_JOIN if has_digests else "")
        .replace("{distinct}", "DISTINCT" if topics > 1 else "")
        .replace("{topic}", "= ANY (%(topics)s::bigint[])" if topics > 1 else "= %(topic0)s")
        .replace("{stored}", stored)
        .replace("{wish}", "m.preferred_channel = wanted.channel" if has_wish else "false")
        .replace("{who:s.id}", who.replace("subscriber_id", "s.id"))
        .replace("{who:a}", who.replace("subscriber_id", "a.subscriber_id"))
        .replace("{who:d}", who.replace("subscriber_id", "d.subscriber_id"))
        .replace("{who}", who)
        .replace("{segment}", f"\n      AND {segment.sql}" if segment.sql else "")
    )


def _fated(mode: str, *, has_digests: bool) -> str:
    """The choice with the fate of each row; where there are digests, who chose one is not sent to at once."""
    return (
        mode.replace("{kept_state}", " WHEN digest_days IS NOT NULL THEN 'skipped'" if has_digests else "")
        .replace("{kept_reason}", " WHEN digest_days IS NOT NULL THEN 'digested'" if has_digests else "")
        .replace("{kept_for}", ", digest_days" if has_digests else "")
    )


def has_digest_readers(topics: Sequence[int]) -> bool:
    """Whether anybody gets one of these topics as a digest: one look into an index of nobody but them."""
    chosen = Subscription.objects.filter(
        topic__in=list(topics), state=SubscriptionState.SUBSCRIBED, frequency__isnull=False
    )
    return chosen.exists()


def select_as_fanned_out(frozen: Mapping[str, Any], *, ancestors: list[int], salt: bytes = b"") -> Selection | None:
    """The audience as fan-out would select it at this moment, those who chose a digest apart."""
    has_digests = has_digest_readers(frozen["topics"])
    return compile_selection(frozen, ancestors=ancestors, salt=salt, has_digests=has_digests)


def count_audience(frozen: Mapping[str, Any], *, ancestors: list[int], salt: bytes = b"") -> AudienceCount:
    """Count exactly what fan-out would write at this moment; the hold-out is the one that `salt` draws."""
    selection = select_as_fanned_out(frozen, ancestors=ancestors, salt=salt)
    if selection is None:
        return AudienceCount()
    with connection.cursor() as cursor:
        cursor.execute(selection.sql + _COUNT, selection.between(0, EVERYBODY))
        rows = cursor.fetchall()
    return _summed(rows)


def reaches_anybody(frozen: Mapping[str, Any], *, ancestors: list[int]) -> bool:
    """Whether fan-out would write a message for anybody, be it for a digest; looks no further than the first."""
    selection = compile_selection(frozen, ancestors=ancestors, salt=b"")
    if selection is None:
        return False
    after, found, chunk = 0, False, _FIRST_LOOK
    with connection.cursor() as cursor:
        while not found:
            cursor.execute(selection.bound, selection.behind(after, chunk))
            _first, last, people = cursor.fetchone()
            if not people:
                return False
            cursor.execute(f"SELECT EXISTS ({selection.sql} {_PLANNED})", selection.between(after, last))
            found = bool(cursor.fetchone()[0])
            after, chunk = last, chunk * 10
    return True


def _summed(rows: list[tuple[Any, ...]]) -> AudienceCount:
    """Add up (channel, state, reason, rows, people); the row with channel None carries the totals of people."""
    recipients: dict[str, int] = {}
    skipped: dict[str, int] = {}
    by_channel: dict[tuple[str, str], int] = {}
    totals = {"people": 0, "audience": 0, "held_out": 0}
    for channel, state, reason, count in rows:
        if channel is None:
            totals[state] = count
        elif state == "planned":
            recipients[channel] = recipients.get(channel, 0) + count
        elif state == "skipped":
            skipped[reason] = skipped.get(reason, 0) + count
            by_channel[channel, reason] = count
    return AudienceCount(recipients=recipients, skipped=skipped, skipped_by_channel=by_channel, **totals)


#: One topic's subscribers in key order: an index-only scan that stops at the chunk's end.
_KEYS = """(
        SELECT DISTINCT subscriber_id FROM outreach_subscription
        WHERE topic_id = %(topic{number})s AND state = 'subscribed' AND subscriber_id > %(after)s
        ORDER BY subscriber_id LIMIT %(chunk)s
    )"""

_BOUND = """
SELECT min(subscriber_id), max(subscriber_id), count(*)
FROM (SELECT subscriber_id FROM ({keys}) AS keys ORDER BY subscriber_id LIMIT %(chunk)s) AS people
"""

#: One row for each person and channel with the reason why not, if any. The order of the reasons is the order in which
#: a person could mend them. The range is said of each table and one topic is compared by `=`, not by ANY, so that all
#: can be read in the order of the key.
_RANGE: Final = "subscriber_id > %(after)s AND subscriber_id <= %(last)s"
_THESE: Final = "subscriber_id = ANY (%(people)s::bigint[])"
_WISHES = """outreach_subscription
        WHERE topic_id {topic} AND state = 'subscribed' AND {who}"""
_CANDIDATES = f"""
WITH members AS {{stored}} (
    SELECT s.id, s.language, s.preferred_channel, s.paused_until
    FROM (SELECT DISTINCT subscriber_id FROM {_WISHES}) AS wishes JOIN outreach_subscriber s ON s.id = subscriber_id
    WHERE {{who:s.id}} AND s.erased_at IS NULL{{segment}}
      AND (cardinality(%(kinds)s::text[]) = 0 OR s.kind = ANY (%(kinds)s::text[]))
      AND (cardinality(%(excluded)s::bigint[]) = 0 OR NOT EXISTS (
          SELECT FROM outreach_subscription x
          WHERE x.subscriber_id = s.id AND x.topic_id = ANY (%(excluded)s::bigint[]) AND x.state = 'subscribed'))
),
addresses AS {{stored}} (
    SELECT DISTINCT ON (a.subscriber_id, a.channel) a.subscriber_id, a.channel, a.id, a.state, a.digest
    FROM (SELECT DISTINCT subscriber_id FROM {_WISHES}) AS wishes JOIN outreach_address a USING (subscriber_id)
    WHERE {{who:a}} AND a.channel = ANY (%(channels)s::text[])
    ORDER BY a.subscriber_id, a.channel, a.state <> 'active', a.id
),
consents AS {{stored}} (
    SELECT {{distinct}} subscriber_id, channel FROM {_WISHES}
),{{digests}}
contents AS MATERIALIZED (
    SELECT DISTINCT ON (channel, language) channel, language, account_id
    FROM unnest(%(content_channels)s::text[], %(content_languages)s::text[], %(content_accounts)s::bigint[])
        AS content (channel, language, account_id)
),
candidates AS {{stored}} (
    SELECT
        m.id AS subscriber_id, wanted.channel, wanted.rank, a.id AS address_id,
        coalesce(own.account_id, other.account_id) AS account_id,
        coalesce(own.language, other.language, m.language) AS language,
        {{wish}} AS is_wish,
        a.id IS NOT NULL OR k.subscriber_id IS NOT NULL AS is_present,{{digest_columns}}
        CASE
            WHEN a.id IS NULL THEN 'unreachable'
            WHEN k.subscriber_id IS NULL THEN 'no_consent'
            WHEN EXISTS (
                SELECT FROM outreach_suppression x
                WHERE x.digest = a.digest AND x.channel = a.channel
                  AND (x.organisation_id IS NULL OR x.organisation_id = ANY (%(ancestors)s::bigint[]))
            ) THEN 'suppressed'
            WHEN m.paused_until IS NOT NULL AND m.paused_until > clock_timestamp() THEN 'paused'
            WHEN a.state = 'unconfirmed' THEN 'unconfirmed'
            WHEN a.state <> 'active' THEN 'invalid_address'
            WHEN own.language IS NULL AND other.language IS NULL THEN 'no_content'
            WHEN coalesce(own.account_id, other.account_id) IS NULL THEN 'account_problem'
            ELSE ''
        END AS hindrance
    FROM members m
    CROSS JOIN unnest(%(channels)s::text[]) WITH ORDINALITY AS wanted (channel, rank)
    LEFT JOIN addresses a ON a.subscriber_id = m.id AND a.channel = wanted.channel
    LEFT JOIN consents k ON k.subscriber_id = m.id AND k.channel = wanted.channel{{digest_join}}
    LEFT JOIN contents own ON own.channel = wanted.channel AND own.language = m.language
    LEFT JOIN contents other ON other.channel = wanted.channel AND other.language = %(fallback)s
    OFFSET 0
),"""  # noqa: S608 -- put together from the constants of this file


#: Where some of the topics' readers chose a digest: of each person and channel that with the fewest days, unless
#: another of the topics is wanted at once.
_DIGESTS: Final = """
digests AS {stored} (
    SELECT DISTINCT ON (d.subscriber_id, d.channel) d.subscriber_id, d.channel, d.frequency AS days
    FROM outreach_subscription d
    WHERE d.topic_id {topic} AND d.state = 'subscribed' AND d.frequency IS NOT NULL AND {who:d}
      AND NOT EXISTS (
          SELECT FROM outreach_subscription n
          WHERE n.subscriber_id = d.subscriber_id AND n.channel = d.channel AND n.topic_id {topic}
            AND n.state = 'subscribed' AND n.frequency IS NULL)
    ORDER BY d.subscriber_id, d.channel, d.frequency
),"""
_DIGEST_COLUMNS: Final = """
        g.days AS digest_days,"""
_DIGEST_JOIN: Final = """
    LEFT JOIN digests g ON g.subscriber_id = m.id AND g.channel = wanted.channel"""

#: In the place of an account: that which the person's draw falls to.
SPLIT: Final = 0
_SPLIT_ACCOUNT = """CASE WHEN account_id <> 0 THEN account_id ELSE (
        SELECT part.account_id
        FROM unnest(%(pool_channels)s::text[], %(pool_accounts)s::bigint[], %(pool_lowers)s::float8[],
            %(pool_uppers)s::float8[]) AS part (channel, account_id, lower, upper)
        WHERE part.channel = rows.channel
          AND (hashint8extended(rows.subscriber_id, 0) & 1048575) / 1048576.0 >= part.lower
          AND (hashint8extended(rows.subscriber_id, 0) & 1048575) / 1048576.0 < part.upper) END"""


def _fraction(salt: str) -> str:
    """SQL: a person's number in [0, 1) by this salt: 53 bits of the hash, as many as a float8 holds."""
    return f"((hashint8extended(subscriber_id, %({salt})s) & 9007199254740991) / 9007199254740992.0::float8)"


_FATE = """
    subscriber_id, channel, address_id, {account} AS account_id, language, {choice} AS choice,
    CASE WHEN hindrance <> '' THEN 'skipped' WHEN {held_out} THEN 'held_out'{kept_state} ELSE 'planned' END AS state,
    CASE WHEN hindrance <> '' THEN hindrance WHEN {held_out} THEN 'hold_out'{kept_reason} ELSE '' END AS reason,
    {draw} AS draw{kept_for}
""".replace("{draw}", _fraction("salt")).replace(
    "{held_out}", f"(%(holdout)s > 0 AND {_fraction('holdout_salt')} < %(holdout)s)"
)
_UNCHOSEN = _FATE.replace("{choice}", "''")

#: A row for each channel that the person has an address or a subscription for; else one that says `unreachable`.
_ALL = f"""
present AS (SELECT *, bool_or(is_present) OVER (PARTITION BY subscriber_id) AS is_anywhere FROM candidates),
chosen AS (
    SELECT {_UNCHOSEN} FROM present AS rows WHERE is_present OR (NOT is_anywhere AND rank = 1)
)"""  # noqa: S608 -- put together from the constants of this file

#: With one channel there is nothing to choose.
_ONE = f"""
chosen AS (SELECT {_UNCHOSEN} FROM candidates AS rows)"""  # noqa: S608 -- put together from the constants of this file

#: One row a person: of the channels that work the one they wish for, else the first in the campaign's order; where none
#: works, one that they have, with the reason why not. `choice` keeps why, since tomorrow nobody could tell any more:
#: `wish` where it is theirs, and each channel that was passed over with its hindrance.
_CHOICE = "concat_ws(' ', CASE WHEN is_wish THEN 'wish' END, passed)"
PASSED_OVER: Final = """string_agg(channel || ':' || hindrance, ' ') FILTER (WHERE hindrance <> '')
        OVER (PARTITION BY subscriber_id ORDER BY rank ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"""
_PREFERRED = f"""
ranked AS (
    SELECT DISTINCT ON (subscriber_id) *, {PASSED_OVER} AS passed FROM candidates
    ORDER BY subscriber_id, hindrance <> '', NOT is_present, NOT is_wish, rank
),
chosen AS (SELECT {_FATE.replace("{choice}", _CHOICE)} FROM ranked AS rows)"""  # noqa: S608 -- put together from the constants of this file

_PLANNED = "SELECT FROM chosen WHERE state = 'planned'"
#: How many people are looked at first; each further look takes in ten times as many.
_FIRST_LOOK: Final = 1_000
_COUNT = """,
kept AS MATERIALIZED (SELECT subscriber_id, channel, state, reason FROM chosen)
SELECT channel, state, reason, count(*) FROM kept GROUP BY channel, state, reason
UNION ALL SELECT NULL, 'people', '', count(DISTINCT subscriber_id) FROM kept WHERE state = 'planned'
UNION ALL SELECT NULL, 'audience', '', count(DISTINCT subscriber_id) FROM kept
UNION ALL SELECT NULL, 'held_out', '', count(DISTINCT subscriber_id) FROM kept WHERE state = 'held_out'
"""

#: One row for each channel, language, account and beginning of a number: enough of it to tell the country.
_GROUPS: Final = """
SELECT c.channel, c.language, c.account_id, coalesce(min(a.normalised), ''), count(*)
FROM chosen c LEFT JOIN outreach_address a ON a.id = c.address_id AND c.channel = 'sms'
WHERE c.state = 'planned' GROUP BY c.channel, c.language, c.account_id, left(a.normalised, 5)
"""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Messages that cost the same, but for the parts that their texts take."""

    channel: str
    language: str
    account: int
    #: One of their numbers: all of them begin alike, so that it tells the country; '' where the channel has none.
    number: str
    count: int


#: Of each language so many people who would get an SMS, drawn by a hash of their ids: the same at every look, and no
#: others than those that fan-out would write to.
_SAMPLE: Final = """
SELECT language, subscriber_id, number FROM (
    SELECT c.language, c.subscriber_id, coalesce(a.normalised, '') AS number,
        row_number() OVER (PARTITION BY c.language ORDER BY hashint8extended(c.subscriber_id, %(seed)s)) AS place
    FROM chosen c LEFT JOIN outreach_address a ON a.id = c.address_id
    WHERE c.state = 'planned' AND c.channel = 'sms' AND c.language = ANY (%(spoken)s::text[])
) AS drawn
WHERE place <= %(most)s ORDER BY language, place
"""
_SEED: Final = 20261127


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One person drawn from those who would get an SMS."""

    language: str
    subscriber: int
    #: Their number.
    number: str


def draw_from_audience(
    frozen: Mapping[str, Any], languages: Sequence[str], *, most: int, ancestors: list[int]
) -> list[Drawn]:
    """At random at most `most` people of each language whom fan-out would send an SMS in it at this moment."""
    selection = select_as_fanned_out(frozen, ancestors=ancestors) if languages else None
    if selection is None:
        return []
    with connection.cursor() as cursor:
        given = {**selection.between(0, EVERYBODY), "spoken": list(languages), "most": most, "seed": _SEED}
        cursor.execute(selection.sql + _SAMPLE, given)
        return [Drawn(language=a, subscriber=b, number=c) for a, b, c in cursor.fetchall()]


def group_audience(frozen: Mapping[str, Any], *, ancestors: list[int], salt: bytes = b"") -> list[Group]:
    """The messages that fan-out would write at this moment, in groups; as exact as `count_audience`."""
    selection = select_as_fanned_out(frozen, ancestors=ancestors, salt=salt)
    if selection is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(selection.sql + _GROUPS, selection.between(0, EVERYBODY))
        return [
            Group(channel=channel, language=language, account=account, number=number, count=count)
            for channel, language, account, number, count in cursor.fetchall()
        ]
