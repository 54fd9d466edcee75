"""Subscribers who are asleep: whom would we ask whether to go on, what did they answer, who is let go?"""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Topic
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Permission, SleepFate
from outreach.events.sleepy import (
    BOUNDS,
    Patience,
    SleepRule,
    change_rule,
    make_rule,
    open_questions,
    remove_rule,
    topics_of,
)
from outreach.events.sleepy_question import ask, standing_of
from outreach.events.sunset import foresee
from outreach.web.console.forms import ConsoleForm
from outreach.web.console.visit import Visit, filling, posting, visiting


class RuleForm(ConsoleForm):
    days = forms.IntegerField(
        label=_("Days without a look"),
        help_text=_("From 60 to 1,095. Who opened a message in them reads, whether or not they followed a link."),
    )
    messages = forms.IntegerField(
        label=_("Messages in them, at least"), help_text=_("From 3 to 100. Who got fewer is not judged.")
    )
    grace = forms.IntegerField(
        label=_("Days for an answer"), help_text=_("From 14 to 180, from the time when the last of them was asked.")
    )
    is_active = forms.BooleanField(
        label=_("Let go of whoever was asked and gave no sign"),
        required=False,
        help_text=_("Without it you only see who would be let go."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (least, most) in BOUNDS.items():
            self.fields[name].widget.attrs |= {"min": least, "max": most}

    def values(self) -> dict[str, Any]:
        numbers = {name: self.cleaned_data[name] for name in BOUNDS}
        return {"patience": Patience(**numbers), "is_active": self.cleaned_data["is_active"]}


class NewRuleForm(RuleForm):
    topic = forms.ModelChoiceField(
        label=_("Topic"),
        queryset=Topic.objects.none(),
        required=False,
        empty_label=_("all topics of the organisation that have no rule of their own"),
    )
    field_order = ("topic", *BOUNDS, "is_active")

    def __init__(self, *args: Any, visit: Visit, **kwargs: Any) -> None:
        super().__init__(*args, initial=Patience().__dict__, **kwargs)
        field = self.fields["topic"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 -- as declared above
        field.queryset = Topic.objects.for_organisation(visit.organisation)


@visiting()
def sleepy(visit: Visit) -> HttpResponse:
    rules = SleepRule.objects.for_organisation(visit.organisation).select_related("organisation", "topic")
    return visit.show("sleepy/list.html", rules=rules.order_by("organisation__path", "topic__slug"))


@filling(needs=Permission.EDIT_AUDIENCE)
def new_rule(visit: Visit) -> HttpResponse:
    form = NewRuleForm(visit.request.POST or None, visit=visit)
    if visit.is_post and form.is_valid():
        try:
            made = make_rule(visit.actor, topic=form.cleaned_data["topic"], **form.values())
            visit.tell(_("The rule is saved."))
            return visit.go("sleep_rule", key=made.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("sleepy/form.html", form=form)


@filling(needs=Permission.VIEW)
def rule(visit: Visit, key: int) -> HttpResponse:
    found = _find(visit, key)
    form = RuleForm(visit.request.POST or None, initial={**found.patience.__dict__, "is_active": found.is_active})
    if visit.is_post and form.is_valid():
        try:
            change_rule(visit.actor, found, **form.values())
            visit.tell(_("The rule is saved."))
            return visit.go("sleep_rule", key=key)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show(
        "sleepy/rule.html",
        rule=found,
        form=form,
        topics=topics_of(found),
        standing=standing_of(found),
        asked=[foresee(question) for question in found.questions.select_related("campaign")[:20]],
        may_ask=visit.may(Permission.EDIT_AUDIENCE) and not open_questions(found).exists(),
        fates=SleepFate,
    )


@posting(needs=Permission.EDIT_CAMPAIGNS)
def ask_them(visit: Visit, key: int) -> HttpResponse:
    """Draft the campaign that asks, and go on to its text."""
    campaign = ask(visit.actor, _find(visit, key))
    visit.tell(_("The campaign is drafted, with a text in each language. Nothing is sent yet."))
    return visit.go("message", key=campaign.pk)


@posting(needs=Permission.EDIT_AUDIENCE)
def remove(visit: Visit, key: int) -> HttpResponse:
    remove_rule(visit.actor, _find(visit, key))
    visit.tell(_("The rule is gone; nobody is let go by it any more."))
    return visit.go("sleepy")


def _find(visit: Visit, key: int) -> SleepRule:
    return visit.find(SleepRule.objects.select_related("organisation", "topic__organisation", "segment"), key)
