"""Do not write: whom we never write to, why and since when; adding an address, and taking one off with a reason."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from django import forms
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.audience.bounce_rules import forget_thresholds, has_own_rule, set_thresholds, thresholds_of
from outreach.audience.models import Suppression
from outreach.audience.suppression_import import SuppressionImport
from outreach.audience.suppression_list import (
    Wanted,
    add_entry,
    entries_csv,
    keeper_permission,
    may_take_off,
    newest_entries,
    take_off,
)
from outreach.core import audit
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Channel, Permission, SuppressionReason
from outreach.web.api.paging import write_cursor
from outreach.web.console.forms import ConsoleForm
from outreach.web.console.visit import Visit, filling, posting, visiting

PAGE: Final = 50
#: By hand only what persons have: nobody posts to a whole feed again.
CHANNELS: Final = [(channel.value, channel.label) for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH)]


class SuppressionForm(ConsoleForm):
    channel = forms.ChoiceField(label=_("Channel"), choices=CHANNELS)
    value = forms.CharField(
        label=_("Address"),
        max_length=320,
        help_text=_("An e-mail address or a phone number. We keep a hash of it and not the address."),
    )
    note = forms.CharField(
        label=_("Why"), max_length=200, help_text=_("For those who ask later. Do not write the address here.")
    )


class ThresholdsForm(ConsoleForm):
    hard_after = forms.IntegerField(
        label=_("Came back for good"), help_text=_("No such address, no such domain. One says enough, as a rule.")
    )
    soft_after = forms.IntegerField(
        label=_("Came back for now"), help_text=_("A full mailbox, a server that is away. 0: however many.")
    )
    within_days = forms.IntegerField(label=_("Within so many days"))


@visiting()
def suppressions(visit: Visit) -> HttpResponse:
    given = visit.request.GET
    wanted = Wanted(
        text=given.get("text", "").replace("\0", "").strip()[:320],
        reason=given["reason"] if given.get("reason") in SuppressionReason.values else "",
    )
    found = newest_entries(visit.organisation, wanted, before=visit.cursor, limit=PAGE + 1)
    return visit.show(
        "suppressions/list.html",
        entries=[(entry, may_take_off(visit.actor, entry)) for entry in found[:PAGE]],
        next_cursor=write_cursor(found[PAGE - 1].pk) if len(found) > PAGE else None,
        wanted=wanted,
        reasons=SuppressionReason.choices,
        channel_names=dict(Channel.choices),
        imports=SuppressionImport.objects.for_organisation(visit.organisation).order_by("-pk")[:3],
        may_add=visit.actor.may(keeper_permission(visit.organisation)),
    )


@filling(needs=Permission.EDIT_AUDIENCE)
def new_suppression(visit: Visit) -> HttpResponse:
    form = SuppressionForm(visit.request.POST or None)
    if visit.is_post and form.is_valid():
        try:
            _entry, is_new = add_entry(visit.actor, **form.cleaned_data)
            visit.tell(_("Nobody writes to this address any more.") if is_new else _("It was on the list already."))
            return visit.go("suppressions")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("suppressions/form.html", form=form)


@posting(needs=Permission.EDIT_AUDIENCE)
def remove(visit: Visit, key: int) -> HttpResponse:
    entry = visit.find(Suppression.objects.select_related("organisation"), key)
    try:
        take_off(visit.actor, entry, why=visit.request.POST.get("why", ""))
    except Invalid as invalid:
        visit.complain(invalid)
    else:
        visit.tell(_("The address is off the list. Who agreed to hear from us does so again."))
    return visit.go_back("suppressions")


@visiting(needs=Permission.EDIT_AUDIENCE)
def export(visit: Visit) -> HttpResponse:
    """The lists as CSV, which another organisation here can import: hashes, not addresses."""
    audit.record(visit.actor, "suppressions.exported", visit.organisation)
    answer = StreamingHttpResponse(entries_csv(visit.organisation), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="do-not-write-{visit.organisation.slug}.csv"'
    return answer  # type: ignore[return-value]


@filling(needs=Permission.MANAGE_ORGANISATION)
def thresholds(visit: Visit) -> HttpResponse:
    """After how many returned messages an address comes on the list by itself."""
    form = ThresholdsForm(visit.request.POST or None, initial=asdict(thresholds_of(visit.organisation)))
    if visit.is_post and form.is_valid():
        try:
            set_thresholds(visit.actor, **form.cleaned_data)
            visit.tell(_("The changes are saved."))
            return visit.go("suppressions")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("suppressions/thresholds.html", form=form, is_own=has_own_rule(visit.organisation))


@posting(needs=Permission.MANAGE_ORGANISATION)
def forget(visit: Visit) -> HttpResponse:
    forget_thresholds(visit.actor)
    visit.tell(_("What is set above holds again."))
    return visit.go("thresholds")
