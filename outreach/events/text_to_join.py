"""Text to subscribe: JOIN and a topic's name, sent from one's own telephone, subscribes it to that topic by SMS.

Whoever sends it holds the number, so no second step confirms it; the answer says how to end it.
"""

from __future__ import annotations

import re
from typing import Final

from django.utils.translation import gettext, override

from outreach.audience.addresses import BadAddress, normalise
from outreach.audience.models import Topic
from outreach.audience.profile import AddressData, ConsentData, SubscriberData
from outreach.audience.subscribers import upsert_subscriber
from outreach.audience.suppression import reason_of, unsuppress
from outreach.audience.topic_tree import grow_tree
from outreach.core import audit
from outreach.core.access import product_itself
from outreach.core.models import Account, Organisation, in_language
from outreach.core.vocabulary import Language, SuppressionReason
from outreach.delivery.latin import to_latin
from outreach.events.confirmations import confirm_word
from outreach.events.keywords import is_cyrillic, topic_asked_for
from outreach.events.models import Reply

#: Which words of ours the consent rests on: those with which an organisation tells people what to text.
TEXT_VERSION: Final = "sms-join-1"
#: Characters of the answer that names the topics: three SMS of Cyrillic.
LONGEST_LIST: Final = 150


def join_by_text(account: Account, reply: Reply) -> None:
    """Subscribe who wrote, and say so; or say which topics there are. In the caller's transaction."""
    try:
        number = normalise(reply.channel, reply.sender)
    except BadAddress:
        return  # a short code or a name: nobody whom we could write to
    topics = [branch.topic for branch in grow_tree(Topic.objects.for_organisation(account.organisation))]
    topic = find_topic(topics, topic_asked_for(reply.text))
    if topic is not None and not _subscribe(account, reply, number, topic):
        return
    if account.settings.get("keywords") != "no":
        confirm_word(account, reply, number, lambda language: _answer(account.organisation, topics, topic, language))


def find_topic(topics: list[Topic], asked: str) -> Topic | None:
    """The topic that somebody means: by its name in any language, as typed in Latin letters, or by its slug. Pure."""
    wanted = _plain(asked)
    return next((topic for topic in topics if wanted and wanted in _names(topic)), None)


def _names(topic: Topic) -> set[str]:
    names = [topic.slug, *topic.name.values()]
    return {_plain(each) for name in names for each in (name, to_latin(name))}


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w]+", " ", text).split()).casefold()


def _subscribe(account: Account, reply: Reply, number: str, topic: Topic) -> bool:
    """False where the number may not be written to for another reason than its own STOP, which this takes back."""
    organisation = account.organisation
    if reason_of(organisation, reply.channel, number) == SuppressionReason.STOP:
        unsuppress(organisation, reply.channel, number)
    if reason_of(organisation, reply.channel, number):
        return False
    consent = ConsentData(source="sms", text_version=TEXT_VERSION, message=reply.external_id)
    person, is_new = upsert_subscriber(
        product_itself(organisation),
        SubscriberData(
            addresses=[AddressData(channel=reply.channel, value=number)], topics=[topic.slug], consent=consent
        ),
    )
    if is_new and is_cyrillic(reply.text) and person.language != Language.BULGARIAN:
        person.language = Language.BULGARIAN
        person.save(update_fields=["language"])
    audit.record(product_itself(organisation), "reply.join", reply, organisation=organisation, topic=topic.slug)
    return True


def _answer(organisation: Organisation, topics: list[Topic], topic: Topic | None, language: str) -> str:
    with override(language):
        told = {"name": in_language(organisation.name, language) or organisation.slug}
        if topic is not None:
            told["topic"] = in_language(topic.name, language) or topic.slug
            return gettext("%(name)s: you will get our SMS about “%(topic)s”. To end them, answer STOP.") % told
        names = ""
        for each in topics:
            longer = f"{names}; {in_language(each.name, language) or each.slug}".removeprefix("; ")
            names = longer if len(longer) <= LONGEST_LIST else names
        return gettext("%(name)s: we have no such topic. Answer JOIN and one of these: %(topics)s") % {
            **told,
            "topics": names,
        }
