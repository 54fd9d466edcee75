"""Step 3, When: at what time, in which zone, and when it is too late."""

from __future__ import annotations

from datetime import date as date_of
from datetime import datetime
from typing import Any, Final

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from outreach.campaigns.drafts import change_campaign
from outreach.campaigns.models import Campaign
from outreach.core import clock
from outreach.core.errors import Invalid
from outreach.core.vocabulary import EDITABLE, Permission
from outreach.web.console.campaigns import campaign_of
from outreach.web.console.forms import ConsoleForm, one_of
from outreach.web.console.visit import Visit, filling
from outreach.web.formats import zones
from schedules.zones import YEARS, local_time, moment_of

AT_ONCE: Final = "now"
AT_A_TIME: Final = "time"
OF_OUR_TIME: Final = (
    MinValueValidator(date_of(YEARS.start, 1, 1)),
    MaxValueValidator(date_of(YEARS.stop - 1, 12, 31)),
)


class WhenForm(ConsoleForm):
    paths = {"schedule/at": "date", "schedule/timezone": "zone", "schedule/not_after": "until_date"}
    start = one_of(
        _("When does it start?"),
        ((AT_ONCE, _("When somebody presses Start")), (AT_A_TIME, _("By itself, at this time"))),
    )
    date = forms.DateField(
        label=_("Date"), required=False, widget=forms.DateInput(attrs={"type": "date"}), validators=OF_OUR_TIME
    )
    time = forms.TimeField(
        label=pgettext_lazy("of day", "Time"), required=False, widget=forms.TimeInput(attrs={"type": "time"})
    )
    zone = forms.ChoiceField(label=_("Time zone"))
    until_date = forms.DateField(
        label=_("Not after"),
        required=False,
        validators=OF_OUR_TIME,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Whoever was not written to by then is not written to: late news helps nobody."),
    )
    until_time = forms.TimeField(
        label=_("Not after, time"), required=False, widget=forms.TimeInput(attrs={"type": "time"})
    )

    pressing = forms.BooleanField(
        label=_("It cannot wait, such as a warning"),
        required=False,
        help_text=_("It goes at once to those too who want a day's or a week's messages together."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["zone"].choices = [(zone, zone) for zone in zones()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("start") == AT_A_TIME:
            for name in ("date", "time"):
                if not values.get(name) and name not in self.errors:
                    self.add_error(name, _("Say when, or choose to start it by hand."))
            at = self.moment("date", "time")
            if at is not None and at <= clock.now():
                self.add_error("date", _("This time has passed. Choose a later one."))
        if values.get("until_date") and not values.get("until_time"):
            self.add_error("until_time", _("Say until what time of that day."))
        return values

    def moment(self, day: str, time: str) -> datetime | None:
        """The moment at which a clock in the chosen zone shows this date and time."""
        values = self.cleaned_data
        if not (values.get(day) and values.get(time) and values.get("zone")):
            return None
        return moment_of(datetime.combine(values[day], values[time]), values["zone"]).at

    def campaign_data(self) -> dict[str, Any]:
        is_timed = self.cleaned_data["start"] == AT_A_TIME
        return {
            "schedule": {
                "at": self.moment("date", "time") if is_timed else None,
                "timezone": self.cleaned_data["zone"],
                "not_after": self.moment("until_date", "until_time"),
                "pressing": self.cleaned_data["pressing"],
            }
        }


@filling(needs=Permission.VIEW)
def when(visit: Visit, key: int) -> HttpResponse:
    campaign = campaign_of(visit, key)
    form = WhenForm(visit.request.POST or None, initial=_initial(campaign))
    if visit.is_post and form.is_valid():
        try:
            change_campaign(visit.actor, campaign, form.campaign_data())
            return visit.go("review", key=campaign.pk)
        except Invalid as invalid:
            form.take(invalid)
    is_editable = campaign.state in EDITABLE and visit.may(Permission.EDIT_CAMPAIGNS)
    return visit.show("campaigns/when.html", campaign=campaign, step="when", form=form, is_editable=is_editable)


def _initial(campaign: Campaign) -> dict[str, Any]:
    start = campaign.starts_at and local_time(campaign.starts_at, campaign.timezone)
    until = campaign.not_after and local_time(campaign.not_after, campaign.timezone)
    return {
        "start": AT_A_TIME if start else AT_ONCE,
        "date": start and start.date().isoformat(),
        "time": start and start.strftime("%H:%M"),
        "zone": campaign.timezone,
        "pressing": campaign.is_pressing,
        "until_date": until and until.date().isoformat(),
        "until_time": until and until.strftime("%H:%M"),
    }
