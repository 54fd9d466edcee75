"""Topics: what people subscribe to, and how many did."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from outreach.audience.frequency import count_frequencies
from outreach.audience.models import Topic
from outreach.audience.topic_tree import Branch, Step, grow_tree, place_topic, step_topic
from outreach.audience.topics import change_topic, create_topic, topics_open_to, topics_with_counts
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Channel, Frequency, Permission
from outreach.web.console.forms import ConsoleForm, initial_texts, long_text
from outreach.web.console.sources import SourceForm, sources_of
from outreach.web.console.visit import Visit, filling, posting, visiting

STEPS: Final[dict[str, Step]] = {"up": "up", "down": "down", "in": "in", "out": "out"}


class TopicForm(ConsoleForm):
    name_bg = forms.CharField(label=_("Name in Bulgarian"), required=False, max_length=200)
    name_en = forms.CharField(label=_("Name in English"), required=False, max_length=200)
    description_bg = long_text(_("What one hears of, in Bulgarian"), rows=3)
    description_en = long_text(
        _("What one hears of, in English"), rows=3, help_text=_("People read this where they choose what to get.")
    )
    parent = forms.ChoiceField(label=_("Belongs under"), required=False)

    def __init__(self, organisation: Organisation, *args: Any, topic: Topic | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tree = grow_tree(topics_open_to(organisation))
        own = next(({branch.topic.pk, *branch.below} for branch in tree if branch.topic == topic), set())
        self.parents = {str(branch.topic.pk): branch.topic for branch in tree if branch.topic.pk not in own}
        self.fields["parent"].choices = [  # type: ignore[attr-defined]
            ("", _("no other topic")),
            *((key, str(each)) for key, each in self.parents.items()),
        ]

    @property
    def parent_topic(self) -> Topic | None:
        return self.parents.get(self.cleaned_data["parent"])


class NewTopicForm(TopicForm):
    slug = forms.CharField(
        label=_("Name in addresses"),
        max_length=60,
        help_text=_("Its feeds are found by it, such as /feeds/tax-news.rss. It cannot be changed later."),
    )


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


@visiting(needs=Permission.EDIT_AUDIENCE)
def arrange_topics(visit: Visit) -> HttpResponse:
    return _tree(visit)


@posting(needs=Permission.EDIT_AUDIENCE)
def step(visit: Visit, topic_id: int) -> HttpResponse:
    """Move a topic by one; the answer leads back to its row, so that a keyboard goes on from there."""
    found = visit.find(Topic.objects.select_related("organisation", "parent__organisation"), topic_id)
    wanted = STEPS.get(visit.request.POST.get("step", ""))
    try:
        if wanted and step_topic(visit.actor, found, wanted):
            visit.tell(_("“%(topic)s” is moved.") % {"topic": found})
    except Invalid as invalid:
        return _tree(visit, status=invalid.status, problem=invalid.fields["parent"][0])
    return HttpResponseRedirect(f"{reverse('console:arrange_topics')}#topic-{found.pk}")


def _tree(visit: Visit, *, status: int = 200, problem: str = "") -> HttpResponse:
    tree = grow_tree(Topic.objects.for_organisation(visit.organisation).select_related("organisation"))
    return visit.show("topics/arrange.html", tree=_rows(tree), problem=problem, status=status)


def _rows(tree: list[Branch]) -> list[dict[str, Any]]:
    """Each branch with its parent in sight, and where it may go."""
    seen = {branch.topic.pk: branch.topic for branch in tree}
    under = [branch.topic.parent_id if branch.topic.parent_id in seen else None for branch in tree]
    return [
        {
            "branch": branch,
            "parent": seen.get(parent) if parent else None,
            "can_up": parent in under[:place],
            "can_down": parent in under[place + 1 :],
        }
        for place, (branch, parent) in enumerate(zip(tree, under, strict=True))
    ]


@filling(needs=Permission.EDIT_AUDIENCE)
def topic(visit: Visit, topic_id: int) -> HttpResponse:
    found = visit.find(Topic.objects.select_related("organisation", "parent"), topic_id)
    texts = {**initial_texts("name", found.name), **initial_texts("description", found.description)}
    initial = {**texts, "parent": str(found.parent_id or "")}
    form = TopicForm(visit.organisation, visit.request.POST or None, initial=initial, topic=found)
    if visit.is_post and form.is_valid():
        try:
            _change(visit, found, form)
            visit.tell(_("The changes are saved."))
            return visit.go("topics")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show(
        "topics/form.html",
        form=form,
        topic=found,
        sources=sources_of(found),
        source_form=SourceForm(),
        frequencies=count_frequencies(found),
        frequency_names=dict(Frequency.choices),
        channel_names=dict(Channel.choices),
    )


@transaction.atomic
def _change(visit: Visit, topic: Topic, form: TopicForm) -> None:
    change_topic(visit.actor, topic, name=form.texts("name"), description=form.texts("description"))
    if form.parent_topic != topic.parent:
        place_topic(visit.actor, topic, parent=form.parent_topic)


def _create(visit: Visit, form: NewTopicForm) -> Topic:
    return create_topic(
        visit.actor,
        slug=form.cleaned_data["slug"],
        name=form.texts("name"),
        description=form.texts("description"),
        parent=form.parent_topic,
    )
