"""A service's register, handed in as a file: who used the service, told by the service itself."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.models import Service
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Permission
from outreach.events.registers import take_register
from outreach.web.console.forms import ConsoleForm
from outreach.web.console.visit import Visit, filling

#: Rows that are taken in while somebody waits; larger registers go by the command.
MOST_ROWS: Final = 2000
LARGEST: Final = 2 * 1024 * 1024


class RegisterForm(ConsoleForm):
    file = forms.FileField(label=_("File"), help_text=_("CSV, a row for each use of the service."))

    def clean_file(self) -> list[str]:
        file: UploadedFile[Any] = self.cleaned_data["file"]
        content = b"" if (file.size or 0) > LARGEST else file.read()
        lines = content.decode("utf-8-sig", errors="replace").splitlines(keepends=True)
        if not lines or len(lines) > MOST_ROWS + 1:
            raise forms.ValidationError(
                _("From 1 to %(most)s rows; larger registers go by the command line."), params={"most": MOST_ROWS}
            )
        return lines


@filling(needs=Permission.EDIT_AUDIENCE)
def register(visit: Visit, service_id: int) -> HttpResponse:
    """The form, and after it what became of the rows."""
    service = visit.find(Service.objects.all(), service_id)
    form = RegisterForm(visit.request.POST or None, visit.request.FILES or None)
    told: dict[str, Any] = {"service": service, "form": form, "taken": None}
    if visit.is_post and form.is_valid():
        try:
            told["taken"] = take_register(visit.actor, form.cleaned_data["file"], service=service.slug)
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("services/register.html", **told)
