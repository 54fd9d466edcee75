"""One-time links: what a person may take or destroy, only who reads their own mail can ask for.

A message can be forwarded, and its personal link with it. So that link only has another one sent, to the address that
we know; this one is signed, is good once, and for half an hour. That it was used stands in the audit.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.utils.translation import gettext, override

from outreach.audience.consent_proof import prove
from outreach.audience.erasure import erase_subscriber
from outreach.audience.models import Subscriber
from outreach.audience.subscribers import export_subscriber
from outreach.audience.suppression import is_suppressed
from outreach.core import audit, clock
from outreach.core.access import product_itself
from outreach.core.errors import Invalid, OutreachError, StateConflict
from outreach.core.models import AuditEntry
from outreach.core.secrets import derived_key
from outreach.core.spreadsheet import csv_rows
from outreach.core.vocabulary import AddressState, Channel, LawfulBasis
from outreach.delivery.notice_call import NoticeCall
from outreach.delivery.notices import send_notice

EXPORT: Final = "export"
ERASE: Final = "erase"
ACTIONS: Final = (EXPORT, ERASE)
GOOD_FOR: Final = timedelta(minutes=30)
#: Whoever holds a forwarded message cannot fill its reader's mailbox.
BETWEEN: Final = timedelta(minutes=5)
#: Who does not want to hear from us gets the link all the same, as the law has it, and a day's rest after it.
BETWEEN_SUPPRESSED: Final = timedelta(days=1)


_LATELY: Final = timedelta(days=1)


class LinkGone(OutreachError):
    """This link is not ours, is too old, or was used."""


@dataclass(frozen=True, kw_only=True)
class OneTimeLink:
    """What a link is for."""

    subscriber: Subscriber
    action: str
    #: Names the link in the audit once it was used.
    number: str


def send_link(subscriber: Subscriber, action: str) -> None:
    """Have a link for the action sent to the person's own address; e-mail before SMS.

    Silent where that cannot be, or was done a moment ago: who asks may be anybody, and learns nothing.
    """
    with contextlib.suppress(Invalid, StateConflict), transaction.atomic():
        locked = Subscriber.objects.select_for_update().select_related("organisation").get(pk=subscriber.pk)
        since = clock.now() - (BETWEEN_SUPPRESSED if _is_suppressed(locked) else BETWEEN)
        if _entries(locked, "subscriber.link_sent").filter(at__gte=since, facts__wish=action).exists():
            return
        actor = product_itself(locked.organisation)
        send_notice(actor, _notice(locked, action))
        audit.record(actor, "subscriber.link_sent", locked, wish=action)


def read_link(text: str) -> OneTimeLink:
    """What the link is for, as long as it is good; reading does not use it.

    Raises:
        LinkGone
    """
    try:
        key, action, issued, number = _signer().unsign_object(text)
    except BadSignature as err:
        raise LinkGone from err
    if clock.now() - datetime.fromtimestamp(issued, UTC) > GOOD_FOR:
        raise LinkGone
    subscriber = Subscriber.objects.select_related("organisation").filter(pk=key, erased_at=None).first()
    if subscriber is None or _entries(subscriber, "subscriber.exported").filter(facts__link=number).exists():
        raise LinkGone
    return OneTimeLink(subscriber=subscriber, action=action, number=number)


@transaction.atomic
def take_export(text: str, *, as_csv: bool, also: Callable[[Subscriber], Mapping[str, Any]]) -> str:
    """Everything that we know of the person, as JSON's source or CSV; the link is used with it.

    `also` adds what stages above this one know: messages, and what became of them.

    JSON has the proof of the person's consents as well, which no spreadsheet could check.

    Raises:
        LinkGone
    """
    link = _lock(text, EXPORT)
    audit.record(product_itself(link.subscriber.organisation), "subscriber.exported", link.subscriber, link=link.number)
    known = {**export_subscriber(link.subscriber), **also(link.subscriber)}
    if as_csv:
        # The mark tells spreadsheets that this is UTF-8.
        return "\ufeff" + csv_rows([["field", "value"], *_lines(known)])
    return json.dumps(known | {"consent_proof": prove(link.subscriber)}, ensure_ascii=False, indent=2)


@transaction.atomic
def erase_by_link(text: str) -> None:
    """Erase the person, who is gone with it, and so are all links to them.

    Raises:
        LinkGone
    """
    link = _lock(text, ERASE)
    erase_subscriber(product_itself(link.subscriber.organisation), link.subscriber)


def make_link(subscriber: Subscriber, action: str) -> str:
    """The token of a fresh link."""
    issued = int(clock.now().timestamp())
    token: str = _signer().sign_object([subscriber.pk, action, issued, secrets.token_urlsafe(9)])
    return token


def _signer() -> Signer:
    return Signer(key=derived_key("one-time-links").hex(), salt="one-time-links", sep=".")


def _lock(text: str, action: str) -> OneTimeLink:
    """The link, while nobody else can use it: two that come at once come one after the other."""
    link = read_link(text)
    Subscriber.objects.select_for_update().get(pk=link.subscriber.pk)
    if link.action != action:
        raise LinkGone
    return read_link(text)


def _is_suppressed(subscriber: Subscriber) -> bool:
    rows = subscriber.addresses.values_list("channel", "normalised")
    return any(is_suppressed(subscriber.organisation, channel, normalised) for channel, normalised in rows)


def _entries(subscriber: Subscriber, action: str) -> Any:
    """Of late: a link that is older is refused for its age."""
    recent = AuditEntry.objects.for_organisation(subscriber.organisation).filter(at__gte=clock.now() - _LATELY)
    return recent.filter(action=action, noun="subscriber", noun_id=str(subscriber.pk))


def _notice(subscriber: Subscriber, action: str) -> NoticeCall:
    channel = _channel(subscriber)
    with override(subscriber.language):
        said = {
            EXPORT: gettext("With this link you download what we know about you: %(link)s"),
            ERASE: gettext("With this link you delete all that we know about you: %(link)s"),
        }[action] % {"link": "{{ data.link }}"}
        once = gettext("It works once, for 30 minutes. If you did not ask for it, do nothing.")
        subject = gettext("Your one-time link") if channel == Channel.EMAIL else ""
    content = {
        "channel": channel,
        "language": subscriber.language,
        "format": "text",
        "subject": subject,
        "body": f"{said}\n\n{once}",
        "lawful_basis": LawfulBasis.LEGAL_OBLIGATION.value,
    }
    link = f"{settings.BASE_URL}/d/{make_link(subscriber, action)}"
    return NoticeCall(to={"subscriber": subscriber.pk}, content=content, data={"link": link}, is_own_wish=True)


def _channel(subscriber: Subscriber) -> str:
    good = set(subscriber.addresses.filter(state=AddressState.ACTIVE).values_list("channel", flat=True))
    return Channel.SMS.value if Channel.EMAIL not in good and Channel.SMS in good else Channel.EMAIL.value


def _lines(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A nested value as lines: `addresses/0/value`, and what stands there."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _lines(each, f"{path}/{name}" if path else str(name))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _lines(each, f"{path}/{position}")
    else:
        yield path, value
