"""Who looks at a page and where in the tree; each view gets a Visit and reaches everything through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from outreach.core import clock
from outreach.core.access import Actor, actor_of_user, organisations_of
from outreach.core.errors import Forbidden, Invalid, NotFound, StateConflict
from outreach.core.models import Organisation, OwnedQuerySet, User
from outreach.core.vocabulary import Permission, Role
from outreach.web.api.paging import read_cursor
from outreach.web.console.navigation import Navigation, navigation

P = ParamSpec("P")
M = TypeVar("M", bound=Model)

#: Session key of the node that the user chose to look at.
CHOSEN = "organisation"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of somebody logged in, at one node of the tree."""

    request: HttpRequest
    user: User
    actor: Actor
    #: Every node that the user may switch to, in tree order.
    organisations: list[Organisation]

    @property
    def organisation(self) -> Organisation:
        return self.actor.organisation

    @property
    def below(self) -> int:
        """How many organisations the chosen node has below it."""
        return sum(self.organisation.contains(node) for node in self.organisations) - 1

    @property
    def is_post(self) -> bool:
        return self.request.method == "POST"

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of the page and not for the whole."""
        return self.request.headers.get("HX-Request") == "true" and "HX-Boosted" not in self.request.headers

    @property
    def cursor(self) -> int | None:
        """The row behind which the asked page of a list begins; None at its beginning."""
        text = self.request.GET.get("cursor", "")
        try:
            return read_cursor(text) if text else None
        except Invalid as invalid:
            raise NotFound from invalid

    @property
    def navigation(self) -> Navigation:
        return navigation(self.request.path)

    @property
    def role_names(self) -> str:
        return ", ".join(str(role.label) for role in Role if role in self.actor.roles)

    def may(self, permission: str) -> bool:
        return self.actor.may(Permission(permission))

    def find(self, rows: OwnedQuerySet[M], key: Any) -> M:
        """The row with this key in the organisation's subtree; anything else does not exist for this visitor."""
        try:
            return rows.for_organisation(self.organisation).get(pk=key)
        except (rows.model.DoesNotExist, ValueError) as error:  # type: ignore[attr-defined]
            raise NotFound from error

    def show(self, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
        """Render a page of `templates/console`."""
        context |= {"visit": self, "user": self.user, "now": clock.now()}
        return render(self.request, f"console/{template}", context, status=status)

    def tell(self, sentence: Any) -> None:
        """Say on the next page what was done."""
        messages.success(self.request, str(sentence))

    def complain(self, invalid: Invalid, *, about: str = "") -> None:
        """Say on the next page what a verb found wrong, where no form stands that could show it at its fields."""
        for sentences in invalid.fields.values():
            said = " ".join(map(str, sentences))
            messages.error(self.request, f"{about}: {said}" if about else said)

    def go(self, name: str, **parts: Any) -> HttpResponse:
        """Redirect to the view of that name."""
        return HttpResponseRedirect(reverse(f"console:{name}", kwargs=parts))

    def go_back(self, fallback: str = "home") -> HttpResponse:
        """Redirect to the page that was left, if it is one of ours."""
        target = self.request.POST.get("next") or self.request.headers.get("Referer", "")
        ours = url_has_allowed_host_and_scheme(target, allowed_hosts={self.request.get_host()})
        return HttpResponseRedirect(target if ours else reverse(f"console:{fallback}"))


def visiting(
    *, needs: Permission = Permission.VIEW, methods: tuple[str, ...] = ("GET", "HEAD")
) -> Callable[[Callable[Concatenate[Visit, P], HttpResponse]], Callable[..., HttpResponse]]:
    """Turn a view of a Visit into one of a request: logged in, allowed, in the user's language and zone.

    What a verb refuses because of the state becomes a sentence on the page where the button was.
    """

    def decorate(view: Callable[Concatenate[Visit, P], HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def enter(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            visit = _visit(request)
            try:
                visit.actor.require(needs)
                return view(visit, *args, **kwargs)
            except NotFound as error:
                raise Http404 from error
            except Forbidden as error:
                raise PermissionDenied from error
            except StateConflict as conflict:
                messages.error(request, str(conflict.message))
                return visit.go_back()

        return require_http_methods(list(methods))(login_required(enter))

    return decorate


def posting(
    *, needs: Permission
) -> Callable[[Callable[Concatenate[Visit, P], HttpResponse]], Callable[..., HttpResponse]]:
    """`visiting` for a view that only changes something."""
    return visiting(needs=needs, methods=("POST",))


def filling(
    *, needs: Permission
) -> Callable[[Callable[Concatenate[Visit, P], HttpResponse]], Callable[..., HttpResponse]]:
    """`visiting` for a page with a form."""
    return visiting(needs=needs, methods=("GET", "HEAD", "POST"))


def _visit(request: HttpRequest) -> Visit:
    user = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    translation.activate(user.language)
    organisations = organisations_of(user)
    if not organisations:
        raise PermissionDenied
    chosen = request.session.get(CHOSEN)
    organisation = next((node for node in organisations if node.pk == chosen), organisations[0])
    timezone.activate(ZoneInfo(user.timezone or organisation.timezone))
    return Visit(request=request, user=user, actor=actor_of_user(user, organisation), organisations=organisations)


def leave_language(response: HttpResponse, language: str) -> HttpResponse:
    """Remember the language in the browser, for pages before the log-in."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=365 * 24 * 3600,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response
