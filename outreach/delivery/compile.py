"""Compiles one content, once: checks it, makes HTML and text templates of it, finds and numbers its links.

What is compiled here does not depend on the run, so the same text is compiled once whoever sends or previews it; a run
adds its tokens in `render`.
"""

from __future__ import annotations

import functools
import html as html_entities
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from jinja2 import Template

from outreach.core.models import in_language
from outreach.core.vocabulary import PUBLIC_CHANNELS, Channel, ContentFormat, Pictures, Question
from outreach.delivery import markup
from outreach.delivery.calendar_part import Entry, entry_of, told_when
from outreach.delivery.layout import draw_question, draw_question_text, frame_html, frame_text
from outreach.delivery.look import Look, direction, look_in
from outreach.delivery.markup import Bag
from outreach.delivery.markup_check import find_faults, lines_of_pictures_without_words
from outreach.delivery.plaintext import html_to_text
from outreach.delivery.questions import AskTag, read_ask, word_in_sms, word_question
from outreach.delivery.templating import HTML, TEXT, TemplateProblem, TemplateReport, check_template, say

#: Channels whose message has a subject and an HTML part.
RICH: Final = (Channel.EMAIL, Channel.FEED)
SYSTEM_URLS: Final = ("unsubscribe_url", "preferences_url", "view_url")

_ANCHOR: Final = re.compile(r'(<a\b[^>]*?\shref=")([^"]*)("[^>]*>)(.*?)(?=</a>)', re.DOTALL | re.IGNORECASE)
_IMAGE: Final = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALT: Final = re.compile(r"\salt=(\"[^\"]+\"|'[^']+'|[^\s>\"']+)", re.IGNORECASE)
_SCRIPT: Final = re.compile(r"<script\b|<iframe\b|\son[a-z]+\s*=\s*[\"']", re.IGNORECASE)
_URL: Final = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]]")
_LOOKS_LIKE_HOST: Final = re.compile(r"(?:www\.)?[\w-]+(?:\.[\w-]+)+(?:[/?#:]|$)")
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_SYSTEM_TAG: Final = re.compile(
    r"\{\{-?\s*(?:unsubscribe_url|preferences_url|keep_url|view_url|feedback_url|survey_url)\s*-?\}\}"
)
#: A variable alone in its paragraph, or anywhere.
_ASKED: Final = re.compile(r"<p>\s*jxq(\d+)qxj\s*</p>|jxq(\d+)qxj")
_PIXEL: Final = (
    '{% if _open %}<img src="{{ _open }}" width="1" height="1" alt="" style="display:block;border:0">{% endif %}'
)
#: A link that nobody sees, hears or comes to by the keyboard: whoever follows it follows every address of a message.
#: It has no words, so there is none that hides from a filter, and none in the text part.
_BAIT: Final = (
    '{% if _bait %}<a href="{{ _bait }}" aria-hidden="true" tabindex="-1" style="display:none;mso-hide:all"></a>'
    "{% endif %}"
)

_PLAIN: Final = Look()


@dataclass(frozen=True, kw_only=True)
class ContentSource:
    """A content with all that its frame and variables need; hashable, so that compiling is remembered."""

    channel: str
    language: str
    variant: str
    format: str
    subject: str
    body: str
    organisation: str
    campaign: str
    topics: tuple[str, ...] = ()
    #: (slug, name, url, steps) in the content's language.
    services: tuple[tuple[str, str, str, str], ...] = ()
    #: It has other variables, and no way out of a topic, since it came by none.
    is_notice: bool = False
    #: Besides the usual variables it has those of `digest_letter`.
    is_digest: bool = False
    #: '' for the beginning of the text.
    preheader: str = ""
    look: Look = _PLAIN
    entry: Entry | None = None
    #: Keys of our pictures that go within the e-mail.
    attached: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ContentProblem:
    """Something wrong with a content, at one of its fields."""

    #: `subject`, `preheader` or `body`.
    field: str
    code: str
    line: int
    message: Any
    remedy: Any
    severity: str = "error"


@dataclass(frozen=True, kw_only=True)
class CompiledLink:
    """A link of a content; its place in the list is its number there."""

    url: str
    label: str


