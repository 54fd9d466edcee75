"""The people behind a number: rows of the ledger, the audience before there is one, and the receipt of one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import mask
from outreach.audience.models import Address, Subscriber
from outreach.audience.selection import EVERYBODY, select_as_fanned_out
from outreach.campaigns.models import Run
from outreach.campaigns.planning import freeze
from outreach.core.vocabulary import (
    HANDED_OVER,
    Channel,
    DeliveryState,
    Language,
    Reason,
    Receipt,
    RunKind,
)
from outreach.delivery.models import Batch, Delivery
from outreach.effectiveness.receipts import receipt
from outreach.effectiveness.telling import tell, tell_doubt, tell_prospect
from outreach.web import formats
from outreach.web.api.paging import write_cursor
from outreach.web.console.campaigns import campaign_of
from outreach.web.console.visit import Visit, visiting

S = DeliveryState
PAGE: Final = 50
ARRIVED: Final = (Receipt.DELIVERED, Receipt.READ)
RETURNED: Final = (Receipt.BOUNCED, Receipt.COMPLAINED)

#: What a link may ask for -> its name and the rows; the same cut as the columns of Running.
SHOWN: Final[dict[str, tuple[Any, Callable[[], Q]]]] = {
    "": (_("All"), Q),
    "handed": (_("Handed over"), lambda: Q(state__in=HANDED_OVER)),
    "delivered": (_("Delivered"), lambda: Q(state=S.ACCEPTED, receipt__in=ARRIVED)),
    "accepted": (_("Accepted"), lambda: Q(state=S.ACCEPTED, receipt="")),
    "sending": (_("Sending"), lambda: Q(state__in=(S.PLANNED, S.DEFERRED))),
    "deferred": (_("Deferred"), lambda: Q(state=S.DEFERRED)),
    "failed": (_("Failed"), lambda: Q(state=S.REJECTED) | Q(state=S.ACCEPTED, receipt__in=RETURNED)),
    "rejected": (_("Rejected"), lambda: Q(state=S.REJECTED)),
    "bounced": (_("Bounced"), lambda: Q(state=S.ACCEPTED, receipt__in=RETURNED)),
    "unknown": (_("Unknown"), lambda: Q(state=S.UNKNOWN)),
    "planned": (_("Planned"), lambda: Q(state=S.PLANNED)),
    "skipped": (_("Skipped"), lambda: Q(state=S.SKIPPED)),
    "unsent": (_("Skipped, and in no digest"), lambda: Q(state=S.SKIPPED) & ~Q(reason=Reason.DIGESTED)),
    "held_out": (_("Held out"), lambda: Q(state=S.HELD_OUT)),
    "cancelled": (_("Cancelled"), lambda: Q(state=S.CANCELLED)),
}

#: Whom the next run would choose; `after` is a subscriber's id.
_WHO: Final = """
SELECT subscriber_id, channel, state, reason FROM chosen
WHERE (%(state)s = '' OR state = %(state)s OR (%(state)s = 'unsent' AND state = 'skipped' AND reason <> 'digested'))
  AND (%(channel)s = '' OR channel = %(channel)s)
  AND (%(reason)s = '' OR reason = %(reason)s)
ORDER BY subscriber_id, channel LIMIT %(most)s
"""


@visiting()
def deliveries(visit: Visit, key: int) -> HttpResponse:
    campaign = campaign_of(visit, key)
    kept = Run.objects.filter(campaign=campaign, kind=RunKind.CAMPAIGN)
    runs = dict(kept.values_list("pk", "retired_at"))
    return visit.show(
        "campaigns/deliveries.html",
        campaign=campaign,
        retired_at=max(filter(None, runs.values()), default=None),
        **messages_of(visit, list(runs)),
    )


def messages_of(visit: Visit, runs: list[int]) -> dict[str, Any]:
    """A page of these runs' rows that the address asks for, and its filters."""
    asked = _asked(visit)
    found = list(_rows(visit, runs, asked)[: PAGE + 1])
    return {
        "rows": _with_people(visit, found[:PAGE]),
        "next_cursor": write_cursor(found[PAGE - 1].id) if len(found) > PAGE else None,
        **_filters(asked),
    }


