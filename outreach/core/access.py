"""Who may do what: a member's role at a node of the tree holds for its whole subtree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from outreach.core.errors import Forbidden
from outreach.core.models import ApiToken, Membership, Organisation, User
from outreach.core.vocabulary import Permission, Role

P = Permission

#: What each role may do.
PERMISSIONS: Final[dict[str, frozenset[Permission]]] = {
    Role.AUTHOR: frozenset({P.VIEW, P.EDIT_CAMPAIGNS, P.EDIT_AUDIENCE, P.EDIT_SERVICES, P.ANSWER}),
    Role.APPROVER: frozenset({P.VIEW, P.APPROVE}),
    Role.PUBLISHER: frozenset({P.VIEW, P.EDIT_CAMPAIGNS, P.PUBLISH, P.EDIT_AUDIENCE, P.EDIT_SERVICES, P.ANSWER}),
    Role.ANALYST: frozenset({P.VIEW}),
    Role.ADMINISTRATOR: frozenset(Permission),
}


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts, and where: a user in the console, a token in the API, or the product itself (neither)."""

    #: The node acted at; everything is reached through it.
    organisation: Organisation
    user: User | None = None
    token: ApiToken | None = None
    roles: frozenset[str] = frozenset()

    def may(self, permission: Permission) -> bool:
        return any(permission in PERMISSIONS[role] for role in self.roles)

    def require(self, permission: Permission) -> None:
        """Raises: Forbidden: the roles do not allow it."""
        if not self.may(permission):
            raise Forbidden(needed=str(permission))

    def at(self, organisation: Organisation) -> Actor:
        """The same actor at a node below this one: roles hold for the whole subtree."""
        return replace(self, organisation=organisation)

    def is_same_person(self, user: User | None, token: ApiToken | None) -> bool:
        """Whether this actor is the one who is recorded by `user` or `token`."""
        return (self.user is not None and self.user == user) or (self.token is not None and self.token == token)


def actor_of_user(user: User, organisation: Organisation) -> Actor:
    """The user at a node, with the roles held there or above. No role at all is `Forbidden`."""
    roles = frozenset(
        Membership.objects.filter(user=user, organisation__in=organisation.ancestor_ids()).values_list(
            "role", flat=True
        )
    )
    if not roles:
        raise Forbidden
    return Actor(organisation=organisation, user=user, roles=roles)


def actor_of_token(token: ApiToken) -> Actor:
    return Actor(organisation=token.organisation, token=token, roles=frozenset({token.role}))


def product_itself(organisation: Organisation) -> Actor:
    """The scheduler and the demonstration act with every right, and the audit names nobody."""
    return Actor(organisation=organisation, roles=frozenset({Role.ADMINISTRATOR}))


def organisations_of(user: User) -> list[Organisation]:
    """Every node the user may look at, in tree order: those with a role, and all below."""
    roots = Organisation.objects.filter(memberships__user=user).distinct()
    paths = [root.path for root in roots]
    return [node for node in Organisation.objects.all() if any(node.path.startswith(path) for path in paths)]
