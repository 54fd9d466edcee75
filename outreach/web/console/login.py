"""Log-in, log-out, the one-time link that sets a password, and what a person sets for themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django import forms
from django.conf import settings
from django.contrib.auth import login as log_in
from django.contrib.auth import logout as log_out
from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.encoding import force_str
from django.utils.http import url_has_allowed_host_and_scheme, urlsafe_base64_decode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from outreach.audience.subscribers import truncated_ip
from outreach.core import tallies
from outreach.core.errors import RateLimited
from outreach.core.models import User
from outreach.core.vocabulary import Language, Permission
from outreach.web.console.visit import CHOSEN, Visit, leave_language, posting
from outreach.web.visitor import visitor_of

THEMES: Final = ("system", "light", "dark")


class Limit(NamedTuple):
    """So many wrong passwords in a stretch of time close the door for the rest of it."""

    most: int
    per: timedelta


#: Of one person from one network: who guesses elsewhere does not lock the person out at once.
OF_PERSON_HERE: Final = Limit(10, timedelta(minutes=15))
#: Of one person from anywhere, and of one network for anybody: guessing by many machines, or at many people.
OF_PERSON: Final = Limit(100, timedelta(hours=1))
OF_NETWORK: Final = Limit(100, timedelta(hours=1))


class LogInForm(AuthenticationForm):
    """E-mail and password. Wrong ones are counted, and too many refuse the right one, too (NIST SP 800-63B, 5.2.2)."""

    username = forms.EmailField(
        label=_("E-mail"),
        widget=forms.EmailInput(attrs={"class": "form-control", "autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "form-control", "autocomplete": "current-password"}),
    )
    error_messages = {
        "invalid_login": _("This e-mail and password do not belong together. Both are case-sensitive."),
        "inactive": _("This account is closed."),
        "rate_limited": _(
            "Too many wrong passwords. Please try again in an hour, or ask your administrator for a one-time link."
        ),
    }

    def clean_username(self) -> str:
        return str(self.cleaned_data["username"]).lower()

    def clean(self) -> dict[str, Any]:
        tried = list(self._tried())
        if any(tallies.counted(kind, who, per=limit.per) >= limit.most for kind, who, limit in tried):
            raise ValidationError(self.error_messages["rate_limited"], code="rate_limited")
        try:
            return super().clean()
        except ValidationError:
            for kind, who, limit in tried:
                tallies.count_one(kind, who, per=limit.per)
            raise

    def _tried(self) -> Iterator[tuple[str, str, Limit]]:
        """What a wrong password counts against: kind, subject, limit."""
        person = self.cleaned_data.get("username", "")
        network = truncated_ip(visitor_of(self.request)) if self.request else ""
        if person:
            yield "log-in", person, OF_PERSON
            yield "log-in-here", f"{network} {person}", OF_PERSON_HERE
        if network:
            yield "log-in-network", network, OF_NETWORK


class LogIn(views.LoginView):
    """The door; somebody logged in goes on to Home."""

    form_class = LogInForm
    template_name = "console/login.html"
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        return leave_language(response, user.language) if isinstance(user, User) else response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        if form.has_error(NON_FIELD_ERRORS, "rate_limited"):
            response.status_code = RateLimited.status
        return response


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]  # not generic at run time
    """Twice the new password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"


@sensitive_post_parameters()
def set_password(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """The one-time link of `outreach setup`: sets a password once and logs in."""
    user = _user_of(uid)
    if user is None or not default_token_generator.check_token(user, token):
        return render(request, "console/link_used.html", status=410)
    form = NewPasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        log_in(request, user)
        return leave_language(HttpResponseRedirect(settings.LOGIN_REDIRECT_URL), user.language)
    return render(request, "console/set_password.html", {"form": form, "owner": user})


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    log_out(request)
    return HttpResponseRedirect(settings.LOGOUT_REDIRECT_URL)


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Works before the log-in too: the browser remembers, and the user where there is one."""
    wanted = request.POST.get("language", "")
    language = wanted if wanted in Language.values else settings.LANGUAGE_CODE
    if isinstance(request.user, User):
        User.objects.filter(pk=request.user.pk).update(language=language)
    target = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()})
    return leave_language(HttpResponseRedirect(target if ours else "/"), language)


@posting(needs=Permission.VIEW)
def choose_theme(visit: Visit) -> HttpResponse:
    wanted = visit.request.POST.get("theme", "")
    visit.user.theme = wanted if wanted in THEMES else "system"
    visit.user.save(update_fields=["theme"])
    return visit.go_back()


@posting(needs=Permission.VIEW)
def choose_organisation(visit: Visit) -> HttpResponse:
    """Look at another node. The page before may not exist there, so Home follows."""
    wanted = visit.request.POST.get("organisation", "")
    if any(str(node.pk) == wanted for node in visit.organisations):
        visit.request.session[CHOSEN] = int(wanted)
    return visit.go("home")


def _user_of(uid: str) -> User | None:
    try:
        key = force_str(urlsafe_base64_decode(uid))
        return User.objects.filter(pk=int(key), is_active=True).first()
    except ValueError:
        return None
