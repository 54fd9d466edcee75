"""What was sent to a person and what came back, as facts for segments (`audience.facts`).

A person's messages are found by the ledger's unique key (run, target, channel), run by run: there is no index on the
person, since fan-out would pay for it. What a record got that became part of the person's counts as theirs: the ledger
names it by its old id for ever. (Answers and reports are moved by the merge itself.) What is counted happened until the
rule's own time, so that what a run itself sends does not change its audience.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outreach.audience.facts import (
    Argument,
    Asked,
    Fact,
    Reference,
    Takes,
    Told,
    of_each_record,
    register_facts,
    register_finder,
)
from outreach.audience.people_facts import between, by_channel, quoted, recently, within
from outreach.campaigns.models import Campaign, Service
from outreach.core.models import Organisation
from outreach.core.vocabulary import Channel, Goal

Given = Mapping[str, Any]

#: How long after a run's end its unclear messages may still turn out to have arrived.
LATE: Final = timedelta(days=90)


def _runs(given: Given, asked: Asked) -> str:
    """SQL: which runs `r` are meant, and the person's messages `d` of them."""
    sql = "r.kind = 'campaign' AND r.retired_at IS NULL"
    if "campaign" in given:
        sql += f" AND r.campaign_id = {asked(asked.ids('campaign', given['campaign'])[0])}"
    elif "within" in given:
        since = asked.since(given["within"]) - LATE
        sql += f" AND (r.finished_at IS NULL OR r.finished_at >= {asked(since)})"
    if "channel" in given:
        sql += f" AND d.channel = {asked(given['channel'])}"
    return sql + _promoting("r.campaign_id", given, asked)


def _promoting(campaign: str, given: Given, asked: Asked) -> str:
    """SQL: the campaign promotes the service, where one is named."""
    if "service" not in given:
        return ""
    service = asked(asked.ids("service", given["service"])[0])
    of_service = f"v.campaign_id = {campaign} AND v.service_id = {service}"
    return f" AND EXISTS (SELECT FROM outreach_campaign_services v WHERE {of_service})"


_MESSAGES: Final = (
    "EXISTS (SELECT FROM outreach_run r"
    " JOIN outreach_delivery d ON d.run_id = r.id AND d.target = 's:' || {id}::text WHERE {which})"
)


def _message(which: str) -> str:
    return of_each_record(_MESSAGES.replace("{which}", which))


def _received_sql(given: Given, asked: Asked) -> str:
    arrived = "d.state = 'accepted' AND d.receipt <> 'bounced'"
    return _message(f"{_runs(given, asked)} AND {arrived} AND {between('d.settled_at', given, asked)}")


def _event_sql(kinds: str) -> Callable[[Given, Asked], str]:
    """SQL of what a person did with a message; what a machine did does not count."""

    def sql(given: Given, asked: Asked) -> str:
        event = (
            "EXISTS (SELECT FROM outreach_event e WHERE e.delivery = d.id AND e.run_id = d.run_id"
            f" AND e.kind IN {kinds} AND e.verdict = 'human' AND {between('e.at', given, asked)})"
        )
        return _message(f"{_runs(given, asked)} AND {event}")

    return sql


def _replied_sql(given: Given, asked: Asked) -> str:
    sql = f"y.subscriber_id = s.id AND y.kind = 'reply' AND {between('y.received_at', given, asked)}"
    if "campaign" in given:
        sql += f" AND y.campaign_id = {asked(asked.ids('campaign', given['campaign'])[0])}"
    sql += _promoting("y.campaign_id", given, asked)
    return f"EXISTS (SELECT FROM outreach_reply y WHERE {sql})"


def _converted_sql(given: Given, asked: Asked) -> str:
    sql = f"v.subscriber_id = s.id AND {between('v.at', given, asked)}"
    if "service" in given:
        sql += f" AND v.service_id = {asked(asked.ids('service', given['service'])[0])}"
    if "name" in given:
        sql += f" AND v.name = {asked(given['name'])}"
    return f"EXISTS (SELECT FROM outreach_conversion v WHERE {sql})"


_OPENED = _event_sql("('opened', 'clicked')")  # who followed a link has read, even where no picture was shown
_CLICKED = _event_sql("('clicked')")

#: Each stage of the funnel and the evidence of it, from the first to the last: as `effectiveness.funnel` has it.
EVIDENCE: Final[dict[str, Callable[[Given, Asked], str]]] = {
    Goal.KNOWS: _received_sql,
    Goal.UNDERSTANDS: _OPENED,
    Goal.INTERESTED: lambda given, asked: f"{_CLICKED(given, asked)} OR {_replied_sql(given, asked)}",
    Goal.USES: lambda given, asked: _converted_sql({**given, "name": "used"}, asked),
    Goal.SATISFIED: lambda given, asked: _converted_sql({**given, "name": "satisfied"}, asked),
    Goal.RECOMMENDS: lambda given, asked: _converted_sql({**given, "name": "recommended"}, asked),
}


def _stage_sql(given: Given, asked: Asked) -> str:
    """Who reached a later stage has reached the earlier ones."""
    stages = list(EVIDENCE)
    evidence = [EVIDENCE[stage] for stage in stages[stages.index(given["at_least"]) :]]
    return "(" + " OR ".join(sql({"service": given["service"]}, asked) for sql in evidence) + ")"


