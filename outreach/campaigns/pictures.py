"""Pictures for e-mails: read once, checked by what they are and not by their name, and kept without what a camera adds.

They are shown from a public path that cannot be guessed (`/i/KEY.png`), or go within the e-mail (`Content.pictures`).
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import secrets
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps, UnidentifiedImageError

from outreach.campaigns.models import Branding, Content, NoticeTemplate, Picture, Run
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid, StateConflict
from outreach.core.models import Organisation
from outreach.core.vocabulary import Permission, RunKind

PREFIX: Final = "/i/"
#: Bytes of an upload.
LARGEST: Final = 4_000_000
#: Pixels of an upload: what 4 MB can unpack into is bounded too.
MOST_PIXELS: Final = 30_000_000
#: An e-mail is 600 pixels wide, and screens have two dots a pixel: what is wider is made smaller.
WIDEST: Final = 1200
LONGEST_ALT: Final = 300
#: What mail programs show, by Pillow's name of the format; WebP and SVG are no such.
TYPES: Final = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "GIF": ("image/gif", "gif")}
#: The address of one of ours within a text.
ADDRESS: Final = re.compile(rf"https?://[^\s\"'<>()/]+{PREFIX}([\w-]{{20,}}\.(?:png|jpg|gif))")


@dataclass(frozen=True, kw_only=True)
class _Cleaned:
    data: bytes
    media_type: str
    ending: str
    width: int
    height: int


@transaction.atomic
def add_picture(actor: Actor, data: bytes, *, alt: str) -> Picture:
    """Keep a picture; the same file twice is one picture, with the newer description.

    Raises:
        Invalid: it is too large, no picture that mail programs show (`file`), or has no description (`alt`).
        Forbidden
    """
    actor.require(Permission.EDIT_CAMPAIGNS)
    alt = " ".join(alt.split())
    problems = {"file": _wrong_size(data), "alt": _wrong_alt(alt)}
    if any(problems.values()):
        raise Invalid({path: found for path, found in problems.items() if found})
    cleaned = _clean(data)
    picture, is_new = Picture.objects.update_or_create(
        organisation=actor.organisation,
        digest=hashlib.sha256(data).hexdigest(),
        defaults={"alt": alt},
        create_defaults={
            "alt": alt,
            "key": f"{secrets.token_urlsafe(24)}.{cleaned.ending}",
            "media_type": cleaned.media_type,
            "width": cleaned.width,
            "height": cleaned.height,
            "size": len(cleaned.data),
            "data": cleaned.data,
        },
    )
    audit.record(actor, "picture.added" if is_new else "picture.changed", picture)
    return picture


@transaction.atomic
def delete_picture(actor: Actor, picture: Picture) -> None:
    """Forget a picture that nothing shows: no text, no look, and no message that was sent.

    Raises:
        StateConflict: something shows it; the sentence says what.
        Forbidden
    """
    actor.require(Permission.EDIT_CAMPAIGNS)
    if now := _named(actor, _shown_by(picture)):
        raise StateConflict(_("This picture is in use: %(uses)s. Take it out there first.") % {"uses": now})
    if left := _named(actor, _sent_with(picture)):
        raise StateConflict(
            _("Messages that were sent show this picture: %(uses)s. It has to stay for their readers.") % {"uses": left}
        )
    audit.record(actor, "picture.deleted", picture)
    picture.delete()


def _shown_by(picture: Picture) -> list[tuple[str, Organisation]]:
    """What shows the picture from now on, with its owner."""
    contents = Content.objects.filter(body__contains=picture.key).select_related("campaign__organisation")
    templates = NoticeTemplate.objects.filter(contents__icontains=picture.key).select_related("organisation")
    looks = Branding.objects.filter(logo=picture).select_related("organisation")
    return [
        *((_quoted(content.campaign.name), content.campaign.organisation) for content in contents),
        *((_quoted(template.name), template.organisation) for template in templates),
        *((str(_("the look of e-mails, %(name)s") % {"name": look.organisation}), look.organisation) for look in looks),
    ]


def _sent_with(picture: Picture) -> list[tuple[str, Organisation]]:
    """Runs whose frozen texts or look show the picture: readers fetch it when they open the message."""
    frozen = {name: KeyTextTransform(name, "frozen") for name in ("contents", "look")}
    runs = Run.objects.exclude(kind=RunKind.TEST).alias(**frozen).select_related("campaign", "organisation")
    shown = runs.filter(Q(contents__contains=picture.key) | Q(look__contains=picture.key)).defer("frozen")
    return [(_quoted(run.campaign.name if run.campaign else run.title), run.organisation) for run in shown]


def _quoted(name: str) -> str:
    return str(_("“%(name)s”") % {"name": name})


def _named(actor: Actor, uses: list[tuple[str, Organisation]]) -> str:
    """The uses in words, each once; those of organisations that the actor does not see have no name."""
    names = [name if actor.organisation.contains(owner) else str(_("another organisation")) for name, owner in uses]
    return ", ".join(dict.fromkeys(names))


def usable_pictures(organisation: Organisation) -> QuerySet[Picture]:
    """Pictures of the organisation and of the nodes above it, newest first, without their bytes."""
    return Picture.objects.filter(organisation__in=organisation.ancestor_ids()).defer("data").order_by("-pk")


def url_of(picture: Picture) -> str:
    return f"{settings.BASE_URL}{PREFIX}{picture.key}"


def keys_in(text: str) -> list[str]:
    """Keys of our pictures whose address stands in the text, in order."""
    return list(dict.fromkeys(ADDRESS.findall(text)))


def attached_pictures(texts: Iterable[str], *, also: Iterable[Picture] = ()) -> dict[str, dict[str, Any]]:
    """Those that the texts show, and these, as they are frozen into a run: by key, `type`, and `data` in base64."""
    keys = [*(picture.key for picture in also), *(key for text in texts for key in keys_in(text))]
    found = {picture.key: picture for picture in Picture.objects.filter(key__in=keys)}
    return {
        key: {"type": found[key].media_type, "data": base64.b64encode(found[key].data).decode()}
        for key in dict.fromkeys(keys)
        if key in found
    }


def _wrong_size(data: bytes) -> list[object]:
    if not data:
        return [_("Choose a file.")]
    if len(data) > LARGEST:
        return [_("The picture is too large: at most %(most)s MB.") % {"most": LARGEST // 1_000_000}]
    return []


def _wrong_alt(alt: str) -> list[object]:
    if not alt:
        return [_("Say in words what the picture shows: some readers do not see it.")]
    if len(alt) > LONGEST_ALT:
        return [_("This is too long: at most %(most)s characters.") % {"most": LONGEST_ALT}]
    return []


def _clean(data: bytes) -> _Cleaned:
    """The picture written anew: upright, no wider than it has to be, without place, camera or anything hidden behind.

    Raises:
        Invalid: it is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=tuple(TYPES)) as opened:
                if opened.width * opened.height * getattr(opened, "n_frames", 1) > MOST_PIXELS:
                    raise Invalid({"file": [_("The picture has too many pixels: at most 30 million.")]})
                return _written(opened)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as err:
        raise Invalid({"file": [_("This is no picture that mail programs show: use PNG, JPEG or GIF.")]}) from err


def _written(opened: Image.Image) -> _Cleaned:
    kind = str(opened.format)
    media_type, ending = TYPES[kind]
    out = io.BytesIO()
    if kind == "GIF":
        opened.info.pop("comment", None)
        opened.save(out, "GIF", save_all=True)
        size = opened.size
    else:
        upright = ImageOps.exif_transpose(opened)
        if upright.width > WIDEST:
            upright = upright.resize((WIDEST, max(1, round(upright.height * WIDEST / upright.width))))
        size = upright.size
        bare = Image.new(upright.mode, size)
        if upright.mode == "P":
            bare = upright.convert("RGBA")
        else:
            bare.paste(upright)
        if kind == "JPEG":
            (bare if bare.mode in {"L", "RGB"} else bare.convert("RGB")).save(out, "JPEG", quality=86, optimize=True)
        else:
            bare.save(out, "PNG", optimize=True)
    return _Cleaned(data=out.getvalue(), media_type=media_type, ending=ending, width=size[0], height=size[1])
