"""A call for a notice: what it says and to whom, read and checked; every bad field becomes a sentence at its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.models import Address, Subscriber
from outreach.campaigns.models import NoticeTemplate
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import PERSONAL_CHANNELS, AddressState, Channel, LawfulBasis
from outreach.delivery.notice_templates import check_texts, find_template, read_own_content


@dataclass(frozen=True, kw_only=True)
class NoticeCall:
    """What somebody asks to be sent."""

    #: `channel` and `value`, or `subscriber` (with a `channel` where it matters).
    to: Mapping[str, Any]
    #: Slug of a template of the organisation or of one above it; else `content`.
    template: str = ""
    #: One text with its `lawful_basis`.
    content: Mapping[str, Any] | None = None
    data: Mapping[str, Any]
    #: '' for the person's, else the organisation's.
    language: str = ""
    #: Whether the person asked for just this a moment ago, as for a link to their own data: then no suppression
    #: holds it back, but that of an address that does not exist. Nobody outside the product can say so.
    is_own_wish: bool = False


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """Whom a notice is for."""

    channel: str
    value: str
    normalised: str
    #: None for an address that no subscriber was named for.
    subscriber: Subscriber | None = None
    address: int | None = None


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a notice says, and why it may be sent."""

    template: NoticeTemplate | None
    name: str
    lawful_basis: str
    #: As they are frozen; never empty.
    contents: list[Mapping[str, Any]]


def read_wording(call: NoticeCall, organisation: Organisation) -> Wording:
    if bool(call.template) == bool(call.content):
        raise Invalid({"template": [_("Name a template, or write a content: one of the two.")]})
    if call.content is not None:
        return _own_wording(call.content, organisation)
    template = find_template(organisation, call.template)
    if template is None:
        raise Invalid({"template": [_("There is no “%(word)s”.") % {"word": call.template[:60]}]})
    return Wording(
        template=template, name=template.name, lawful_basis=template.lawful_basis, contents=list(template.contents)
    )


def _own_wording(given: Mapping[str, Any], organisation: Organisation) -> Wording:
    basis = given.get("lawful_basis")
    problems: dict[str, list[Any]] = {}
    if basis not in LawfulBasis.values:
        known = ", ".join(LawfulBasis.values)
        said = _("Say why it may be sent: one of %(known)s.") % {"known": known}
        problems["content/lawful_basis"] = [said]
    text = {name: value for name, value in given.items() if name != "lawful_basis"}
    try:
        content = read_own_content(text, organisation, at="content/")
        problems |= check_texts([content], organisation, at=["content/"])
    except Invalid as err:
        problems |= dict(err.fields)
    if problems:
        raise Invalid(problems)
    name = content["subject"][:200] or content["channel"]
    return Wording(template=None, name=name, lawful_basis=str(basis), contents=[content])


def read_addressee(call: NoticeCall, organisation: Organisation, wording: Wording) -> Addressee:
    written = list(dict.fromkeys(content["channel"] for content in wording.contents))
    channel = call.to.get("channel") or ""
    if channel and channel not in PERSONAL_CHANNELS:
        raise Invalid({"to/channel": [_("A notice goes to one person: by e-mail or SMS.")]})
    if channel and channel not in written:
        raise Invalid({"to/channel": [_("There is no text for this channel.")]})
    if bool(call.to.get("subscriber")) == bool(call.to.get("value")):
        raise Invalid({"to": [_("Name a subscriber, or a channel and an address: one of the two.")]})
    if call.to.get("subscriber"):
        return _subscribers_address(call.to["subscriber"], organisation, [channel] if channel else written)
    return _plain_address(channel, str(call.to["value"]))


def _plain_address(channel: str, value: str) -> Addressee:
    if not channel:
        raise Invalid({"to/channel": [_("This must not be empty.")]})
    try:
        normalised = normalise(channel, value)
    except BadAddress as err:
        raise Invalid({"to/value": [err.message]}) from err
    return Addressee(channel=channel, value=_as_sent(channel, value.strip(), normalised), normalised=normalised)


def _subscribers_address(key: Any, organisation: Organisation, channels: list[str]) -> Addressee:
    """The person's address on the first of the channels that has one: a good one before a doubtful one."""
    people = Subscriber.objects.for_organisation(organisation).filter(erased_at=None)
    digits = str(key) if str(key).isascii() and str(key).isdecimal() and len(str(key)) < 19 else "0"
    person = people.filter(pk=int(digits)).first()
    if person is None:
        raise Invalid({"to/subscriber": [_("There is no such person.")]})
    found = sorted(
        Address.objects.filter(subscriber=person, channel__in=channels), key=lambda one: _rank(one, channels)
    )
    if not found:
        raise Invalid({"to/subscriber": [_("This person has no address that the notice could go to.")]})
    address = found[0]
    return Addressee(
        channel=address.channel,
        value=_as_sent(address.channel, address.value, address.normalised),
        normalised=address.normalised,
        subscriber=person,
        address=address.pk,
    )


def _rank(address: Address, channels: list[str]) -> tuple[bool, int, bool, int]:
    is_bad = address.state in (AddressState.BOUNCING, AddressState.INVALID)
    return is_bad, channels.index(address.channel), address.state != AddressState.ACTIVE, -address.pk


def _as_sent(channel: str, value: str, normalised: str) -> str:
    """What the provider gets: a mailbox as its owner writes it, a number in one form."""
    return value if channel == Channel.EMAIL else normalised


def missing_data(wanted: frozenset[tuple[str, ...]], data: Any) -> list[tuple[str, ...]]:
    """Paths that a text reads and `data` does not have; of nested ones only the outermost. Pure."""
    absent = sorted(path for path in wanted if not _has(data, path))
    return [path for path in absent if not any(path[: len(other)] == other for other in absent if other != path)]


def _has(data: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if isinstance(data, Mapping) and key in data:
            data = data[key]
        elif isinstance(data, list) and key.isdecimal() and int(key) < len(data):
            data = data[int(key)]
        else:
            return False
    return data is not None
