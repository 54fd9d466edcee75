"""The authors' template language: variables, filters, `if` and `for`, nothing else; checked before anything is sent.

Authors' templates run here, in Jinja2's sandbox with autoescaping. Trusted files run in `layout`; the two never mix.
The sandbox bounds neither time nor memory, so the language does: no calls, assignments, macros, products or powers;
loops only over what we hand in, two deep; a cap on what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, TypeGuard

from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from jinja2 import Template, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup, escape

from outreach.core.vocabulary import Question
from outreach.delivery import latin


def _worded(sentence: Any, facts: Mapping[str, Any]) -> str:
    return str(sentence) % facts


#: A sentence with its facts, worded when it is read: problems are remembered, and their readers speak two languages.
say: Callable[[Any, Mapping[str, Any]], Any] = lazy(_worded, str)

#: In a digest's links: to the reader's own view of the page before it. The click link takes it along.
OWN_VIEW: Final = "?v="
#: Characters that one rendered part may have.
LONGEST_OUTPUT: Final = 500_000
LONGEST_JOIN: Final = 10_000
DEEPEST_LOOP: Final = 2

FILTERS: Final = frozenset(
    {"abs", "capitalize", "count", "d", "default", "e", "escape", "first", "float", "int", "join", "last", "length"}
    | {"lower", "round", "sort", "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount"}
    | {latin.FILTER}
)
LOOP_FIELDS: Final = frozenset({"index", "index0", "revindex", "first", "last", "length"})

#: What a variable holds: None is a plain value, a mapping its fields, a list its items, ANYTHING a person's attribute.
ANYTHING: Final = object()
SERVICE: Final[dict[str, Any]] = {"name": None, "url": None, "steps": None, "slug": None}
#: What a message may ask its reader: in the text with its scale, elsewhere the question's words alone.
ASK: Final[dict[str, Any]] = dict.fromkeys(Question.values)
VARIABLES: Final[dict[str, Any]] = {
    "subscriber": {"name": None, "kind": None, "language": None, "attributes": ANYTHING},
    "service": SERVICE,
    "services": [SERVICE],
    "organisation": {"name": None},
    "campaign": {"name": None},
    "ask": ASK,
    "feedback_url": None,
    "survey_url": None,
    "unsubscribe_url": None,
    "preferences_url": None,
    "keep_url": None,
    "view_url": None,
}
#: What a notice knows: nothing of campaigns, no way out of a topic, and what its caller hands in.
NOTICE_VARIABLES: Final[dict[str, Any]] = {
    "subscriber": VARIABLES["subscriber"],
    "preferences_url": None,
    "ask": ASK,
    "feedback_url": None,
    "organisation": VARIABLES["organisation"],
    "data": ANYTHING,
}
#: What a digest knows besides: the messages that it tells.
DIGEST_VARIABLES: Final[dict[str, Any]] = {**VARIABLES, "data": ANYTHING}
#: They concern one person, so a public post cannot hold them.
PERSONAL: Final = frozenset(
    {"subscriber", "data", "unsubscribe_url", "preferences_url", "keep_url", "view_url", "feedback_url", "survey_url"}
)
#: A question is the same for all, but each answers for themselves.
_NOT_IN_PUBLIC: Final = PERSONAL | {"ask"}

ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Test,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Add,
    nodes.Sub,
    nodes.Neg,
    nodes.Pos,
    nodes.Keyword,
    nodes.Tuple,
    nodes.List,
)


class OutputTooLong(ValueError):
    """The rendered text is longer than any message may be."""


@dataclass(frozen=True, kw_only=True)
class TemplateProblem:
    """Something that is wrong with an author's template, found without rendering it."""

    #: `unknown_variable`, `broken_template`, `not_allowed`, `personal_in_public` ...
    code: str
    line: int
    message: Any
    remedy: Any = ""
    severity: str = "error"


@dataclass(kw_only=True)
class TemplateReport:
    """What checking a template found."""

    problems: list[TemplateProblem] = field(default_factory=list)
    #: Root variables that it reads.
    roots: set[str] = field(default_factory=set)
    #: Attributes of the person that it prints without a `default`.
    attributes: set[str] = field(default_factory=set)
    #: Paths into `data` that it reads without a `default` or an `if`: ("order", "number").
    data: set[tuple[str, ...]] = field(default_factory=set)


