"""The SQL of digests: what was kept is given its time, and told when that has come. `queries` has the ledger's own."""

from __future__ import annotations

from typing import Final

#: What no digest has told, nor ever will be.
_WAITS: Final = "i.digest_id IS NULL AND i.dropped = ''"
_IS_DUE: Final = f"{_WAITS} AND i.due_at <= clock_timestamp()"
_OF: Final = "i.organisation_id = %(organisation)s"
#: By whose clock, and from which moment on, an item's digest is sought: a pause moves it behind its end.
_ZONE: Final = "coalesce(nullif(s.timezone, ''), home.timezone)"
_AFTER: Final = "date_trunc('minute', greatest(i.since, s.paused_until))"

#: Why a campaign is no longer told of, in a CASE; none of it where it stands.
_OVER: Final = """WHEN r.state IN ('cancelling', 'cancelled') THEN 'run_cancelled'
    WHEN r.not_after <= clock_timestamp() THEN 'expired'"""

#: Notes that digests are looked for; says from when to when nobody did for longer than the grace, the last time.
NOTE_LOOK: Final = """
UPDATE outreach_installation SET digests_at = clock_timestamp(),
    digests_missed_from = CASE WHEN {is_late} THEN digests_at ELSE digests_missed_from END,
    digests_missed_to = CASE WHEN {is_late} THEN clock_timestamp() ELSE digests_missed_to END
WHERE id = 1 RETURNING digests_missed_from, digests_missed_to
""".replace("{is_late}", "digests_at < clock_timestamp() - make_interval(secs => %(grace)s)")

#: The organisations for whose readers something waits that has no time yet, or whose time has come.
WAITING: Final = f"""
SELECT o.id FROM outreach_organisation o
WHERE EXISTS (SELECT FROM outreach_digestitem i WHERE {_WAITS} AND i.organisation_id = o.id AND i.due_at IS NULL)
   OR EXISTS (SELECT FROM outreach_digestitem i WHERE {_IS_DUE} AND i.organisation_id = o.id)
ORDER BY o.id
"""  # noqa: S608 -- put together from the constants of this file

#: Lets one at a time make an organisation's digests.
LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('outreach.digests.' || %(organisation)s::text, 0))"

#: The kinds of an organisation's items whose time nobody has reckoned yet.
UNRECKONED: Final = f"""
SELECT DISTINCT {_ZONE}, i.days, {_AFTER}, o.digest_minute, o.digest_weekday
FROM outreach_digestitem i
JOIN outreach_subscriber s ON s.id = i.subscriber_id
JOIN outreach_organisation home ON home.id = s.organisation_id
JOIN outreach_organisation o ON o.id = i.organisation_id
WHERE {_OF} AND {_WAITS} AND i.due_at IS NULL
"""  # noqa: S608 -- put together from the constants of this file

#: Writes the reckoned times, of at most so many; what was kept meanwhile waits for the next look.
RECKON: Final = f"""
WITH chosen AS MATERIALIZED (
    SELECT i.id FROM outreach_digestitem i WHERE {_OF} AND {_WAITS} AND i.due_at IS NULL LIMIT %(most)s
)
UPDATE outreach_digestitem i SET due_at = v.due_at
FROM chosen, outreach_subscriber s, outreach_organisation home,
    unnest(%(zones)s::text[], %(days)s::smallint[], %(afters)s::timestamptz[], %(dues)s::timestamptz[])
        AS v (zone, days, after, due_at)
WHERE i.id = chosen.id AND {_WAITS} AND i.due_at IS NULL AND s.id = i.subscriber_id AND home.id = s.organisation_id
  AND v.zone = {_ZONE} AND v.days = i.days AND v.after = {_AFTER}
"""  # noqa: S608 -- put together from the constants of this file

#: Gives up what is due and no longer of use: its campaign was cancelled, or is over.
DROP_USELESS: Final = f"""
UPDATE outreach_digestitem i
SET dropped = CASE {_OVER} END
FROM outreach_run r
WHERE {_OF} AND {_IS_DUE} AND r.id = i.run_id
  AND (r.state IN ('cancelling', 'cancelled') OR r.not_after <= clock_timestamp())
"""  # noqa: S608 -- put together from the constants of this file

#: Has the time reckoned again of what is due to somebody who pauses, and of what came too late for its digest, which
#: has gone: that comes with the next one, whichever it is.
PUT_OFF: Final = f"""
WITH late AS MATERIALIZED (
    SELECT i.id, s.paused_until > clock_timestamp() IS TRUE AS is_paused
    FROM outreach_digestitem i JOIN outreach_subscriber s ON s.id = i.subscriber_id
    WHERE {_OF} AND {_IS_DUE} AND (s.paused_until > clock_timestamp() OR EXISTS (
        SELECT FROM outreach_digest g
        WHERE g.subscriber_id = i.subscriber_id AND g.organisation_id = i.organisation_id AND g.channel = i.channel
          AND g.due_at >= i.due_at))
)
UPDATE outreach_digestitem i
SET due_at = NULL, since = CASE WHEN is_paused THEN i.since ELSE clock_timestamp() END,
    days = CASE WHEN is_paused THEN i.days ELSE 1 END
FROM late WHERE late.id = i.id
"""  # noqa: S608 -- put together from the constants of this file

