"""Facts of a person that this stage keeps: attributes, language, kind, topics, addresses and consent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from outreach.audience.attributes import attributes_open_to
from outreach.audience.facts import (
    Argument,
    Asked,
    Fact,
    Reference,
    Takes,
    Told,
    of_each_record,
    register_facts,
    register_finder,
)
from outreach.audience.models import Segment
from outreach.audience.regions import BULGARIAN, find_region
from outreach.audience.topics import topics_open_to
from outreach.core.models import Organisation
from outreach.core.vocabulary import (
    AddressState,
    Channel,
    ConsentAction,
    ConsentPurpose,
    Language,
    SubscriberKind,
    SubscriptionState,
)

Given = Mapping[str, Any]

#: Text that reads as a number; attributes that were imported are text.
NUMBER: Final = "^-?[0-9]{1,15}([.][0-9]{1,10})?$"


def within(*, is_required: bool = False) -> Argument:
    return Argument(name="within", label=gettext_lazy("In the last"), takes=Takes.DAYS, is_required=is_required)


def by_channel() -> Argument:
    return Argument(name="channel", label=gettext_lazy("Channel"), takes=Takes.WORD, words=Channel)


def recently(given: Given) -> str:
    """` in the last 14 days`, or nothing."""
    days = given.get("within")
    return "" if days is None else " " + ngettext("in the last day", "in the last %(days)s days", days) % {"days": days}


def between(column: str, given: Given, asked: Asked) -> str:
    """SQL: the time is not later than the rule's own, and not earlier than `within` days before it."""
    sql = f"{column} <= {asked(asked.as_of)}"
    return f"{column} >= {asked(asked.since(given['within']))} AND {sql}" if "within" in given else sql


def listed(words: list[str]) -> str:
    """`one, two or three`."""
    if len(words) < 2:
        return "".join(words)
    return _("%(some)s or %(last)s") % {"some": ", ".join(words[:-1]), "last": words[-1]}


def quoted(text: str) -> str:
    return _("“%(text)s”") % {"text": text}


def of_any(column: str, values: list[Any], kind: str, asked: Asked) -> str:
    """SQL: the column is one of the values; a single one is compared by `=`, which the planner knows more of."""
    return f"{column} = {asked(values[0])}" if len(values) == 1 else f"{column} = ANY ({asked(values)}::{kind}[])"


# --- attributes ---


def _compare_text(operator: str) -> Callable[[str, Any, Asked], str]:
    """By order of letters for text, of size for numbers: of text, that which reads as one."""

    def compare(column: str, value: Any, asked: Asked) -> str:
        if isinstance(value, str):
            return f'coalesce({column} COLLATE "C" {operator} {asked(value)}::text COLLATE "C", false)'
        number = asked(Decimal(repr(value)))
        return f"(CASE WHEN {column} ~ '{NUMBER}' THEN {column}::numeric {operator} {number} ELSE false END)"

    return compare


def _is(column: str, value: Any, asked: Asked) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _compare_text("=")(column, value, asked)
    text = str(value).lower() if isinstance(value, bool) else value
    return f"coalesce({column} = {asked(text)}::text, false)"


def _in(column: str, values: list[Any], asked: Asked) -> str:
    return "(" + " OR ".join(_is(column, value, asked) for value in values) + ")"


def _known(column: str, value: bool, asked: Asked) -> str:  # noqa: FBT001 -- one of a table of comparisons
    return f"coalesce({column}, '') {'<>' if value else '='} ''"


#: Each comparison with an attribute: its SQL and its words.
COMPARISONS: Final[dict[str, tuple[Callable[[str, Any, Asked], str], Any]]] = {
    "is": (_is, gettext_lazy("is %(value)s")),
    "in": (_in, gettext_lazy("is %(value)s")),
    "contains": (
        lambda column, value, asked: f"coalesce(strpos({column}, {asked(value)}::text) > 0, false)",
        gettext_lazy("contains %(value)s"),
    ),
    "begins": (
        lambda column, value, asked: f"coalesce(starts_with({column}, {asked(value)}::text), false)",
        gettext_lazy("begins with %(value)s"),
    ),
    "at_least": (_compare_text(">="), gettext_lazy("is at least %(value)s")),
    "at_most": (_compare_text("<="), gettext_lazy("is at most %(value)s")),
    "known": (_known, gettext_lazy("is known")),
}


