"""Services: the catalogue of e-services that campaigns promote."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Count
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.fields import usable_topics
from outreach.campaigns.models import Service
from outreach.campaigns.services import change_service, create_service
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Permission, SubscriberKind
from outreach.web.console.forms import ConsoleForm, initial_texts, long_text, ticks
from outreach.web.console.visit import Visit, filling, visiting


class ServiceForm(ConsoleForm):
    name_bg = forms.CharField(label=_("Name in Bulgarian"), required=False, max_length=200)
    name_en = forms.CharField(label=_("Name in English"), required=False, max_length=200)
    slug = forms.CharField(
        label=_("Name in addresses"),
        max_length=60,
        help_text=_("Small Latin letters, digits and hyphens, such as tax-return."),
    )
    url = forms.CharField(label=_("Web address of the service"), max_length=500, widget=forms.URLInput)
    steps_bg = long_text(_("Where and how, in Bulgarian"), rows=6)
    steps_en = long_text(_("Where and how, in English"), rows=6, help_text=_("Messages take these steps over."))
    click_parameter = forms.CharField(
        label=_("Hand clicks on in the parameter"),
        required=False,
        max_length=40,
        help_text=_(
            "Empty: never. With a name such as outreach_click, each followed link to the service carries a signed "
            "token, with which the service can tell us that it was used. In aggregate tracking it says nothing of the "
            "person."
        ),
    )
    kinds = ticks(_("For whom"), SubscriberKind.choices)
    topics = ticks(_("Topics"), (), help_text=_("People who chose one of these hear of the service."))

    def __init__(self, organisation: Organisation, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["topics"].choices = [  # type: ignore[attr-defined]
            (topic.slug, str(topic)) for topic in usable_topics(organisation)
        ]

    def data_of_service(self) -> dict[str, Any]:
        """As the verbs and the API write it."""
        facts = {key: self.cleaned_data[key] for key in ("slug", "url", "kinds", "topics", "click_parameter")}
        return {**facts, "name": self.texts("name"), "steps": self.texts("steps")}


@visiting()
def services(visit: Visit) -> HttpResponse:
    rows = (
        Service.objects.for_organisation(visit.organisation)
        .select_related("organisation")
        .prefetch_related("topics")
        .annotate(used=Count("campaigns", distinct=True))
    )
    return visit.show("services/list.html", services=rows, kind_names=dict(SubscriberKind.choices))


@filling(needs=Permission.EDIT_SERVICES)
def new_service(visit: Visit) -> HttpResponse:
    form = ServiceForm(visit.organisation, visit.request.POST or None)
    if visit.is_post and form.is_valid():
        try:
            service = create_service(visit.actor, form.data_of_service())
            visit.tell(_("“%(service)s” is in the catalogue.") % {"service": service})
            return visit.go("services")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("services/form.html", form=form, service=None)


@filling(needs=Permission.EDIT_SERVICES)
def service(visit: Visit, service_id: int) -> HttpResponse:
    found = visit.find(Service.objects.all(), service_id)
    form = ServiceForm(found.organisation, visit.request.POST or None, initial=_initial(found))
    if visit.is_post and form.is_valid():
        try:
            change_service(visit.actor, found, form.data_of_service())
            visit.tell(_("The changes are saved."))
            return visit.go("services")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("services/form.html", form=form, service=found)


def _initial(service: Service) -> dict[str, Any]:
    return {
        "slug": service.slug,
        "url": service.url,
        "kinds": service.kinds,
        "click_parameter": service.click_parameter,
        "topics": [topic.slug for topic in service.topics.all()],
        **initial_texts("name", service.name),
        **initial_texts("steps", service.steps),
    }