class AuthorEnvironment(ImmutableSandboxedEnvironment):
    """Reads mappings by key and loops by their few fields, never an object's attributes; what is missing is ''."""

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, finalize=_as_text, keep_trailing_newline=True, cache_size=0)
        self.globals.clear()
        self.filters = {name: function for name, function in self.filters.items() if name in FILTERS}
        self.filters["join"] = _join
        self.filters["tracked"] = _tracked
        self.filters[latin.FILTER] = _latin

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else Undefined(name=attribute)
        if isinstance(obj, LoopContext) and attribute in LOOP_FIELDS:
            return getattr(obj, attribute)
        return Undefined(name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            if isinstance(obj, Mapping | list | tuple):
                return obj[argument]
        except (LookupError, TypeError):
            pass
        return Undefined(name=str(argument))


def render_within_bounds(template: Template, values: dict[str, Any]) -> str:
    """Render, but stop at the longest output.

    Raises:
        OutputTooLong: the template makes more than any message may hold.
    """
    context = template.new_context(values, shared=True)
    parts, length = [], 0
    for part in template.root_render_func(context):
        length += len(part)
        if length > LONGEST_OUTPUT:
            raise OutputTooLong
        parts.append(part)
    return "".join(parts)


def _as_text(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return value


def _join(value: Any, separator: str = ", ") -> str:
    text = str(separator).join(str(item) for item in value)
    return text[:LONGEST_JOIN]


def _latin(value: Any) -> Any:
    """Bulgarian in Latin letters; of HTML its words alone, for its tags and entities have no others."""
    found = latin.to_latin(str(_as_text(value)))
    return Markup(found) if isinstance(value, Markup) else found  # noqa: S704 -- it was markup before


@pass_context
def _tracked(context: Context, value: Any) -> Any:
    """The click link of an address that a variable made, if it is one that this run links to; else the address itself.

    Anything that is neither a web nor a mail address becomes '#': a person's data never makes a script.
    """
    url = (value.unescape() if isinstance(value, Markup) else str(value)).strip()
    known = context.get("_urls") or {}
    page, own, view = url.partition(OWN_VIEW)
    found = f"{known[page]}{own}{view}" if own and page in known else known.get(url)
    if found is None:
        found = url if url.lower().startswith(("https://", "http://", "mailto:", "tel:")) else "#"
    return escape(found) if isinstance(value, Markup) else found


HTML: Final = AuthorEnvironment(autoescape=True)
TEXT: Final = AuthorEnvironment(autoescape=False)


def check_template(
    source: str, *, is_public: bool = False, is_notice: bool = False, is_digest: bool = False
) -> TemplateReport:
    """Find everything wrong with a template, each with its line; renders nothing."""
    report = TemplateReport()
    known = NOTICE_VARIABLES if is_notice else DIGEST_VARIABLES if is_digest else VARIABLES
    try:
        # Compiling folds constants, so `9 ** 9 ** 9` must be refused before that.
        _Checker(report, is_public=is_public).walk(TEXT.parse(source), dict(known), depth=0)
        if not report.problems:
            TEXT.compile(source)
    except TemplateSyntaxError as err:
        report.problems.append(
            TemplateProblem(
                code="broken_template",
                line=err.lineno,
                message=say(
                    _("The template is broken in line %(line)s: %(reason)s"),
                    {"line": err.lineno, "reason": err.message},
                ),
                remedy=_("Close every {{ with }}, every {% if %} with {% endif %}, every {% for %} with {% endfor %}."),
            )
        )
    return report


class _Checker:
    def __init__(self, report: TemplateReport, *, is_public: bool) -> None:
        self.report = report
        self.is_public = is_public

    def walk(self, node: nodes.Node, scope: dict[str, Any], *, depth: int) -> None:
        if not isinstance(node, ALLOWED):
            self._refuse(node)
        elif isinstance(node, nodes.For):
            self._walk_loop(node, scope, depth=depth)
        elif isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
            self._resolve(node, scope, depth=depth)
        elif isinstance(node, nodes.Filter) and node.name in {"default", "d"} and _is_path(node.node):
            self._resolve(node.node, scope, depth=depth, has_default=True)
            for argument in node.args:
                self.walk(argument, scope, depth=depth)
        elif isinstance(node, nodes.If) and isinstance(node.test, nodes.Getattr | nodes.Getitem):
            self._resolve(node.test, scope, depth=depth, has_default=True)
            needed = set(self.report.data)
            for child in node.body:
                self.walk(child, scope, depth=depth)
            self.report.data -= _below(_spell(node.test), self.report.data - needed)
            for child in (*node.elif_, *node.else_):
                self.walk(child, scope, depth=depth)
        else:
            for child in node.iter_child_nodes():
                self.walk(child, scope, depth=depth)

    def _walk_loop(self, node: nodes.For, scope: dict[str, Any], *, depth: int) -> None:
        if depth >= DEEPEST_LOOP or node.recursive or not isinstance(_path_root(node.iter), nodes.Name):
            self._add(
                "not_allowed", node, _("Loops go over “services” or a person's attributes, at most one inside another.")
            )
            return
        over = self._resolve(node.iter, scope, depth=depth)
        item = over[0] if isinstance(over, list) else ANYTHING
        targets = [node.target] if isinstance(node.target, nodes.Name) else list(node.target.iter_child_nodes())
        names = {target.name: item for target in targets if isinstance(target, nodes.Name)}
        inner = {**scope, **names, "loop": dict.fromkeys(LOOP_FIELDS)}
        for child in (*node.body, *([node.test] if node.test else [])):
            self.walk(child, inner, depth=depth + 1)
        for child in node.else_:
            self.walk(child, scope, depth=depth)

    def _resolve(self, node: nodes.Node, scope: dict[str, Any], *, depth: int, has_default: bool = False) -> Any:
        """What the path holds; unknown names are reported once, at their place."""
        if isinstance(node, nodes.Name):
            return self._root(node, scope)
        if isinstance(node, nodes.Getattr):
            key: Any = node.attr
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            key = node.arg.value
        elif isinstance(node, nodes.Getitem | nodes.Const):
            self._refuse(node)
            return ANYTHING
        else:
            self.walk(node, scope, depth=depth)
            return ANYTHING
        holder = self._resolve(node.node, scope, depth=depth, has_default=has_default)
        if _is_attributes(node.node) and not has_default:
            self.report.attributes.add(str(key))
        if not has_default and scope.get("data") is ANYTHING and _spell(node).startswith("data."):
            self.report.data.add(tuple(_spell(node).split(".")[1:]))
        return self._step(node, holder, key)

    def _root(self, node: nodes.Name, scope: dict[str, Any]) -> Any:
        if node.name not in scope:
            self._unknown(node, node.name, scope)
            return ANYTHING
        if node.name in VARIABLES:
            self.report.roots.add(node.name)
        if self.is_public and node.name in _NOT_IN_PUBLIC:
            self._add(
                "personal_in_public",
                node,
                say(
                    _("“%(name)s” in line %(line)s concerns one person, but a public post is read by everybody."),
                    {"name": node.name, "line": node.lineno},
                ),
                remedy=_("Take it out of this text."),
            )
        return scope[node.name]

    def _step(self, node: nodes.Node, holder: Any, key: Any) -> Any:
        if holder is ANYTHING:
            return ANYTHING
        if isinstance(holder, list) and isinstance(key, int):
            return holder[0]
        if isinstance(holder, Mapping) and key in holder:
            return holder[key]
        self._unknown(node, _spell(node), holder if isinstance(holder, Mapping) else {})
        return ANYTHING

    def _unknown(self, node: nodes.Node, name: str, known: Mapping[str, Any]) -> None:
        head, dot, last = name.rpartition(".")
        close = get_close_matches(last, list(known), n=1, cutoff=0.5)
        facts = {"name": name, "line": node.lineno, "close": f"{head}{dot}{close[0]}" if close else ""}
        if close:
            message = say(_("There is no variable “%(name)s” (line %(line)s). Did you mean “%(close)s”?"), facts)
        else:
            message = say(_("There is no variable “%(name)s” (line %(line)s)."), facts)
        self._add("unknown_variable", node, message, remedy=_("Use one of the variables beside the editor."))

    def _refuse(self, node: nodes.Node) -> None:
        message = say(
            _("Line %(line)s uses more of the template language than messages may: %(what)s."),
            {
                "line": node.lineno,
                "what": type(node).__name__.lower(),
            },
        )
        self._add("not_allowed", node, message, remedy=_("Use only variables, filters, {% if %} and {% for %}."))

    def _add(self, code: str, node: nodes.Node, message: Any, *, remedy: Any = "") -> None:
        self.report.problems.append(TemplateProblem(code=code, line=node.lineno, message=message, remedy=remedy))


def _path_root(node: nodes.Node) -> nodes.Node:
    while isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Filter) and node.node is not None:
        node = node.node
    return node


def _is_path(node: nodes.Node | None) -> TypeGuard[nodes.Name | nodes.Getattr | nodes.Getitem]:
    return isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem)


def _is_attributes(node: nodes.Node) -> bool:
    return (
        isinstance(node, nodes.Getattr)
        and node.attr == "attributes"
        and isinstance(node.node, nodes.Name)
        and node.node.name == "subscriber"
    )


def _below(tested: str, paths: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Those of the paths into `data` that are read only where `tested` is there."""
    return {path for path in paths if f"{'.'.join(('data', *path))}.".startswith(f"{tested}.")}


def _spell(node: nodes.Node) -> str:
    """The path as the author wrote it."""
    return ".".join(reversed(list(_steps(node))))


def _steps(node: nodes.Node) -> Iterator[str]:
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        yield node.attr if isinstance(node, nodes.Getattr) else str(getattr(node.arg, "value", "?"))
        node = node.node
    if isinstance(node, nodes.Name):
        yield node.name