@dataclass(frozen=True, kw_only=True)
class CompiledContent:
    """Ready to be rendered, unless a problem is an error: then it has no templates."""

    source: ContentSource
    problems: tuple[ContentProblem, ...]
    subject: Template | None = None
    html: Template | None = None
    text: Template | None = None
    #: What mail programs show beside the subject; None where the author's document has its own way.
    preheader: Template | None = None
    #: What `html` and `text` were made of.
    sources: tuple[str, str] = ("", "")
    #: Fixed links in their order, then those of the services if a variable makes links.
    links: tuple[CompiledLink, ...] = ()
    #: How many of the links are fixed: the template calls them `_l0`, `_l1` ...
    fixed: int = 0
    #: Attributes of the person that it prints without a `default`.
    attributes: frozenset[str] = frozenset()
    #: Paths into a notice's `data` that must be there.
    data: frozenset[tuple[str, ...]] = frozenset()
    #: Variables that it reads.
    roots: frozenset[str] = frozenset()
    #: What its text asks, in this order.
    asks: tuple[Question, ...] = ()
    #: Organisation, campaign, service and services, as the template sees them.
    shared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        return self.text is not None

    @property
    def questions(self) -> tuple[Question, ...]:
        """What its page of answers asks; nothing where the message leads to none."""
        return self.asks or ((Question.SATISFIED,) if "feedback_url" in self.roots else ())

    @property
    def is_answerable(self) -> bool:
        """Whether it leads to a page on which its reader answers something."""
        return bool(self.asks) or not self.roots.isdisjoint({"feedback_url", "survey_url"})


def source_of(content: Mapping[str, Any], frozen: Mapping[str, Any]) -> ContentSource:
    """A content of a frozen plan with what its frame and variables need."""
    language = content["language"]
    return ContentSource(
        channel=content["channel"],
        language=language,
        variant=content.get("variant", ""),
        format=content.get("format", ContentFormat.MARKDOWN),
        subject=content.get("subject", ""),
        body=content.get("body", ""),
        organisation=in_language(frozen["organisation"]["name"], language) or frozen["organisation"]["slug"],
        campaign=frozen["campaign"]["name"],
        topics=tuple(in_language(name, language) for name in frozen.get("topic_names", {}).values()),
        services=tuple(
            (
                service["slug"],
                in_language(service["name"], language),
                service["url"],
                in_language(service["steps"], language),
            )
            for service in frozen.get("services", ())
        ),
        is_notice="notice" in frozen,
        is_digest="digest" in frozen,
        **(_of_email(content, frozen) if content["channel"] == Channel.EMAIL else {}),
    )


def _of_email(content: Mapping[str, Any], frozen: Mapping[str, Any]) -> dict[str, Any]:
    """What only an e-mail has."""
    return {
        "preheader": content.get("preheader", ""),
        "look": look_in(content["language"], frozen),
        "entry": entry_of(content, frozen["campaign"]["id"]),
        "attached": tuple(frozen.get("pictures", ())) if content.get("pictures") == Pictures.ATTACHED else (),
    }


