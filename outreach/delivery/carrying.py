"""What a channel cannot carry of a content, and how many recipients that concerns: found before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, F, Min, QuerySet, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, Length
from django.utils.translation import gettext as _

from channels.base import Capabilities
from outreach.audience.models import Subscriber
from outreach.core.vocabulary import PUBLIC_CHANNELS, Channel, ContentFormat
from outreach.delivery.compile import RICH, CompiledContent
from outreach.delivery.parts import MOST_ATTACHED
from outreach.delivery.segments import measure_post, measure_sms

#: More segments than this and networks drop or garble an SMS.
MOST_SEGMENTS: Final = 10
#: Bytes of HTML: Gmail cuts at 102 kB, and the person's own links are a little longer or shorter.
MOST_HTML: Final = 100 * 1024
#: Characters of a name (`Subscriber.name`); attributes have no such bound.
LONGEST_NAME: Final = 200
_ATTRIBUTE: Final = re.compile(r"subscriber\.attributes\.(\w+)")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that would go wrong at sending, at a field of the content."""

    code: str
    message: str
    remedy: str
    #: `error` stops the campaign, `warning` does not.
    severity: str = "error"
    field: str = "body"


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """What a content would be sent through."""

    name: str
    can: Capabilities


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Who gets a content, and how it is made for one of them."""

    #: People, or 1 for a public post. A function, since counting takes time and most contents have nothing wrong.
    count: Callable[[], int]
    people: Callable[[], QuerySet[Subscriber]]
    #: Text and HTML for a person, or for nobody in particular; None where it cannot be made.
    render: Callable[[Subscriber | None], tuple[str, str] | None]


def find_refusals(
    content: CompiledContent, carrier: Carrier, readers: Readers, pictures: Mapping[str, Any]
) -> Iterator[Finding]:
    """What the carrier would refuse or spoil, each with the number of messages."""
    yield from _lacking(content, carrier, readers)
    if content.source.channel == Channel.EMAIL:
        yield from _too_large(content, readers, pictures)
    elif content.source.channel not in RICH:
        yield from _too_long(content, carrier, readers)


def _lacking(content: CompiledContent, carrier: Carrier, readers: Readers) -> Iterator[Finding]:
    source, can = content.source, carrier.can
    needs = (
        (source.channel in RICH and source.format != ContentFormat.TEXT and not can.html, _("HTML"), "body"),
        (bool(source.subject.strip()) and not can.subject, _("a subject"), "subject"),
        (
            (source.entry is not None or bool(source.attached)) and not can.files,
            _("an entry for the calendar or pictures within the e-mail"),
            "calendar" if source.entry else "pictures",
        ),
    )
    for is_lacking, what, field in needs:
        if is_lacking:
            facts = {"name": carrier.name, "what": what, "count": readers.count()}
            message = _("“%(name)s” cannot carry %(what)s. Messages that it would refuse: %(count)s.") % facts
            remedy = _("Take it out, or send through another account.")
            yield Finding(code="unsupported", message=message, remedy=remedy, field=field)


def _too_large(content: CompiledContent, readers: Readers, pictures: Mapping[str, Any]) -> Iterator[Finding]:
    made = readers.render(readers.people().first() if "subscriber" in content.roots else None)
    size = len(made[1].encode()) if made else 0
    if size > MOST_HTML:
        message = _(
            "The e-mail has %(size)s kB of HTML. Gmail cuts it after %(most)s kB and hides the rest, "
            "the link to unsubscribe as well."
        )
        facts = {"size": -(-size // 1024), "most": 102}
        remedy = _("Shorten it, or divide it between two campaigns.")
        yield Finding(code="too_large", message=message % facts, remedy=remedy, severity="warning")
    # Base64 takes four characters for three bytes.
    attached = sum(len(pictures[key]["data"]) * 3 // 4 for key in content.source.attached if key in pictures)
    if attached > MOST_ATTACHED:
        message = _("Pictures within the e-mail take %(size)s kB; at most %(most)s kB are sent to everybody.")
        facts = {"size": -(-attached // 1000), "most": MOST_ATTACHED // 1000}
        remedy = _("Use smaller ones, or have them shown from our address.")
        yield Finding(code="too_large", message=message % facts, remedy=remedy, field="pictures")


def _too_long(content: CompiledContent, carrier: Carrier, readers: Readers) -> Iterator[Finding]:
    """By the longest message of the audience, and not by that of the first person."""
    measure = _measure(content.source.channel, carrier.can.max_length)
    sample = readers.render(None)
    if sample is None or measure is None or not _may_be_longer(content, sample[0], measure):
        return
    count, longest = _count_too_long(content, readers, measure)
    if not count:
        return
    if content.source.channel == Channel.SMS and measure_sms(longest).segments > MOST_SEGMENTS:
        message = _(
            "The SMS has up to %(segments)s parts; networks take at most %(most)s. "
            "Messages that are too long: %(count)s."
        )
        facts: dict[str, Any] = {"segments": measure_sms(longest).segments, "most": MOST_SEGMENTS, "count": count}
    else:
        message = _(
            "“%(name)s” takes at most %(longest)s characters. Messages that are longer: %(count)s; "
            "the longest has %(length)s."
        )
        length = measure_post(longest) if content.source.channel == Channel.SOCIAL else len(longest)
        facts = {"name": carrier.name, "longest": carrier.can.max_length, "count": count, "length": length}
    yield Finding(code="too_long", message=message % facts, remedy=_("Shorten it."))


def _measure(channel: str, longest: int) -> Callable[[str], bool] | None:
    """Whether a text is too long for the channel; None where nothing is."""
    if channel == Channel.SMS:
        return lambda text: measure_sms(text).segments > MOST_SEGMENTS or 0 < longest < len(text)
    if not longest:
        return None
    return lambda text: (measure_post(text) if channel == Channel.SOCIAL else len(text)) > longest


def _may_be_longer(content: CompiledContent, sample: str, measure: Callable[[str], bool]) -> bool:
    """Whether anybody's message can be too long: most texts are so short that no person has to be looked at."""
    if measure(sample) or _ATTRIBUTE.search(content.source.body):
        return True
    # A Cyrillic letter makes a whole SMS Cyrillic, so names are tried as such.
    return measure(sample + "я" * LONGEST_NAME * content.source.body.count("subscriber.name"))


def _count_too_long(content: CompiledContent, readers: Readers, measure: Callable[[str], bool]) -> tuple[int, str]:
    """How many messages are too long, and the longest: one person stands for all with equally long words of theirs."""
    if content.source.channel in PUBLIC_CHANNELS or "subscriber" not in content.roots:
        made = readers.render(None)
        return (readers.count(), made[0]) if made and measure(made[0]) else (0, "")
    lengths = readers.people().annotate(own=_own_length(content.source.body)).order_by()
    total, longest = 0, ""
    for row in lengths.values("own").annotate(people=Count("pk"), one=Min("pk")).order_by("-own"):
        made = readers.render(Subscriber.objects.get(pk=row["one"]))
        if made is None:
            continue
        if not measure(made[0]):
            break
        total, longest = total + row["people"], max(longest, made[0], key=len)
    return total, longest


def _own_length(body: str) -> Any:
    """SQL: how many letters of a person the text prints."""
    length: Any = Length("name") if "subscriber.name" in body else Value(0)
    for name in dict.fromkeys(_ATTRIBUTE.findall(body)):
        length = length + Length(Coalesce(KeyTextTransform(name, F("attributes")), Value("")))
    return length