def _attribute_sql(given: Given, asked: Asked) -> str:
    column = f"(s.attributes ->> {asked(given['name'])}::text)"
    return (
        "(" + " AND ".join(COMPARISONS[key][0](column, given[key], asked) for key in COMPARISONS if key in given) + ")"
    )


def _attribute_words(given: Given, told: Told) -> tuple[str, str]:
    says = [_comparison_in_words(key, given[key]) for key in COMPARISONS if key in given]
    facts = {"name": told.labelled("attribute", given["name"]), "says": _(" and ").join(says)}
    return _("whose “%(name)s” %(says)s") % facts, _("for whom it does not hold that “%(name)s” %(says)s") % facts


def _comparison_in_words(key: str, value: Any) -> str:
    if key == "known":
        return _("is known") if value else _("is not known")
    values = [_value(item) for item in value] if isinstance(value, list) else [_value(value)]
    return str(COMPARISONS[key][1]) % {"value": listed(values)}


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _("true") if value else _("false")
    return quoted(value) if isinstance(value, str) else str(value)


# --- what the others ask ---


def _labels(words: Any, values: list[str]) -> str:
    return listed([str(words(value).label) for value in values])


def _topic_sql(given: Given, asked: Asked) -> str:
    sql = f"n.subscriber_id = s.id AND n.state = {asked(SubscriptionState.SUBSCRIBED.value)}"
    sql += f" AND {of_any('n.topic_id', asked.ids('topic', given['in']), 'bigint', asked)}"
    sql += f" AND n.channel = {asked(given['channel'])}" if "channel" in given else ""
    return f"EXISTS (SELECT FROM outreach_subscription n WHERE {sql})"


def _topic_words(given: Given, told: Told) -> tuple[str, str]:
    facts = {"topics": told.named("topic", given["in"]), "by": _by(given)}
    return _("who subscribe to %(topics)s%(by)s") % facts, _("who do not subscribe to %(topics)s%(by)s") % facts


def _by(given: Given) -> str:
    return _(" by %(channel)s") % {"channel": Channel(given["channel"]).label} if "channel" in given else ""


def _address_sql(given: Given, asked: Asked) -> str:
    sql = "a.subscriber_id = s.id"
    sql += f" AND a.channel = {asked(given['channel'])}" if "channel" in given else ""
    sql += f" AND {of_any('a.state', given['state'], 'text', asked)}" if "state" in given else ""
    return f"EXISTS (SELECT FROM outreach_address a WHERE {sql})"


def _address_words(given: Given, told: Told) -> tuple[str, str]:
    facts = {
        "channel": _(" for %(channel)s") % {"channel": Channel(given["channel"]).label} if "channel" in given else "",
        "state": f" ({_labels(AddressState, given['state'])})" if "state" in given else "",
    }
    return _("who have an address%(channel)s%(state)s") % facts, _("who have no address%(channel)s%(state)s") % facts


def _consent_sql(given: Given, asked: Asked) -> str:
    sql = f"c.subscriber_id = {{id}} AND c.action = {asked(given['action'])}"
    sql += f" AND c.purpose = {asked(given['purpose'])}" if "purpose" in given else ""
    sql += f" AND c.topic_id = {asked(asked.ids('topic', given['topic'])[0])}" if "topic" in given else ""
    sql += f" AND {between('c.at', given, asked)}"
    return of_each_record(f"EXISTS (SELECT FROM outreach_consent c WHERE {sql})")


