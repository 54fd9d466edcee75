"""A person's addresses, one by one: each is added, corrected or retired from the person's page."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from outreach.audience.models import Subscriber
from outreach.audience.person_addresses import add_address, correct_address, retire_address
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Permission
from outreach.web.console.visit import Visit, posting


@posting(needs=Permission.EDIT_AUDIENCE)
def add(visit: Visit, key: int) -> HttpResponse:
    given = visit.request.POST
    try:
        add_address(visit.actor, _person(visit, key), given.get("channel", ""), given.get("value", ""))
    except Invalid as invalid:
        visit.complain(invalid)
    else:
        visit.tell(_("The address is added. What the person consented to stays as it was."))
    return visit.go("person", key=key)


@posting(needs=Permission.EDIT_AUDIENCE)
def correct(visit: Visit, key: int, address: int) -> HttpResponse:
    try:
        correct_address(visit.actor, _person(visit, key), address, visit.request.POST.get("value", ""))
    except Invalid as invalid:
        visit.complain(invalid)
    else:
        visit.tell(_("The address is corrected."))
    return visit.go("person", key=key)


@posting(needs=Permission.EDIT_AUDIENCE)
def retire(visit: Visit, key: int, address: int) -> HttpResponse:
    ended = retire_address(visit.actor, _person(visit, key), address)
    visit.tell(_("The address is taken away."))
    if ended:
        told = ngettext(
            "It was the last one of its channel: %(n)s subscription ended.",
            "It was the last one of its channel: %(n)s subscriptions ended.",
            ended,
        )
        visit.tell(told % {"n": ended})
    return visit.go("person", key=key)


def _person(visit: Visit, key: int) -> Subscriber:
    return visit.find(Subscriber.objects.filter(erased_at=None).select_related("organisation"), key)
