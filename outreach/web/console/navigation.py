"""The console's screens, in the order of the navigation; what is not built yet does not appear."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _


@dataclass(frozen=True, kw_only=True)
class Entry:
    #: Name of the view.
    name: str
    label: str
    icon: str
    path: str
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class Navigation:
    #: (label, its entries)
    groups: list[tuple[str, list[Entry]]]

    @property
    def tabs(self) -> list[Entry]:
        """The four that a telephone shows at the bottom; the rest is behind "More"."""
        wanted = ("home", "campaigns", "inbox", "people")
        return [entry for _label, entries in self.groups for entry in entries if entry.name in wanted]


def navigation(path: str) -> Navigation:
    """Build the navigation with the entry of `path` marked."""

    def entry(name: str, label: str, icon: str) -> Entry:
        target = reverse(f"console:{name}")
        current = path == target if target == "/" else path == target or path.startswith(f"{target}/")
        return Entry(name=name, label=label, icon=icon, path=target, is_current=current)

    settings_group = [
        entry("services", _("Services"), "building-community"),
        entry("accounts", _("Accounts"), "plug"),
        entry("senders", _("Our name"), "eye"),
        entry("domains", _("Domains"), "alert-triangle"),
        entry("costs", _("Costs"), "chart-bar"),
        entry("branding", _("Look of e-mails"), "sun"),
        entry("frequency", _("How often"), "hourglass"),
    ]
    if settings.SANDBOX:
        settings_group.append(entry("sandbox", _("Sandbox"), "flask"))
    return Navigation(
        groups=[
            (
                _("Work"),
                [
                    entry("home", _("Home"), "home"),
                    entry("campaigns", _("Campaigns"), "send"),
                    entry("inbox", _("Inbox"), "inbox"),
                    entry("notices", _("Notices"), "bolt"),
                    entry("digests", _("Digests"), "clock"),
                ],
            ),
            (
                _("Audience"),
                [
                    entry("people", _("People"), "users"),
                    entry("topics", _("Topics"), "tags"),
                    entry("segments", _("Segments"), "filter"),
                    entry("sleepy", _("Asleep"), "moon"),
                    entry("suppressions", _("Do not write"), "hand-stop"),
                    entry("attributes", _("What we know"), "file-text"),
                ],
            ),
            (_("Settings"), settings_group),
        ]
    )
