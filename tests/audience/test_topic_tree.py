"""The tree of topics: whatever is moved, it stays a tree of the same topics, and branches hold what is below them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.audience.models import Topic
from outreach.audience.topic_tree import DEEPEST, Step, grow_tree, place_topic, step_topic, with_branches
from outreach.audience.topics import create_topic
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Forbidden, Invalid
from outreach.core.models import Organisation

#: Topic -> parent that comes before it, or one that is not seen: every such mapping is a forest.
FORESTS = st.integers(1, 25).flatmap(
    lambda count: st.tuples(
        *(st.one_of(st.none(), st.integers(0, key - 1), st.just(999)) for key in range(1, count + 1))
    )
)


def rows(parents: Mapping[int, int | None]) -> list[Topic]:
    return [Topic(pk=key, slug=f"t{key:02}", parent_id=parent) for key, parent in parents.items()]


@given(FORESTS)
def test_each_topic_stands_once_behind_its_parent_and_above_what_it_holds(
    given_parents: tuple[int | None, ...],
) -> None:
    parents = {key: parent or None for key, parent in enumerate(given_parents, start=1)}

    tree = grow_tree(rows(parents))

    assert sorted(branch.topic.pk for branch in tree) == sorted(parents)
    depths: dict[int | None, int] = {None: -1, 999: -1}
    for place, branch in enumerate(tree):
        parent = parents[branch.topic.pk]
        assert branch.depth == depths[parent] + 1
        depths[branch.topic.pk] = branch.depth
        assert branch.below == tuple(each.topic.pk for each in tree[place + 1 : place + 1 + len(branch.below)])
        assert all(each.depth > branch.depth for each in tree[place + 1 : place + 1 + len(branch.below)])


def test_a_branch_is_chosen_with_all_that_it_holds() -> None:
    tree = grow_tree(rows({1: None, 2: 1, 3: 2, 4: None, 5: 4}))

    assert [topic.pk for topic in with_branches(tree, ["t05", "nonsense"], ["t02", "nothing"])] == [2, 3, 5]


def shape(organisation: Organisation) -> list[tuple[str, int]]:
    tree = grow_tree(Topic.objects.for_organisation(organisation))
    return [(branch.topic.slug, branch.depth) for branch in tree]


def make(organisation: Organisation, *slugs: str, parent: Topic | None = None) -> list[Topic]:
    actor = product_itself(organisation)
    return [create_topic(actor, slug=slug, name={"en": slug}, parent=parent) for slug in slugs]


def again(topic: Topic) -> Topic:
    return Topic.objects.select_related("organisation", "parent__organisation").get(pk=topic.pk)


@pytest.mark.parametrize(
    ("slug", "step", "moved", "after"),
    [
        ("b", "up", True, [("b", 0), ("d", 1), ("a", 0), ("c", 0)]),
        ("b", "down", True, [("a", 0), ("c", 0), ("b", 0), ("d", 1)]),
        ("b", "in", True, [("a", 0), ("b", 1), ("d", 2), ("c", 0)]),
        ("d", "out", True, [("a", 0), ("b", 0), ("d", 0), ("c", 0)]),
        ("a", "up", False, None),
        ("a", "in", False, None),
        ("c", "down", False, None),
        ("c", "out", False, None),
    ],
)
def test_a_step_moves_a_topic_with_what_it_holds(
    actor: Actor, ministry: Organisation, slug: str, step: Step, *, moved: bool, after: list[tuple[str, int]] | None
) -> None:
    _, b, _ = make(ministry, "a", "b", "c")
    make(ministry, "d", parent=b)
    before = shape(ministry)

    assert step_topic(actor, again(Topic.objects.get(slug=slug)), step) is moved
    assert shape(ministry) == (after or before)


def test_two_steps_at_once_are_one_after_the_other(actor: Actor, ministry: Organisation) -> None:
    make(ministry, "a", "b", "c")
    first, second = (Topic.objects.get(slug="c") for _each in "ab")

    assert (step_topic(actor, first, "in"), step_topic(actor, second, "in")) == (True, False)
    assert shape(ministry) == [("a", 0), ("b", 0), ("c", 1)]


def test_whatever_is_moved_it_stays_a_tree_of_the_same_topics(actor: Actor, ministry: Organisation) -> None:
    topics = make(ministry, *"abcdefg")
    chance = random.Random(6)
    for _move in range(40):
        with suppress(Invalid):
            step_topic(actor, again(chance.choice(topics)), chance.choice(get_args(Step)))
        now = shape(ministry)
        assert sorted(slug for slug, _depth in now) == list("abcdefg")
        assert max(depth for _slug, depth in now) < DEEPEST


def test_no_topic_comes_under_itself_or_too_deep(actor: Actor, ministry: Organisation) -> None:
    chain: list[Topic] = []
    for slug in "abcde":
        chain += make(ministry, slug, parent=chain[-1] if chain else None)
    (alone,) = make(ministry, "alone")
    for topic, parent in ((chain[0], chain[0]), (chain[0], chain[2]), (alone, chain[4]), (chain[0], alone)):
        with pytest.raises(Invalid) as caught:
            place_topic(actor, again(topic), parent=again(parent))
        assert list(caught.value.fields) == ["parent"]
    with pytest.raises(Invalid):
        make(ministry, "f", parent=chain[4])
    assert shape(ministry) == [*((slug, depth) for depth, slug in enumerate("abcde")), ("alone", 0)]


def test_nobody_arranges_the_topics_of_others(actor: Actor, ministry: Organisation) -> None:
    child = Organisation.objects.create(slug="child", parent=ministry)
    (branch,) = make(ministry, "branch")
    ours = make(ministry, "x", "y", parent=branch)
    theirs = make(child, "p", "q", parent=branch)
    placed = [(topic.pk, topic.position) for topic in ours]

    assert step_topic(product_itself(child), again(theirs[1]), "up")
    assert not step_topic(product_itself(child), again(theirs[1]), "out")
    assert shape(child) == [("q", 0), ("p", 0)]
    assert list(Topic.objects.filter(pk__in=[topic.pk for topic in ours]).values_list("pk", "position")) == placed
    with pytest.raises(Forbidden):
        place_topic(Actor(organisation=ministry, roles=frozenset({"analyst"})), again(branch), parent=None)
