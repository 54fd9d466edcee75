"""Accounts: what we send through. The form of each is drawn from its adapter; a secret goes in and never comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.senders import usable_accounts
from outreach.core import clock
from outreach.core.errors import Invalid
from outreach.core.models import Account
from outreach.core.vocabulary import PERSONAL_CHANNELS, Channel, Permission, UnknownPolicy
from outreach.delivery.accounts import change_account, create_account, pause_account, pool_now, resume_account
from outreach.delivery.adapters import AdapterDescription, adapter_names, check_account, describe, describe_kept
from outreach.delivery.limits import today
from outreach.delivery.mail_fields import MAILBOXES
from outreach.delivery.pacing import OTHERS
from outreach.delivery.trial import PUBLIC, send_test_message
from outreach.web.console.forms import ConsoleForm, long_text, one_of
from outreach.web.console.visit import Visit, filling, posting, visiting

#: Prefix of the form's names for the adapter's own fields.
SETTING: Final = "settings_"
#: Beginnings of the names of settings that few accounts need.
LOGIN: Final = (f"{SETTING}tls_", f"{SETTING}oauth_")
#: What a provider calls us at, in words, where the adapter reports at all.
HOOKS: Final = {
    "events": _("Events of messages: delivered, returned, complained"),
    "status": _("Status of messages"),
    "inbound": _("Messages that people send back"),
}
#: Words of an adapter's choices; abbreviations stand as they are, in capitals.
CHOICES: Final = {
    "yes": _("yes"),
    "true": _("yes"),
    "no": _("no"),
    "false": _("no"),
    "none": _("no encryption"),
    "opportunistic": _("encrypted where offered, not verified"),
    "auto": _("whatever the server offers"),
    "transceiver": _("one that sends and receives"),
    "separate": _("one to send, one to receive"),
    "same": _("as in the answer"),
    "decimal": _("decimal, in the answer hexadecimal"),
    "hexadecimal": _("hexadecimal, in the answer decimal"),
}
#: Characters of the longest private key that is taken: RSA with 4096 bits has 3300.
LONGEST_KEY: Final = 6000
WIDGETS: Final[dict[str, type[forms.Widget]]] = {
    "email": forms.EmailInput,
    "number": forms.NumberInput,
    "url": forms.URLInput,
    "phone": forms.TextInput,
}


class SecretText(forms.Textarea):
    """Several lines that are never shown again, not even where the form comes back with a mistake."""

    ATTRIBUTES: Final = {"rows": 4, "autocomplete": "off", "spellcheck": "false", "class": "o-code"}

    def format_value(self, value: Any) -> str:
        return ""


class AccountForm(ConsoleForm):
    """The common columns, and one field for each of the adapter's."""

    paths: Mapping[str, str] = {"warm_up/growth": "warm_up_percent"}

    name = forms.CharField(label=_("Name of the account"), max_length=100)
    unknown_policy = one_of(
        _("If we crash with a message in hand"),
        UnknownPolicy.choices,
        help_text=_("It may have left, or not. Where a message costs money or is public, do not send it twice."),
    )
    rate_per_minute = forms.IntegerField(
        label=_("Most messages a minute"), min_value=0, max_value=1_000_000, help_text=_("0 for no limit.")
    )
    domain_rates = long_text(
        _("Most messages a minute to one mail domain"),
        help_text=_("A line each, such as “abv.bg 300”; “* 600” is for every domain that is not named."),
    )
    warm_up_first_day = forms.IntegerField(
        label=_("Messages on the first day"),
        min_value=1,
        required=False,
        help_text=_("Empty for no warm-up. A new sender who starts slowly is not taken for a spammer."),
    )
    warm_up_percent = forms.IntegerField(
        label=_("More each day, in per cent"), min_value=0, max_value=900, initial=50, required=False
    )
    warm_up_days = forms.IntegerField(
        label=_("Days of the warm-up"), min_value=1, max_value=365, initial=30, required=False
    )
    warm_up_starts_on = forms.DateField(
        label=_("First day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("Empty for today."),
    )
    is_default = forms.BooleanField(label=_("Use it where a message names no account"), required=False)
    weight = forms.IntegerField(
        label=_("Weight among several"),
        min_value=0,
        max_value=1000,
        initial=1,
        required=False,
        help_text=_(
            "Where an organisation has several accounts of a channel, messages are split over them by weight. With 0 "
            "it only stands by for the others."
        ),
    )

    def __init__(self, description: AdapterDescription, *args: Any, kept: bool = False, **kwargs: Any) -> None:
        own = {f"{SETTING}{field.name}": _form_field(field, kept=kept) for field in description.fields}
        super().__init__(*args, extra_fields=own, **kwargs)
        self.own_names = [f"{SETTING}{field.name}" for field in description.fields]
        #: Those that stand in a fold of their own.
        self.imap_names = [name for name in self.own_names if name.startswith(f"{SETTING}{MAILBOXES[0]}_")]
        more = tuple(f"{SETTING}{mailbox}_" for mailbox in MAILBOXES[1:])
        self.more_imap_names = [name for name in self.own_names if name.startswith(more)]
        self.login_names = [name for name in self.own_names if name.startswith(LOGIN) or name == f"{SETTING}auth"]
        self.dkim_names = [name for name in self.own_names if name.startswith(f"{SETTING}dkim_")]

    def account_data(self) -> dict[str, Any]:
        """As the verbs and the API write it."""
        names = ("name", "unknown_policy", "rate_per_minute", "is_default", "domain_rates")
        columns = {key: self.cleaned_data[key] for key in names} | {"warm_up": self._warm_up()}
        if self.cleaned_data["weight"] is not None:
            columns["weight"] = self.cleaned_data["weight"]
        own = {name.removeprefix(SETTING): self.cleaned_data[name] for name in self.own_names}
        return {**columns, "settings": own}

    def clean_domain_rates(self) -> dict[str, int]:
        """The lines as the API writes them; the verb says what is wrong with a domain."""
        rates = {}
        for line in self.cleaned_data["domain_rates"].splitlines():
            domain, _space, rate = line.strip().rpartition(" ")
            if not line.strip():
                continue
            if not (domain and rate.isascii() and rate.isdigit()):
                raise forms.ValidationError(_("“%(line)s” is not a domain and a number."), params={"line": line[:60]})
            rates[domain.strip()] = int(rate)
        return rates

    def _warm_up(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not data["warm_up_first_day"]:
            return {}
        ramp = {"starts_on": data["warm_up_starts_on"], "first_day": data["warm_up_first_day"]}
        if data["warm_up_percent"] is not None:
            ramp["growth"] = 1 + data["warm_up_percent"] / 100
        return ramp | ({"days": data["warm_up_days"]} if data["warm_up_days"] else {})


@visiting()
def accounts(visit: Visit) -> HttpResponse:
    own = Account.objects.for_organisation(visit.organisation).select_related("organisation").order_by("channel", "pk")
    above = usable_accounts(visit.organisation).exclude(organisation=visit.organisation).select_related("organisation")
    return visit.show(
        "accounts/list.html",
        accounts=own,
        above=above,
        channel_names=dict(Channel.choices),
        adapters=[describe(name) for name in adapter_names() if name != "memory"],
    )


@filling(needs=Permission.MANAGE_ACCOUNTS)
def new_account(visit: Visit, adapter: str) -> HttpResponse:
    description = describe(adapter)
    initial = {
        "name": translate(description.label),
        "unknown_policy": description.capabilities.unknown_policy,
        "rate_per_minute": 0,
        "is_default": True,
        "weight": 1,
        **{f"{SETTING}{field.name}": field.default for field in description.fields},
    }
    form = AccountForm(description, visit.request.POST or None, initial=initial)
    if visit.is_post and form.is_valid():
        try:
            found = create_account(visit.actor, adapter=adapter, **form.account_data())
            visit.tell(_("The account is saved. Check it before you send through it."))
            return visit.go("account", account_id=found.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("accounts/form.html", form=form, description=description, account=None, today=None, pool=[])


@filling(needs=Permission.MANAGE_ACCOUNTS)
def account(visit: Visit, account_id: int) -> HttpResponse:
    found = visit.find(Account.objects.select_related("organisation"), account_id)
    description = describe_kept(found.adapter)
    form = AccountForm(description, visit.request.POST or None, kept=True, initial=_initial(found))
    if visit.is_post and form.is_valid():
        try:
            change_account(visit.actor, found, **form.account_data())
            visit.tell(_("The changes are saved."))
            return visit.go("account", account_id=found.pk)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show(
        "accounts/form.html",
        form=form,
        description=description,
        account=found,
        hooks=_hooks(found, description),
        today=today(found),
        pool=pool_now(found),
        is_testable=found.channel in PERSONAL_CHANNELS,
        public_test=PUBLIC,
        is_resting=found.rest_until is not None and found.rest_until > clock.now(),
    )


@posting(needs=Permission.MANAGE_ACCOUNTS)
def check(visit: Visit, account_id: int) -> HttpResponse:
    """Ask the adapter what would stop sending; may ask the provider, sends nothing."""
    found = visit.find(Account.objects.select_related("organisation"), account_id)
    return visit.show("accounts/check.html", account=found, problems=check_account(found))


@posting(needs=Permission.MANAGE_ACCOUNTS)
def send_test(visit: Visit, account_id: int) -> HttpResponse:
    """Send a real message to one address through this account; the page that follows is its receipt."""
    found = visit.find(Account.objects.select_related("organisation"), account_id)
    try:
        notice = send_test_message(
            visit.actor, found, to=visit.request.POST.get("to", "").strip(), language=visit.user.language
        )
    except Invalid as invalid:
        visit.complain(invalid)
        return visit.go("account", account_id=found.pk)
    visit.tell(_("The test is on its way. This page says what becomes of it; load it again in a moment."))
    return visit.go("delivery", public_id=f"{notice.run_id}-{notice.delivery}")


@posting(needs=Permission.MANAGE_ACCOUNTS)
def pause(visit: Visit, account_id: int) -> HttpResponse:
    found = visit.find(Account.objects.all(), account_id)
    trouble = translate("%(name)s paused it.") % {"name": visit.user}
    pause_account(found, trouble, actor=visit.actor)
    visit.tell(_("Nothing leaves through this account until you resume it; messages wait."))
    return visit.go("account", account_id=found.pk)


@posting(needs=Permission.MANAGE_ACCOUNTS)
def resume(visit: Visit, account_id: int) -> HttpResponse:
    found = visit.find(Account.objects.all(), account_id)
    resume_account(visit.actor, found)
    visit.tell(_("The account sends again."))
    return visit.go("account", account_id=found.pk)


def _form_field(field: Any, *, kept: bool) -> forms.Field:
    """The form's field for one of an adapter's; a secret is never shown and stays when it is left empty."""
    stays = kept and field.secret
    help_text = translate(field.help) if field.help else ""
    if stays:
        stays_text = translate("Leave it empty to keep the one that is saved.")
        help_text = f"{help_text} {stays_text}".strip()
    common: dict[str, Any] = {
        "label": translate(field.label),
        "required": field.required and not stays and not field.default,
        "help_text": help_text,
    }
    if field.kind == "choice":
        return forms.ChoiceField(
            choices=[(choice, CHOICES.get(choice, choice.upper())) for choice in field.choices], **common
        )
    if field.kind == "pem":
        lines = SecretText if field.secret else forms.Textarea
        return forms.CharField(max_length=LONGEST_KEY, widget=lines(attrs=SecretText.ATTRIBUTES), **common)
    widget: forms.Widget = WIDGETS.get(field.kind, forms.TextInput)()
    if field.secret:
        widget = forms.PasswordInput(attrs={"autocomplete": "off"})
    return forms.CharField(max_length=2000, widget=widget, **common)


def _initial(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "unknown_policy": account.unknown_policy,
        "rate_per_minute": account.rate_per_minute,
        "domain_rates": "\n".join(f"{domain} {rate}" for domain, rate in _in_order(account.domain_rates)),
        **_initial_warm_up(account),
        "is_default": account.is_default,
        "weight": account.weight,
        **{f"{SETTING}{name}": value for name, value in account.settings.items()},
    }


def _in_order(rates: Mapping[str, int]) -> list[tuple[str, int]]:
    """By name, and last the one for all others."""
    return sorted(rates.items(), key=lambda item: (item[0] == OTHERS, item[0]))


def _initial_warm_up(account: Account) -> dict[str, Any]:
    ramp = account.warm_up
    if not ramp:
        return {}
    return {
        "warm_up_starts_on": ramp["starts_on"],
        "warm_up_first_day": ramp["first_day"],
        "warm_up_percent": round((ramp["growth"] - 1) * 100),
        "warm_up_days": ramp["days"],
    }


def _hooks(account: Account, description: AdapterDescription) -> list[tuple[str, str, Any]]:
    """(name, URL, what it is for) of the call-backs to enter at the provider."""
    wanted: list[str] = []
    if not description.is_called:
        return []
    if description.capabilities.receipts:
        wanted += ["events", "status"]
    if description.capabilities.inbound:
        wanted.append("inbound")
    base = f"{django_settings.BASE_URL}/hooks/{account.hook_key}"
    return [(name, f"{base}/{name}", HOOKS[name]) for name in wanted]
