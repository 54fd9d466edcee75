"""How fast consents are sealed into their chain, and the chain is proven against them."""

from __future__ import annotations

import time
from typing import Any, Final

import psycopg

from outreach.audience.chain_check import check_chain
from outreach.audience.models import Topic
from outreach.audience.sealing import seal_consents
from outreach.core.errors import OutreachError
from outreach.management.bench_fill import tell

#: As an import writes them.
CONSENTS: Final = """
INSERT INTO outreach_consent (subscriber_id, purpose, topic_id, channel, action, source, text_version, language,
    evidence, at)
SELECT n, 'topic', %(topic)s, '', 'given', 'form', 'v1', '', jsonb_build_object('import', 1, 'line', n),
    now() - n * interval '1 second'
FROM generate_series(1, %(count)s) AS n
"""
#: As many as the subscriptions of ten million people.
MANY: Final = 30_000_000


def measure_consents(link: psycopg.Connection[Any], topic: Topic, *, more: int) -> dict[str, Any]:
    """Seal every consent that there is, and `more` of them; then prove the chain.

    Raises:
        OutreachError: the chain does not hold.
    """
    link.execute(CONSENTS, {"topic": topic.pk, "count": more})
    begun = time.monotonic()
    sealed = seal_consents()
    between = time.monotonic()
    tell(f"{sealed:,} consents sealed: {between - begun:.0f} s")
    check = check_chain()
    seconds = time.monotonic() - between
    if not check.holds or check.consents != sealed:
        raise OutreachError(f"the chain does not hold: {check.as_json()}")
    return {
        "consents": sealed,
        "seal_rate": round(sealed / (between - begun)),
        "check_rate": round(sealed / seconds),
        "check_us": round(seconds / sealed * 1e6, 1),
        "check_of_30_million_min": round(seconds / sealed * MANY / 60, 1),
    }
