"""Alerts in words: what happened, what it means, and the button that opens the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_noop as _

from outreach.campaigns.models import Run
from outreach.core.models import Alert
from outreach.core.vocabulary import Channel


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One row of "Waits for you"."""

    #: Icon, and the tone of its ground: "", warn or bad.
    sign: str
    title: str
    text: str
    href: str
    action: str
    tone: str = ""
    #: A time that presses, if any.
    starts_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Wording:
    title: str
    text: str
    action: str
    sign: str = "alert-circle"
    tone: str = "bad"


#: Alert.code -> how it is said; `%(...)s` are its facts.
WORDINGS: Final[Mapping[str, Wording]] = {
    "run_held": Wording(
        title=_("“%(name)s” is held and asks whether it may go on"),
        text=_(
            "We were away for longer than expected, or this is a restored copy. Nothing leaves until somebody says so."
        ),
        action=_("Look at it"),
        sign="hand-stop",
    ),
    "run_paused": Wording(
        title=_("“%(name)s” paused itself: too many messages are refused"),
        text=_("See what the provider says, mend it, then let it go on. Nothing is lost."),
        action=_("Look at it"),
        sign="player-pause",
        tone="warn",
    ),
    "campaign_not_started": Wording(
        title=_("“%(name)s” could not start"),
        text=_("There is no account to send through for: %(channels)s."),
        action=_("Look at it"),
    ),
    "account_paused": Wording(
        title=_("The account “%(name)s” is paused: it cannot send"),
        text=_(
            "The provider says: “%(trouble)s”. Open the account, correct its settings, check it, then resume it. "
            "Messages wait; nothing is lost."
        ),
        action=_("Open the account"),
        sign="plug",
    ),
    "account_stopped": Wording(
        title=_("The account “%(name)s” is paused"),
        text=_("%(trouble)s. Messages wait until somebody resumes it; nothing is lost."),
        action=_("Open the account"),
        sign="player-pause",
        tone="warn",
    ),
    "account_resting": Wording(
        title=_("The account “%(name)s” cannot reach its provider"),
        text=_("It was tried several times and rests a little longer each time. Messages wait; nothing is lost."),
        action=_("Open the account"),
        sign="plug",
        tone="warn",
    ),
    "account_slow": Wording(
        title=_("The provider of “%(name)s” is slow"),
        text=_(
            "Of its receipts, %(part)s %% came late. It gets %(share)s %% of its weight now, and more again by itself "
            "when it is faster."
        ),
        action=_("Open the account"),
        sign="clock",
        tone="warn",
    ),
    "account_evaded": Wording(
        title=_("Messages of “%(name)s” go through other accounts"),
        text=_("It cannot send. What nobody had handed over was moved; what was tried through it stays."),
        action=_("Open the account"),
        sign="arrow-right",
        tone="warn",
    ),
    "inbound_unreadable": Wording(
        title=_("Replies to “%(name)s” cannot be fetched"),
        text=_("The mailbox or network said: %(trouble)s. We try again by ourselves; replies are not lost."),
        action=_("Open the account"),
        sign="plug",
        tone="warn",
    ),
    "calls_failed": Wording(
        title=_("Some of what came back to “%(name)s” cannot be taken in: %(count)s"),
        text=_(
            "The reason of the last one: %(trouble)s. It is kept and tried again by itself. An operator finds more in "
            "the log, and the command that tries it again at once among the findings of the doctor."
        ),
        action=_("Open the account"),
        sign="inbox",
        tone="warn",
    ),
    "suppressions_unsynced": Wording(
        title=_("The list of whom not to write to cannot be compared with that of “%(name)s”"),
        text=_("The provider said: %(trouble)s. We try again every hour; our own list holds meanwhile."),
        action=_("Open the account"),
        sign="plug",
        tone="warn",
    ),
    "digests_failed": Wording(
        title=_("The digests of your readers cannot be made"),
        text=_("An operator finds the reason in the log. They are tried again each minute; what waits is not lost."),
        action=_("Look at it"),
    ),
    "digests_wait": Wording(
        title=_("The digests of your readers wait"),
        text=_("There is no account to send through for: %(channels)s."),
        action=_("Open the accounts"),
        sign="plug",
        tone="warn",
    ),
    "batch_parked": Wording(
        title=_("Some messages stopped their worker three times"),
        text=_("They are set aside so that the rest can go on. An operator has to look at them."),
        action=_("Look at it"),
    ),
}
#: Alert.code -> view, where it is not the subject's own page.
PLACES: Final[Mapping[str, str]] = {"digests_failed": "console:digests", "digests_wait": "console:accounts"}
FALLBACK: Final = Wording(
    title=_("Something needs an operator: %(code)s"),
    text=_("Run “outreach doctor” on the server; it says what is wrong and what to do."),
    action=_("Look at it"),
    sign="alert-triangle",
    tone="warn",
)
#: Alert.noun -> view and the name of its key.
PAGES: Final = {"campaign": ("campaign", "key"), "account": ("account", "account_id")}


def waiting_alerts(alerts: Iterable[Alert]) -> list[Waiting]:
    """Each alert as a row; one query more where a run is concerned."""
    found = list(alerts)
    runs = [int(alert.noun_id) for alert in found if alert.noun == "run" and alert.noun_id.isdigit()]
    campaigns = {str(run): campaign or 0 for run, campaign in _campaigns_of(runs)}
    return [_row(alert, campaigns) for alert in found]


def _campaigns_of(runs: list[int]) -> Iterable[tuple[int, int | None]]:
    return Run.objects.filter(pk__in=runs).values_list("pk", "campaign_id") if runs else ()


def _row(alert: Alert, campaigns: Mapping[str, int]) -> Waiting:
    wording = WORDINGS.get(alert.code, FALLBACK)
    facts = _Facts(alert.facts, code=alert.code)
    return Waiting(
        sign=wording.sign,
        tone=wording.tone,
        title=translate(wording.title) % facts,
        text=translate(wording.text) % facts,
        href=_href(alert, campaigns),
        action=translate(wording.action),
    )


def _href(alert: Alert, campaigns: Mapping[str, int]) -> str:
    if alert.code in PLACES:
        return reverse(PLACES[alert.code])
    noun, key = ("campaign", campaigns.get(alert.noun_id)) if alert.noun == "run" else (alert.noun, alert.noun_id)
    if key == 0:
        return reverse("console:notices")
    if noun not in PAGES or not key:
        return reverse("console:home")
    view, name = PAGES[noun]
    try:
        return reverse(f"console:{view}", kwargs={name: key})
    except NoReverseMatch:
        return reverse("console:home")


class _Facts(dict[str, Any]):
    """Facts as the sentences need them: channels by their names, and a dash for what was not said."""

    def __init__(self, facts: Mapping[str, Any], *, code: str) -> None:
        super().__init__(facts, code=code)
        if "trouble" in self:
            self["trouble"] = str(self["trouble"]).rstrip(". ")
        if "channels" in self:
            names = dict(Channel.choices)
            self["channels"] = ", ".join(str(names.get(channel, channel)) for channel in self["channels"])

    def __missing__(self, _key: str) -> str:
        return "–"
