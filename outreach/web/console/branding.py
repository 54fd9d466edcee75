"""How an organisation's e-mails look: a form beside an e-mail that is drawn by what stands in it."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.branding import Look, change_branding, look_of, own_branding, read_branding
from outreach.campaigns.colours import CARD, DARK_CARD, contrast, palette
from outreach.campaigns.models import Branding, Picture
from outreach.campaigns.pictures import LARGEST, add_picture, usable_pictures
from outreach.core.errors import Invalid
from outreach.core.vocabulary import Language, Permission
from outreach.delivery.preview import preview_look
from outreach.web.console.forms import ConsoleForm, initial_texts, long_text
from outreach.web.console.mail_frame import mail_frame
from outreach.web.console.visit import Visit, filling, posting

#: What the e-mail beside the form says; in the language of the e-mail, whoever looks at it.
SAMPLE: Final = {
    "bg": (
        "Новата услуга е онлайн",
        """# Новата услуга е онлайн

Подайте заявлението си от вкъщи. [Вижте какво ще ви трябва](https://example.org/).

[Подайте заявление](https://example.org/)

> Отнема дванадесет минути.

- Влезте с ПИК.
- Изберете услугата.
""",
    ),
    "en": (
        "The new service is online",
        """# The new service is online

Apply from home. [See what you will need](https://example.org/).

[Apply now](https://example.org/)

> It takes twelve minutes.

- Log in with your PIN.
- Choose the service.
""",
    ),
}


class BrandingForm(ConsoleForm):
    name_bg = forms.CharField(label=_("Name in Bulgarian"), required=False, max_length=120)
    name_en = forms.CharField(
        label=_("Name in English"),
        required=False,
        max_length=120,
        help_text=_("It stands in the head. Left empty, it is the organisation’s own name."),
    )
    logo = forms.ChoiceField(label=_("Logo"), required=False)
    logo_file = forms.FileField(
        label=_("Or upload one"),
        required=False,
        help_text=_("PNG, JPEG or GIF; at most 4 MB. It is drawn 48 dots high."),
    )
    colour = forms.CharField(
        label=_("Colour of the head and of buttons"),
        required=False,
        max_length=7,
        help_text=_("As #104080. The words on it become white or black, whichever can be read."),
    )
    link_colour = forms.CharField(
        label=_("Colour of links"),
        required=False,
        max_length=7,
        help_text=_("Left empty, it is the colour above, darkened until it can be read."),
    )
    footer_bg = long_text(_("Footer in Bulgarian"), rows=3)
    footer_en = long_text(_("Footer in English"), rows=3, help_text=_("Address and contact, line by line."))

    def __init__(self, pictures: list[Picture], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("that of the organisation above, or none")), *((one.key, one.alt) for one in pictures)]
        self.fields["logo"].choices = choices  # type: ignore[attr-defined]

    def branding_data(self) -> dict[str, Any]:
        """As the verbs and the API write it."""
        facts = {key: self.cleaned_data.get(key, "") for key in ("logo", "colour", "link_colour")}
        return {**facts, "name": self.texts("name"), "footer": self.texts("footer")}


@filling(needs=Permission.VIEW)
def branding(visit: Visit) -> HttpResponse:
    own = own_branding(visit.organisation)
    form = BrandingForm(
        list(usable_pictures(visit.organisation)),
        visit.request.POST or None,
        visit.request.FILES or None,
        initial=_initial(own),
    )
    if visit.is_post and form.is_valid():
        try:
            _save(visit, form)
            visit.tell(_("Saved. E-mails that are planned from now on look like this."))
            return visit.go("branding")
        except Invalid as invalid:
            form.take(invalid)
    return visit.show("branding/form.html", form=form, **_seen(look_of(visit.organisation)))


@posting(needs=Permission.MANAGE_ORGANISATION)
def branding_preview(visit: Visit) -> HttpResponse:
    """What stands in the form, for htmx: the colours' contrast, what is wrong, and a frame that asks for the e-mail."""
    tried, form = _tried(visit)
    return visit.show(
        "branding/preview.html", form=form, is_live=True, **_seen(look_of(visit.organisation, unsaved=tried))
    )


@filling(needs=Permission.VIEW)
def branding_html(visit: Visit, language: str) -> HttpResponse:
    """A sample e-mail for the frame: as it is saved, or (POST) as the form says."""
    tried = _tried(visit)[0] if visit.is_post else None
    subject, body = SAMPLE[language if language in SAMPLE else Language.BULGARIAN]
    look = look_of(visit.organisation, unsaved=tried)
    html = preview_look(visit.organisation, look, language=language, subject=subject, body=body)
    return mail_frame(visit.request, html)


@transaction.atomic
def _save(visit: Visit, form: BrandingForm) -> None:
    data, uploaded = form.branding_data(), form.cleaned_data.get("logo_file")
    if uploaded is not None:
        visit.actor.require(Permission.MANAGE_ORGANISATION)
        try:
            picture = add_picture(visit.actor, uploaded.read(LARGEST + 1), alt=str(visit.organisation))
        except Invalid as invalid:
            raise Invalid({"logo_file": list(invalid.fields.get("file", invalid.fields.values()))}) from invalid
        data["logo"] = picture.key
    change_branding(visit.actor, data)


def _tried(visit: Visit) -> tuple[Branding, BrandingForm]:
    """The row with what the form holds, as far as it is right; not saved."""
    own = own_branding(visit.organisation)
    form = BrandingForm(list(usable_pictures(visit.organisation)), visit.request.POST)
    form.fields.pop("logo_file")
    if form.is_valid():
        try:
            read_branding(own, form.branding_data())
        except Invalid as invalid:
            form.take(invalid)
    return own, form


def _seen(look: Look) -> dict[str, Any]:
    made = palette(look.colour, look.link_colour)
    pairs = (
        (_("Head and buttons"), made.on_head, made.head),
        (_("Links"), made.link, CARD),
        (_("Links, in the dark"), made.dark_link, DARK_CARD),
    )
    return {
        "contrasts": [(label, text, ground, f"{contrast(text, ground):.1f}") for label, text, ground in pairs],
    }


def _initial(own: Branding) -> dict[str, Any]:
    return {
        "logo": own.logo.key if own.logo else "",
        "colour": own.colour,
        "link_colour": own.link_colour,
        **initial_texts("name", own.name),
        **initial_texts("footer", own.footer),
    }
