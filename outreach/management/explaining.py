"""`outreach explain DELIVERY`: the receipt of one message as a story, each commit with its time and fence."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from outreach.audience.addresses import mask
from outreach.core.vocabulary import Channel, DeliveryState, Receipt
from outreach.effectiveness.receipts import DeliveryReceipt, as_json, find_anywhere, receipt_of
from outreach.effectiveness.telling import tell, tell_doubt, tell_prospect

WIDTH: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("delivery", metavar="DELIVERY", help="its id RUN-ID, its Message-ID, or the provider's id")
    parser.add_argument("--json", action="store_true", help="what GET /deliveries/{id} answers")


def handle(args: argparse.Namespace) -> int:
    found = receipt_of(*find_anywhere(args.delivery.strip()))
    print(json.dumps(as_json(found), ensure_ascii=False) if args.json else "\n".join(_in_words(found)))
    return 0


def _in_words(found: DeliveryReceipt) -> Iterator[str]:
    zone = ZoneInfo(found.run.organisation.timezone)

    def write_time(moment: datetime) -> str:
        return moment.astimezone(zone).isoformat(sep=" ", timespec="milliseconds")

    yield from _head(found)
    yield ""
    for told in (tell(step, write_time=write_time) for step in found.steps):
        yield f"{write_time(told.step.at)}  {told.title}"
        yield from _indented(told.text)
    if found.doubt:
        yield ""
        yield from _wrapped(tell_doubt(found.doubt))
    if found.next:
        yield ""
        yield _("What comes next") + ":"
        for each in found.next:
            yield from _indented(tell_prospect(each, write_time=write_time))


def _head(found: DeliveryReceipt) -> Iterator[str]:
    delivery = found.delivery
    states = {**dict(DeliveryState.choices), "sending": _("Sending")}
    fate = [states[found.state], dict(Receipt.choices).get(delivery.receipt, "")]
    yield _("Message %(id)s: %(fate)s") % {
        "id": delivery.public_id,
        "fate": ", ".join(str(word) for word in fate if word),
    }
    facts = {
        _("Campaign"): found.run.campaign.name if found.run.campaign else "",
        _("Channel"): str(Channel(delivery.channel).label),
        _("Address"): mask(found.to) if found.to else "",
        _("Sent through"): found.account.name if found.account else "",
        _("Number at the provider"): delivery.provider_id,
    }
    yield from (f"  {name}: {value}" for name, value in facts.items() if value)


def _indented(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH)
