"""Sign-up with double opt-in: a form makes an e-mail, and only the link in it makes a subscriber.

Whoever fills in a form learns nothing about the address: known and unknown ones get the same answer, and an e-mail, by
the same statements. What is said is `signup_words`, what is counted `core.tallies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.disposable import is_disposable
from outreach.audience.erasure import Erased, on_erase
from outreach.audience.models import Address, Subscriber, Topic
from outreach.audience.pending import SignUp
from outreach.audience.profile import AddressData, ConsentData, SubscriberData
from outreach.audience.signup_rules import refused_domains
from outreach.audience.subscribers import truncated_ip, upsert_subscriber
from outreach.audience.topic_tree import Branch, grow_tree, with_branches
from outreach.core import clock, tallies
from outreach.core.access import product_itself
from outreach.core.errors import Invalid, RateLimited
from outreach.core.models import Organisation
from outreach.core.vocabulary import AddressState, Channel, Language, SubscriptionState
from outreach.delivery.notices import send_own_words
from outreach.events import signup_words, work
from outreach.events.signup_links import VALID, make_link

#: Forms that one network may send in an hour: an office or a telephone network is many people.
MOST_OF_NETWORK: Final = 30
#: The same for forms whose page's script did its work.
MOST_WITH_WORK: Final = 300
#: E-mails that an address gets in a day, however often somebody types it.
MOST_TO_ADDRESS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A form, or a call, as it came in."""

    email: str
    #: Slugs.
    topics: Sequence[str]
    #: Slugs of topics that are wanted with all that they hold.
    branches: Sequence[str] = ()
    #: Of the messages.
    language: str
    #: Which text was agreed to.
    text_version: str
    #: Network address of the person.
    ip: str
    #: `form` or `api`.
    source: str = "form"
    #: The site whose page the form stood on; '' for ours.
    site: str = ""
    #: A proof of work; '' where no script ran.
    work: str = ""
    #: What else is said: `frequency`; by a caller of the API also `name`, `kind`, `timezone`, `region`, `attributes`.
    profile: Mapping[str, Any] = field(default_factory=dict)


def offered_tree(organisation: Organisation) -> list[Branch]:
    """The organisation's own topics, as their tree."""
    return grow_tree(Topic.objects.filter(organisation=organisation))


def offered_topics(organisation: Organisation) -> list[Topic]:
    """The organisation's own topics, in the order of their tree."""
    return [branch.topic for branch in offered_tree(organisation)]


def ask_to_join(organisation: Organisation, asked: Asked) -> bool:
    """Keep what was asked for and send the e-mail that confirms it, or that says that nothing is to be confirmed.

    False where the address had its e-mails of today: nothing is kept, and whoever filled in a form is not told.

    Raises:
        Invalid: the address is none, or of a disposable kind; no topic is marked.
        RateLimited: the network has sent too many forms.
        StateConflict: the organisation has no account to send e-mail through.
    """
    network = truncated_ip(asked.ip)
    if asked.source == "form" and network:
        most = MOST_WITH_WORK if work.is_done(asked.work, asked.email) else MOST_OF_NETWORK
        if tallies.count_one("sign-up-network", network, per=timedelta(hours=1)) > most:
            raise RateLimited
    normalised, topics = _read(organisation, asked)
    if tallies.count_one("sign-up-address", f"{organisation.pk}:{normalised}", per=timedelta(days=1)) > MOST_TO_ADDRESS:
        return False
    with transaction.atomic():
        sign_up = SignUp.objects.create(
            organisation=organisation,
            value=asked.email.strip(),
            normalised=normalised,
            language=asked.language,
            topics=[topic.slug for topic in topics],
            text_version=asked.text_version,
            network=network,
            source=asked.source,
            site=asked.site,
            profile=dict(asked.profile),
            created_at=clock.now(),
        )
        _write_to(sign_up, topics)
    return True


