"""What is said about a person: the fields, how they come in, and what is wrong with them, in words at the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.models import Address
from outreach.audience.regions import find_region
from outreach.core.errors import Invalid
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import PERSONAL_CHANNELS, Channel, Frequency, Language, SubscriberKind

LONGEST_NAME: Final = 200
LONGEST_ATTRIBUTE_NAME: Final = 100
LONGEST_ATTRIBUTE: Final = 2_000
MOST_ATTRIBUTES: Final = 200
#: What is kept of a person beside addresses, attributes and what they decided: whatever files, merges and undos carry.
PLAIN_FIELDS: Final = ("name", "kind", "language", "timezone", "preferred_channel", "region")


@dataclass(frozen=True, kw_only=True)
class AddressData:
    """One address as it came in."""

    channel: str
    value: str


@dataclass(frozen=True, kw_only=True)
class ConsentData:
    """What a person agreed to outside this product: where, when, and which text was shown."""

    source: str
    text_version: str = ""
    #: In which the text was shown; '' where it is not known.
    language: str = ""
    at: datetime | None = None
    #: Network address, truncated before it is kept.
    ip: str = ""
    #: Host of the site whose page showed it, where that is not ours.
    site: str = ""
    #: The provider's id of the message that gave it.
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class SubscriberData:
    """A person as the API or a form gives it; None leaves what is known untouched."""

    addresses: Sequence[AddressData] = ()
    kind: str | None = None
    name: str | None = None
    language: str | None = None
    timezone: str | None = None
    #: The channel by which the person asked to be written to; '' for no wish.
    preferred_channel: str | None = None
    #: ISO 3166-2 code or the region's name; '' where it is not known any more.
    region: str | None = None
    #: Merged into what is known; a value of None removes the attribute.
    attributes: Mapping[str, Any] | None = None
    #: Slugs.
    topics: Sequence[str] = ()
    #: How often the person wants to hear of these topics: a Frequency.
    frequency: str | None = None
    consent: ConsentData | None = None


@dataclass
class Checked:
    """Addresses that passed, and sentences about those that did not, by the field's path."""

    addresses: list[Address] = field(default_factory=list)
    problems: dict[str, list[Any]] = field(default_factory=dict)


def check_addresses(given: Sequence[AddressData]) -> Checked:
    """Make unsaved Address rows of what was given, without repetitions."""
    checked = Checked()
    seen: set[tuple[str, str]] = set()
    for place, entry in enumerate(given):
        try:
            normalised = normalise(entry.channel, entry.value)
        except BadAddress as err:
            at_channel = err.reason == "unknown_channel"
            checked.problems[f"addresses/{place}/{'channel' if at_channel else 'value'}"] = [err.message]
            continue
        if (entry.channel, normalised) not in seen:
            seen.add((entry.channel, normalised))
            checked.addresses.append(
                Address(
                    channel=entry.channel,
                    value=entry.value.strip(),
                    normalised=normalised,
                    digest=address_digest(entry.channel, normalised),
                )
            )
    return checked


def check_fields(data: SubscriberData) -> dict[str, list[Any]]:
    """Say what is wrong with the fields that are not addresses."""
    problems: dict[str, list[Any]] = {}
    if data.kind is not None and data.kind not in SubscriberKind.values:
        problems["kind"] = [_("Choose citizen, business, official or partner.")]
    if data.language is not None and data.language not in Language.values:
        problems["language"] = [_("Choose bg or en.")]
    if data.timezone and not is_timezone(data.timezone):
        problems["timezone"] = [_("This is not a time zone such as Europe/Sofia.")]
    if data.preferred_channel and data.preferred_channel not in PERSONAL_CHANNELS:
        problems["preferred_channel"] = [_("Choose email or sms, or leave it empty.")]
    if data.frequency is not None and data.frequency not in Frequency.values:
        problems["frequency"] = [_("Choose at once, daily or weekly.")]
    if data.region and not find_region(data.region):
        problems["region"] = [_("This is no region such as BG-16 or Plovdiv.")]
    if data.name is not None and len(data.name) > LONGEST_NAME:
        problems["name"] = [_("Use at most 200 characters.")]
    return problems | _attribute_problems(data.attributes or {})


def _attribute_problems(attributes: Mapping[str, Any]) -> dict[str, list[Any]]:
    problems: dict[str, list[Any]] = {}
    if len(attributes) > MOST_ATTRIBUTES:
        problems["attributes"] = [_("Use at most 200 attributes.")]
    for name, value in attributes.items():
        if not name or len(name) > LONGEST_ATTRIBUTE_NAME:
            problems["attributes"] = [_("An attribute's name has 1 to 100 characters.")]
        elif not isinstance(value, str | int | float | bool | None):
            problems[f"attributes/{name}"] = [_("An attribute is a text, a number, or true or false.")]
        elif isinstance(value, str) and len(value) > LONGEST_ATTRIBUTE:
            problems[f"attributes/{name}"] = [_("Use at most 2,000 characters.")]
    return problems


def refuse(problems: Mapping[str, list[Any]]) -> None:
    """Raises: Invalid: there are problems."""
    if problems:
        raise Invalid(problems)


@lru_cache(maxsize=1024)
def is_timezone(name: str) -> bool:
    """Whether it names a zone of the IANA database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return "/" in name or name == "UTC"


def personal_channels(addresses: Sequence[Address]) -> list[str]:
    """The channels by which these addresses reach one person, in the order of the vocabulary."""
    mine = {address.channel for address in addresses}
    return [channel for channel in Channel.values if channel in mine]
