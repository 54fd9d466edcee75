"""Every SQL statement of the ledger, named, with a line of purpose each. What they decide is decided in pure code.

Rules kept here: ledger times are `clock_timestamp()`; a settle names no indexed column but `batch_id`, which changes
only for a retry; counters are a transaction's last statement; a batch's row is locked before its rows are looked at.
No statement of the hot path compares `run_id` alone with a constant: of a run that began after the last ANALYZE the
planner expects one row, and would read the whole run to find a hundred. A range of ids is asked for in its order: then
the key, which has it, is always the cheaper index.
"""

from __future__ import annotations

from typing import Final

from outreach.delivery import digest_queries

# --- a batch's rows ---

#: The open rows of a batch: those of the range that it was made with, and those that came to it later. The planner
#: knows nothing of either, so that each part names what only its own index has.
_OF_BATCH: Final = """(
            SELECT {columns} FROM outreach_delivery d
            WHERE d.run_id = %(run)s AND d.id >= (SELECT first_id FROM outreach_batch WHERE id = %(batch)s)
              AND d.id <= (SELECT last_id FROM outreach_batch WHERE id = %(batch)s)
              AND d.batch_id = %(batch)s AND NOT d.is_moved AND d.state IN ('planned', 'deferred')
            ORDER BY d.id
        )
        UNION ALL
        SELECT {columns} FROM outreach_delivery d
        WHERE d.batch_id = %(batch)s AND d.is_moved AND d.state IN ('planned', 'deferred')"""
_IDS_OF_BATCH: Final = _OF_BATCH.replace("{columns}", "d.run_id, d.id")
_OPEN_OF_BATCH: Final = _OF_BATCH.replace(
    "{columns}",
    """d.run_id, d.id, d.target, d.channel, d.language, d.subscriber_id, d.address_id, d.draw, d.state,
                d.reason, d.uncertain, d.attempts, d.created_at""",
)

# --- fan-out ---

#: Lets one fan-out of a run work at a time, without holding up the windows that read the run meanwhile.
LOCK_FANOUT: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('outreach.fanout.' || %(run)s::text, 0))"

#: What fan-out needs of its run.
READ_RUN: Final = """
SELECT r.state, r.kind, r.frozen, r.salt, r.fanned_out_to, r.fanned_out_at, o.path, r.system_identifier,
    EXISTS (
        SELECT FROM jsonb_array_elements_text(r.frozen -> 'topics') AS t (id)
        JOIN outreach_subscription s ON s.topic_id = t.id::bigint
        WHERE s.state = 'subscribed' AND s.frequency IS NOT NULL)
FROM outreach_run r JOIN outreach_organisation o ON o.id = r.organisation_id
WHERE r.id = %(run)s
"""

#: What Selection.dense is written for; until the transaction's end.
MERGE_TABLES: Final = "SET LOCAL enable_nestloop = off"

#: Follows a Selection: writes a chunk's rows and their batches of about `size` rows, and says what it wrote. Ids are
#: given in the order of the batches, each of which keeps the range of its own. Without ON CONFLICT, which doubles the
#: price: the position moves in the same transaction, so a row that is there already is a contradiction, and the unique
#: constraint says so.
_INSERT_ROWS: Final = """,
numbered AS MATERIALIZED (
    SELECT c.*, nextval('outreach_delivery_id_seq') AS id,
        row_number() OVER (PARTITION BY c.is_planned, c.account_id ORDER BY c.subscriber_id) - 1 AS number
    FROM (SELECT *, state = 'planned' AS is_planned FROM chosen) AS c
),
tallied AS MATERIALIZED (
    SELECT account_id, channel, language, state, reason, count(*) AS rows
    FROM numbered GROUP BY account_id, channel, language, state, reason
),
parts AS MATERIALIZED (
    SELECT account_id, rows, parts,
        ARRAY(SELECT nextval('outreach_batch_id_seq') FROM generate_series(1, parts)) AS batches
    FROM (
        SELECT account_id, sum(rows)::bigint AS rows,
            greatest(1, round(sum(rows) / %(size)s::numeric))::bigint AS parts
        FROM tallied WHERE state = 'planned' GROUP BY account_id
    ) AS counted
),
batches AS (
    INSERT INTO outreach_batch (id, run_id, account_id, lane, due_at, state, fence, in_hand, inherited, is_retry,
        first_id, last_id, created_at)
    SELECT parts.batches[1 + range.part], %(run)s, account_id, %(lane)s, date_trunc('minute', clock_timestamp()),
        'ready', 0, '{}', 0, false, range.first_id, range.last_id, clock_timestamp()
    FROM parts JOIN (
        SELECT account_id, c.number * parts.parts / parts.rows AS part, min(c.id) AS first_id, max(c.id) AS last_id
        FROM numbered c JOIN parts USING (account_id) WHERE c.is_planned GROUP BY 1, 2
    ) AS range USING (account_id)
),
written AS (
    INSERT INTO outreach_delivery
        (run_id, id, target, channel, subscriber_id, address_id, account_id, language, draw, batch_id, state, reason,
        choice, fallback_of)
    SELECT %(run)s, c.id, 's:' || c.subscriber_id, c.channel, c.subscriber_id, c.address_id, c.account_id, c.language,
        c.draw, parts.batches[1 + c.number * parts.parts / parts.rows], c.state, c.reason, c.choice,
        {fallback_of}
    FROM numbered c LEFT JOIN parts ON c.is_planned AND parts.account_id = c.account_id
){digests}
SELECT channel, language, state, reason, sum(rows)::bigint FROM tallied GROUP BY channel, language, state, reason
"""
INSERT_CHUNK: Final = _INSERT_ROWS.replace("{fallback_of}", "NULL").replace("{digests}", "")

#: The same where some of the readers chose a digest: what is kept for them is told in their next one.
INSERT_CHUNK_WITH_DIGESTS: Final = _INSERT_ROWS.replace("{fallback_of}", "NULL").replace(
    "{digests}",
    """,
kept AS (
    INSERT INTO outreach_digestitem
        (run_id, delivery, organisation_id, subscriber_id, channel, days, since, dropped)
    SELECT r.id, c.id, r.organisation_id, c.subscriber_id, c.channel, c.digest_days, clock_timestamp(), ''
    FROM numbered c JOIN outreach_run r ON r.id = %(run)s WHERE c.reason = 'digested'
)""",
)

#: Writes rows that are no member of an audience: posts, feed entries, test recipients. A batch an account.
INSERT_OTHERS: Final = """
WITH given AS MATERIALIZED (
    SELECT row.*, nextval('outreach_delivery_id_seq') AS id
    FROM unnest(%(targets)s::text[], %(channels)s::text[], %(languages)s::text[], %(accounts)s::bigint[],
        %(subscribers)s::bigint[], %(states)s::text[], %(reasons)s::text[])
        AS row (target, channel, language, account_id, subscriber_id, state, reason)
    WHERE NOT EXISTS (
        SELECT FROM outreach_delivery d
        WHERE d.run_id = %(run)s AND d.target = row.target AND d.channel = row.channel)
),
parts AS MATERIALIZED (
    SELECT account_id, nextval('outreach_batch_id_seq') AS id, first_id, last_id
    FROM (
        SELECT account_id, min(id) AS first_id, max(id) AS last_id
        FROM given WHERE state = 'planned' GROUP BY account_id
    ) AS accounts
),
batches AS (
    INSERT INTO outreach_batch (id, run_id, account_id, lane, due_at, state, fence, in_hand, inherited, is_retry,
        first_id, last_id, created_at)
    SELECT id, %(run)s, account_id, %(lane)s, date_trunc('minute', clock_timestamp()), 'ready', 0, '{}', 0, false,
        first_id, last_id, clock_timestamp()
    FROM parts
),
written AS (
    INSERT INTO outreach_delivery
        (run_id, id, target, channel, subscriber_id, account_id, language, batch_id, state, reason, settled_at)
    SELECT %(run)s, g.id, g.target, g.channel, g.subscriber_id, g.account_id, g.language, parts.id, g.state, g.reason,
        CASE WHEN g.state = 'accepted' THEN clock_timestamp() END
    FROM given g LEFT JOIN parts ON g.state = 'planned' AND parts.account_id = g.account_id
    RETURNING channel, language, state, reason, settled_at
)
SELECT channel, language, state, reason, count(*), min(settled_at)
FROM written GROUP BY channel, language, state, reason
"""

