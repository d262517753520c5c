/* A person's in-app inbox on your own page.
 *
 *   <div id="carillon-inbox"></div>
 *   <script src="https://…/static/js/inbox.js" data-inbox="https://…/inbox/5/" data-token="…" defer></script>
 *
 * The token is signed by your server for the person who is signed in. Whatever a message holds is put on the
 * page as text, never as markup. */
(() => {
  "use strict";
  const script = document.currentScript;
  const base = script.dataset.inbox;
  const headers = { Authorization: `Bearer ${script.dataset.token}`, "Content-Type": "application/json" };

  const act = (item, action) =>
    fetch(`${base}${item.id}/`, { method: "POST", headers, body: JSON.stringify({ action }), keepalive: true });

  const made = (name, text, className) => {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  const isAddress = (text) => /^https?:\/\//i.test(text || "");

  function link(item, text, address) {
    const anchor = made("a", text, "carillon-link");
    anchor.href = address;
    anchor.rel = "noopener";
    anchor.addEventListener("click", () => act(item, "click"));
    return anchor;
  }

  function shown(item) {
    const entry = made("li", "", item.readAt ? "carillon-item" : "carillon-item carillon-unread");
    if (isAddress(item.image)) {
      const image = made("img", "", "carillon-image");
      image.src = item.image;
      image.alt = "";
      entry.append(image);
    }
    const title = made("strong", "", "carillon-title");
    title.append(isAddress(item.url) ? link(item, item.title, item.url) : item.title);
    entry.append(title, made("p", item.text, "carillon-text"));
    for (const button of item.buttons || []) {
      if (isAddress(button.url)) entry.append(link(item, button.label, button.url));
    }
    const close = made("button", "×", "carillon-dismiss");
    close.type = "button";
    close.setAttribute("aria-label", script.dataset.dismiss || "Dismiss");
    close.addEventListener("click", () => act(item, "dismiss").then(() => entry.remove()));
    entry.append(close);
    return entry;
  }

  async function load() {
    const place = document.getElementById(script.dataset.place || "carillon-inbox");
    const answer = await fetch(base, { headers });
    if (!place || !answer.ok) return;
    const { items } = await answer.json();
    const list = made("ul", "", "carillon-items");
    list.append(...items.map(shown));
    place.replaceChildren(list);
    for (const item of items) if (!item.readAt) act(item, "read");
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", load);
  else load();
})();
