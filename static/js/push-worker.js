/* Shows what a push message holds, and opens where it leads. The page of the configuration serves it; your own
 * site's worker may take it in with importScripts. */
"use strict";

self.addEventListener("push", (event) => {
  let shown = {};
  try {
    shown = event.data ? event.data.json() : {};
  } catch {
    shown = {};
  }
  if (!shown.title) return;
  const buttons = shown.buttons || [];
  const options = {
    body: shown.body || "",
    tag: shown.tag,
    silent: Boolean(shown.silent),
    data: { url: shown.url || "", links: buttons.map((button) => button.url), more: shown.data || {} },
    actions: buttons.slice(0, 2).map((button, number) => ({ action: String(number), title: button.label })),
  };
  if (shown.icon) options.icon = shown.icon;
  if (shown.image) options.image = shown.image;
  event.waitUntil(self.registration.showNotification(shown.title, options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { url, links } = event.notification.data || {};
  const address = event.action === "" ? url : (links || [])[Number(event.action)] || url;
  if (/^https?:\/\//i.test(address || "")) event.waitUntil(self.clients.openWindow(address));
});