#: Commits a chunk's progress; finds nothing where the run was paused, cancelled or carried on by somebody else.
ADVANCE_FANOUT: Final = """
UPDATE outreach_run SET fanned_out_to = %(last)s, audience_count = audience_count + %(written)s,
    fanned_out_at = CASE WHEN %(is_done)s THEN clock_timestamp() END,
    started_at = coalesce(started_at, clock_timestamp()),
    system_identifier = %(system)s, timeline = %(timeline)s
WHERE id = %(run)s AND state = 'running' AND fanned_out_to = %(before)s AND fanned_out_at IS NULL
"""

# --- fallbacks ---

#: Runs whose failures may be followed by the next channel; of ended ones only those that a late bounce may reopen.
RUNS_THAT_FALL_BACK: Final = """
SELECT r.id FROM outreach_run r JOIN outreach_campaign c ON c.id = r.campaign_id
WHERE r.falls_back AND r.retired_at IS NULL AND (r.not_after IS NULL OR r.not_after > clock_timestamp())
  AND (r.state = 'running' OR (r.state = 'finished' AND c.archived_at IS NULL
      AND r.finished_at > clock_timestamp() - %(hours)s * interval '1 hour'))
ORDER BY r.id
"""

#: What a run's fallbacks hang on; with `FOR NO KEY UPDATE` behind `LOCK_RUN` only.
READ_FALLBACKS: Final = """
SELECT r.state, r.frozen, o.path, r.fallback_seen, r.audience_count,
    extract(epoch FROM clock_timestamp() - r.fallback_at)::float8,
    r.not_after IS NOT NULL AND r.not_after <= clock_timestamp()
FROM outreach_run r JOIN outreach_organisation o ON o.id = r.organisation_id
WHERE r.id = %(run)s
"""

#: How many messages failed for good, and how many were accepted without a receipt, as the counters say.
COUNT_FAILURES: Final = """
SELECT coalesce(sum(count) FILTER (WHERE (kind = 'state' AND (name = 'rejected'
        OR (name = 'skipped' AND reason IN ('unreachable', 'invalid_address', 'suppressed'))))
        OR (kind = 'receipt' AND name = 'bounced')), 0)::bigint,
    coalesce(sum(CASE WHEN kind = 'receipt' THEN -count WHEN name = 'accepted' THEN count END)
        FILTER (WHERE kind = 'receipt' OR (kind = 'state' AND name = 'accepted')), 0)::bigint
FROM outreach_counter WHERE run_id = %(run)s AND kind IN ('state', 'receipt')
"""

#: A person's message that may be followed by the next channel: never one in doubt, never one that somebody said no to,
#: and only while a channel is left on which the person has no row of this run.
_MAY_FALL_BACK: Final = """d.run_id = %(run)s AND d.subscriber_id IS NOT NULL AND d.batch_id IS NOT NULL
  AND NOT d.uncertain AND d.target LIKE 's:%%'
  AND d.created_at > clock_timestamp() - %(hours)s * interval '1 hour'
  AND (SELECT count(*) FROM outreach_delivery x WHERE x.run_id = d.run_id AND x.target = d.target)
      < cardinality(%(channels)s::text[])
  AND NOT EXISTS (
      SELECT FROM outreach_delivery f WHERE f.run_id = d.run_id AND f.target = d.target AND f.fallback_of = d.id)"""

#: Of what an account accepted that reports receipts, what nothing has come back of.
_IS_SILENT: Final = """d.state = 'accepted' AND d.receipt = '' AND d.account_id = ANY (%(reporting)s::bigint[])
  AND NOT (d.id = ANY (ARRAY(
      SELECT e.delivery FROM outreach_event e
      WHERE e.run_id = %(run)s AND e.kind IN ('opened', 'clicked', 'replied', 'read', 'unsubscribed', 'converted')
        AND e.delivery > 0)))"""

#: Messages that failed for good, or (`after` minutes, 0 for never) are silent for too long, and why. Locked: a receipt
#: that was committed before is honoured.
FIND_FAILED: Final = f"""
SELECT d.id, d.subscriber_id, d.draw, CASE
    WHEN d.state = 'accepted' AND d.receipt = 'bounced' THEN 'bounced'
    WHEN d.state = 'accepted' THEN 'silence:' || %(after)s::text
    ELSE d.state || ':' || d.reason END
FROM outreach_delivery d
WHERE {_MAY_FALL_BACK}
  AND (d.state = 'rejected'
       OR (d.state = 'accepted' AND d.receipt = 'bounced')
       OR (d.state = 'skipped' AND d.reason IN ('unreachable', 'invalid_address'))
       OR (d.state = 'skipped' AND d.reason = 'suppressed' AND EXISTS (
           SELECT FROM outreach_address a WHERE a.id = d.address_id AND a.state IN ('bouncing', 'invalid')))
       OR (%(after)s > 0 AND {_IS_SILENT}
           AND d.settled_at <= clock_timestamp() - %(after)s * interval '1 minute'))
ORDER BY d.id LIMIT %(limit)s
FOR UPDATE OF d
"""  # noqa: S608 -- put together from the constants of this file

#: Whether the time of some silent message has not passed yet: its run does not end before.
AWAITS_RECEIPTS: Final = f"""
SELECT EXISTS (
    SELECT FROM outreach_delivery d
    WHERE {_MAY_FALL_BACK} AND {_IS_SILENT}
      AND d.settled_at > clock_timestamp() - %(after)s * interval '1 minute')
"""  # noqa: S608 -- put together from the constants of this file

#: Follows `candidates` of a Selection: of each failed message the next channel, as fan-out would choose it now among
#: those that the person has no row on; where none works, a row that says why not. Exactly one row for each of them.
CHOOSE_NEXT: Final = """
failed AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::bigint[], %(people)s::bigint[], %(draws)s::float8[], %(whys)s::text[])
        AS given (id, subscriber_id, draw, why)
),
left_over AS MATERIALIZED (
    SELECT f.id, f.subscriber_id, f.draw, f.why, wanted.channel, wanted.rank, c.address_id, c.account_id,
        coalesce(c.language, %(fallback)s) AS language, coalesce(c.is_present, false) AS is_present,
        coalesce(c.is_wish, false) AS is_wish,
        CASE WHEN c.subscriber_id IS NOT NULL THEN c.hindrance
             WHEN EXISTS (SELECT FROM outreach_subscriber s WHERE s.id = f.subscriber_id AND s.erased_at IS NULL)
             THEN 'unsubscribed' ELSE 'erased' END AS hindrance
    FROM failed f
    CROSS JOIN unnest(%(channels)s::text[]) WITH ORDINALITY AS wanted (channel, rank)
    LEFT JOIN candidates c ON c.subscriber_id = f.subscriber_id AND c.channel = wanted.channel
    WHERE NOT EXISTS (
        SELECT FROM outreach_delivery d
        WHERE d.run_id = %(run)s AND d.target = 's:' || f.subscriber_id AND d.channel = wanted.channel)
),
ranked AS (
    SELECT DISTINCT ON (subscriber_id) *, {passed_over} AS passed FROM left_over
    ORDER BY subscriber_id, hindrance <> '', NOT is_present, NOT is_wish, rank
),
chosen AS (
    SELECT subscriber_id, channel, address_id, {account} AS account_id, language, draw, id AS fallback_of,
        concat_ws(' ', why, CASE WHEN is_wish THEN 'wish' END, passed) AS choice, hindrance AS reason,
        CASE WHEN hindrance = '' THEN 'planned' ELSE 'skipped' END AS state
    FROM ranked AS rows
)"""

#: Writes fallbacks as fan-out writes its rows, each with the message that it stands in for.
INSERT_FALLBACKS: Final = _INSERT_ROWS.replace("{fallback_of}", "c.fallback_of").replace("{digests}", "")

