"""Pictures for e-mails: added beside the editor, put into its text by a button, and deleted when nothing shows them."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.models import Picture
from outreach.campaigns.pictures import LARGEST, add_picture, delete_picture, url_of, usable_pictures
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import Organisation
from outreach.core.vocabulary import ContentFormat, Permission
from outreach.web.console.visit import Visit, posting

#: Newest pictures that are offered beside the editor.
MOST: Final = 12
#: What a button puts into a text; `alt` and `url` are escaped for HTML.
WRITTEN: Final = {
    ContentFormat.MARKDOWN: "![{plain}]({url})",
    ContentFormat.HTML: '<img src="{url}" alt="{alt}" width="{width}">',
    ContentFormat.MJML: '<mj-image src="{url}" alt="{alt}" width="{width}px" />',
    ContentFormat.TEXT: "{url}",
}
#: An e-mail's text is so wide.
WIDEST: Final = 536


@posting(needs=Permission.EDIT_CAMPAIGNS)
def add(visit: Visit) -> HttpResponse:
    """Keep a picture; for htmx the list beside the editor with what is wrong, else back to where the form was."""
    problems = _add(visit)
    if not visit.is_fragment:
        for problem in problems:
            messages.error(visit.request, problem)
        return visit.go_back()
    return _list(visit, problems)


@posting(needs=Permission.EDIT_CAMPAIGNS)
def delete(visit: Visit, key: int) -> HttpResponse:
    """Delete a picture that nothing shows; answered as `add` is."""
    found = visit.find(Picture.objects.defer("data"), key)
    try:
        delete_picture(visit.actor, found)
    except StateConflict as conflict:
        if not visit.is_fragment:
            raise
        return _list(visit, [str(conflict.message)])
    if not visit.is_fragment:
        visit.tell(_("The picture is deleted."))
        return visit.go_back()
    return _list(visit, [], done=_("The picture is deleted."))


def _list(visit: Visit, problems: list[str], done: object = "") -> HttpResponse:
    kind = visit.request.POST.get("format", "")
    return visit.show(
        "campaigns/pictures.html",
        pictures=offered(visit, visit.organisation, kind),
        problems_of_picture=problems,
        done_to_picture=done,
        format_of_text=kind,
    )


def offered(visit: Visit, organisation: Organisation, kind: str) -> list[dict[str, Any]]:
    """Pictures that the organisation may use, each with what is written into a text of this format."""
    return [
        {
            "picture": picture,
            "url": url_of(picture),
            "written": _written(picture, kind),
            "is_own": visit.organisation.contains(picture.organisation),
        }
        for picture in usable_pictures(organisation).select_related("organisation")[:MOST]
    ]


def _add(visit: Visit) -> list[str]:
    file = visit.request.FILES.get("file")
    data = file.read(LARGEST + 1) if isinstance(file, UploadedFile) else b""
    try:
        add_picture(visit.actor, data, alt=visit.request.POST.get("alt", ""))
    except Invalid as invalid:
        return [str(sentence) for sentences in invalid.fields.values() for sentence in sentences]
    return []


def _written(picture: Picture, kind: str) -> str:
    form = WRITTEN.get(ContentFormat(kind) if kind in ContentFormat.values else ContentFormat.MARKDOWN, "{url}")
    plain = picture.alt.replace("[", "(").replace("]", ")")
    width = min(picture.width, WIDEST)
    return form.format(plain=plain, alt=escape(picture.alt), url=url_of(picture), width=width)