#: The channels and runs of what is due of an organisation, and since when the first of it is; of a run that is stopped
#: nothing is told meanwhile.
DUE: Final = f"""
SELECT i.channel, array_agg(DISTINCT i.run_id ORDER BY i.run_id), min(i.due_at)
FROM outreach_digestitem i JOIN outreach_run r ON r.id = i.run_id
WHERE {_OF} AND {_IS_DUE} AND r.state IN ('running', 'finished')
GROUP BY 1 ORDER BY 1
"""  # noqa: S608 -- put together from the constants of this file

#: Makes the digests of a run for the readers to whom something is due on one channel: their deliveries, batches of
#: about `size` rows, and what each of them tells. Says how many of each language.
INSERT_DIGESTS: Final = f"""
WITH due AS MATERIALIZED (
    SELECT i.subscriber_id, max(i.due_at) AS due_at
    FROM outreach_digestitem i
    WHERE {_OF} AND {_IS_DUE} AND i.channel = %(channel)s AND i.run_id = ANY (%(runs)s::bigint[])
    GROUP BY i.subscriber_id ORDER BY i.subscriber_id LIMIT %(most)s
),
numbered AS MATERIALIZED (
    SELECT due.subscriber_id, due.due_at, s.language, address.id AS address_id,
        nextval('outreach_delivery_id_seq') AS id,
        (row_number() OVER (ORDER BY due.subscriber_id) - 1) / %(size)s AS part
    FROM due JOIN outreach_subscriber s ON s.id = due.subscriber_id
    LEFT JOIN LATERAL (
        SELECT a.id FROM outreach_address a
        WHERE a.subscriber_id = due.subscriber_id AND a.channel = %(channel)s
        ORDER BY a.state <> 'active', a.id LIMIT 1
    ) AS address ON true
),
parts AS MATERIALIZED (
    SELECT part, first_id, last_id, nextval('outreach_batch_id_seq') AS batch_id
    FROM (SELECT part, min(id) AS first_id, max(id) AS last_id FROM numbered GROUP BY part) AS ranges
),
batches AS (
    INSERT INTO outreach_batch (id, run_id, account_id, lane, due_at, state, fence, in_hand, inherited, is_retry,
        first_id, last_id, created_at)
    SELECT batch_id, %(run)s, %(account)s, 'campaigns', date_trunc('minute', clock_timestamp()), 'ready', 0, '{{}}', 0,
        false, first_id, last_id, clock_timestamp()
    FROM parts
),
made AS (
    INSERT INTO outreach_digest (organisation_id, subscriber_id, channel, due_at, run_id, delivery, made_at)
    SELECT %(organisation)s, subscriber_id, %(channel)s, due_at, %(run)s, id, clock_timestamp() FROM numbered
    RETURNING id, subscriber_id, due_at
),
told AS (
    UPDATE outreach_digestitem i SET digest_id = made.id
    FROM made
    WHERE {_OF} AND {_WAITS} AND i.subscriber_id = made.subscriber_id AND i.channel = %(channel)s
      AND i.due_at <= made.due_at AND i.run_id = ANY (%(runs)s::bigint[])
),
written AS (
    INSERT INTO outreach_delivery
        (run_id, id, target, channel, subscriber_id, address_id, account_id, language, batch_id, state, reason)
    SELECT %(run)s, n.id, 's:' || n.subscriber_id, %(channel)s, n.subscriber_id, n.address_id, %(account)s, n.language,
        parts.batch_id, 'planned', ''
    FROM numbered n JOIN parts USING (part)
)
SELECT language, count(*) FROM numbered GROUP BY language
"""  # noqa: S608 -- put together from the constants of this file

#: Whether a digest may still tell an item: its campaign stands, and one of its topics is still wanted by the channel.
_MAY_TELL: Final = """i.dropped = '' AND r.state NOT IN ('cancelling', 'cancelled')
      AND (r.not_after IS NULL OR r.not_after > clock_timestamp())
      AND EXISTS (
          SELECT FROM outreach_subscription c
          WHERE c.subscriber_id = g.subscriber_id AND c.channel = g.channel AND c.state = 'subscribed'
            AND c.topic_id = ANY (SELECT jsonb_array_elements_text(r.frozen -> 'topics')::bigint))"""

#: Joined to the rows of a window: what each digest tells, [run, delivery] of each; NULL where nothing is left.
TOLD: Final = f"""
    LEFT JOIN LATERAL (
        SELECT jsonb_build_object('channel', g.channel, 'carried',
            jsonb_agg(jsonb_build_array(i.run_id, i.delivery) ORDER BY i.run_id, i.delivery)) AS data
        FROM outreach_digest g JOIN outreach_digestitem i ON i.digest_id = g.id JOIN outreach_run r ON r.id = i.run_id
        WHERE g.run_id = o.run_id AND g.delivery = o.id AND {_MAY_TELL}
        GROUP BY g.id
    ) AS told ON true"""  # noqa: S608 -- put together from the constants of this file

#: Beside a window: what a digest that may leave does not tell is noted, for its receipt. It stays so where the digest
#: itself leaves later, as in quiet hours.
NOTE_UNTOLD: Final = f"""
untold AS (
    UPDATE outreach_digestitem i SET dropped = CASE {_OVER} ELSE 'unsubscribed' END
    FROM judged j, outreach_digest g, outreach_run r
    WHERE j.hindrance = '' AND g.run_id = j.run_id AND g.delivery = j.id AND i.digest_id = g.id AND r.id = i.run_id
      AND i.dropped = '' AND NOT ({_MAY_TELL})
),"""  # noqa: S608 -- put together from the constants of this file