#: Notes that failures were looked for, and how many were known.
NOTE_LOOK: Final = """
UPDATE outreach_run SET fallback_at = clock_timestamp(), fallback_seen = %(seen)s WHERE id = %(run)s
"""

#: A run that had ended goes on, with its campaign: there are open rows again.
REOPEN: Final = """
WITH run AS (
    UPDATE outreach_run SET state = 'running', finished_at = NULL WHERE id = %(run)s AND state = 'finished'
    RETURNING campaign_id
)
UPDATE outreach_campaign c SET state = 'running' FROM run WHERE c.id = run.campaign_id
"""

# --- accounts of a pool ---

#: The share of accounts, and whether they send: not paused, and not at rest for the third time or more.
READ_STANDING: Final = """
SELECT id, share, state = 'active' AND NOT (rests >= %(rests)s AND rest_until > clock_timestamp())
FROM outreach_account WHERE id = ANY (%(accounts)s::bigint[])
"""

#: Notes since when accounts cannot send. Of a pool's, the share falls: what comes back begins with little.
BEGIN_TROUBLES: Final = """
UPDATE outreach_account a SET trouble_since = clock_timestamp(), share_at = clock_timestamp(),
    share = CASE WHEN a.is_default AND EXISTS (
        SELECT FROM outreach_account o
        WHERE o.organisation_id = a.organisation_id AND o.channel = a.channel AND o.is_default AND o.id <> a.id
    ) THEN %(least)s ELSE a.share END
WHERE trouble_since IS NULL AND (state = 'paused' OR rests >= %(rests)s)
RETURNING id, state
"""

#: Accounts that send again, and whether they have their whole share.
READ_RECOVERED: Final = """
SELECT id, share >= 1 FROM outreach_account WHERE trouble_since IS NOT NULL AND state = 'active' AND rests = 0
"""

#: Notes that an account is well again.
END_TROUBLE: Final = """
UPDATE outreach_account SET trouble_since = NULL
WHERE id = %(account)s AND state = 'active' AND rests = 0 AND share >= 1
"""

#: Of accounts that are not alone on their channel, or whose share is lowered: share, seconds since it changed, and of
#: the receipts of the last minutes how many came and how many came late. Of each at most once in `every` seconds. Late
#: is the word of arrival, by its own time: what a message's receipt says later, such as that it was read, is no delay.
READ_SPEEDS: Final = """
WITH looked AS MATERIALIZED (
    SELECT a.id, a.share, extract(epoch FROM clock_timestamp() - a.share_at)::float8 AS since
    FROM outreach_account a
    WHERE a.state = 'active' AND a.rests = 0
      AND (a.share_at IS NULL OR a.share_at <= clock_timestamp() - %(every)s * interval '1 second'
           OR a.share_at > clock_timestamp())
      AND (a.share < 1 OR (a.is_default AND EXISTS (
          SELECT FROM outreach_account o
          WHERE o.organisation_id = a.organisation_id AND o.channel = a.channel AND o.is_default AND o.id <> a.id)))
),
receipts AS MATERIALIZED (
    SELECT d.account_id, told.at - d.settled_at > %(slow)s * interval '1 second' AS is_slow
    FROM (
        SELECT e.run_id, e.delivery, e.at FROM outreach_event e
        WHERE e.at > clock_timestamp() - %(minutes)s * interval '1 minute' AND e.kind = 'delivered' AND e.delivery > 0
        ORDER BY e.at DESC LIMIT %(most)s
    ) AS told
    JOIN outreach_delivery d ON d.run_id = told.run_id AND d.id = told.delivery
    WHERE d.account_id IN (SELECT id FROM looked) AND d.settled_at IS NOT NULL
)
SELECT l.id, l.share, l.since, count(r.is_slow), count(*) FILTER (WHERE r.is_slow)
FROM looked l LEFT JOIN receipts r ON r.account_id = l.id
GROUP BY l.id, l.share, l.since ORDER BY l.id
"""

#: Writes a share; whoever's is not whole is in trouble.
SET_SHARE: Final = """
UPDATE outreach_account SET share = %(share)s, share_at = clock_timestamp(),
    trouble_since = CASE WHEN %(share)s < 1 THEN coalesce(trouble_since, clock_timestamp()) ELSE trouble_since END
WHERE id = %(account)s
"""

#: Batches that wait for an account which cannot send, of runs that may split their messages: nobody holds them.
FIND_STRANDED: Final = """
WITH accounts AS MATERIALIZED (
    SELECT id FROM outreach_account
    WHERE trouble_since IS NOT NULL
      AND (state = 'paused' OR (rests >= %(rests)s AND rest_until > clock_timestamp()))
),
runs AS MATERIALIZED (
    SELECT id, frozen -> 'pools' AS pools, frozen -> 'contents' AS contents FROM outreach_run
    WHERE state = 'running' AND kind = 'campaign' AND EXISTS (SELECT FROM accounts) AND frozen ? 'pools'
)
SELECT b.id, b.run_id, b.account_id, runs.pools, runs.contents
FROM outreach_batch b JOIN runs ON runs.id = b.run_id
WHERE b.account_id IN (SELECT id FROM accounts) AND b.state = 'ready' AND b.in_hand = '{}'
ORDER BY b.id LIMIT %(most)s
"""

#: Moves a batch's rows that were never handed over, and are in nobody's hand, to other accounts; each keeps an attempt
#: that says so. Reads the run `FOR SHARE`: after a pause or a cancel nothing moves.
MOVE_ROWS: Final = """
WITH run AS MATERIALIZED (SELECT id FROM outreach_run WHERE id = %(run)s AND state = 'running' FOR SHARE),
batch AS MATERIALIZED (
    SELECT b.id, b.lane FROM outreach_batch b JOIN run ON run.id = b.run_id
    WHERE b.id = %(batch)s AND b.state = 'ready' AND b.in_hand = '{}' FOR UPDATE OF b SKIP LOCKED
),
rows AS MATERIALIZED (
    SELECT d.run_id, d.id
    FROM batch CROSS JOIN ({ids_of_batch} OFFSET 0) AS own
    JOIN outreach_delivery d ON d.run_id = own.run_id AND d.id = own.id
    WHERE d.state IN ('planned', 'deferred') AND d.attempts = 0 AND NOT d.uncertain
      AND d.account_id = %(account)s AND d.channel = %(channel)s AND d.language = ANY (%(languages)s::text[])
    ORDER BY d.id FOR UPDATE OF d
),
placed AS MATERIALIZED (
    SELECT r.run_id, r.id, p.account_id
    FROM rows r JOIN unnest(%(accounts)s::bigint[], %(lowers)s::float8[], %(uppers)s::float8[])
        AS p (account_id, lower, upper)
        ON (hashint8extended(r.id, 0) & 1048575) / 1048576.0 >= p.lower
       AND (hashint8extended(r.id, 0) & 1048575) / 1048576.0 < p.upper
),
targets AS MATERIALIZED (
    SELECT account_id, nextval('outreach_batch_id_seq') AS batch_id
    FROM (SELECT DISTINCT account_id FROM placed) AS accounts
),
made AS (
    INSERT INTO outreach_batch
        (id, run_id, account_id, lane, due_at, state, fence, in_hand, inherited, is_retry, created_at)
    SELECT t.batch_id, %(run)s, t.account_id, batch.lane, clock_timestamp(), 'ready', 0, '{}', 0, false,
        clock_timestamp()
    FROM targets t, batch
),
told AS (
    INSERT INTO outreach_attempt (run_id, delivery, batch, fence, kind, reason, detail, provider_id, at)
    SELECT p.run_id, p.id, %(batch)s, 0, 'moved', '', left(old.name || ' → ' || new.name, 500), '', clock_timestamp()
    FROM placed p JOIN outreach_account new ON new.id = p.account_id, outreach_account old
    WHERE old.id = %(account)s
),
moved AS (
    UPDATE outreach_delivery d SET account_id = p.account_id, batch_id = t.batch_id, is_moved = true
    FROM placed p JOIN targets t ON t.account_id = p.account_id
    WHERE d.run_id = p.run_id AND d.id = p.id
    RETURNING d.id
)
SELECT count(*) FROM moved
""".replace("{ids_of_batch}", _IDS_OF_BATCH)

