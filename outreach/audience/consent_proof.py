"""The proof of a person's consents: each row's words and salt, and the hashes that lead from it to a published root.

Whoever has it can work out by themselves that these words were sealed then; `docs/how-to/prove-a-consent.md` has the
program. It holds nothing of anybody else. A row that was erased is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _

from outreach.audience.commitment import COLUMNS, Row, text_of
from outreach.audience.consent_chain import ConsentBlock, ConsentDay
from outreach.audience.consent_days import tree_of
from outreach.audience.merging import all_ids
from outreach.audience.merkle import Step, path_of
from outreach.audience.models import Subscriber
from outreach.core import clock
from outreach.core.secrets import derived_key
from outreach.core.vocabulary import ConsentPurpose

#: Slug of the feed and archive page that publish each day's root.
PUBLISHED_AS: Final = "consent-ledger"
#: On what the processing for each purpose rests.
LAWFUL_BASIS: Final = {
    ConsentPurpose.TOPIC: _("consent of the person: GDPR, article 6(1)(a)"),
    ConsentPurpose.MEASUREMENT: _("consent of the person: GDPR, article 6(1)(a)"),
    ConsentPurpose.ERASURE: _("the right to erasure: GDPR, article 17"),
}
MINE: Final = f"""
SELECT {COLUMNS} FROM outreach_consent c WHERE c.subscriber_id = ANY(%(people)s) AND c.salt IS NOT NULL ORDER BY c.id
"""  # noqa: S608 -- the code's own columns
HOLDERS: Final = """
SELECT DISTINCT b.number FROM unnest(%(ids)s::bigint[]) AS e(id)
JOIN outreach_consentblock b ON int8range(b.first_id, b.last_id, '[]') @> e.id AND e.id = ANY(b.ids)
ORDER BY b.number
"""


def prove(subscriber: Subscriber) -> dict[str, Any]:
    """Everything that proves the person's consents, signed; as JSON. Those of merged records name the other record."""
    ids = all_ids(subscriber)
    with connection.cursor() as cursor:
        cursor.execute(MINE, {"people": ids})
        rows = [Row(*row) for row in cursor.fetchall()]
        cursor.execute(HOLDERS, {"ids": [row.id for row in rows]})
        numbers = [number for (number,) in cursor.fetchall()]
    held = {row.id: row for row in rows}
    places, blocks = _read_blocks(numbers, held)
    days = _enter_days(blocks)
    proof = {
        "organisation": subscriber.organisation.slug,
        "person": str(subscriber.pk),
        "made_at": clock.now().isoformat(),
        "lawful_basis": {purpose.value: str(basis) for purpose, basis in LAWFUL_BASIS.items()},
        "consents": [_consent(row) | places.get(row.id, {"block": None, "path": []}) for row in rows],
        "blocks": blocks,
        "days": days,
        "published_at": f"{settings.BASE_URL}/feeds/{PUBLISHED_AS}.json",
    }
    if len(ids) > 1:
        proof["merged_records"] = [str(key) for key in ids[1:]]
    return proof | {"public_key": public_key(), "signature": _key().sign(signed_bytes(proof)).hex()}


def signed_bytes(proof: dict[str, Any]) -> bytes:
    """What the signature is over: the proof without key and signature, in one form."""
    kept = {name: value for name, value in proof.items() if name not in ("public_key", "signature")}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def public_key() -> str:
    """By which anybody checks what this installation signed (Ed25519, RFC 8032), in hexadecimal."""
    return _key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(derived_key("consent-proofs"))


def _consent(row: Row) -> dict[str, Any]:
    assert row.salt is not None  # noqa: S101 -- the query leaves erased ones out
    return {"text": text_of(row), "salt": row.salt.bytes.hex()}


def _read_blocks(numbers: list[int], held: dict[int, Row]) -> tuple[dict[int, dict[str, Any]], list[dict[str, Any]]]:
    """Where each consent stands, and the blocks; these are read one by one, each may hold thousands of strangers."""
    places: dict[int, dict[str, Any]] = {}
    blocks = []
    for number in numbers:
        stored = ConsentBlock.objects.get(number=number)
        tree = stored.content.tree
        for place, consent in enumerate(stored.ids, start=1):
            if consent in held:
                places[consent] = {"block": number, "path": _steps(path_of(tree, place))}
        root = bytes(stored.root).hex()
        blocks.append({"number": number, "root": root, "sealed_at": stored.sealed_at.isoformat()})
    return places, blocks


def _enter_days(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write into each block whose day is over how it leads to the day's root; return these days."""
    days: dict[str, dict[str, Any]] = {}
    for block in blocks:
        block |= {"day": None, "path": []}
        day = ConsentDay.objects.filter(first_block__lte=block["number"], last_block__gte=block["number"]).first()
        if day is not None:
            numbers, tree = tree_of(day)
            name = day.day.isoformat()
            block |= {"day": name, "path": _steps(path_of(tree, numbers.index(block["number"]) + 1))}
            days[name] = {"day": name, "root": bytes(day.root).hex()}
    return list(days.values())


def _steps(path: Iterable[Step]) -> list[str]:
    return [f"{side} {beside.hex()}" for side, beside in path]