@functools.lru_cache(maxsize=512)
def compile_content(source: ContentSource) -> CompiledContent:
    """Compile; never raises for an author's mistake: `problems` says what is wrong, each with its field and line."""
    is_public = source.channel in PUBLIC_CHANNELS
    reports = {
        name: check_template(text, is_public=is_public, is_notice=source.is_notice, is_digest=source.is_digest)
        for name, text in (("subject", source.subject), ("preheader", source.preheader), ("body", source.body))
    }
    problems = [problem for name, report in reports.items() for problem in _from_report(report, name)]
    problems += _emptiness(source)
    read: dict[str, Any] = {
        "attributes": frozenset().union(*(report.attributes for report in reports.values())),
        "data": frozenset().union(*(report.data for report in reports.values())),
        "roots": frozenset().union(*(report.roots for report in reports.values())),
    }
    if any(problem.severity == "error" and problem.code in _UNSOUND for problem in problems):
        return CompiledContent(source=source, problems=tuple(problems), **read)
    faults = _faults(source)
    problems += faults
    if faults and source.format == ContentFormat.MJML:
        return CompiledContent(source=source, problems=tuple(problems), **read)
    work = _Work(source)
    try:
        html, text = work.rich() if source.channel in RICH else ("", work.plain())
    except markup.BrokenMjml as err:
        broken = _problem("broken_template", say(_("The MJML cannot be read: %(reason)s"), {"reason": str(err)}))
        return CompiledContent(source=source, problems=(*problems, broken), **read)
    services = work.services()
    links = [*work.links, *([CompiledLink(url=s["url"], label=s["name"]) for s in services] if work.is_dynamic else [])]
    return CompiledContent(
        source=source,
        problems=(*problems, *work.problems),
        subject=TEXT.from_string(source.subject),
        html=HTML.from_string(html) if html else None,
        text=TEXT.from_string(text),
        preheader=TEXT.from_string(work.preheader) if work.preheader else None,
        sources=(html, text),
        links=tuple(links),
        fixed=len(work.links),
        asks=tuple(dict.fromkeys(work.asks)),
        **read,
        shared={
            "ask": {question.value: word_question(question, work.service, source.language) for question in Question},
            "organisation": {"name": source.organisation},
            "campaign": {"name": source.campaign},
            "services": services,
            "service": services[0] if services else {},
        },
    )


#: Problems that leave nothing to render.
_UNSOUND: Final = frozenset({"unknown_variable", "broken_template", "not_allowed", "personal_in_public"})


