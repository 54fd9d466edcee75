"""Sign-up with double opt-in: a form makes an e-mail, and only the link in it makes a subscriber.

Whoever fills in a form learns nothing about the address: known and unknown ones get the same answer, and an e-mail.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.disposable import is_disposable
from outreach.audience.erasure import on_erase
from outreach.audience.models import Address, Subscription, Topic
from outreach.audience.pending import SignUp
from outreach.audience.profile import AddressData, ConsentData, SubscriberData
from outreach.audience.subscribers import truncated_ip, upsert_subscriber
from outreach.core import clock
from outreach.core.access import product_itself
from outreach.core.errors import Invalid, RateLimited
from outreach.core.models import Organisation, in_language
from outreach.core.secrets import mac
from outreach.core.vocabulary import AddressState, Channel, Language, SubscriptionState
from outreach.delivery.notices import send_own_words

#: How long a link confirms, and how long what was asked for is kept.
VALID: Final = timedelta(days=7)
#: Forms that one network may send in an hour: an office or a telephone network is many people.
MOST_OF_NETWORK: Final = 30
#: E-mails that an address gets in a day, however often somebody types it.
MOST_TO_ADDRESS: Final = 3
#: Changes whenever `consent_text` says something else.
TEXT_VERSION: Final = "sign-up-1"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A form as it came in."""

    email: str
    #: Slugs.
    topics: Sequence[str]
    #: Of the messages.
    language: str
    #: Of the page, and so of the text that was agreed to.
    shown_in: str
    #: Network address of the sender.
    ip: str


def consent_text(organisation: Organisation, language: str) -> str:
    """What a person agrees to, as it is shown; TEXT_VERSION says which."""
    with override(language):
        name = in_language(organisation.name, language) or organisation.slug
        return _(
            "I agree that %(organisation)s writes to me by e-mail about the topics that I marked. "
            "I can withdraw this at any time, by the link in each message."
        ) % {"organisation": name}


def text_version(language: str) -> str:
    """What the record of a consent calls the text of `consent_text` in the language in which it was shown."""
    return f"{TEXT_VERSION}/{language}"


def offered_topics(organisation: Organisation) -> list[Topic]:
    """The organisation's own topics."""
    return list(Topic.objects.filter(organisation=organisation))


@transaction.atomic
def ask_to_join(organisation: Organisation, asked: Asked) -> None:
    """Keep what was asked for and send the e-mail that confirms it, or that says that nothing is to be confirmed.

    Raises:
        Invalid: the address is none, or of a disposable kind; no topic is marked.
        RateLimited: the network has sent too many forms.
        StateConflict: the organisation has no account to send e-mail through.
    """
    normalised, topics = _read(organisation, asked)
    network = truncated_ip(asked.ip)
    now = clock.now()
    lately = SignUp.objects.filter(network=network, created_at__gt=now - timedelta(hours=1))
    if network and lately.count() >= MOST_OF_NETWORK:
        raise RateLimited
    same = SignUp.objects.filter(organisation=organisation, normalised=normalised)
    if same.filter(created_at__gt=now - timedelta(days=1)).count() >= MOST_TO_ADDRESS:
        return
    sign_up = SignUp.objects.create(
        organisation=organisation,
        value=asked.email.strip(),
        normalised=normalised,
        language=asked.language,
        topics=[topic.slug for topic in topics],
        text_version=text_version(asked.shown_in),
        network=network,
        created_at=now,
    )
    _write_to(sign_up, topics)


def _read(organisation: Organisation, asked: Asked) -> tuple[str, list[Topic]]:
    problems: dict[str, list[str]] = {}
    normalised = ""
    try:
        normalised = normalise(Channel.EMAIL, asked.email)
    except BadAddress as err:
        problems["email"] = [str(err.message)]
    if is_disposable(normalised):
        problems["email"] = [_("This address is of a kind that lasts minutes. Give one that you read.")]
    topics = [topic for topic in offered_topics(organisation) if topic.slug in asked.topics]
    if not topics:
        problems["topics"] = [_("Mark at least one topic.")]
    if asked.language not in Language.values:
        problems["language"] = [_("There is no such language here.")]
    if problems:
        raise Invalid(problems)
    return normalised, topics


