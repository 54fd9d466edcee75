"""Templates of notices: what an organisation says to one person at a time, checked when it is written.

A campaign is reviewed before it starts; a notice leaves at once. So a template that could not be sent is not saved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from outreach.campaigns.fields import Reader, read_content
from outreach.campaigns.models import NoticeTemplate
from outreach.campaigns.planning import email_facts
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import PERSONAL_CHANNELS, LawfulBasis, Permission
from outreach.delivery.compile import compile_content, source_of
from outreach.delivery.notice_plan import plan_of

KEYS: Final = dict.fromkeys(("slug", "organisation", "name", "lawful_basis", "contents"), 0)
SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
MOST_CONTENTS: Final = 10


def usable_templates(organisation: Organisation) -> QuerySet[NoticeTemplate]:
    """Templates of the organisation and of every node above it."""
    return NoticeTemplate.objects.filter(organisation__in=organisation.ancestor_ids())


def find_template(organisation: Organisation, slug: str) -> NoticeTemplate | None:
    """The template of this slug: the organisation's own, else the nearest above it."""
    nearness = {id_: distance for distance, id_ in enumerate(organisation.ancestor_ids())}
    found = usable_templates(organisation).filter(slug=slug)
    return min(found, key=lambda template: nearness[template.organisation_id], default=None)


@transaction.atomic
def create_template(actor: Actor, data: Mapping[str, Any]) -> NoticeTemplate:
    """Add a template. Whoever may write one may send it to anybody, so that takes the right to publish.

    Raises:
        Invalid: with every bad field, by path (`contents/0/body`).
        Forbidden
    """
    actor.require(Permission.PUBLISH)
    template = NoticeTemplate(organisation=actor.organisation)
    _write(template, data, required=("slug", "name", "lawful_basis", "contents"))
    audit.record(actor, "notice_template.created", template)
    return template


@transaction.atomic
def change_template(actor: Actor, template: NoticeTemplate, data: Mapping[str, Any]) -> NoticeTemplate:
    """Change what is given. Notices that were taken before keep the text that they were taken with.

    Raises:
        Invalid: with every bad field, by path.
        Forbidden
    """
    actor.require(Permission.PUBLISH)
    _write(template, data, required=())
    audit.record(actor, "notice_template.changed", template, fields=sorted(data))
    return template


def read_own_content(data: Mapping[str, Any], organisation: Organisation, *, at: str = "") -> dict[str, Any]:
    """Check one text of a notice; as it is frozen.

    Raises:
        Invalid: with every bad field below the path `at`.
    """
    try:
        content = read_content(data, organisation)
    except Invalid as err:
        raise Invalid({f"{at}{path}": texts for path, texts in err.fields.items()}) from err
    problems: dict[str, list[Any]] = {}
    if content.channel not in PERSONAL_CHANNELS:
        problems[f"{at}channel"] = [_("A notice goes to one person: by e-mail or SMS.")]
    if content.variant:
        problems[f"{at}variant"] = [_("Notices have no variants.")]
    if problems:
        raise Invalid(problems)
    return {
        "channel": content.channel,
        "language": content.language,
        "format": content.format,
        "subject": content.subject,
        "body": content.body,
        "account": content.account.pk if content.account else None,
        **email_facts(content, written=clock.now()),
    }


def check_texts(
    contents: Sequence[Mapping[str, Any]], organisation: Organisation, *, at: Sequence[str]
) -> dict[str, list[Any]]:
    """What would keep these texts from being sent, by path; `at` is the path of each."""
    plan = plan_of(organisation, contents, name="", notice={})
    problems: dict[str, list[Any]] = {}
    for path, content in zip(at, contents, strict=True):
        for problem in compile_content(source_of(content, plan)).problems:
            if problem.severity == "error":
                problems.setdefault(f"{path}{problem.field}", []).append(problem.message)
    return problems


def _write(template: NoticeTemplate, data: Mapping[str, Any], *, required: tuple[str, ...]) -> None:
    reader = Reader(template.organisation)
    given = reader.mapping(data, "", KEYS)
    for key in required:
        if not given.get(key):
            reader.complain(key, _("This must not be empty."))
    if given.get("slug"):
        template.slug = reader.text(given["slug"], "slug", longest=60)
        if not SLUG.fullmatch(template.slug):
            reader.complain("slug", _("Use small Latin letters, digits and hyphens."))
    if "name" in given:
        template.name = reader.text(given["name"], "name", longest=200, required=True).strip()
    if "lawful_basis" in given:
        template.lawful_basis = reader.choice(given["lawful_basis"], "lawful_basis", LawfulBasis)
    if "contents" in given:
        template.contents = _read_contents(reader, given["contents"])
    if reader.problems:
        raise Invalid(reader.problems)
    _save(template)


def _read_contents(reader: Reader, value: Any) -> list[dict[str, Any]]:
    items = reader.items(value, "contents")
    if not 0 < len(items) <= MOST_CONTENTS:
        reader.complain("contents", _("Write 1 to %(most)s texts.") % {"most": MOST_CONTENTS})
        return []
    found: dict[str, dict[str, Any]] = {}
    for position, item in enumerate(items):
        path = f"contents/{position}/"
        try:
            found[path] = read_own_content(reader.mapping(item, path.rstrip("/"), item), reader.organisation, at=path)
        except Invalid as err:
            reader.problems.update(err.fields)
    keys = [(content["channel"], content["language"]) for content in found.values()]
    if len(set(keys)) < len(keys):
        reader.complain("contents", _("There is already a message for this channel and language."))
    reader.problems.update(check_texts(list(found.values()), reader.organisation, at=list(found)))
    return list(found.values())


def _save(template: NoticeTemplate) -> None:
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError as err:
        raise Invalid({"slug": [_("There is already a template of this name.")]}) from err