@visiting()
def audience(visit: Visit, key: int) -> HttpResponse:
    """Who would get the campaign if it started now, and who would not, and why."""
    campaign = campaign_of(visit, key)
    asked = _asked(visit)
    frozen = freeze(campaign, is_whole=False)
    selection = select_as_fanned_out(frozen, ancestors=campaign.organisation.ancestor_ids())
    found: list[tuple[Any, ...]] = []
    if selection is not None:
        parameters = selection.between(visit.cursor or 0, EVERYBODY) | asked | {"most": PAGE + 1}
        with connection.cursor() as database:
            database.execute(selection.sql + _WHO, parameters)
            found = database.fetchall()
    whole = _whole_people(found)
    return visit.show(
        "campaigns/audience.html",
        campaign=campaign,
        rows=_named(visit, whole),
        next_cursor=write_cursor(whole[-1][0]) if len(whole) < len(found) else None,
        **_filters(asked),
    )


@visiting()
def delivery(visit: Visit, public_id: str) -> HttpResponse:
    """The receipt: why sent or not, by which channel, each commit and everything after."""
    found = receipt(visit.organisation, public_id)
    return visit.show(
        "campaigns/receipt.html",
        found=found,
        story=[tell(step, write_time=formats.exact) for step in found.steps],
        doubt=tell_doubt(found.doubt),
        following=[tell_prospect(each, write_time=formats.exact) for each in found.next],
        state_label=dict(DeliveryState.choices).get(found.state, _("Sending")),
        reasons=dict(Reason.choices),
        receipts=dict(Receipt.choices),
        channel_names=dict(Channel.choices),
        languages=dict(Language.choices),
    )


def _asked(visit: Visit) -> dict[str, str]:
    state, channel, reason = (visit.request.GET.get(name, "") for name in ("state", "channel", "reason"))
    return {
        "state": state if state in SHOWN else "",
        "channel": channel if channel in Channel.values else "",
        "reason": reason if reason in Reason.values else "",
    }


def _filters(asked: dict[str, str]) -> dict[str, Any]:
    return {
        "asked": asked,
        "heading": SHOWN[asked["state"]][0],
        "states": [(key, label) for key, (label, _rows) in SHOWN.items()],
        "channels": Channel.choices,
        "channel_names": dict(Channel.choices),
        "languages": dict(Language.choices),
        "reasons": dict(Reason.choices),
        "state_names": dict(DeliveryState.choices),
        "receipt_names": dict(Receipt.choices),
        "parameters": "&".join(f"{name}={value}" for name, value in asked.items() if value),
    }


def _rows(visit: Visit, runs: list[int], asked: dict[str, str]) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(SHOWN[asked["state"]][1](), run_id__in=runs)
    if asked["state"] == "sending":
        in_hand = Batch.objects.filter(run__in=runs).exclude(in_hand=[]).values_list("in_hand", flat=True)
        rows = rows.filter(id__in=[id_ for ids in in_hand for id_ in ids])
    for name in ("channel", "reason"):
        if asked[name]:
            rows = rows.filter(**{name: asked[name]})
    rows = rows if visit.cursor is None else rows.filter(id__lt=visit.cursor)
    return rows.order_by("-id")


def _whole_people(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """One page of rows that ends with a person's last one: the cursor is a person."""
    if len(found) <= PAGE:
        return found
    return [row for row in found if row[0] != found[PAGE][0]]


def _people(visit: Visit, keys: list[int]) -> dict[int, Subscriber]:
    """Those of the organisation; a topic from above also reaches people of other organisations."""
    return Subscriber.objects.for_organisation(visit.organisation).in_bulk(keys)


def _with_people(visit: Visit, rows: list[Delivery]) -> list[dict[str, Any]]:
    """Rows with the person's name and the address; two queries, however many rows."""
    people = _people(visit, [row.subscriber_id for row in rows if row.subscriber_id])
    addresses = Address.objects.in_bulk([row.address_id for row in rows if row.address_id])
    return [
        {
            "delivery": row,
            "person": people.get(row.subscriber_id or 0),
            "address": _masked(addresses.get(row.address_id or 0)),
        }
        for row in rows
    ]


def _masked(address: Address | None) -> str:
    return mask(address.value) if address is not None else ""


def _named(visit: Visit, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    people = _people(visit, [row[0] for row in rows])
    return [
        {"person": people.get(subscriber), "channel": channel, "state": state, "reason": reason}
        for subscriber, channel, state, reason in rows
    ]