#: Ends a batch that nobody holds and that has no open row left: its account may never be leased again.
END_EMPTY_BATCH: Final = """
UPDATE outreach_batch b SET state = 'done'
WHERE b.id = %(batch)s AND b.state = 'ready' AND b.in_hand = '{}' AND NOT EXISTS ({ids_of_batch})
""".replace("{ids_of_batch}", _IDS_OF_BATCH)

# --- notices ---

#: The run that a notice of this text goes into: of today, of this database, and running.
FIND_NOTICE_RUN: Final = """
SELECT id FROM outreach_run
WHERE digest = %(digest)s AND kind = 'notice' AND fanned_out_at IS NULL AND state = 'running'
  AND organisation_id = %(organisation)s AND as_of >= date_trunc('day', clock_timestamp(), 'UTC')
  AND system_identifier = (SELECT system_identifier::text FROM pg_control_system())
  AND timeline = (SELECT timeline_id FROM pg_control_checkpoint())
ORDER BY id LIMIT 1
"""

#: Lets one caller at a time make the day's run of a text.
LOCK_NOTICE_RUN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('outreach.notices.' || %(digest)s, 0))"

#: Adds one notice to a run: its delivery, a batch of its own that is due now, and whom it is for. Nothing where the run
#: was closed, paused or held meanwhile. `is_last` closes the run behind it.
INSERT_NOTICE: Final = """
WITH run AS (
    UPDATE outreach_run SET audience_count = audience_count + 1,
        fanned_out_at = CASE WHEN %(is_last)s THEN clock_timestamp() END
    WHERE id = %(run)s AND fanned_out_at IS NULL AND state = 'running'
    RETURNING id, organisation_id
),
made AS MATERIALIZED (
    SELECT run.*, nextval(pg_get_serial_sequence('outreach_notice', 'id')) AS notice_id,
        nextval('outreach_batch_id_seq') AS batch_id, nextval('outreach_delivery_id_seq') AS delivery_id
    FROM run
),
batch AS (
    INSERT INTO outreach_batch (id, run_id, account_id, lane, due_at, state, fence, in_hand, inherited, is_retry,
        first_id, last_id, created_at)
    SELECT batch_id, id, %(account)s, 'notices', clock_timestamp(), 'ready', 0, '{}', 0, false,
        delivery_id, delivery_id, clock_timestamp()
    FROM made
),
delivery AS (
    INSERT INTO outreach_delivery
        (run_id, id, target, channel, subscriber_id, address_id, account_id, language, batch_id, state, reason)
    SELECT id, delivery_id, 'n:' || notice_id, %(channel)s, %(subscriber)s, %(address)s, %(account)s, %(language)s,
        batch_id, 'planned', ''
    FROM made
)
INSERT INTO outreach_notice (id, organisation_id, run_id, delivery, template_id, lawful_basis, channel, value,
    normalised, digest, subscriber_id, address_id, data, token_id, created_at)
SELECT notice_id, organisation_id, id, delivery_id, %(template)s, %(lawful_basis)s, %(channel)s, %(value)s,
    %(normalised)s, %(address_digest)s, %(subscriber)s, %(address)s, %(data)s::jsonb, %(token)s, clock_timestamp()
FROM made
RETURNING id
"""

#: Ends the days that are over: no notice is added to their runs any more.
CLOSE_NOTICE_RUNS: Final = """
UPDATE outreach_run SET fanned_out_at = clock_timestamp()
WHERE kind = 'notice' AND fanned_out_at IS NULL AND state = 'running'
  AND as_of < date_trunc('day', clock_timestamp(), 'UTC')
"""

#: Forgets what notices told, once their messages cannot leave any more; texts and fates stay.
FORGET_NOTICE_DATA: Final = """
UPDATE outreach_notice n SET data = '{}'
WHERE n.data <> '{}' AND n.created_at < clock_timestamp() - %(days)s * interval '1 day'
  AND NOT EXISTS (
      SELECT FROM outreach_delivery d
      WHERE d.run_id = n.run_id AND d.id = n.delivery AND d.state IN ('planned', 'deferred'))
"""

# --- lease and inheritance ---

#: Leases the batch to serve next: priority, then the run served least lately. A leased one was due, whatever the clock
#: says by now. Nothing is leased where nobody is alive (a restored copy), nor of a run that began on another database.
LEASE: Final = """
WITH chosen AS (
    SELECT b.id, b.lease_until IS NOT NULL AND b.state = 'leased' AS was_leased
    FROM outreach_batch b
    JOIN outreach_run r ON r.id = b.run_id
    JOIN outreach_account a ON a.id = b.account_id
    WHERE b.lane = ANY (%(lanes)s::text[]) AND b.state IN ('ready', 'leased')
      AND ((b.state = 'ready' AND b.due_at <= clock_timestamp())
           OR (b.state = 'leased' AND (b.lease_until < clock_timestamp()
               OR b.lease_until > clock_timestamp() + %(jumped)s * interval '1 second')))
      AND r.state = 'running' AND a.state = 'active' AND (a.rest_until IS NULL OR a.rest_until <= clock_timestamp())
      AND r.system_identifier = %(system)s AND r.timeline = %(timeline)s
      AND NOT EXISTS (
          SELECT FROM outreach_installation i WHERE i.alive_at < clock_timestamp() - %(grace)s * interval '1 second')
    ORDER BY b.lane = 'notices' DESC, r.served_at NULLS FIRST, b.due_at, b.id
    LIMIT 1
    FOR UPDATE OF b SKIP LOCKED
)
UPDATE outreach_batch b
SET state = 'leased', fence = b.fence + 1, lease_until = clock_timestamp() + %(lease)s * interval '1 second'
FROM chosen, outreach_account a
WHERE b.id = chosen.id AND a.id = b.account_id
RETURNING b.id, b.run_id, b.account_id, b.lane, b.fence, b.in_hand, b.inherited, a.adapter, a.unknown_policy,
    a.rate_per_minute, a.domain_rates, a.warm_up, a.rests
"""

#: Leases a batch that died with ids in hand in a run that does not run: nothing is sent, the ids are resolved.
LEASE_LOST: Final = """
WITH chosen AS (
    SELECT b.id FROM outreach_batch b JOIN outreach_run r ON r.id = b.run_id
    WHERE b.state = 'leased' AND (b.lease_until < clock_timestamp()
          OR b.lease_until > clock_timestamp() + %(jumped)s * interval '1 second')
      AND r.state <> 'running'
    ORDER BY b.id LIMIT 1
    FOR UPDATE OF b SKIP LOCKED
)
UPDATE outreach_batch b
SET state = 'leased', fence = b.fence + 1, lease_until = clock_timestamp() + %(lease)s * interval '1 second'
FROM chosen, outreach_account a
WHERE b.id = chosen.id AND a.id = b.account_id
RETURNING b.id, b.run_id, b.account_id, b.lane, b.fence, b.in_hand, b.inherited, a.adapter, a.unknown_policy,
    a.rate_per_minute, a.domain_rates, a.warm_up, a.rests
"""

#: Seconds until the next batch is due that somebody gave back or put off; NULL where none is.
NEXT_DUE: Final = """
SELECT extract(epoch FROM min(b.due_at) - clock_timestamp())::float8
FROM outreach_batch b
JOIN outreach_run r ON r.id = b.run_id AND r.state = 'running'
JOIN outreach_account a ON a.id = b.account_id AND a.state = 'active'
WHERE b.lane = ANY (%(lanes)s::text[]) AND b.state = 'ready' AND b.due_at > clock_timestamp()
"""

#: Remembers which run was served last; a run that is locked just now was served just now.
SERVE: Final = """
UPDATE outreach_run SET served_at = clock_timestamp()
WHERE id = (SELECT id FROM outreach_run WHERE id = %(run)s FOR NO KEY UPDATE SKIP LOCKED)
"""

#: The rows of a dead worker's windows that have no outcome yet.
READ_IN_HAND: Final = """
SELECT d.id, d.channel, d.language, d.state, d.reason, d.uncertain
FROM outreach_delivery d
WHERE d.run_id = %(run)s AND d.id = ANY (%(ids)s::bigint[]) AND d.state IN ('planned', 'deferred')
ORDER BY d.id FOR UPDATE
"""