def _read(organisation: Organisation, asked: Asked) -> tuple[str, list[Topic]]:
    problems: dict[str, list[str]] = {}
    normalised = ""
    try:
        normalised = normalise(Channel.EMAIL, asked.email)
    except BadAddress as err:
        problems["email"] = [str(err.message)]
    if is_disposable(normalised, refused_domains(organisation)):
        problems["email"] = [_("This address is of a kind that lasts minutes. Give one that you read.")]
    topics = with_branches(offered_tree(organisation), asked.topics, asked.branches)
    if not topics:
        problems["topics"] = [_("Mark at least one topic.")]
    if asked.language not in Language.values:
        problems["language"] = [_("There is no such language here.")]
    if problems:
        raise Invalid(problems)
    return normalised, topics


def _write_to(sign_up: SignUp, topics: Sequence[Topic]) -> None:
    """Send the e-mail; whose address it is decides what it says, and not how many statements it takes."""
    holder = _holder(sign_up, topics)
    wants_all = holder is not None and holder.wanted == len(topics)
    letter = signup_words.letter(
        sign_up.organisation,
        topics,
        language=sign_up.language,
        link=f"{settings.BASE_URL}/confirm/{make_link(sign_up)}",
        is_wanted_already=wants_all,
    )
    send_own_words(
        sign_up.organisation,
        channel=Channel.EMAIL,
        to=sign_up.value,
        normalised=sign_up.normalised,
        # One plan for both letters: neither makes a run of its own.
        subject="{{ data.subject }}",
        data={"subject": letter.subject, "has_link": wants_all},
        text=letter.text,
        language=sign_up.language,
        word="sign-up",
        # With a subscriber comes the way to their preferences, and it goes to nobody but the address itself.
        subscriber=holder if wants_all else None,
    )


def _holder(sign_up: SignUp, topics: Sequence[Topic]) -> Any:
    """Who has the address, with how many of the topics they get by e-mail; None for nobody."""
    gets = Q(
        subscriptions__topic__in=topics,
        subscriptions__channel=Channel.EMAIL,
        subscriptions__state=SubscriptionState.SUBSCRIBED,
    )
    return (
        Subscriber.objects.filter(
            addresses__organisation=sign_up.organisation,
            addresses__channel=Channel.EMAIL,
            addresses__normalised=sign_up.normalised,
        )
        .annotate(wanted=Count("subscriptions", filter=gets, distinct=True))
        .first()
    )


@transaction.atomic
def confirm(sign_up: SignUp, *, shown_in: str) -> None:
    """Make the subscriber, or complete the one who has the address. The second time changes nothing.

    So a link that is used again does not take back what the person withdrew since. What the page of another site said
    we do not know: there the text counts that the confirming page shows, in the language `shown_in`.
    """
    first = SignUp.objects.select_for_update().filter(pk=sign_up.pk, confirmed_at=None).first()
    if first is None:
        return
    topics = [topic.slug for topic in offered_topics(sign_up.organisation) if topic.slug in first.topics]
    version = signup_words.text_version(shown_in) if first.site or not first.text_version else first.text_version
    language = version.rpartition("/")[2]
    consent = ConsentData(
        source=first.source,
        text_version=version,
        language=language if language in Language.values else "",
        ip=first.network.partition("/")[0],
        site=first.site,
    )
    upsert_subscriber(
        product_itself(sign_up.organisation),
        SubscriberData(
            addresses=[AddressData(channel=Channel.EMAIL, value=first.value)],
            language=first.language,
            topics=topics,
            consent=consent,
            **first.profile,
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
    tallies.forget_tallies()
    return SignUp.objects.filter(created_at__lte=clock.now() - VALID).delete()[0]


def forget_sign_ups(erased: Erased) -> None:
    """Delete what was asked for with the addresses of a person who is erased."""
    asked = SignUp.objects.filter(organisation__in=erased.organisations)
    asked.filter(normalised__in=[normalised for _channel, normalised in erased.addresses]).delete()


def register() -> None:
    """Have erasures come by here; once, at start-up."""
    if forget_sign_ups not in on_erase:
        on_erase.append(forget_sign_ups)
