// The rule builder is whole without this file; the server alone understands the tree. Here: asking for a new
// count after a change, moving parts by drag, and keeping what a person is typing.
(() => {
  "use strict";

  const form = document.querySelector("[data-rule-form]");
  if (!form) return;

  const say = (text) => {
    document.getElementById("rule-said").textContent = text;
  };
  const changed = () => form.dispatchEvent(new Event("rule-changed"));

  // A choice with data-asks brings new inputs first; their arrival counts as the change.
  form.addEventListener("input", (event) => {
    if (event.target.closest("#builder") && !event.target.matches("[data-asks]")) changed();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id === "builder") changed();
  });

  // What was typed between asking and answer is put back into its input.
  let asked = {};
  let typedSince = null;
  const typing = () => {
    const input = document.activeElement;
    return input?.matches?.("#builder input, #builder textarea") ? input : null;
  };
  document.addEventListener("htmx:beforeRequest", (event) => {
    const input = typing();
    if (event.detail.target.id === "builder") asked = input ? { id: input.id, value: input.value } : {};
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const input = typing();
    const isNewer = input && (asked.id !== input.id || asked.value !== input.value);
    typedSince = event.detail.target.id === "builder" && isNewer ? { id: input.id, value: input.value } : null;
  });
  document.addEventListener("htmx:afterSwap", () => {
    const input = typedSince && document.getElementById(typedSince.id);
    if (input) input.value = typedSince.value;
    typedSince = null;
  });

  // The JSON that somebody is changing is not replaced under their hands.
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const text = event.target.querySelector?.("[data-json]");
    if (text && text.value !== text.defaultValue) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:oobAfterSwap", () => {
    const details = form.querySelector("#rule-json details");
    if (details && jsonIsOpen) details.open = true;
  });
  let jsonIsOpen = false;
  document.addEventListener(
    "toggle",
    (event) => {
      if (event.target.matches?.("#rule-json details")) jsonIsOpen = event.target.open;
    },
    true,
  );

  for (const failure of ["htmx:sendError", "htmx:responseError"]) {
    document.addEventListener(failure, () => say(form.dataset.failed));
  }

  // ---- drag ------------------------------------------------------------------------------------
  let dragged = null;
  let mark = null;

  const clear = () => {
    mark?.classList.remove("drop-before", "drop-after", "drop-in");
    mark = null;
  };

  // Where a part would land: {group, place, item, side}.
  const landing = (event) => {
    const item = event.target.closest?.("[data-parts] > li");
    const group = event.target.closest?.("[data-group]");
    if (!group) return null;
    const inner = item?.firstElementChild;
    if (!item || (inner?.contains(group) && inner === group)) {
      const list = group.querySelector(":scope > [data-parts]");
      const onHead = event.target.closest(".grp-h");
      if (!item || onHead) return { group, place: onHead ? 0 : list.children.length, item: group, side: "drop-in" };
    }
    const box = item.getBoundingClientRect();
    const isAfter = event.clientY > box.top + box.height / 2;
    const list = item.parentElement;
    const place = [...list.children].indexOf(item) + (isAfter ? 1 : 0);
    return { group: list.closest("[data-group]"), place, item, side: isAfter ? "drop-after" : "drop-before" };
  };

  form.addEventListener("dragstart", (event) => {
    if (!event.target.closest?.("[data-handle]")) return;
    dragged = event.target.closest("[data-node]");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.node);
    event.dataTransfer.setDragImage(dragged, 12, 12);
    dragged.classList.add("dragged");
  });
  form.addEventListener("dragover", (event) => {
    if (!dragged) return;
    clear();
    const place = landing(event);
    if (!place || dragged.contains(place.group)) return;
    event.preventDefault();
    mark = place.item;
    mark.classList.add(place.side);
  });
  form.addEventListener("drop", (event) => {
    if (!dragged) return;
    const place = landing(event);
    if (!place || dragged.contains(place.group)) return;
    event.preventDefault();
    const verb = `move:${dragged.dataset.node}:${place.group.dataset.group}:${place.place}`;
    htmx.ajax("POST", location.href, {
      source: "#builder",
      target: "#builder",
      swap: "outerHTML settle:0ms",
      values: { do: verb },
    });
  });
  form.addEventListener("dragend", () => {
    clear();
    dragged?.classList.remove("dragged");
    dragged = null;
  });
})();