#: Empties the hand of a batch that was taken over; parks it where it killed its worker too often.
EMPTY_HAND: Final = """
UPDATE outreach_batch SET in_hand = '{}', inherited = inherited + 1, state = %(state)s
WHERE id = %(batch)s AND fence = %(fence)s
"""

#: What serving a batch needs of its run; frozen with it.
READ_SCOPE: Final = """
SELECT r.kind, r.frozen, o.path FROM outreach_run r JOIN outreach_organisation o ON o.id = r.organisation_id
WHERE r.id = %(run)s
"""

# --- window, settle ---

#: Settles a window under the fence: plain first acceptances as one array, other outcomes line by line with the moves to
#: retry batches and the evidence, and the end of its story. Rows whose state changed meanwhile (evidence came) are left
#: alone: what was really written comes back, counted.
SETTLE: Final = """
WITH guard AS MATERIALIZED (
    SELECT clock_timestamp() AS at FROM outreach_batch WHERE id = %(batch)s AND fence = %(fence)s FOR UPDATE
),
accepted AS (
    UPDATE outreach_delivery d
    SET state = 'accepted', attempts = d.attempts + 1, settled_at = guard.at,
        provider_id = coalesce(v.provider_id, d.provider_id)
    FROM guard, (
        SELECT %(run)s::bigint AS run_id, plain.*
        FROM unnest(%(accepted)s::bigint[], string_to_array(%(provider_ids)s::text, E'\n', ''))
            AS plain (id, provider_id)
        OFFSET 0
    ) AS v
    WHERE d.run_id = v.run_id AND d.id = v.id AND d.state = 'planned' AND d.reason = ''
    RETURNING d.channel, d.language
),
settled AS (
    UPDATE outreach_delivery d
    SET state = v.state, reason = v.reason, uncertain = v.uncertain, attempts = d.attempts + v.tries,
        provider_id = coalesce(nullif(v.provider_id, ''), d.provider_id),
        batch_id = coalesce(v.batch_id, d.batch_id), is_moved = d.is_moved OR v.batch_id IS NOT NULL,
        settled_at = guard.at
    FROM guard, (
        SELECT %(run)s::bigint AS run_id, line.*
        FROM unnest(%(ids)s::bigint[], %(old_states)s::text[], %(old_reasons)s::text[], %(states)s::text[],
            %(reasons)s::text[], %(uncertain)s::boolean[], %(tries)s::smallint[], %(line_provider_ids)s::text[],
            %(batches)s::bigint[])
            AS line (id, old_state, old_reason, state, reason, uncertain, tries, provider_id, batch_id)
        OFFSET 0
    ) AS v
    WHERE d.run_id = v.run_id AND d.id = v.id AND d.state = v.old_state AND d.reason = v.old_reason
    RETURNING d.channel, d.language, v.old_state, v.old_reason, d.state, d.reason
),
evidence AS (
    INSERT INTO outreach_attempt (run_id, delivery, batch, fence, kind, reason, detail, provider_id, at)
    SELECT %(run)s, e.delivery, %(batch)s, %(fence)s, e.kind, e.reason, e.detail, e.provider_id, guard.at
    FROM guard, unnest(%(ids)s::bigint[], %(kinds)s::text[], %(reasons)s::text[], %(details)s::text[],
        %(line_provider_ids)s::text[]) AS e (delivery, kind, reason, detail, provider_id)
),
story AS (
    UPDATE outreach_hand h SET settled_at = guard.at FROM guard
    WHERE h.batch_id = %(batch)s AND h.fence = %(fence)s AND h.settled_at IS NULL
)
SELECT guard.at, w.channel, w.language, w.old_state, w.old_reason, w.state, w.reason, w.count
FROM guard LEFT JOIN (
    SELECT channel, language, 'planned' AS old_state, '' AS old_reason, 'accepted' AS state, '' AS reason,
        count(*) AS count
    FROM accepted GROUP BY channel, language
    UNION ALL
    SELECT channel, language, old_state, old_reason, state, reason, count(*)
    FROM settled GROUP BY channel, language, old_state, old_reason, state, reason
) AS w ON true
"""

#: Finds or makes the retry batch of each time, and locks it before anything moves there.
RETRY_BATCHES: Final = """
INSERT INTO outreach_batch
    (run_id, account_id, lane, due_at, state, fence, in_hand, inherited, is_retry, created_at)
SELECT %(run)s, %(account)s, %(lane)s, due_at, 'ready', 0, '{}', 0, true, clock_timestamp()
FROM unnest(%(times)s::timestamptz[]) AS wanted (due_at) ORDER BY due_at
ON CONFLICT (run_id, account_id, due_at) WHERE is_retry AND NOT state = 'done'
    DO UPDATE SET due_at = excluded.due_at
RETURNING due_at, id
"""

#: The first row is the run's, the others are rows of the batch as `hand.Row` has them.
_WINDOW: Final = """
WITH run AS MATERIALIZED (
    SELECT state, not_after FROM outreach_run WHERE id = %(run)s FOR SHARE
),
open AS MATERIALIZED (
    SELECT d.* FROM (
        {of_batch}
    ) AS d
    WHERE (SELECT state FROM run) = 'running'{but}
    LIMIT %(limit)s
),
judged AS MATERIALIZED (
    {judged}
),{also}
skipped AS (
    UPDATE outreach_delivery d SET state = 'skipped', reason = j.hindrance, settled_at = clock_timestamp()
    FROM judged j WHERE j.hindrance <> '' AND d.run_id = j.run_id AND d.id = j.id
)
SELECT run.state, clock_timestamp(), run.not_after, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL{no_data}
FROM run
UNION ALL
SELECT NULL, NULL, NULL, j.id, j.channel, j.language, j.state, j.reason, j.uncertain, j.attempts, j.draw, j.created_at,
    j.hindrance, coalesce(j.value, ''), j.subscriber_id, j.name, j.kind, j.subscriber_language, j.attributes,
    j.is_measured, j.quiet{data}
FROM judged j
""".replace("{of_batch}", _OPEN_OF_BATCH)

#: What may have changed since fan-out: lateness, erasure, the address, suppression, a pause, consent. A post only grows
#: late.
_JUDGED: Final = """
    SELECT o.*, CASE o.channel WHEN 'email' THEN a.value ELSE a.normalised END AS value,
        s.name, s.kind, s.language AS subscriber_language, s.is_measured,
        CASE WHEN %(reads_attributes)s THEN nullif(s.attributes, '{}') END AS attributes,
        CASE WHEN s.quiet_from IS NOT NULL THEN concat_ws(' ', s.quiet_from, s.quiet_to, coalesce(
            nullif(s.timezone, ''), (SELECT z.timezone FROM outreach_organisation z WHERE z.id = s.organisation_id)
        )) END AS quiet,
        CASE
            WHEN (SELECT not_after FROM run) < clock_timestamp() THEN 'expired'
            WHEN o.target LIKE 'a:%%' THEN ''
            WHEN s.id IS NULL OR s.erased_at IS NOT NULL THEN 'erased'
            WHEN a.id IS NULL THEN 'unreachable'
            WHEN EXISTS (
                SELECT FROM outreach_suppression x WHERE x.digest = a.digest AND x.channel = a.channel
                  AND (x.organisation_id IS NULL OR x.organisation_id = ANY (%(ancestors)s::bigint[]))
            ) THEN 'suppressed'
            WHEN s.paused_until IS NOT NULL AND s.paused_until > clock_timestamp() THEN 'paused'
            WHEN a.state = 'unconfirmed' THEN 'unconfirmed'
            WHEN a.state <> 'active' THEN 'invalid_address'
            WHEN {unwanted} THEN 'unsubscribed'
            ELSE ''
        END AS hindrance{data}
    FROM open o
    LEFT JOIN outreach_subscriber s ON s.id = o.subscriber_id
    LEFT JOIN outreach_address a ON a.id = o.address_id AND a.subscriber_id = o.subscriber_id{told}
"""
_UNWANTED: Final = """NOT EXISTS (
                SELECT FROM outreach_subscription c
                WHERE c.subscriber_id = o.subscriber_id AND c.topic_id = ANY (%(topics)s::bigint[])
                  AND c.channel = o.channel AND c.state = 'subscribed'
            )"""
