"""Sign-up: the page to link to, the form to put on other sites, and addresses that are not taken."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from outreach.audience.signup_rules import own_domains, refuse_domains
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Language, Permission
from outreach.web.console.forms import ConsoleForm, long_text
from outreach.web.console.visit import Visit, posting, visiting
from outreach.web.public.join_snippet import join_snippet


class DomainsForm(ConsoleForm):
    refused_domains = long_text(
        _("Mail domains that are not taken"),
        rows=6,
        help_text=_(
            "One a line; those below it count, too. Known domains of addresses that last minutes are refused anyway."
        ),
    )


@visiting()
def sign_up(visit: Visit) -> HttpResponse:
    return _page(visit, DomainsForm(initial={"refused_domains": "\n".join(own_domains(visit.organisation))}))


@posting(needs=Permission.EDIT_AUDIENCE)
def save_domains(visit: Visit) -> HttpResponse:
    form = DomainsForm(visit.request.POST)
    if form.is_valid():
        try:
            refuse_domains(visit.actor, form.cleaned_data["refused_domains"].split())
            visit.tell(_("The changes are saved."))
            return visit.go("sign_up")
        except Invalid as invalid:
            form.take(invalid)
    return _page(visit, form)


def _page(visit: Visit, form: Any) -> HttpResponse:
    return visit.show(
        "topics/sign_up.html",
        form=form,
        page=f"{settings.BASE_URL}{reverse('public-join', args=[visit.organisation.slug])}",
        snippets=[(code, Language(code).label, join_snippet(visit.organisation, code)) for code in Language.values],
    )