class _Work:
    """One compilation: the protected text on its way, and what was found in it."""

    def __init__(self, source: ContentSource) -> None:
        self.source = source
        self.bag = Bag()
        self.links: list[CompiledLink] = []
        self.problems: list[ContentProblem] = []
        self.is_dynamic = False
        self.asks: list[Question] = []
        #: What mail programs show beside the subject: the author's, else the beginning of the text.
        self.preheader = source.preheader

    @property
    def service(self) -> str:
        """Name of the service that questions are about; '' where there is none."""
        return self.source.services[0][1] if self.source.services else ""

    def services(self) -> list[dict[str, str]]:
        return [dict(zip(("slug", "name", "url", "steps"), service, strict=True)) for service in self.source.services]

    def plain(self) -> str:
        """The text template of an SMS or a post."""
        text = self._asking(self.bag.protect(self.source.body.strip()), self._question_in_sms)
        return self.bag.restore(_URL.sub(lambda match: self._linked(match[0], label=match[0]), text))

    def rich(self) -> tuple[str, str]:
        """The HTML and text templates of an e-mail or a feed entry."""
        html = self._html()
        self._inspect(html)
        html = _ANCHOR.sub(self._link, html)
        text = html_to_text(self._asking(html, self._question_in_text))
        html = self._asking(html, self._question_in_html)
        if self.source.channel == Channel.FEED:
            return self.bag.restore(html), self.bag.restore(text)
        if markup.is_whole_document(html):
            if not self.source.is_notice:
                self._require_way_out(html)
            document = self._whole(html)
        else:
            document, text = self._frame(markup.make_buttons(html), text)
        document = _before_end(markup.inline_css(document), self.bag.put(_BAIT + _PIXEL))
        document = markup.attach_pictures(document, self.source.attached)
        return self.bag.restore(document), self.bag.restore(text)

    def _whole(self, html: str) -> str:
        """The author's own document, with what readers and programs need to know of it."""
        language = self.source.language
        document = markup.name_language(html, language=language, direction=direction(language))
        document = markup.settle_colours(document)
        if not self.source.preheader:
            return document
        hidden = html_entities.escape(self.bag.protect(self.source.preheader), quote=False)
        return markup.put_preheader(document, hidden)

    def _html(self) -> str:
        protected = self.bag.protect(self.source.body)
        if self.source.format == ContentFormat.MARKDOWN:
            return markup.markdown_to_html(protected, self.bag)
        if self.source.format == ContentFormat.TEXT:
            return _paragraphs(protected)
        commented = markup.blocks_as_comments(protected, self.bag)
        return markup.mjml_to_html(commented) if self.source.format == ContentFormat.MJML else commented

    def _frame(self, html: str, text: str) -> tuple[str, str]:
        source, bag = self.source, self.bag
        urls = {name: "" if source.is_notice else bag.put(f"{{{{ {name} }}}}") for name in SYSTEM_URLS}
        entry, look = source.entry, source.look
        preheader = bag.protect(source.preheader) if source.preheader else _preheader(text, bag)
        self.preheader = bag.restore(preheader)
        values = {
            "organisation": bag.literal(source.organisation),
            "topics": [bag.literal(topic) for topic in source.topics],
            "footer": [bag.literal(line) for line in look.footer],
            "entry": entry
            and {
                "title": bag.literal(entry.title),
                "when": told_when(entry, source.language),
                "place": bag.literal(entry.place),
            },
            **urls,
        }
        document = frame_html(
            html,
            language=source.language,
            look=look,
            values={
                **values,
                "name": bag.literal(look.name or source.organisation),
                "title": bag.protect(source.subject),
                "preheader": preheader,
            },
        )
        return document, frame_text(text, language=source.language, values=values)

    def _asking(self, text: str, draw: Callable[[AskTag], str]) -> str:
        """The text with each question, drawn, in the place of its variable."""

        def drawn(match: re.Match[str]) -> str:
            tag = read_ask(self.bag.tags[int(match[1] or match[2])])
            if tag is None:
                return match[0]
            self.asks.append(tag.question)
            return draw(tag)

        return _ASKED.sub(drawn, text)

    def _question_in_sms(self, tag: AskTag) -> str:
        return self.bag.literal(word_in_sms(tag, self.service, self.source.language))

    def _question_in_text(self, tag: AskTag) -> str:
        return draw_question_text(tag.question, **self._of_question(tag))

    def _question_in_html(self, tag: AskTag) -> str:
        return draw_question(tag.question, **self._of_question(tag), look=self.source.look)

    def _of_question(self, tag: AskTag) -> dict[str, str]:
        language = self.source.language
        words = self.bag.literal(word_question(tag.question, self.service, language))
        return {"words": words, "url": self.bag.put("{{ feedback_url }}"), "language": language}

    def _link(self, match: re.Match[str]) -> str:
        before, href, after, label = match.groups()
        url = html_entities.unescape(href).strip()
        linked = self._linked(url, label=_words(label, self.bag))
        return f"{before}{html_entities.escape(linked) if linked == url else linked}{after}{label}"

    def _linked(self, url: str, *, label: str) -> str:
        """What stands in the link's place: a click link, or the address itself where nothing is counted."""
        if self.bag.holds_tag(url):
            return self._dynamic(url)
        if url.lower().startswith(("https://", "http://")):
            self.links.append(CompiledLink(url=url, label=label))
            return self.bag.put(f"{{{{ _l{len(self.links) - 1} }}}}")
        self._judge_link(url)
        return url

    def _dynamic(self, url: str) -> str:
        written = self.bag.restore(url)
        if _SYSTEM_TAG.fullmatch(written.strip()):
            return url
        self.is_dynamic = True
        return self.bag.put("{% filter tracked %}" + written + "{% endfilter %}")

    def _judge_link(self, url: str) -> None:
        if not url or url.startswith("#") or url.lower().startswith(("mailto:", "tel:", "sms:")):
            return
        if _LOOKS_LIKE_HOST.match(url) or not _SCHEME.match(url):
            remedy = _("Write https:// in front of it.")
        else:
            remedy = _("Use a web address (https://), or mailto: or tel:.")
        self.problems.append(
            _problem("bad_link", say(_("The link “%(url)s” leads nowhere."), {"url": url[:80]}), remedy=remedy)
        )

    def _inspect(self, html: str) -> None:
        if _SCRIPT.search(html):
            self.problems.append(
                _problem("script", _("Scripts and frames do not work in messages."), remedy=_("Take them out."))
            )
        missing = sum(1 for image in _IMAGE.findall(html) if not _ALT.search(image))
        if missing:
            is_markdown = self.source.format == ContentFormat.MARKDOWN
            self.problems.append(
                _problem(
                    "image_without_text",
                    say(_("Pictures without a description: %(count)s."), {"count": missing}),
                    remedy=_("Describe each in the square brackets: ![what it shows](address).")
                    if is_markdown
                    else _("Describe each in its attribute alt."),
                    severity="warning",
                    line=0 if is_markdown else next(lines_of_pictures_without_words(self.source.body), 0),
                )
            )

    def _require_way_out(self, html: str) -> None:
        if "unsubscribe_url" not in self.bag.restore(html):
            self.problems.append(
                _problem(
                    "no_unsubscribe",
                    _("The message has no link to unsubscribe."),
                    remedy=_("Put a link to {{ unsubscribe_url }} into it."),
                )
            )