_JUDGED_PEOPLE: Final = _JUDGED.replace("{unwanted}", _UNWANTED).replace("{data}", "").replace("{told}", "")

#: Digests: of each what it tells, which is what its reader still wants.
_JUDGED_DIGESTS: Final = (
    _JUDGED.replace("{unwanted}", "told.data IS NULL")
    .replace("{data}", ", told.data")
    .replace("{told}", digest_queries.TOLD)
)

#: Recipients of a test send: named by value, so topic consent does not apply, but suppression does.
_JUDGED_NAMED: Final = """
    SELECT o.*, n.value, s.name, s.kind, s.language AS subscriber_language, s.is_measured,
        CASE WHEN %(reads_attributes)s THEN nullif(s.attributes, '{}') END AS attributes,
        NULL AS quiet,
        CASE
            WHEN (SELECT not_after FROM run) < clock_timestamp() THEN 'expired'
            WHEN o.target LIKE 'a:%%' THEN ''
            WHEN n.value IS NULL THEN 'unreachable'
            WHEN EXISTS (
                SELECT FROM outreach_suppression x WHERE x.digest = n.digest AND x.channel = o.channel
                  AND (x.organisation_id IS NULL OR x.organisation_id = ANY (%(ancestors)s::bigint[]))
            ) THEN 'suppressed'
            ELSE ''
        END AS hindrance
    FROM open o
    LEFT JOIN unnest(%(targets)s::text[], %(named)s::text[], %(digests)s::bytea[]) AS n (target, value, digest)
        ON n.target = o.target
    LEFT JOIN outreach_subscriber s ON s.id = o.subscriber_id
"""

#: Notices: no topic's consent stands behind them, but suppression, erasure and addresses known as bad hold.
_JUDGED_NOTICES: Final = """
    SELECT o.*, s.name, s.kind, s.language AS subscriber_language, s.is_measured, n.data,
        CASE WHEN a.id IS NULL THEN n.value WHEN o.channel = 'email' THEN a.value ELSE a.normalised END AS value,
        CASE WHEN %(reads_attributes)s THEN nullif(s.attributes, '{}') END AS attributes,
        NULL AS quiet,
        CASE
            WHEN (SELECT not_after FROM run) < clock_timestamp() THEN 'expired'
            WHEN n.id IS NULL OR n.value = '' OR s.erased_at IS NOT NULL THEN 'erased'
            WHEN o.address_id IS NOT NULL AND a.id IS NULL THEN 'unreachable'
            WHEN EXISTS (
                SELECT FROM outreach_suppression x
                WHERE x.digest = coalesce(a.digest, n.digest) AND x.channel = o.channel
                  AND (x.organisation_id IS NULL OR x.organisation_id = ANY (%(ancestors)s::bigint[]))
                  -- who wrote STOP is told that it holds; who asks for their own data gets the link, if it can arrive
                  AND NOT EXISTS (
                      SELECT FROM outreach_run r WHERE r.id = o.run_id
                        AND (x.reason = 'stop' AND r.frozen->'notice'->>'confirms' <> ''
                            OR x.reason <> 'hard_bounce' AND r.frozen->'notice'->>'is_own_wish' = 'true'))
            ) THEN 'suppressed'
            WHEN EXISTS (
                SELECT FROM outreach_address known
                WHERE known.organisation_id = n.organisation_id AND known.channel = o.channel
                  AND known.normalised = coalesce(a.normalised, n.normalised)
                  AND known.state IN ('bouncing', 'invalid')
            ) THEN 'invalid_address'
            ELSE ''
        END AS hindrance
    FROM open o
    LEFT JOIN outreach_notice n ON n.run_id = o.run_id AND n.delivery = o.id
    LEFT JOIN outreach_subscriber s ON s.id = o.subscriber_id
    LEFT JOIN outreach_address a ON a.id = o.address_id AND a.subscriber_id = o.subscriber_id
"""

#: Chooses the next window: open rows that are still allowed; what is not becomes `skipped` here. Reads the run's state
#: FOR SHARE, so that a pause waits for this commit and no window is committed after it.
WINDOW_OF_PEOPLE: Final = _WINDOW.format(judged=_JUDGED_PEOPLE, but="", also="", data="", no_data="")
WINDOW_OF_NAMED: Final = _WINDOW.format(judged=_JUDGED_NAMED, but="", also="", data="", no_data="")
WINDOW_OF_NOTICES: Final = _WINDOW.format(judged=_JUDGED_NOTICES, but="", also="", data=", j.data", no_data=", NULL")
WINDOW_OF_DIGESTS: Final = _WINDOW.format(
    judged=_JUDGED_DIGESTS, but="", also=digest_queries.NOTE_UNTOLD, data=", j.data", no_data=", NULL"
)

#: The same without the people of some mail domains, whose buckets are empty: others need not wait behind them.
WINDOW_BUT_DOMAINS: Final = _WINDOW.format(
    judged=_JUDGED_PEOPLE,
    also="",
    data="",
    no_data="",
    but="""
      AND NOT EXISTS (
          SELECT FROM outreach_address a
          WHERE a.id = d.address_id AND split_part(lower(a.normalised), '@', 2) = ANY (%(blocked)s::text[]))""",
)

# --- caps ---

#: The caps that count for a run: of its topics, and of the budget that its organisation joined.
READ_CAPS: Final = """
SELECT 't:' || id, cap_messages::int, cap_days::int FROM outreach_topic
WHERE id = ANY (%(topics)s::bigint[]) AND cap_messages IS NOT NULL AND cap_days IS NOT NULL
UNION ALL
SELECT 'b:' || b.id, b.messages::int, b.days::int
FROM outreach_budgetmember m JOIN outreach_budget b ON b.id = m.budget_id
WHERE m.organisation_id = %(organisation)s
"""

#: Makes or finds the counts of some rows' addresses, and locks them, all windows in the same order.
LOCK_COUNTS: Final = """
WITH given AS MATERIALIZED (
    SELECT d.id, a.digest FROM outreach_delivery d JOIN outreach_address a ON a.id = d.address_id
    WHERE d.run_id = %(run)s AND d.id = ANY (%(ids)s::bigint[])
),
locked AS (
    INSERT INTO outreach_pressure (scope, digest, taken, seen_at)
    SELECT DISTINCT wanted.scope, given.digest, '[]'::jsonb, clock_timestamp()
    FROM given CROSS JOIN unnest(%(scopes)s::text[]) AS wanted (scope) ORDER BY 1, 2
    ON CONFLICT (scope, digest) DO UPDATE SET seen_at = excluded.seen_at
    RETURNING id, scope, digest, taken
)
SELECT given.id, locked.id, locked.scope, locked.taken FROM given JOIN locked USING (digest)
"""

#: Keeps the counts of what a window takes.
KEEP_COUNTS: Final = """
UPDATE outreach_pressure p SET taken = v.taken
FROM jsonb_to_recordset(%(counts)s::jsonb) AS v (id bigint, taken jsonb) WHERE p.id = v.id
"""

#: Closes rows that would be too many for their people.
CLOSE_CAPPED: Final = """
UPDATE outreach_delivery d SET state = 'skipped', reason = 'capped', settled_at = clock_timestamp()
WHERE d.run_id = %(run)s AND d.id = ANY (%(ids)s::bigint[]) AND d.state IN ('planned', 'deferred')
"""

#: Makes the buckets of an account that has limits; they begin full. In order, so that two workers do not deadlock.
MAKE_PACE: Final = """
INSERT INTO outreach_pace (account_id, scope, lane, tokens, written_at, grants)
SELECT %(account)s, scope, %(lane)s, tokens, clock_timestamp(), '[]'
FROM unnest(%(scopes)s::text[], %(tokens)s::float8[]) AS made (scope, tokens) ORDER BY scope
ON CONFLICT DO NOTHING
"""

