"""What stands for an adapter that an account names and nobody offers any more: its package was removed or is broken."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from channels.base import Account, AccountProblem, Capabilities, Field, ForgedHook, Hook, Problem, ProviderEvent


class Absent:
    """Sends nothing and believes nothing; its accounts pause, and their messages wait until it is there again."""

    kind: ClassVar[str] = ""
    can: ClassVar[Capabilities] = Capabilities(window=1, unknown_policy="hold")
    account_fields: ClassVar[tuple[Field, ...]] = ()

    def __init__(self, name: str) -> None:
        self.name = self.label = name

    def open(self, account: Account) -> NoReturn:
        raise AccountProblem(f"The adapter {self.name!r} is not installed here any more.", reason="account_problem")

    def parse_events(self, hook: Hook, account: Account) -> list[ProviderEvent]:
        raise ForgedHook("Nobody here knows what is genuine for this account.")

    def check(self, account: Account) -> list[Problem]:
        return [
            Problem(
                severity="error",
                code="adapter_absent",
                message="The adapter “%(name)s” is not installed here any more.",
                remedy="Install its package again and restart, or use another account.",
                values={"name": self.name},
            )
        ]