def _consent_words(given: Given, told: Told) -> tuple[str, str]:
    facts = {
        "purpose": f" ({ConsentPurpose(given['purpose']).label})" if "purpose" in given else "",
        "topic": _(" for %(topic)s") % {"topic": told.named("topic", given["topic"])} if "topic" in given else "",
        "when": recently(given),
    }
    if given["action"] == ConsentAction.GIVEN:
        return (
            _("who gave consent%(purpose)s%(topic)s%(when)s") % facts,
            _("who did not give consent%(purpose)s%(topic)s%(when)s") % facts,
        )
    return (
        _("who withdrew consent%(purpose)s%(topic)s%(when)s") % facts,
        _("who did not withdraw consent%(purpose)s%(topic)s%(when)s") % facts,
    )


def _word(name: str, column: str, words: Any, label: Any, phrases: tuple[Any, Any]) -> Fact:
    """A fact that is one column of a person: one of some words."""

    def say(given: Given, told: Told) -> tuple[str, str]:
        facts = {"words": _labels(words, given["in"])}
        return str(phrases[0]) % facts, str(phrases[1]) % facts

    return Fact(
        name=name,
        label=label,
        arguments=(Argument(name="in", label=label, takes=Takes.WORDS, words=words, is_required=True),),
        sql=lambda given, asked: of_any(column, given["in"], "text", asked),
        words=say,
    )


def _found_topics(organisation: Organisation, slugs: Collection[str]) -> Mapping[str, Reference]:
    found = topics_open_to(organisation).filter(slug__in=slugs)
    return {topic.slug: Reference(id=topic.pk, name=topic.name or {"": topic.slug}) for topic in found}


def _snapshot_sql(given: Given, asked: Asked) -> str:
    sql = of_any("m.segment_id", asked.ids("snapshot", given["in"]), "bigint", asked)
    return f"EXISTS (SELECT FROM outreach_snapshotmember m WHERE m.subscriber_id = s.id AND {sql})"


def _found_attributes(organisation: Organisation, names: Collection[str]) -> Mapping[str, Reference]:
    """Those that somebody declared; where several did, the nearest of those above counts, as it does for the people."""
    above = set(organisation.ancestor_ids())
    found = attributes_open_to(organisation).filter(name__in=names)
    nearest = sorted(found, key=lambda one: (one.organisation_id in above, len(one.organisation.path)))
    return {one.name: Reference(id=one.pk, name=one.label) for one in nearest}


def _found_snapshots(organisation: Organisation, ids: Collection[str]) -> Mapping[str, Reference]:
    whole = [id_ for id_ in ids if id_.isascii() and id_.isdecimal() and len(id_) < 19]
    found = open_to(organisation, Segment.objects.filter(pk__in=whole, taken_at__isnull=False))
    return {str(segment.pk): Reference(id=segment.pk, name={"": segment.name}) for segment in found}


def open_to(organisation: Organisation, segments: QuerySet[Segment]) -> QuerySet[Segment]:
    """Those of the organisation's subtree and of the nodes above it."""
    return segments.filter(
        Q(organisation__path__startswith=organisation.path) | Q(organisation__in=organisation.ancestor_ids())
    )


def _found_regions(organisation: Organisation, codes: Collection[str]) -> Mapping[str, Reference]:
    """Those of Bulgaria by name; of other countries every code is one."""
    known = {code: code for code in codes if find_region(code) == code}
    return {code: Reference(id=0, name=_region_names(code)) for code in known}


def _region_names(code: str) -> dict[str, str]:
    names = BULGARIAN.get(code)
    return {"bg": names[0], "en": names[1]} if names else {"": code}