#: Locks the buckets that a window is taken from, both lanes', in one order; the last locks but the counters'.
LOCK_PACE: Final = """
SELECT scope, lane, tokens, extract(epoch FROM clock_timestamp())::float8, extract(epoch FROM written_at)::float8,
    grants
FROM outreach_pace WHERE account_id = %(account)s AND scope = ANY (%(scopes)s::text[]) ORDER BY scope, lane FOR UPDATE
"""

#: Pays for a window.
PAY: Final = """
UPDATE outreach_pace p SET tokens = v.tokens, written_at = to_timestamp(v.at), grants = v.grants
FROM unnest(%(scopes)s::text[], %(tokens)s::float8[], %(at)s::float8[], %(grants)s::jsonb[])
    AS v (scope, tokens, at, grants)
WHERE p.account_id = %(account)s AND p.lane = %(lane)s AND p.scope = v.scope
"""

#: Puts exactly these ids in hand, renews the lease, and notes whose hand it is, for the story of a receipt.
HOLD: Final = """
WITH held AS (
    UPDATE outreach_batch
    SET in_hand = %(ids)s::bigint[], lease_until = clock_timestamp() + %(lease)s * interval '1 second'
    WHERE id = %(batch)s AND fence = %(fence)s
    RETURNING run_id, id, fence, in_hand
)
INSERT INTO outreach_hand (run_id, batch_id, fence, worker, ids, in_hand_at)
SELECT run_id, id, fence, %(worker)s, in_hand, clock_timestamp() FROM held
"""

#: Gives the batch back: `done`, or `ready` again after `wait` seconds; then it is no minute's retry batch any more.
RELEASE: Final = """
UPDATE outreach_batch
SET in_hand = '{}', lease_until = NULL, state = %(state)s, is_retry = is_retry AND %(wait)s = 0, due_at = CASE
    WHEN %(wait)s > 0 THEN clock_timestamp() + %(wait)s * interval '1 second' ELSE due_at END
WHERE id = %(batch)s AND fence = %(fence)s
"""

#: Lets an account rest; of several workers that meet the same trouble, one counts.
REST: Final = """
UPDATE outreach_account
SET rests = least(rests + 1, 1000), rest_until = clock_timestamp() + %(rest)s * interval '1 second'
WHERE id = %(account)s AND (rest_until IS NULL OR rest_until <= clock_timestamp())
"""

#: An account's provider takes messages again.
END_RESTS: Final = "UPDATE outreach_account SET rests = 0, rest_until = NULL WHERE id = %(account)s AND rests > 0"

#: Where a batch stands, after a connection broke.
READ_HAND: Final = "SELECT fence, in_hand FROM outreach_batch WHERE id = %(batch)s"

#: Adds to the counters, in the order of their key; always a transaction's last statement.
COUNT: Final = """
INSERT INTO outreach_counter (run_id, slot, kind, channel, language, name, reason, count)
SELECT %(run)s, %(slot)s, kind, channel, language, name, reason, count
FROM unnest(%(kinds)s::text[], %(channels)s::text[], %(languages)s::text[], %(names)s::text[], %(reasons)s::text[],
    %(counts)s::bigint[]) AS delta (kind, channel, language, name, reason, count)
ORDER BY kind, channel, language, name, reason
ON CONFLICT (run_id, slot, kind, channel, language, name, reason)
    DO UPDATE SET count = outreach_counter.count + excluded.count
"""

# --- runs ---

#: Locks a run's campaign, then the run, as every verb does: whoever takes them in the other order may deadlock.
LOCK_CAMPAIGN: Final = """
SELECT id FROM outreach_campaign WHERE id = (SELECT campaign_id FROM outreach_run WHERE id = %(run)s)
FOR NO KEY UPDATE
"""

#: Locks a run before its state is decided anew; waits for the windows that read it.
LOCK_RUN: Final = """
SELECT state, fanned_out_at IS NOT NULL FROM outreach_run WHERE id = %(run)s FOR NO KEY UPDATE
"""

#: What a run's end hangs on: batches with open rows, and batches with ids in hand.
READ_BATCHES: Final = """
SELECT count(*), count(*) FILTER (WHERE in_hand <> '{}')
FROM outreach_batch WHERE run_id = %(run)s AND state <> 'done'
"""

#: Whether a run can be told, without a lock, to be at work still.
IS_AT_WORK: Final = """
SELECT EXISTS (
    SELECT FROM outreach_run r WHERE r.id = %(run)s AND (
        r.state IN ('paused', 'held', 'cancelled', 'finished')
        OR (r.state = 'running' AND (r.fanned_out_at IS NULL
            OR EXISTS (SELECT FROM outreach_batch b WHERE b.run_id = r.id AND b.state <> 'done')))))
"""

#: Writes a run's state, and the campaign's with it: the two never differ. `trouble` null leaves it as it is.
SET_STATE: Final = """
WITH run AS (
    UPDATE outreach_run SET state = %(state)s, trouble = coalesce(%(trouble)s::jsonb, trouble),
        finished_at = CASE WHEN %(is_ended)s THEN clock_timestamp() ELSE finished_at END
    WHERE id = %(run)s
    RETURNING campaign_id, kind
)
UPDATE outreach_campaign c SET state = %(state)s FROM run WHERE c.id = run.campaign_id AND run.kind = 'campaign'
"""

#: Batches of a cancelled run that still have rows to close.
UNFINISHED_BATCHES: Final = "SELECT id FROM outreach_batch WHERE run_id = %(run)s AND state <> 'done' ORDER BY id"

#: Locks one batch and says what is in hand.
LOCK_BATCH: Final = "SELECT in_hand, state FROM outreach_batch WHERE id = %(batch)s FOR UPDATE"

#: Closes the open rows of a batch, but none in hand: those settle.
CANCEL_ROWS: Final = """
WITH open AS MATERIALIZED (
    SELECT d.run_id, d.id, d.state, d.reason
    FROM ({ids_of_batch} OFFSET 0) AS own JOIN outreach_delivery d ON d.run_id = own.run_id AND d.id = own.id
    WHERE d.state IN ('planned', 'deferred') AND d.id <> ALL (%(in_hand)s::bigint[])
    ORDER BY d.id FOR UPDATE OF d
),
closed AS (
    UPDATE outreach_delivery d SET state = 'cancelled', reason = 'run_cancelled', settled_at = clock_timestamp()
    FROM open o WHERE d.run_id = o.run_id AND d.id = o.id
    RETURNING d.channel, d.language, o.state AS old_state, o.reason AS old_reason
)
SELECT channel, language, old_state, old_reason, count(*) FROM closed GROUP BY 1, 2, 3, 4
""".replace("{ids_of_batch}", _IDS_OF_BATCH)

#: Ends a batch of a cancelled run with nothing in hand.
END_BATCH: Final = "UPDATE outreach_batch SET state = 'done', lease_until = NULL WHERE id = %(batch)s"

#: Restamps a held run that people let go on: it is of this database from now on.
RESTAMP: Final = "UPDATE outreach_run SET system_identifier = %(system)s, timeline = %(timeline)s WHERE id = %(run)s"

# --- sweep, alive ---

#: Batches that a worker could take now or wait for, and those that workers have, by lane.
WAITING: Final = """
SELECT b.lane,
    count(*) FILTER (WHERE b.state = 'ready' OR b.lease_until < clock_timestamp()
        OR b.lease_until > clock_timestamp() + %(jumped)s * interval '1 second'),
    count(*) FILTER (WHERE b.state = 'leased' AND b.lease_until BETWEEN clock_timestamp()
        AND clock_timestamp() + %(jumped)s * interval '1 second')
FROM outreach_batch b
JOIN outreach_run r ON r.id = b.run_id AND r.state = 'running'
JOIN outreach_account a ON a.id = b.account_id AND a.state = 'active'
    AND (a.rest_until IS NULL OR a.rest_until <= clock_timestamp())
WHERE b.state = 'leased'
    OR (b.state = 'ready' AND b.due_at <= clock_timestamp() + %(soon)s * interval '1 second')
GROUP BY b.lane
"""

