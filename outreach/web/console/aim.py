"""Step 1, Aim: whom, and what should change?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.segments import usable_segments
from outreach.audience.selection import AudienceCount, count_audience
from outreach.campaigns.drafts import change_campaign, create_campaign
from outreach.campaigns.fields import LONGEST_ATTRIBUTION, LONGEST_SILENCE, usable_services, usable_topics
from outreach.campaigns.models import Campaign
from outreach.campaigns.planning import segment_facts
from outreach.campaigns.web_tags import LONGEST_TAG, TAGS
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import (
    EDITABLE,
    PERSONAL_CHANNELS,
    Channel,
    ChannelMode,
    Goal,
    Permission,
    Reason,
    SubscriberKind,
    Tracking,
)
from outreach.web.console.campaigns import campaign_of
from outreach.web.console.forms import ConsoleForm, one_of, ticks
from outreach.web.console.visit import Visit, filling, posting

HOLDOUTS: Final = (("0", _("Nobody")), ("0.05", "5 %"), ("0.1", "10 %"), ("0.2", "20 %"), ("0.5", "50 %"))


def _tag(label: Any, help_text: Any = "") -> forms.CharField:
    return forms.CharField(label=label, help_text=help_text, max_length=LONGEST_TAG, required=False)


class AimForm(ConsoleForm):
    paths = {
        "audience/topics": "topics",
        "audience/exclude": "exclude",
        "audience/kinds": "kinds",
        "audience/segment": "segment",
        "audience/exclude_segments": "exclude_segments",
        "channels/mode": "mode",
        "channels/fallback": "fallback",
        "channels/fallback_after": "fallback_after",
        "experiment/holdout": "holdout",
        **{f"utm/{tag}": f"utm_{tag}" for tag in TAGS},
    }
    name = forms.CharField(label=_("Name of the campaign"), max_length=200, help_text=_("Only you see it."))
    goal = one_of(_("What should change?"), Goal.choices, help_text=_("The stage that people should reach."))
    services = ticks(_("Services that it promotes"), ())
    topics = ticks(_("People who chose one of these topics"), ())
    kinds = ticks(_("Only these"), SubscriberKind.choices, help_text=_("Nothing ticked means everybody."))
    segment = forms.ChoiceField(
        label=_("Of them only the segment"), required=False, help_text=_("A rule of your own, kept under Segments.")
    )
    exclude = ticks(_("But not who chose"), ())
    exclude_segments = ticks(_("But not whom these segments mean"), ())
    mode = one_of(_("How to reach them"), ChannelMode.choices)
    fallback = forms.BooleanField(
        label=_("If a message fails, try the next channel"),
        required=False,
        help_text=_(
            "Where each person is reached by one channel: after a refusal, or when the message comes back. Never where "
            "it may have arrived, and never to who said no."
        ),
    )
    fallback_after = forms.IntegerField(
        label=_("Also without a receipt, after so many minutes"),
        min_value=1,
        max_value=LONGEST_SILENCE,
        required=False,
        help_text=_(
            "Empty: silence is no failure. Counts only where the provider reports receipts; who is merely slow may get "
            "it twice."
        ),
    )
    holdout = forms.ChoiceField(
        label=_("Held out to compare"),
        choices=HOLDOUTS,
        help_text=_("Chosen at random, they get nothing. It shows what would have happened without the campaign."),
    )
    tracking = one_of(_("Opens and clicks"), Tracking.choices)
    utm_source = _tag(_("Source"), _("Who sends it, as council.org."))
    utm_medium = _tag(_("Medium"), _("{channel} stands for the message's channel, {language} for its language."))
    utm_campaign = _tag(_("Campaign"), _("A short name without blanks."))
    utm_term = _tag(_("Search term"))
    utm_content = _tag(_("Content"))
    attribution_days = forms.IntegerField(
        label=_("A use counts within so many days"),
        min_value=1,
        max_value=LONGEST_ATTRIBUTION,
        required=False,
        help_text=_("After the message. Said before the start and fixed by it, so that nobody fits it to the result."),
    )

    def __init__(self, organisation: Organisation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topics_here = {topic.slug: topic for topic in usable_topics(organisation)}
        choices = [(slug, str(topic)) for slug, topic in self.topics_here.items()]
        services = [(service.slug, str(service)) for service in usable_services(organisation)]
        self.segments_here = {str(one.pk): one for one in usable_segments(organisation)}
        segments = [(key, str(one)) for key, one in self.segments_here.items()]
        self.fields["segment"].choices = [("", _("everybody")), *segments]  # type: ignore[attr-defined]
        self.fields["exclude_segments"].choices = segments  # type: ignore[attr-defined]
        for name, options in (("topics", choices), ("exclude", choices), ("services", services)):
            self.fields[name].choices = options  # type: ignore[attr-defined]

    def campaign_data(self) -> dict[str, Any]:
        """As the verbs and the API write it."""
        values = self.cleaned_data
        return {
            "name": values["name"],
            "goal": values["goal"],
            "services": values["services"],
            "audience": {
                "topics": values["topics"],
                "exclude": values["exclude"],
                "kinds": values["kinds"],
                "segment": values["segment"] or None,
                "exclude_segments": values["exclude_segments"],
            },
            "channels": {
                "mode": values["mode"],
                "fallback": values["fallback"],
                "fallback_after": values["fallback_after"],
            },
            "experiment": {"holdout": float(values["holdout"])},
            "tracking": values["tracking"],
            "utm": {tag: values[f"utm_{tag}"] for tag in TAGS},
            **({"attribution_days": values["attribution_days"]} if values["attribution_days"] else {}),
        }


@filling(needs=Permission.EDIT_CAMPAIGNS)
def new_campaign(visit: Visit) -> HttpResponse:
    initial = {
        "goal": Goal.KNOWS,
        "mode": ChannelMode.ALL,
        "fallback": True,
        "holdout": "0",
        "tracking": Tracking.AGGREGATE,
        "attribution_days": 30,
        "segment": visit.request.GET.get("segment", ""),
    }
    form = AimForm(visit.organisation, visit.request.POST or None, initial=initial)
    if visit.is_post and form.is_valid():
        try:
            made = create_campaign(visit.actor, form.campaign_data())
            return visit.go("message", key=made.pk)
        except Invalid as invalid:
            form.take(invalid)
    return _page(visit, form, None)


@filling(needs=Permission.VIEW)
def aim(visit: Visit, key: int) -> HttpResponse:
    campaign = campaign_of(visit, key)
    form = AimForm(campaign.organisation, visit.request.POST or None, initial=_initial(campaign))
    if visit.is_post and form.is_valid():
        try:
            change_campaign(visit.actor, campaign, form.campaign_data())
            return visit.go("message", key=campaign.pk)
        except Invalid as invalid:
            form.take(invalid)
    return _page(visit, form, campaign)


@posting(needs=Permission.VIEW)
def aim_count(visit: Visit) -> HttpResponse:
    """How many people the ticked boxes mean, for htmx; nothing is saved."""
    form = AimForm(visit.organisation, visit.request.POST)
    form.is_valid()
    return visit.show("campaigns/count.html", **_counted(visit.organisation, form, form.cleaned_data))


def _page(visit: Visit, form: AimForm, campaign: Campaign | None) -> HttpResponse:
    chosen = form.cleaned_data if form.is_bound else form.initial
    return visit.show(
        "campaigns/aim.html",
        form=form,
        campaign=campaign,
        step="aim",
        is_editable=campaign is None or campaign.state in EDITABLE,
        has_tags=any(form[f"utm_{tag}"].value() or form.errors.get(f"utm_{tag}") for tag in TAGS),
        **_counted(campaign.organisation if campaign else visit.organisation, form, chosen),
    )


def _counted(organisation: Organisation, form: AimForm, chosen: Mapping[str, Any]) -> dict[str, Any]:
    count = _count(organisation, form, chosen)
    return {
        "count": count,
        "recipients": [(Channel(channel).label, number) for channel, number in sorted(count.recipients.items())],
        "skipped": [(Reason(reason).label, number) for reason, number in sorted(count.skipped.items())],
    }


def _count(organisation: Organisation, form: AimForm, chosen: Mapping[str, Any]) -> AudienceCount:
    """Count as if there were a message on each channel for persons, in a language that everybody gets."""

    def keys(name: str) -> list[int]:
        return [form.topics_here[slug].pk for slug in chosen.get(name) or () if slug in form.topics_here]

    left_out = [form.segments_here[key] for key in chosen.get("exclude_segments") or () if key in form.segments_here]
    plan = {
        "channels": list(PERSONAL_CHANNELS),
        "topics": keys("topics"),
        "excluded_topics": keys("exclude"),
        "kinds": chosen.get("kinds") or [],
        **segment_facts(form.segments_here.get(chosen.get("segment") or ""), left_out),
        "mode": chosen.get("mode") or ChannelMode.ALL,
        "contents": [
            {"channel": channel, "language": organisation.language, "account": 1} for channel in PERSONAL_CHANNELS
        ],
        "fallback_language": organisation.language,
        "holdout": float(chosen.get("holdout") or 0),
    }
    return count_audience(plan, ancestors=organisation.ancestor_ids())


def _initial(campaign: Campaign) -> dict[str, Any]:
    return {
        "name": campaign.name,
        "goal": campaign.goal,
        "services": [service.slug for service in campaign.services.all()],
        "topics": [topic.slug for topic in campaign.topics.all()],
        "exclude": [topic.slug for topic in campaign.excluded_topics.all()],
        "kinds": campaign.kinds,
        "segment": str(campaign.segment.pk) if campaign.segment else "",
        "exclude_segments": [str(one.pk) for one in campaign.excluded_segments.all()],
        "mode": campaign.channel_mode,
        "fallback": campaign.fallback,
        "fallback_after": campaign.fallback_after,
        "holdout": f"{campaign.holdout:g}",
        "tracking": campaign.tracking,
        **{f"utm_{tag}": campaign.utm.get(tag, "") for tag in TAGS},
        "attribution_days": campaign.attribution_days,
    }
