"""Sign-up by a call of the API: the same e-mail and button as of a form, for what the caller's own page asked."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from outreach.audience.profile import SubscriberData
from outreach.audience.subscribers import read_subscriber
from outreach.core.access import Actor
from outreach.core.errors import Invalid, RateLimited
from outreach.core.vocabulary import Channel, Permission
from outreach.events.signups import Asked, ask_to_join, offered_topics

#: What is kept until the button is pressed, besides address, language and topics.
_PROFILE: Final = ("name", "kind", "timezone", "region", "attributes", "frequency")


def ask_by_call(actor: Actor, data: SubscriberData) -> None:
    """Send the e-mail that confirms; nobody is a subscriber before. Who is known already gets one that says so.

    Raises:
        Invalid: it is not one e-mail address with a topic of the organisation, or a field is not acceptable.
        RateLimited: the address had its e-mails of today.
        StateConflict: the organisation has no account to send e-mail through.
        Forbidden
    """
    actor.require(Permission.EDIT_AUDIENCE)
    read, addresses, _topics = read_subscriber(actor.organisation, data)
    if [address.channel for address in addresses] != [Channel.EMAIL]:
        raise Invalid({"addresses": [_("To have it confirmed, give one address, of e-mail.")]})
    offered = {topic.slug for topic in offered_topics(actor.organisation)}
    if strange := {
        f"topics/{n}": [_("There is no such topic.")] for n, s in enumerate(data.topics) if s not in offered
    }:
        raise Invalid(strange)
    consent = data.consent
    profile = {name: getattr(read, name) for name in _PROFILE if getattr(read, name) is not None}
    asked = Asked(
        email=addresses[0].value,
        topics=data.topics,
        language=data.language or actor.organisation.language,
        text_version=consent.text_version if consent else "",
        ip=consent.ip if consent else "",
        source="api",
        profile=profile,
    )
    if not ask_to_join(actor.organisation, asked):
        raise RateLimited
