"""Topics: what people subscribe to, and how many did."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Topic
from outreach.audience.topics import change_topic, create_topic, topics_open_to, topics_with_counts
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Permission
from outreach.web.console.forms import ConsoleForm, initial_texts, long_text
from outreach.web.console.sources import SourceForm, sources_of
from outreach.web.console.visit import Visit, filling, visiting


class TopicForm(ConsoleForm):
    name_bg = forms.CharField(label=_("Name in Bulgarian"), required=False, max_length=200)
    name_en = forms.CharField(label=_("Name in English"), required=False, max_length=200)
    description_bg = long_text(_("What one hears of, in Bulgarian"), rows=3)
    description_en = long_text(
        _("What one hears of, in English"), rows=3, help_text=_("People read this where they choose what to get.")
    )


class NewTopicForm(TopicForm):
    slug = forms.CharField(
        label=_("Name in addresses"),
        max_length=60,
        help_text=_("Its feeds are found by it, such as /feeds/tax-news.rss. It cannot be changed later."),
    )
    parent = forms.ChoiceField(label=_("Belongs under"), required=False)

    def __init__(self, organisation: Organisation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parents = {str(topic.pk): topic for topic in topics_open_to(organisation)}
        self.fields["parent"].choices = [  # type: ignore[attr-defined]
            ("", _("no other topic")),
            *((key, str(topic)) for key, topic in self.parents.items()),
        ]


@visiting()
def topics(visit: Visit) -> HttpResponse:
    return visit.show("topics/list.html", topics=topics_with_counts(visit.organisation))


@filling(needs=Permission.EDIT_AUDIENCE)
def new_topic(visit: Visit) -> HttpResponse:
    form = NewTopicForm(visit.organisation, visit.request.POST or None)
    if visit.is_post and form.is_valid():
        try:
            topic = _create(visit, form)
            visit.tell(_("People can choose “%(topic)s” now.") % {"topic": topic})
            return visit.go("topics")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("topics/form.html", form=form, topic=None)


@filling(needs=Permission.EDIT_AUDIENCE)
def topic(visit: Visit, topic_id: int) -> HttpResponse:
    found = visit.find(Topic.objects.all(), topic_id)
    initial = {**initial_texts("name", found.name), **initial_texts("description", found.description)}
    form = TopicForm(visit.request.POST or None, initial=initial)
    if visit.is_post and form.is_valid():
        try:
            change_topic(visit.actor, found, name=form.texts("name"), description=form.texts("description"))
            visit.tell(_("The changes are saved."))
            return visit.go("topics")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("topics/form.html", form=form, topic=found, sources=sources_of(found), source_form=SourceForm())


def _create(visit: Visit, form: NewTopicForm) -> Topic:
    return create_topic(
        visit.actor,
        slug=form.cleaned_data["slug"],
        name=form.texts("name"),
        description=form.texts("description"),
        parent=form.parents.get(form.cleaned_data["parent"]),
    )