_A = Argument
register_finder("attribute", _found_attributes)
register_finder("region", _found_regions)
register_finder("snapshot", _found_snapshots)
register_finder("topic", _found_topics)
register_facts(
    Fact(
        name="attribute",
        label=gettext_lazy("Attribute"),
        arguments=(
            _A(
                name="name",
                label=gettext_lazy("Name of the attribute"),
                takes=Takes.TEXT,
                refers="attribute",
                is_required=True,
            ),
            _A(name="is", label=gettext_lazy("is"), takes=Takes.VALUE),
            _A(name="in", label=gettext_lazy("is one of"), takes=Takes.VALUES),
            _A(name="contains", label=gettext_lazy("contains"), takes=Takes.TEXT),
            _A(name="begins", label=gettext_lazy("begins with"), takes=Takes.TEXT),
            _A(name="at_least", label=gettext_lazy("is at least"), takes=Takes.BOUND),
            _A(name="at_most", label=gettext_lazy("is at most"), takes=Takes.BOUND),
            _A(name="known", label=gettext_lazy("is known"), takes=Takes.FLAG),
        ),
        any_of=frozenset(COMPARISONS),
        sql=_attribute_sql,
        words=_attribute_words,
    ),
    _word(
        "language",
        "s.language",
        Language,
        gettext_lazy("Language"),
        (gettext_lazy("whose language is %(words)s"), gettext_lazy("whose language is not %(words)s")),
    ),
    _word(
        "kind",
        "s.kind",
        SubscriberKind,
        gettext_lazy("Kind of subscriber"),
        (gettext_lazy("whose kind is %(words)s"), gettext_lazy("whose kind is not %(words)s")),
    ),
    Fact(
        name="region",
        label=gettext_lazy("Region"),
        arguments=(
            _A(name="in", label=gettext_lazy("Regions"), takes=Takes.REFERENCES, refers="region", is_required=True),
        ),
        sql=lambda given, asked: of_any("s.region", given["in"], "text", asked),
        words=lambda given, told: (
            _("who live in %(regions)s") % {"regions": told.named("region", given["in"])},
            _("who do not live in %(regions)s") % {"regions": told.named("region", given["in"])},
        ),
    ),
    Fact(
        name="topic",
        label=gettext_lazy("Subscription to a topic"),
        arguments=(
            _A(name="in", label=gettext_lazy("Topics"), takes=Takes.REFERENCES, refers="topic", is_required=True),
            by_channel(),
        ),
        sql=_topic_sql,
        words=_topic_words,
    ),
    Fact(
        name="snapshot",
        label=gettext_lazy("Snapshot"),
        arguments=(
            _A(name="in", label=gettext_lazy("Snapshots"), takes=Takes.REFERENCES, refers="snapshot", is_required=True),
        ),
        sql=_snapshot_sql,
        words=lambda given, told: (
            _("who are in the snapshot %(snapshot)s") % {"snapshot": told.named("snapshot", given["in"])},
            _("who are not in the snapshot %(snapshot)s") % {"snapshot": told.named("snapshot", given["in"])},
        ),
    ),
    Fact(
        name="address",
        label=gettext_lazy("Address"),
        arguments=(
            by_channel(),
            _A(name="state", label=gettext_lazy("State of the address"), takes=Takes.WORDS, words=AddressState),
        ),
        sql=_address_sql,
        words=_address_words,
    ),
    Fact(
        name="consent",
        label=gettext_lazy("Consent"),
        arguments=(
            _A(
                name="action",
                label=gettext_lazy("Given or withdrawn"),
                takes=Takes.WORD,
                words=ConsentAction,
                is_required=True,
            ),
            _A(name="purpose", label=gettext_lazy("Purpose"), takes=Takes.WORD, words=ConsentPurpose),
            _A(name="topic", label=gettext_lazy("Topic"), takes=Takes.REFERENCE, refers="topic"),
            within(),
        ),
        sql=_consent_sql,
        words=_consent_words,
    ),
    Fact(
        name="measured",
        label=gettext_lazy("Consent to measurement now"),
        arguments=(),
        sql=lambda given, asked: "s.is_measured",
        words=lambda given, told: (
            _("who agree to be measured"),
            _("who do not agree to be measured"),
        ),
    ),
    Fact(
        name="joined",
        label=gettext_lazy("New subscribers"),
        arguments=(within(is_required=True),),
        sql=lambda given, asked: f"({between('s.created_at', given, asked)})",
        words=lambda given, told: (
            _("who joined%(when)s") % {"when": recently(given)},
            _("who did not join%(when)s") % {"when": recently(given)},
        ),
    ),
)