def _from_report(report: TemplateReport, name: str) -> list[ContentProblem]:
    return [_at_field(problem, name) for problem in report.problems]


def _at_field(problem: TemplateProblem, name: str) -> ContentProblem:
    return ContentProblem(
        field=name,
        code=problem.code,
        line=problem.line,
        message=problem.message,
        remedy=problem.remedy,
        severity=problem.severity,
    )


def _problem(
    code: str, message: Any, *, remedy: Any = "", severity: str = "error", at: str = "body", line: int = 0
) -> ContentProblem:
    return ContentProblem(field=at, code=code, line=line, message=message, remedy=remedy, severity=severity)


def _faults(source: ContentSource) -> list[ContentProblem]:
    """What is wrong with the author's own tags, in the formats that have some."""
    if source.format not in {ContentFormat.HTML, ContentFormat.MJML} or source.channel not in RICH:
        return []
    if source.format == ContentFormat.MJML and source.channel == Channel.FEED:
        return [_problem("unsupported", _("An entry of a feed cannot be written in MJML."), remedy=_("Use Markdown."))]
    found = find_faults(source.body, is_mjml=source.format == ContentFormat.MJML)
    remedy = _("Mend it there: programs would guess what was meant, each in its own way.")
    return [
        _problem("broken_template", say(fault.sentence, fault.facts), remedy=remedy, line=fault.line) for fault in found
    ]


def _emptiness(source: ContentSource) -> list[ContentProblem]:
    problems = []
    if not source.body.strip():
        problems.append(_problem("no_text", _("The message has no text."), remedy=_("Write it.")))
    if source.channel in RICH and not source.subject.strip():
        problems.append(
            _problem("empty_subject", _("The message has no subject."), remedy=_("Write one."), at="subject")
        )
    return problems


def _paragraphs(text: str) -> str:
    """Plain text as HTML: blank lines part paragraphs, web addresses become links."""
    escaped = html_entities.escape(text, quote=False)
    linked = _URL.sub(lambda match: f'<a href="{match[0]}">{match[0]}</a>', escaped)
    blocks = [block.strip() for block in re.split(r"\n\s*\n", linked) if block.strip()]
    return "\n".join("<p>" + block.replace("\n", "<br>\n") + "</p>" for block in blocks)


def _preheader(text: str, bag: Bag) -> str:
    """What mail programs show beside the subject: the first paragraph that is not a heading's worth of words.

    None with a block of the template, whose end may stand in another paragraph.
    """
    blocks = [
        block for block in text.split("\n\n") if "{%" not in bag.restore(block).replace("{% filter tracked %}", "")
    ]
    paragraphs = [" ".join(block.split()) for block in blocks if block.strip()]
    chosen = next((block for block in paragraphs if len(block) > 40), paragraphs[0] if paragraphs else "")
    return re.sub(r"\s*\((?:https?://\S*|jxq\d+qxj)\)", "", chosen)[:300]


def _words(html: str, bag: Bag) -> str:
    """The words of a link without tags, for reports."""
    return bag.restore(" ".join(html_entities.unescape(re.sub(r"<[^>]*>", " ", html)).split()))[:120]


def _before_end(document: str, piece: str) -> str:
    head, end, tail = document.rpartition("</body>")
    return f"{head}{piece}{end}{tail}" if end else f"{document}{piece}"
