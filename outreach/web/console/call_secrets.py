"""Signed calls of a service: where its server calls, and the secrets that it signs with, each shown once."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.models import Service
from outreach.core.errors import NotFound
from outreach.core.vocabulary import Permission
from outreach.events.call_secrets import make_call_secret, withdraw_call_secret
from outreach.web.console.visit import Visit, filling, posting


@filling(needs=Permission.EDIT_SERVICES)
def call_secrets(visit: Visit, service_id: int) -> HttpResponse:
    """The secrets. A POST makes one and shows it in its answer: it is never stored where a later page could find it."""
    service = visit.find(Service.objects.all(), service_id)
    made = make_call_secret(visit.actor, service)[1] if visit.is_post else ""
    rows = service.call_secrets.select_related("organisation", "made_by").order_by("-pk")
    answer = visit.show(
        "services/calls.html",
        service=service,
        made=made,
        living=list(rows.filter(withdrawn_at=None)),
        withdrawn=list(rows.exclude(withdrawn_at=None)[:20]),
        address=f"{settings.BASE_URL}{reverse('api:post_signed_conversion', args=[service.pk])}",
    )
    answer["Cache-Control"] = "no-store"
    return answer


@posting(needs=Permission.EDIT_SERVICES)
def withdraw(visit: Visit, service_id: int, key: int) -> HttpResponse:
    service = visit.find(Service.objects.all(), service_id)
    # Also one that was made further up: whoever cares for the service may end what is said in its name.
    secret = service.call_secrets.select_related("service").filter(pk=key).first()
    if secret is None:
        raise NotFound
    withdraw_call_secret(visit.actor, secret)
    said = _("The secret that ends in %(ending)s is withdrawn: nothing that it signs counts any more.")
    visit.tell(said % {"ending": secret.ending})
    return visit.go("call_secrets", service_id=service_id)