#: Runs that the sweep has to look at, and why; those that still take notices need nothing.
RUNS_UNDER_WAY: Final = """
SELECT id, state, fanned_out_at IS NOT NULL FROM outreach_run
WHERE state IN ('running', 'pausing', 'cancelling')
  AND NOT (kind = 'notice' AND state = 'running' AND fanned_out_at IS NULL)
ORDER BY id
"""

#: Which PostgreSQL this is; a restored or promoted one has another identifier or timeline. `campaigns.planning` asks
#: the same way.
IDENTITY: Final = """
SELECT s.system_identifier::text, c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c
"""

#: Locks what the installation knows of itself; makes it where it is missing.
LOCK_INSTALLATION: Final = """
INSERT INTO outreach_installation (id, system_identifier, timeline, created_at) VALUES (1, '', 0, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET id = excluded.id
RETURNING system_identifier, timeline, alive_at, clock_timestamp()
"""

#: Says that somebody is here.
SET_ALIVE: Final = """
UPDATE outreach_installation SET system_identifier = %(system)s, timeline = %(timeline)s, alive_at = clock_timestamp()
WHERE id = 1
"""

#: Runs that a changed database, or a long absence, concerns; of notices only where one is still to leave.
RUNS_TO_HOLD: Final = """
SELECT id FROM outreach_run r
WHERE state IN ('running', 'pausing', 'paused') AND (%(all)s OR (system_identifier <> ''
    AND (system_identifier <> %(system)s OR timeline <> %(timeline)s)))
  AND (kind <> 'notice' OR EXISTS (SELECT FROM outreach_batch b WHERE b.run_id = r.id AND b.state <> 'done'))
ORDER BY id
"""

# --- evidence, counting again ---

#: The database's time.
NOW: Final = "SELECT clock_timestamp()"

#: Locks the rows that evidence speaks of.
LOCK_ROWS: Final = """
SELECT id, channel, language, state, reason, uncertain, receipt FROM outreach_delivery
WHERE run_id = %(run)s AND id = ANY (%(ids)s::bigint[]) ORDER BY id FOR UPDATE
"""

#: Writes what evidence resolved.
RESOLVE: Final = """
UPDATE outreach_delivery d SET state = v.state, reason = '', settled_at = %(at)s,
    provider_id = coalesce(nullif(v.provider_id, ''), d.provider_id)
FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(provider_ids)s::text[]) AS v (id, state, provider_id)
WHERE d.run_id = %(run)s AND d.id = v.id
"""

#: Appends evidence; nothing about it is ever changed.
APPEND: Final = """
INSERT INTO outreach_attempt (run_id, delivery, batch, fence, kind, reason, detail, provider_id, at)
SELECT %(run)s, delivery, %(batch)s, %(fence)s, kind, reason, detail, provider_id, %(at)s
FROM unnest(%(ids)s::bigint[], %(kinds)s::text[], %(reasons)s::text[], %(details)s::text[], %(provider_ids)s::text[])
    AS e (delivery, kind, reason, detail, provider_id)
"""

#: Writes receipts.
SET_RECEIPTS: Final = """
UPDATE outreach_delivery d SET receipt = v.receipt, receipt_at = clock_timestamp()
FROM unnest(%(ids)s::bigint[], %(receipts)s::text[]) AS v (id, receipt)
WHERE d.run_id = %(run)s AND d.id = v.id
"""

#: Counts a run's rows again: states, receipts, and messages accepted by minute.
RECOUNT: Final = """
SELECT 'state', channel, language, state, reason, count(*) FROM outreach_delivery
WHERE run_id = %(run)s GROUP BY 2, 3, 4, 5
UNION ALL
SELECT 'receipt', channel, language, receipt, '', count(*) FROM outreach_delivery
WHERE run_id = %(run)s AND receipt <> '' GROUP BY 2, 3, 4
UNION ALL
SELECT 'minute', channel, language, to_char(settled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI'), '', count(*)
FROM outreach_delivery WHERE run_id = %(run)s AND state = 'accepted' GROUP BY 2, 3, 4
UNION ALL
SELECT 'fallback', channel, language, '', '', count(*) FROM outreach_delivery
WHERE run_id = %(run)s AND fallback_of IS NOT NULL GROUP BY 2, 3
"""

#: The counters of the ledger as kept, over all slots.
READ_COUNTERS: Final = """
SELECT kind, channel, language, name, reason, sum(count)::bigint FROM outreach_counter
WHERE run_id = %(run)s AND kind IN ('state', 'receipt', 'minute', 'fallback')
GROUP BY 1, 2, 3, 4, 5 HAVING sum(count) <> 0
"""

#: Fates by state: of primary rows and of fallbacks.
READ_FATES: Final = """
SELECT fallback_of IS NOT NULL, state, count(*) FROM outreach_delivery WHERE run_id = %(run)s GROUP BY 1, 2
"""

#: What must never be: each line names a problem and how many rows have it.
READ_CONTRADICTIONS: Final = """
SELECT 'open_in_done_batch', count(*) FROM outreach_delivery d JOIN outreach_batch b ON b.id = d.batch_id
    WHERE d.run_id = %(run)s AND d.state IN ('planned', 'deferred') AND b.state = 'done'
UNION ALL SELECT 'open_without_batch', count(*) FROM outreach_delivery
    WHERE run_id = %(run)s AND state IN ('planned', 'deferred') AND batch_id IS NULL
UNION ALL SELECT 'in_hand_of_nobody', count(*) FROM outreach_batch
    WHERE run_id = %(run)s AND in_hand <> '{}' AND state NOT IN ('leased')
UNION ALL SELECT 'open_in_ended_run', count(*) FROM outreach_delivery d JOIN outreach_run r ON r.id = d.run_id
    WHERE d.run_id = %(run)s AND d.state IN ('planned', 'deferred') AND r.state IN ('finished', 'cancelled')
UNION ALL SELECT 'member_twice', count(*) - count(DISTINCT (target, channel)) FROM outreach_delivery
    WHERE run_id = %(run)s AND fallback_of IS NULL
UNION ALL SELECT 'followed_twice', count(*) - count(DISTINCT fallback_of) FROM outreach_delivery
    WHERE run_id = %(run)s AND fallback_of IS NOT NULL
UNION ALL SELECT 'followed_in_doubt', count(*) FROM outreach_delivery f
    JOIN outreach_delivery d ON d.run_id = f.run_id AND d.id = f.fallback_of
    WHERE f.run_id = %(run)s AND (d.state IN ('planned', 'deferred', 'unknown', 'held_out', 'cancelled')
        OR d.uncertain)
"""

#: Ids that are in somebody's hands now.
READ_IN_HANDS: Final = """
SELECT coalesce(sum(cardinality(in_hand)), 0)::bigint FROM outreach_batch WHERE run_id = %(run)s
"""

# --- partitions ---

#: The ledger's partition without an upper end: its name, where it begins, its rows as estimated, and its birth (written
#: in its comment; the first one is as old as the installation).
LAST_PARTITION: Final = """
SELECT c.relname, (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(\\d+)''\\)'))[1]::bigint,
    greatest(c.reltuples, (pg_stat_get_live_tuples(c.oid)), 0)::bigint,
    coalesce(obj_description(c.oid, 'pg_class')::timestamptz,
        (SELECT min(created_at) FROM outreach_installation), clock_timestamp())
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'outreach_delivery'::regclass
  AND pg_get_expr(c.relpartbound, c.oid) LIKE '%%TO (MAXVALUE)'
"""

#: A run id that no run has or will get: the boundary between two ranges.
NEXT_RUN: Final = "SELECT nextval(pg_get_serial_sequence('outreach_run', 'id'))"

#: Months of events, from this one on, that have no partition.
MISSING_MONTHS: Final = """
SELECT 'outreach_event_' || to_char(month, 'YYYYMM'), month AT TIME ZONE 'UTC',
    (month + interval '1 month') AT TIME ZONE 'UTC'
FROM generate_series(
    date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC'),
    date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(months => %(ahead)s),
    interval '1 month') AS month
WHERE to_regclass('outreach_event_' || to_char(month, 'YYYYMM')) IS NULL
ORDER BY month
"""
