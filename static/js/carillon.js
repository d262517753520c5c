// Small behaviours over pages that are whole without them. No inline handlers: the page says what it wants
// with data attributes.
//   data-menu          on <details>: closes on Escape and on a click outside
//   data-copy="#id"    on a button: copies that element's text; data-copied is what it then says
//   data-key="/"       on a field: this key, pressed outside of any field, leads there
//   data-all="name"    on a box: checks every box of that name, or none
//   data-confirm="…"   on a form or its button: asks once before it is sent
//   data-confirm-of    names the boxes the question is about: {count} is how many are checked, {verb} what is
//                      chosen in the form's list; below stand their names. data-confirm-one asks about one.
(() => {
  "use strict";

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!except || !menu.contains(except)) menu.open = false;
    }
  };

  const copy = async (button) => {
    const source = document.querySelector(button.dataset.copy);
    if (!source) return;
    try {
      await navigator.clipboard.writeText("value" in source ? source.value : source.textContent);
    } catch {
      // Without HTTPS or permission there is no clipboard; select the text, so that one key copies it.
      getSelection().selectAllChildren(source);
      return;
    }
    if (!button.dataset.copied || button.dataset.was) return;
    button.dataset.was = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => {
      button.textContent = button.dataset.was;
      delete button.dataset.was;
    }, 2000);
  };

  document.addEventListener("click", (event) => {
    closeMenus(event.target);
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = event.target.closest?.("details[data-menu][open]");
    closeMenus();
    menu?.querySelector("summary")?.focus();
  });

  const WRITING = "input, textarea, select, [contenteditable]";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(WRITING)) return;
    const field = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!field?.checkVisibility()) return;
    event.preventDefault();
    field.focus();
  });

  for (const all of document.querySelectorAll("[data-all]")) {
    const each = () => document.querySelectorAll(`[name="${all.dataset.all}"]`);
    all.hidden = false;
    all.addEventListener("change", () => each().forEach((one) => (one.checked = all.checked)));
  }

  // A part that renews itself keeps the keyboard's place in it; htmx does so only for what has an id.
  const nameOf = (one) => one.getAttribute("href") ?? one.textContent.trim();
  let left = null;
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const here = document.activeElement;
    left = detail.target.contains(here) && !here.id ? { tag: here.tagName, name: nameOf(here) } : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!left || document.activeElement !== document.body) return;
    const again = [...document.querySelectorAll(left.tag)].find((one) => nameOf(one) === left.name);
    again?.focus({ preventScroll: true });
  });

  const NAMED = 10;
  const questionOf = ({ form, dataset }) => {
    if (!dataset.confirmOf) return dataset.confirm;
    const names = [...document.querySelectorAll(`[name="${dataset.confirmOf}"]:checked`)].map((one) => one.ariaLabel);
    const asked = names.length === 1 ? dataset.confirmOne : dataset.confirm;
    const verb = form.querySelector("select[name=verb] option:checked").label;
    const shown = names.length > NAMED ? [...names.slice(0, NAMED), "…"] : names;
    return [asked.replace("{verb}", verb).replace("{count}", names.length), ...shown].join("\n");
  };

  document.addEventListener("submit", (event) => {
    const asker = [event.submitter, event.target].find((one) => one?.dataset.confirm);
    const question = asker && questionOf(asker);
    if (question && !window.confirm(question)) event.preventDefault();
  });
})();
