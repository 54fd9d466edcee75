"""What we know of people: the attributes that an organisation declared, and those that hold here from above."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.attributes import (
    attributes_open_to,
    change_attribute,
    declare_attribute,
    withdraw_attribute,
)
from outreach.audience.models import AttributeField
from outreach.core.errors import Invalid
from outreach.core.vocabulary import AttributeType, Permission
from outreach.web.console.forms import ConsoleForm, initial_texts, long_text
from outreach.web.console.visit import Visit, filling, posting, visiting


class AttributeForm(ConsoleForm):
    label_bg = forms.CharField(label=_("Name in Bulgarian"), required=False, max_length=200)
    label_en = forms.CharField(label=_("Name in English"), required=False, max_length=200)
    choices = long_text(_("Words to choose from"), help_text=_("One a line. Only a choice has them."))

    def words(self) -> list[str]:
        return str(self.cleaned_data.get("choices", "")).splitlines()


class NewAttributeForm(AttributeForm):
    name = forms.CharField(
        label=_("Name in files and texts"),
        max_length=100,
        help_text=_("As the column of your files is named; texts print it by this name. It cannot be changed later."),
    )
    type = forms.ChoiceField(label=_("Values"), choices=AttributeType.choices)


@visiting()
def attributes(visit: Visit) -> HttpResponse:
    found = attributes_open_to(visit.organisation).order_by("name", "organisation__path")
    return visit.show("attributes/list.html", attributes=found)


@filling(needs=Permission.EDIT_AUDIENCE)
def new_attribute(visit: Visit) -> HttpResponse:
    form = NewAttributeForm(visit.request.POST or None)
    if visit.is_post and form.is_valid():
        try:
            made = declare_attribute(visit.actor, choices=form.words(), label=form.texts("label"), **_new(form))
            visit.tell(
                _("“%(attribute)s” is declared. Values that come from now on are checked.") % {"attribute": made}
            )
            return visit.go("attributes")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("attributes/form.html", form=form, attribute=None)


@filling(needs=Permission.EDIT_AUDIENCE)
def attribute(visit: Visit, key: int) -> HttpResponse:
    found = visit.find(AttributeField.objects.select_related("organisation"), key)
    initial = {**initial_texts("label", found.label), "choices": "\n".join(found.choices)}
    form = AttributeForm(visit.request.POST or None, initial=initial)
    if found.type != AttributeType.CHOICE:
        del form.fields["choices"]
    if visit.is_post and form.is_valid():
        try:
            change_attribute(visit.actor, found, label=form.texts("label"), choices=form.words())
            visit.tell(_("The changes are saved."))
            return visit.go("attributes")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("attributes/form.html", form=form, attribute=found)


@posting(needs=Permission.EDIT_AUDIENCE)
def withdraw(visit: Visit, key: int) -> HttpResponse:
    found = visit.find(AttributeField.objects.all(), key)
    withdraw_attribute(visit.actor, found)
    visit.tell(_("The declaration is taken back."))
    return visit.go("attributes")


def _new(form: NewAttributeForm) -> dict[str, Any]:
    return {name: form.cleaned_data[name] for name in ("name", "type")}