def _write_to(sign_up: SignUp, topics: Sequence[Topic]) -> None:
    address = Address.objects.filter(
        organisation=sign_up.organisation, channel=Channel.EMAIL, normalised=sign_up.normalised
    ).first()
    has_all = address is not None and _wants_all(address, topics)
    with override(sign_up.language):
        name = in_language(sign_up.organisation.name, sign_up.language) or sign_up.organisation.slug
        names = ", ".join(in_language(topic.name, sign_up.language) or topic.slug for topic in topics)
        told = {"organisation": name, "topics": names, "link": f"{settings.BASE_URL}/confirm/{make_link(sign_up)}"}
        text = (_already_text if has_all else _confirm_text)()
        subject = _("You are subscribed already") if has_all else _("Confirm your subscription")
    send_own_words(
        sign_up.organisation,
        channel=Channel.EMAIL,
        to=sign_up.value,
        normalised=sign_up.normalised,
        subject=subject,
        text=text % told,
        language=sign_up.language,
        word="sign-up",
    )


def _wants_all(address: Address, topics: Sequence[Topic]) -> bool:
    wanted = Subscription.objects.filter(
        subscriber=address.subscriber_id, topic__in=topics, channel=Channel.EMAIL, state=SubscriptionState.SUBSCRIBED
    )
    return wanted.count() == len(topics)


def _confirm_text() -> str:
    return _(
        "Somebody, probably you, asked %(organisation)s to write to this address about: %(topics)s.\n\n"
        "If it was you, confirm it here within 7 days:\n%(link)s\n\n"
        "If it was not you, do nothing: we will not write to you."
    )


def _already_text() -> str:
    return _(
        "Somebody, probably you, asked %(organisation)s to write to this address about: %(topics)s.\n\n"
        "You get these messages already, so there is nothing to confirm. "
        "Each has a link by which you change what you get."
    )


def make_link(sign_up: SignUp) -> str:
    """The signed part of a confirming link."""
    return f"{sign_up.pk}-{_signature(sign_up.pk)}"


def _signature(key: int) -> str:
    return mac("sign-ups").digest(str(key).encode()).hex()[:32]


def find_sign_up(text: str) -> SignUp | None:
    """The sign-up of a link that we signed, while it is valid."""
    key, _dash, signature = text.partition("-")
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        return None
    if not hmac.compare_digest(signature.encode(), _signature(int(key)).encode()):
        return None
    kept = SignUp.objects.select_related("organisation").filter(created_at__gt=clock.now() - VALID)
    return kept.filter(pk=int(key)).first()


@transaction.atomic
def confirm(sign_up: SignUp) -> None:
    """Make the subscriber, or complete the one who has the address. The second time changes nothing.

    So a link that is used again does not take back what the person withdrew since.
    """
    first = SignUp.objects.select_for_update().filter(pk=sign_up.pk, confirmed_at=None).first()
    if first is None:
        return
    topics = [topic.slug for topic in offered_topics(sign_up.organisation) if topic.slug in first.topics]
    consent = ConsentData(source="form", text_version=first.text_version, ip=first.network.partition("/")[0])
    upsert_subscriber(
        product_itself(sign_up.organisation),
        SubscriberData(
            addresses=[AddressData(channel=Channel.EMAIL, value=first.value)],
            language=first.language,
            topics=topics,
            consent=consent,
        ),
    )
    mine = Address.objects.filter(
        organisation=first.organisation_id, channel=Channel.EMAIL, normalised=first.normalised
    )
    mine.update(state=AddressState.ACTIVE)
    first.confirmed_at = clock.now()
    first.save(update_fields=["confirmed_at"])


def forget_expired() -> int:
    """Delete what no link confirms any more; how many."""
    return SignUp.objects.filter(created_at__lte=clock.now() - VALID).delete()[0]


def forget_sign_ups(subscriber_id: int, addresses: list[tuple[str, str]]) -> None:
    """Delete what was asked for with the addresses of a person who is erased."""
    del subscriber_id
    SignUp.objects.filter(normalised__in=[normalised for _channel, normalised in addresses]).delete()


def register() -> None:
    """Have erasures come by here; once, at start-up."""
    if forget_sign_ups not in on_erase:
        on_erase.append(forget_sign_ups)
