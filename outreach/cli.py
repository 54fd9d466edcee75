"""The `outreach` command: finds the subcommand, has Django and the database ready for it, and words what went wrong."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from outreach.management import demo_place


@dataclass(frozen=True, kw_only=True)
class Command:
    """One subcommand: a module of `outreach.management` with `add_arguments(parser)` and `handle(args) -> int`."""

    name: str
    module: str
    summary: str
    #: Whether the database has to answer before it starts; the others see to it themselves.
    needs_database: bool = True
    #: A long-running process: it runs under the name `outreach-NAME`, by which it is found in a list of processes.
    is_process: bool = False
    #: It runs in an installation of its own, which is made before anything of this one is read.
    has_own_place: bool = False


COMMANDS: Final = (
    Command(name="run", module="run", summary="everything on one machine, until Ctrl-C", needs_database=False),
    Command(name="web", module="web", summary="the web process", is_process=True),
    Command(name="worker", module="worker", summary="the process that sends and keeps up", is_process=True),
    Command(name="beat", module="beat", summary="the clock that starts what is due", is_process=True),
    Command(name="mail", module="mail", summary="mail that comes in: mailboxes, SMTP, LMTP", is_process=True),
    Command(name="sandbox", module="sandbox", summary="local mailbox, phone and social peers", is_process=True),
    Command(name="track", module="track", summary="the readers' endpoints alone", is_process=True),
    Command(name="setup", module="setup", summary="a first organisation and its administrator"),
    Command(name="migrate", module="migrate", summary="bring the database to this version's schema"),
    Command(name="doctor", module="doctor", summary="what is wrong here, and the remedy", needs_database=False),
    Command(name="token", module="token", summary="a new token for the API"),
    Command(name="keys", module="keys", summary="the encryption of accounts' credentials; --rotate seals them anew"),
    Command(name="import", module="importing", summary="subscribers from CSV, NDJSON or Excel"),
    Command(name="undo-import", module="undoing", summary="an import taken back; first what that would do"),
    Command(name="export", module="exporting", summary="subscribers of a topic or a segment, as CSV, NDJSON or Excel"),
    Command(name="register", module="register", summary="who used a service, from its register (CSV)"),
    Command(name="ledger", module="ledger", summary="counts by state; --check proves them"),
    Command(name="consent", module="consent", summary="the chain of consents; --check proves it"),
    Command(name="domains", module="domains", summary="which domains do not take our e-mails, and the remedy"),
    Command(name="explain", module="explaining", summary="the receipt of one message, as a story"),
    Command(name="replay", module="replay", summary="what providers told us, applied once more"),
    Command(name="inspect", module="inspecting", summary="what we make of mail or a feed", needs_database=False),
    Command(
        name="demo", module="demo", summary="the demonstration end to end", needs_database=False, has_own_place=True
    ),
    Command(name="bench", module="bench", summary="one figure of speed", needs_database=False, has_own_place=True),
)
#: `outreach web` starts itself again as `python -P -m outreach.cli outreach-web`.
PROCESS_PREFIX: Final = "outreach-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; the answer is the process's exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = _chosen(given)
    if chosen is not None and chosen.is_process and given[0] == chosen.name:
        _start_again_by_name(given)
    if chosen is not None and chosen.has_own_place and demo_place.PLACE not in os.environ:
        return demo_place.play_in_own_place(given)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "outreach.settings")
    try:
        parser = _parser(chosen, given)
        return _run(chosen, parser.parse_args(given))
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # the task boundary of a command: what is not ours to word goes on
        words = _worded(error)
        if not words:
            raise
        print(words, file=sys.stderr)
        return 1


def _chosen(given: Sequence[str]) -> Command | None:
    name = given[0].removeprefix(PROCESS_PREFIX) if given else ""
    return next((command for command in COMMANDS if command.name == name), None)


def _parser(chosen: Command | None, given: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="outreach", description="A multichannel outreach and notification engine.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        name = given[0] if command is chosen else command.name
        sub = commands.add_parser(name, help=command.summary, description=command.summary)
        if command is chosen:
            sub.set_defaults(module=_load(command))
            sub.get_default("module").add_arguments(sub)
    return parser


def _load(command: Command) -> ModuleType:
    import django

    django.setup()
    if not command.is_process:
        _speak_as_the_terminal()
    return importlib.import_module(f"outreach.management.{command.module}")


def _speak_as_the_terminal() -> None:
    """What a command says is in the language of whoever reads it; its help stays in English, as argparse's is."""
    from django.conf import settings
    from django.utils import translation

    wanted = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    translation.activate(next((code for code, _ in settings.LANGUAGES if wanted.startswith(code)), "en"))


def _run(chosen: Command | None, args: argparse.Namespace) -> int:
    from django.conf import settings

    from outreach.core.database import running_database

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # lets go of the embedded database on the way out
    if chosen is None or not chosen.needs_database:
        return int(args.module.handle(args))
    with running_database(settings.DATA, url=settings.DATABASE_URL or None):
        return int(args.module.handle(args))


def _worded(error: Exception) -> str:
    """Say in a sentence what a user can mend; '' for what nobody foresaw, whose traceback is worth having."""
    from django.core.exceptions import ImproperlyConfigured
    from django.db import OperationalError, ProgrammingError
    from django.utils.translation import gettext as _
    from psycopg import OperationalError as ConnectionLost

    from outreach.core.errors import OutreachError

    if isinstance(error, OutreachError):
        fields = getattr(error, "fields", {})
        return "\n".join([str(error), *(f"  {path}: {' '.join(map(str, texts))}" for path, texts in fields.items())])
    if isinstance(error, ImproperlyConfigured):
        return f"The settings are not right: {error}"  # without settings there is no other language
    if isinstance(error, OperationalError | ConnectionLost):
        said = str(error).strip()
        answer = _("The database does not answer: %(error)s") % {"error": said}
        return f"{answer}\n" + _("Check DATABASE_URL, or run `outreach doctor`.")
    if isinstance(error, ProgrammingError) and "does not exist" in str(error):
        said = str(error).splitlines()[0]
        return _("The database has not this version's schema (%(error)s). Run `outreach migrate`.") % {"error": said}
    return ""


def _start_again_by_name(given: Sequence[str]) -> None:
    """Replace this process by one whose command line carries `outreach-NAME`."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    command = [sys.executable, "-P", "-m", "outreach.cli", PROCESS_PREFIX + given[0], *given[1:]]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})  # noqa: S606 -- ourselves, by another name


if __name__ == "__main__":
    sys.exit(main())