def _about(given: Given, told: Told) -> str:
    """` of the campaign “A” about “B” by SMS in the last 14 days`, or as much of it as is said."""
    parts = []
    if "campaign" in given:
        parts.append(_(" of the campaign %(campaign)s") % {"campaign": told.named("campaign", given["campaign"])})
    if "service" in given:
        parts.append(_(" about %(service)s") % {"service": told.named("service", given["service"])})
    if "channel" in given:
        parts.append(_(" by %(channel)s") % {"channel": Channel(given["channel"]).label})
    return "".join(parts) + recently(given)


def _phrase(positive: Any, negative: Any) -> Callable[[Given, Told], tuple[str, str]]:
    def words(given: Given, told: Told) -> tuple[str, str]:
        facts = {"about": _about(given, told)}
        return str(positive) % facts, str(negative) % facts

    return words


#: What services report, in words; a service may have words of its own.
CONVERSIONS: Final[dict[str, tuple[Any, Any]]] = {
    "used": (gettext_lazy("who used %(service)s%(when)s"), gettext_lazy("who did not use %(service)s%(when)s")),
    "satisfied": (
        gettext_lazy("who were satisfied with %(service)s%(when)s"),
        gettext_lazy("who were not satisfied with %(service)s%(when)s"),
    ),
    "recommended": (
        gettext_lazy("who recommended %(service)s%(when)s"),
        gettext_lazy("who did not recommend %(service)s%(when)s"),
    ),
}
_REPORTED = (
    gettext_lazy("of whom %(service)s reported%(name)s%(when)s"),
    gettext_lazy("of whom %(service)s did not report%(name)s%(when)s"),
)


def _converted_words(given: Given, told: Told) -> tuple[str, str]:
    name = given.get("name", "")
    service = told.named("service", given["service"]) if "service" in given else _("an e-service")
    facts = {"service": service, "when": recently(given), "name": f" {quoted(name)}" if name else _(" anything")}
    positive, negative = CONVERSIONS.get(name, _REPORTED)
    return str(positive) % facts, str(negative) % facts


def _stage_words(given: Given, told: Told) -> tuple[str, str]:
    facts = {"stage": Goal(given["at_least"]).label, "service": told.named("service", given["service"])}
    return (
        _("who have come to “%(stage)s” with %(service)s") % facts,
        _("who have not come to “%(stage)s” with %(service)s") % facts,
    )


def _found_campaigns(organisation: Organisation, ids: Collection[str]) -> Mapping[str, Reference]:
    whole = [id_ for id_ in ids if id_.isascii() and id_.isdecimal() and len(id_) < 19]
    found = Campaign.objects.for_organisation(organisation).filter(pk__in=whole)
    return {str(campaign.pk): Reference(id=campaign.pk, name={"": campaign.name}) for campaign in found}


def _found_services(organisation: Organisation, slugs: Collection[str]) -> Mapping[str, Reference]:
    root = f"{organisation.path.split('/', 1)[0]}/"
    found = Service.objects.filter(organisation__path__startswith=root, slug__in=slugs)
    return {service.slug: Reference(id=service.pk, name=service.name or {"": service.slug}) for service in found}


_CAMPAIGN = Argument(name="campaign", label=gettext_lazy("Campaign"), takes=Takes.REFERENCE, refers="campaign")
_SERVICE = Argument(name="service", label=gettext_lazy("E-service"), takes=Takes.REFERENCE, refers="service")
_OF_MESSAGES = (within(), _CAMPAIGN, _SERVICE, by_channel())

FACTS_OF_MESSAGES: Final = (
    Fact(
        name="received",
        label=gettext_lazy("Received a message"),
        arguments=_OF_MESSAGES,
        sql=_received_sql,
        words=_phrase(
            gettext_lazy("who received a message%(about)s"), gettext_lazy("who received no message%(about)s")
        ),
    ),
    Fact(
        name="opened",
        label=gettext_lazy("Opened a message"),
        arguments=_OF_MESSAGES,
        sql=_OPENED,
        words=_phrase(gettext_lazy("who opened a message%(about)s"), gettext_lazy("who opened no message%(about)s")),
    ),
    Fact(
        name="clicked",
        label=gettext_lazy("Followed a link"),
        arguments=_OF_MESSAGES,
        sql=_CLICKED,
        words=_phrase(
            gettext_lazy("who followed a link of a message%(about)s"),
            gettext_lazy("who followed no link of a message%(about)s"),
        ),
    ),
    Fact(
        name="replied",
        label=gettext_lazy("Answered"),
        arguments=(within(), _CAMPAIGN, _SERVICE),
        sql=_replied_sql,
        words=_phrase(
            gettext_lazy("who answered a message%(about)s"), gettext_lazy("who did not answer a message%(about)s")
        ),
    ),
    Fact(
        name="converted",
        label=gettext_lazy("Reported by an e-service"),
        arguments=(
            within(),
            _SERVICE,
            Argument(name="name", label=gettext_lazy("What it reports"), takes=Takes.TEXT),
        ),
        sql=_converted_sql,
        words=_converted_words,
    ),
    Fact(
        name="stage",
        label=gettext_lazy("Stage of the funnel"),
        arguments=(
            Argument(
                name="service",
                label=gettext_lazy("E-service"),
                takes=Takes.REFERENCE,
                refers="service",
                is_required=True,
            ),
            Argument(name="at_least", label=gettext_lazy("At least"), takes=Takes.WORD, words=Goal, is_required=True),
        ),
        sql=_stage_sql,
        words=_stage_words,
    ),
)


def register() -> None:
    """Have segments ask for what was sent and what came back; once, at start-up."""
    register_finder("campaign", _found_campaigns)
    register_finder("service", _found_services)
    register_facts(*FACTS_OF_MESSAGES)
