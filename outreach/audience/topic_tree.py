"""The tree of topics: how it is read, which topics a branch holds, and how it is arranged.

Who subscribes to a branch subscribes to each topic that it holds then, by a consent for each. A topic that is put there
later is another thing that nobody has agreed to, so it takes nobody along.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.models import Topic
from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Organisation
from outreach.core.vocabulary import Permission

#: Levels: what a reader still finds their way in.
DEEPEST: Final = 5

Step = Literal["up", "down", "in", "out"]


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A topic where it stands in a tree."""

    topic: Topic
    #: 0 for a root.
    depth: int
    #: Ids of all topics below it, in the tree's order.
    below: tuple[int, ...]


def grow_tree(topics: Iterable[Topic]) -> list[Branch]:
    """The topics in the tree's order, each behind what it belongs under.

    One whose parent is not among them is a root: it is shown to somebody who does not see the parent.
    """
    known = {topic.pk: topic for topic in topics}
    children = _children(known)
    return list(_walk(children, None, depth=0))


def _children(known: Mapping[int, Topic]) -> dict[int | None, list[Topic]]:
    children: dict[int | None, list[Topic]] = {}
    for topic in sorted(known.values(), key=lambda topic: (topic.position, topic.slug)):
        children.setdefault(topic.parent_id if topic.parent_id in known else None, []).append(topic)
    return children


def _walk(children: Mapping[int | None, Sequence[Topic]], parent: int | None, *, depth: int) -> Iterator[Branch]:
    for topic in children.get(parent, ()):
        below = tuple(_walk(children, topic.pk, depth=depth + 1))
        yield Branch(topic=topic, depth=depth, below=tuple(branch.topic.pk for branch in below))
        yield from below


def with_branches(tree: Iterable[Branch], topics: Iterable[str], branches: Iterable[str]) -> list[Topic]:
    """The topics with these slugs and all of the branches with those, in the tree's order; others are not there."""
    tree, chosen, whole = list(tree), set(topics), set(branches)
    held = {key for branch in tree if branch.topic.slug in whole for key in (branch.topic.pk, *branch.below)}
    return [branch.topic for branch in tree if branch.topic.slug in chosen or branch.topic.pk in held]


@transaction.atomic
def place_topic(actor: Actor, topic: Topic, *, parent: Topic | None, position: int | None = None) -> None:
    """Put a topic, with all that it holds, under another one or at the root; behind its new siblings, or at a place.

    Siblings are those that the actor's organisation sees: nobody arranges the topics of others.

    Raises:
        Invalid: it would come under itself, or too deep.
        Forbidden
    """
    actor.require(Permission.EDIT_AUDIENCE)
    _require_place(_lock(topic.organisation), topic, parent)
    siblings = [each for each in siblings_of(actor, parent) if each.pk != topic.pk]
    siblings.insert(len(siblings) if position is None else position, topic)
    topic.parent = parent
    for place, sibling in enumerate(siblings):
        sibling.position = place
    Topic.objects.bulk_update(siblings, ["parent", "position"])
    audit.record(actor, "topic.placed", topic, parent=parent.slug if parent else "", position=topic.position)


@transaction.atomic
def step_topic(actor: Actor, topic: Topic, step: Step) -> bool:
    """Move a topic by one: before or behind its neighbour, under the one before it, or out to its parent's level.

    False where there is nowhere to go.

    Raises:
        Invalid: it would come too deep.
        Forbidden
    """
    topic = _lock(topic.organisation)[topic.pk]  # somebody may have moved it since it was looked up
    target = _target(actor, topic, step)
    if target is None:
        return False
    parent, position = target
    place_topic(actor, topic, parent=parent, position=position)
    return True


def _target(actor: Actor, topic: Topic, step: Step) -> tuple[Topic | None, int | None] | None:
    siblings = siblings_of(actor, topic.parent)
    place = siblings.index(topic)
    if step == "up":
        return (topic.parent, place - 1) if place else None
    if step == "down":
        return (topic.parent, place + 1) if place + 1 < len(siblings) else None
    if step == "in":
        return (siblings[place - 1], None) if place else None
    if topic.parent is None or not actor.organisation.contains(topic.parent.organisation):
        return None
    return topic.parent.parent, siblings_of(actor, topic.parent.parent).index(topic.parent) + 1


def siblings_of(actor: Actor, parent: Topic | None) -> list[Topic]:
    """What stands below a topic, or at the root, for who sees the actor's topics, in order."""
    seen = {topic.pk: topic for topic in Topic.objects.for_organisation(actor.organisation)}
    return _children(seen).get(parent.pk if parent and parent.pk in seen else None, [])


def last_place(organisation: Organisation, parent: Topic | None) -> int:
    """Where a new topic stands among its siblings: behind them.

    Raises:
        Invalid: the parent holds no further level.
    """
    topics = _tree_of(organisation)
    if parent and len(_above(topics, parent)) >= DEEPEST:
        raise _too_deep()
    return max((each.position + 1 for each in _children(topics).get(parent.pk if parent else None, [])), default=0)


def _lock(organisation: Organisation) -> dict[int, Topic]:
    """The whole tree, while nobody else arranges it: two moves at once could make a circle."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.ancestor_ids()[-1])
    return _tree_of(organisation)


def _tree_of(organisation: Organisation) -> dict[int, Topic]:
    """All topics of the tree of organisations that it stands in: a branch may cross from one to another."""
    root = f"{organisation.ancestor_ids()[-1]}/"
    return {topic.pk: topic for topic in Topic.objects.filter(organisation__path__startswith=root)}


def _require_place(topics: Mapping[int, Topic], topic: Topic, parent: Topic | None) -> None:
    above = _above(topics, parent) if parent else []
    if topic.pk in above:
        raise Invalid({"parent": [_("A topic cannot belong under itself.")]})
    tree = grow_tree(topics.values())
    own = next(branch for branch in tree if branch.topic.pk == topic.pk)
    height = max(branch.depth for branch in tree if branch.topic.pk in (topic.pk, *own.below)) - own.depth
    if len(above) + 1 + height > DEEPEST:
        raise _too_deep()


def _above(topics: Mapping[int, Topic], topic: Topic) -> list[int]:
    """Ids of the topic and of all that it belongs under."""
    above = [topic.pk]
    while (parent := topics[above[-1]].parent_id) is not None:
        above.append(parent)
    return above


def _too_deep() -> Invalid:
    return Invalid({"parent": [_("A tree has at most %(most)s levels.") % {"most": DEEPEST}]})
