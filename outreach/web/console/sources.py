"""Outside feeds that we read into a topic: shown and changed on the topic's page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Topic
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Language, Permission
from outreach.feeds.models import Source
from outreach.feeds.sources import add_source, remove_source
from outreach.web.console.forms import ConsoleForm
from outreach.web.console.visit import Visit, posting


class SourceForm(ConsoleForm):
    url = forms.CharField(
        label=_("Address of an RSS, Atom or JSON feed"),
        max_length=1000,
        help_text=_("Each new item becomes a draft for you to finish. Nothing is sent by itself."),
    )
    name = forms.CharField(label=_("Name"), required=False, max_length=200)
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices)


def sources_of(topic: Topic | None) -> Any:
    """The feeds that are read into a topic, by name."""
    return Source.objects.filter(topic=topic).order_by("name") if topic else ()


@posting(needs=Permission.EDIT_CAMPAIGNS)
def add(visit: Visit, topic_id: int) -> HttpResponse:
    topic = visit.find(Topic.objects.all(), topic_id)
    form = SourceForm(visit.request.POST)
    if form.is_valid():
        try:
            add_source(visit.actor, topic=topic, **form.cleaned_data)
            visit.tell(_("The feed is read from now on, every quarter of an hour."))
            return visit.go("topic", topic_id=topic.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("topics/sources.html", topic=topic, source_form=form, sources=sources_of(topic))


@posting(needs=Permission.EDIT_CAMPAIGNS)
def remove(visit: Visit, key: int) -> HttpResponse:
    source = visit.find(Source.objects.select_related("topic"), key)
    remove_source(visit.actor, source)
    visit.tell(_("“%(name)s” is no longer read. Its drafts stay.") % {"name": source.name})
    return visit.go("topic", topic_id=source.topic_id)
