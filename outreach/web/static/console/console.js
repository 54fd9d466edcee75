/* What the console needs beyond htmx: inserting variables, the look of the preview, copying, closing menus. */
"use strict";

document.addEventListener("click", (event) => {
  const insert = event.target.closest("[data-insert]");
  if (insert) return insertText(insert);
  const look = event.target.closest("[data-look]");
  if (look) return showLook(look);
  const copy = event.target.closest("[data-copy]");
  if (copy) return copyText(copy);
  for (const menu of document.querySelectorAll("details.o-switch[open], details.o-menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

function insertText(button) {
  const area = document.getElementById(button.dataset.into);
  area.setRangeText(button.dataset.insert, area.selectionStart, area.selectionEnd, "end");
  area.focus();
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/* The frame of the preview: desktop or telephone, light or dark. The choice stays while the page does. */
const chosen = {};

function showLook(button) {
  const [what, value] = button.dataset.look.split(":");
  chosen[what] = value;
  applyLook();
  if (what === "theme") fillLiveFrames();
}

function applyLook() {
  for (const [what, value] of Object.entries(chosen)) {
    for (const button of document.querySelectorAll(`[data-look^="${what}:"]`)) {
      button.setAttribute("aria-pressed", String(button.dataset.look === `${what}:${value}`));
    }
    for (const part of document.querySelectorAll(`[data-${what}]`)) part.hidden = part.dataset[what] !== value;
    if (what === "theme") {
      for (const view of document.querySelectorAll("[data-themed]")) view.classList.toggle("o-dark", value === "dark");
      for (const frame of document.querySelectorAll("[data-themed] iframe[src]")) {
        const address = new URL(frame.src);
        if (address.searchParams.get("theme") === value) continue;
        address.searchParams.set("theme", value);
        frame.src = address.href;
      }
    }
  }
}

/* The frame of the live preview gets the editor's own text: a policy of its own, so a request of its own. */
function fillLiveFrames() {
  const editor = document.getElementById("editor");
  for (const frame of document.querySelectorAll("iframe[data-live]")) {
    const post = document.createElement("form");
    const address = new URL(frame.dataset.live, location.href);
    if (chosen.theme) address.searchParams.set("theme", chosen.theme);
    Object.assign(post, { method: "post", action: address.href, target: frame.name, hidden: true });
    for (const [name, value] of new FormData(editor)) {
      const field = document.createElement("textarea");
      Object.assign(field, { name, value });
      post.append(field);
    }
    document.body.append(post);
    post.submit();
    post.remove();
  }
}

/* On a telephone the rows of a list stand one under the other; each cell says its column. */
function nameCells() {
  for (const table of document.querySelectorAll("table.o-stack")) {
    const names = [...table.tHead.rows[0].cells].map((cell) => (cell.querySelector(".o-vh") ? "" : cell.textContent.trim()));
    for (const cell of table.querySelectorAll("tbody td")) {
      if (names[cell.cellIndex] && cell.colSpan === 1) cell.dataset.column = names[cell.cellIndex];
      if (cell.textContent.trim() === "–") cell.dataset.empty = "";
    }
  }
}
nameCells();

document.addEventListener("htmx:afterSettle", () => {
  nameCells();
  applyLook();
  fillLiveFrames();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

async function copyText(button) {
  const field = document.getElementById(button.dataset.copy);
  field.select();
  await navigator.clipboard.writeText(field.value);
  const before = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = before; }, 1500);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.o-switch[open], details.o-menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
