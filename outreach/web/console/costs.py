"""Costs: what accounts charge, and what the organisation and all below it spent."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.core.errors import Invalid
from outreach.core.models import Account
from outreach.core.vocabulary import Channel, Permission, PriceUnit
from outreach.delivery.cost import Period, read_period, spent_by
from outreach.delivery.prices import prices_of, read_csv, replace_prices, write_csv
from outreach.web.console.forms import ConsoleForm, long_text
from outreach.web.console.visit import Visit, filling, visiting

#: Octets of a table that is taken.
LARGEST_FILE: Final = 1_000_000
#: Lines of the table before its first row, counted from one.
_FIRST: Final = 2


class PricesForm(ConsoleForm):
    table = long_text(
        _("Prices, as CSV"),
        rows=10,
        help_text=_("A line each. The country in two letters, or nothing for all others; the unit segment or message."),
    )
    file = forms.FileField(
        label=_("Or a file"), required=False, help_text=_("CSV with the same columns. It replaces the whole table.")
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file is not None and (file.size or 0) > LARGEST_FILE:
            raise forms.ValidationError(_("The file is too large for a table of prices."))
        return file

    def text(self) -> str:
        file = self.cleaned_data["file"]
        return file.read().decode("utf-8-sig", "replace") if file else str(self.cleaned_data["table"])

    def take(self, invalid: Invalid) -> None:
        """Each complaint with the line that it is about."""
        for path, sentences in invalid.fields.items():
            number = path.split("/")[1] if "/" in path else ""
            for sentence in sentences:
                facts = {"line": int(number) + _FIRST if number else 0, "sentence": sentence}
                self.add_error("table", str(_("Line %(line)s: %(sentence)s") % facts if number else sentence))


class PeriodForm(ConsoleForm):
    since = forms.DateField(label=_("From"), widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label=_("Until"), widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if {"since", "until"} <= found.keys():
            try:
                read_period(found["since"], found["until"])
            except Invalid as invalid:
                raise forms.ValidationError(list(invalid.fields["since"])) from invalid
        return found


@filling(needs=Permission.MANAGE_ACCOUNTS)
def prices(visit: Visit, account_id: int) -> HttpResponse:
    """The table of one account: seen, changed and replaced as a whole."""
    account = visit.find(Account.objects.select_related("organisation"), account_id)
    rows = prices_of(account)
    form = PricesForm(visit.request.POST or None, visit.request.FILES or None, initial={"table": write_csv(rows)})
    if visit.is_post and form.is_valid():
        try:
            replace_prices(visit.actor, account, read_csv(form.text()))
            visit.tell(_("The prices are saved."))
            return visit.go("prices", account_id=account.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("accounts/prices.html", account=account, form=form, rows=rows, units=dict(PriceUnit.choices))


@visiting()
def costs(visit: Visit) -> HttpResponse:
    """What was spent in a period, by channel and country, and by account."""
    usual = read_period()
    form = PeriodForm(visit.request.GET if "since" in visit.request.GET else None, initial=vars(usual))
    named = Period(**form.cleaned_data) if form.is_bound and form.is_valid() else usual
    found = spent_by(visit.organisation, since=named.since, until=named.until)
    return visit.show(
        "accounts/costs.html",
        form=form,
        cost=found,
        since=named.since,
        until=named.until,
        channel_names=dict(Channel.choices),
    )
