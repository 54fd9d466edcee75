"""How often people are written to: caps of topics, when digests come, and the budget that organisations share."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.caps import (
    Allowance,
    budgets_open_to,
    join_budget,
    joined_budget,
    set_budget,
    set_topic_cap,
)
from outreach.audience.digest_time import WEEKDAYS, digest_time_of, set_digest_time
from outreach.audience.models import Budget, Topic
from outreach.core.errors import Invalid, NotFound
from outreach.core.vocabulary import Permission
from outreach.web.console.visit import Visit, posting, visiting


@visiting()
def frequency(visit: Visit) -> HttpResponse:
    return visit.show(
        "frequency/page.html",
        topics=Topic.objects.for_organisation(visit.organisation).select_related("organisation").order_by("slug"),
        budgets=budgets_open_to(visit.organisation).order_by("organisation__path"),
        own=Budget.objects.filter(organisation=visit.organisation).first(),
        joined=joined_budget(visit.organisation),
        digests=digest_time_of(visit.organisation),
        weekdays=WEEKDAYS,
    )


@posting(needs=Permission.MANAGE_ORGANISATION)
def choose_digest_time(visit: Visit) -> HttpResponse:
    """Choose when digests come."""
    given = visit.request.POST
    try:
        set_digest_time(visit.actor, at=given.get("at", ""), weekday=given.get("weekday", ""))
    except Invalid as invalid:
        return _refuse(visit, invalid, about=str(_("Digests")))
    visit.tell(_("From now on digests come at this time."))
    return visit.go("frequency")


@posting(needs=Permission.EDIT_AUDIENCE)
def cap_topic(visit: Visit, topic_id: int) -> HttpResponse:
    """Cap a topic; two empty fields end the cap."""
    found = visit.find(Topic.objects.select_related("organisation"), topic_id)
    try:
        cap = _read(visit)
        set_topic_cap(visit.actor, found, cap)
    except Invalid as invalid:
        return _refuse(visit, invalid, about=str(found))
    visit.tell((_("The cap of “%(topic)s” is saved.") if cap else _("“%(topic)s” has no cap.")) % {"topic": found})
    return visit.go("frequency")


@posting(needs=Permission.MANAGE_ORGANISATION)
def offer_budget(visit: Visit) -> HttpResponse:
    """Offer a budget to the organisation and those below; two empty fields withdraw it."""
    try:
        offered = set_budget(visit.actor, _read(visit))
    except Invalid as invalid:
        return _refuse(visit, invalid, about=str(visit.organisation))
    visit.tell(_("The budget is offered.") if offered else _("The budget is withdrawn."))
    return visit.go("frequency")


@posting(needs=Permission.MANAGE_ORGANISATION)
def choose_budget(visit: Visit) -> HttpResponse:
    """Join a budget, or leave the one that was joined."""
    key = visit.request.POST.get("budget", "")
    budget = budgets_open_to(visit.organisation).filter(pk=key).first() if key.isdecimal() else None
    if key and budget is None:
        raise NotFound
    join_budget(visit.actor, budget)
    visit.tell(_("What you send counts under the budget.") if budget else _("You keep within no shared budget."))
    return visit.go("frequency")


def _read(visit: Visit) -> Allowance | None:
    """The two fields; None where both are empty.

    Raises:
        Invalid: one of them is no number.
    """
    given = {name: visit.request.POST.get(name, "").strip() for name in ("messages", "days")}
    if not any(given.values()):
        return None
    wrong = [name for name, text in given.items() if not (text.isascii() and text.isdecimal() and len(text) < 6)]
    if wrong:
        raise Invalid({name: [_("Give a whole number.")] for name in wrong})
    return Allowance(messages=int(given["messages"]), days=int(given["days"]))


def _refuse(visit: Visit, invalid: Invalid, *, about: str) -> HttpResponse:
    visit.complain(invalid, about=about)
    return visit.go("frequency")
