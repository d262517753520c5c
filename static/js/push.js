/* The page that asks a browser to subscribe. The button's own data says with which key and at which address. */
(() => {
  "use strict";
  const button = document.querySelector("[data-push-key]");
  if (!button) return;
  const said = document.getElementById("push-said");
  const say = (name) => { said.textContent = said.dataset[name]; };

  const octets = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  };

  const tell = (body) =>
    fetch(window.location.href, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });

  async function subscribe() {
    const registration = await navigator.serviceWorker.register(button.dataset.pushWorker);
    if ((await Notification.requestPermission()) !== "granted") return say("denied");
    await navigator.serviceWorker.ready;
    const held = await registration.pushManager.getSubscription();
    if (held) await held.unsubscribe();
    const subscription = await registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: octets(button.dataset.pushKey),
    });
    const answer = await tell({ subscription: subscription.toJSON() });
    say(answer.ok ? "done" : "failed");
  }

  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    button.disabled = true;
    say("unable");
    return;
  }
  button.disabled = false;
  button.addEventListener("click", () => subscribe().catch(() => say("failed")));
})();
