"""How an organisation's e-mails look: name, logo, colours, footer. What a node leaves empty comes from above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.colours import CARD, LEAST_CONTRAST, contrast, is_colour
from outreach.campaigns.fields import Reader
from outreach.campaigns.models import Branding, Picture
from outreach.campaigns.pictures import url_of, usable_pictures
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Language, Permission

KEYS: Final = dict.fromkeys(("organisation", "name", "logo", "colour", "link_colour", "footer"), 0)
LONGEST_NAME: Final = 120
LONGEST_FOOTER: Final = 600


@dataclass(frozen=True, kw_only=True)
class Look:
    """What holds for one organisation, after everything above it was asked."""

    name: Mapping[str, str] = field(default_factory=dict)
    logo: Picture | None = None
    colour: str = ""
    link_colour: str = ""
    footer: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """As it is frozen into a run: plain JSON, and {} where nobody set anything."""
        logo = self.logo
        facts = {
            "name": dict(self.name),
            "logo": {"url": url_of(logo), "width": logo.width, "height": logo.height} if logo else {},
            "colour": self.colour,
            "link_colour": self.link_colour,
            "footer": dict(self.footer),
        }
        return facts if any(facts.values()) else {}


def look_of(organisation: Organisation, *, unsaved: Branding | None = None) -> Look:
    """The look of the organisation's e-mails; `unsaved` stands in for its own row, to try something out."""
    ids = organisation.ancestor_ids()
    kept = Branding.objects.filter(organisation__in=ids).select_related("logo").defer("logo__data")
    rows = [row for row in kept if unsaved is None or row.organisation_id != organisation.pk]
    rows += [unsaved] if unsaved else []
    nearest = sorted(rows, key=lambda row: ids.index(row.organisation_id))
    own = nearest[0] if nearest and nearest[0].organisation_id == organisation.pk else None
    return _resolved(nearest, own)


def _resolved(nearest: Sequence[Branding], own: Branding | None) -> Look:
    # Two colours that were chosen together stay together; a name is nobody else's.
    coloured = next((row for row in nearest if row.colour), None)
    return Look(
        name=own.name if own else {},
        logo=next((row.logo for row in nearest if row.logo), None),
        colour=coloured.colour if coloured else "",
        link_colour=coloured.link_colour if coloured else "",
        footer=next((row.footer for row in nearest if row.footer), {}),
    )


def own_branding(organisation: Organisation) -> Branding:
    """What the organisation set itself; a new one, not saved, where it set nothing."""
    return Branding.objects.filter(organisation=organisation).first() or Branding(organisation=organisation)


@transaction.atomic
def change_branding(actor: Actor, data: Mapping[str, Any]) -> Branding:
    """Change what is given; an empty value asks the nodes above again. Runs that were made keep what they froze.

    Raises:
        Invalid: with every bad field; a colour that cannot be read is one, with its contrast.
        Forbidden
    """
    actor.require(Permission.MANAGE_ORGANISATION)
    branding = own_branding(actor.organisation)
    read_branding(branding, data)
    branding.save()
    audit.record(actor, "branding.changed", branding, fields=sorted(data))
    return branding


def read_branding(branding: Branding, data: Mapping[str, Any]) -> None:
    """Take what is given over into the row, without saving it.

    Raises:
        Invalid: with every bad field.
    """
    reader = Reader(branding.organisation)
    given = reader.mapping(data, "", KEYS)
    for key, longest in (("name", LONGEST_NAME), ("footer", LONGEST_FOOTER)):
        if key in given:
            setattr(branding, key, _texts(reader, given[key] or {}, key, longest=longest))
    for key in ("colour", "link_colour"):
        if key in given:
            setattr(branding, key, _colour(reader, given[key] or "", key))
    if "logo" in given:
        branding.logo = _logo(reader, given["logo"])
    _judge_link(reader, branding)
    if reader.problems:
        raise Invalid(reader.problems)


def _texts(reader: Reader, value: Any, path: str, *, longest: int) -> dict[str, str]:
    given = reader.mapping(value, path, dict.fromkeys(Language.values, 0))
    texts = {str(key): reader.text(text, f"{path}/{key}", longest=longest).strip() for key, text in given.items()}
    return {key: text.replace("\r\n", "\n") for key, text in texts.items() if text}


def _colour(reader: Reader, value: Any, path: str) -> str:
    colour = str(value).strip().lower()
    if colour and not is_colour(colour):
        reader.complain(path, _("Write a colour as # and six digits, such as #104080."))
        return ""
    return colour


def _judge_link(reader: Reader, branding: Branding) -> None:
    if branding.link_colour and not branding.colour:
        reader.complain("link_colour", _("Choose the colour of heads and buttons too: the two belong together."))
    elif branding.link_colour and (found := contrast(branding.link_colour, CARD)) < LEAST_CONTRAST:
        reader.complain(
            "link_colour",
            _("Links in this colour are hard to read on white: contrast %(found)s, at least %(least)s is needed.")
            % {"found": f"{found:.1f}", "least": LEAST_CONTRAST},
        )


def _logo(reader: Reader, value: Any) -> Picture | None:
    if value in {None, ""}:
        return None
    picture = usable_pictures(reader.organisation).filter(key=str(value)).first()
    if picture is None:
        reader.complain("logo", _("There is no such picture."))
    return picture
