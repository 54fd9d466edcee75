"""Export: a topic's or a segment's people as a file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.exports import export_people
from outreach.audience.segments import usable_segments
from outreach.audience.topics import topics_open_to
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import ExportForm, Permission
from outreach.web.console.forms import ConsoleForm, one_of
from outreach.web.console.visit import Visit, filling
from outreach.web.downloads import download


class PeopleExportForm(ConsoleForm):
    topic = forms.ChoiceField(
        label=_("Subscribed to"), required=False, help_text=_("With their last consent to it. Empty: everybody.")
    )
    segment = forms.ChoiceField(label=_("In the segment"), required=False)
    form = one_of(_("As"), ExportForm.choices)

    def __init__(self, organisation: Organisation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, initial={"form": ExportForm.CSV}, **kwargs)
        self.topics = {str(topic.pk): topic for topic in topics_open_to(organisation)}
        self.segments = {str(segment.pk): segment for segment in usable_segments(organisation)}
        for name, found in (("topic", self.topics), ("segment", self.segments)):
            choices = [("", "–"), *((key, str(one)) for key, one in found.items())]
            self.fields[name].choices = choices  # type: ignore[attr-defined]


@filling(needs=Permission.EDIT_AUDIENCE)
def export(visit: Visit) -> HttpResponse:
    form = PeopleExportForm(visit.organisation, visit.request.POST or None)
    if visit.is_post and form.is_valid():
        topic, segment = (form.cleaned_data[name] for name in ("topic", "segment"))
        try:
            made = export_people(
                visit.actor,
                form=form.cleaned_data["form"],
                topic=form.topics.get(topic),
                segment=form.segments.get(segment),
            )
            return download(made)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("people/export.html", form=form)
