"""What holds on every page, asked of the page itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Structure, names and widths: one script, a list of sentences. No stylesheet is injected, for the policy forbids it.
_RULES = """
() => {
  const found = [];
  const about = (el) => el.outerHTML.replace(/\\s+/g, " ").slice(0, 110);
  const shown = (el) => el.checkVisibility() && el.getClientRects().length > 0;
  const words = (el, attribute) => (el.getAttribute(attribute) || "").split(" ").filter(Boolean);
  const name = (el) => {
    const by = words(el, "aria-labelledby").map((id) => document.getElementById(id)?.textContent);
    const labels = [...(el.labels || [])].map((label) => label.textContent);
    const inside = el.matches("input, select, textarea") ? "" : el.textContent;
    const alt = [...el.querySelectorAll("img[alt]")].map((img) => img.alt);
    return [el.getAttribute("aria-label"), el.title, ...by, ...labels, inside, ...alt].join(" ").trim();
  };
  const headings = [...document.querySelectorAll("h1")].filter(shown);
  if (headings.length !== 1) found.push(`${headings.length} h1: ${headings.map((h) => h.textContent.trim())}`);
  if (!document.title.trim() || document.title.trim().startsWith("·")) found.push(`title: ${document.title}`);
  if (!document.documentElement.lang) found.push("no language");
  const root = document.scrollingElement;
  if (root.scrollWidth > window.innerWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((el) => shown(el)
      && el.getBoundingClientRect().right > window.innerWidth + 1 && !el.closest(".o-scroll, .o-raw"));
    found.push(`${root.scrollWidth} px wide in ${window.innerWidth}: ${wide.slice(0, 3).map(about).join(" | ")}`);
  }
  const controls = "input:not([type=hidden]), select, textarea, button, a[href], summary, iframe";
  for (const el of document.querySelectorAll(controls)) {
    if (!name(el) && (shown(el) || el.matches("input"))) found.push(`no name: ${about(el)}`);
  }
  for (const el of document.querySelectorAll("img:not([alt])")) found.push(`no alt: ${about(el)}`);
  for (const el of document.querySelectorAll("svg")) {
    if (!el.closest("[aria-hidden=true]") && !el.getAttribute("aria-label")) found.push(`svg: ${about(el)}`);
  }
  for (const use of document.querySelectorAll("use")) {
    if (use.getBBox && shown(use.parentNode) && use.getBBox().width === 0) found.push(`empty icon: ${about(use)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((el) => el.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`id twice: ${id}`);
  for (const el of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    for (const id of [...words(el, "aria-labelledby"), ...words(el, "aria-describedby")]) {
      if (!document.getElementById(id)) found.push(`refers to nothing (${id}): ${about(el)}`);
    }
  }
  return found;
}
"""

#: Every control that Tab reaches looks otherwise when it has the focus. One real Tab goes before, so that the browser
#: shows the focus of a keyboard.
_FOCUS = """
() => {
  const still = new CSSStyleSheet();
  still.replaceSync("* { transition: none !important }");
  document.adoptedStyleSheets = [still];
  const all = document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']");
  const look = (el) => {
    const parts = [el, el.closest("label"), el.nextElementSibling].filter(Boolean);
    return parts.map((part) => {
      const s = getComputedStyle(part);
      return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.borderColor, s.backgroundColor].join();
    }).join(";");
  };
  const found = [];
  for (const el of all) {
    if (el.disabled || el.tabIndex < 0 || !el.checkVisibility()) continue;
    el.focus();
    if (document.activeElement !== el) continue;
    const focused = look(el);
    el.blur();
    if (look(el) === focused) found.push(`focus not seen: ${el.outerHTML.replace(/\\s+/g, " ").slice(0, 110)}`);
  }
  return found;
}
"""

_LINKS = """
() => [...document.querySelectorAll("a[href]")].map((a) => new URL(a.href))
        .filter((url) => url.origin === location.origin).map((url) => url.pathname + url.search)
"""


def broken_rules(page: Page) -> list[str]:
    """What is wrong with how the page is made."""
    found: list[str] = page.evaluate(_RULES)
    return found


def unseen_focus(page: Page) -> list[str]:
    """Controls that do not show that they have the keyboard's focus."""
    page.keyboard.press("Tab")
    found: list[str] = page.evaluate(_FOCUS)
    return found


def links(page: Page) -> set[str]:
    """Where the page leads on this site."""
    return set(page.evaluate(_LINKS))
