// The editor's own behaviours, over pages that save without them.
//   data-autosave      on a form: saves it some seconds after the last change, and says who was faster
//   data-fresh="…"     a part of the page that is renewed after a save: findings, summary, links
//   data-insert="…"    on a button: puts the text where the cursor stood last
//   data-condition     a small form: builds a condition around what is marked
//   data-designer="…"  around a text area: draws the design in a frame (see designer.js), the area stays its home
//   data-pick-picture  on a button: chooses a picture of the library and puts it where the cursor stands
//   data-sms           a line that tells how many SMS the saved text comes to
//   whatever leads away from the page waits until everything is saved
(() => {
  "use strict";

  // On a phone the tabs are wider than the page: the open one is brought into sight.
  const strip = document.querySelector(".tabs");
  const open = strip?.querySelector("[aria-current]");
  if (open) strip.scrollLeft += open.getBoundingClientRect().right + 24 - strip.getBoundingClientRect().right;

  let last = null; // the field in which the cursor stood
  const isText = (element) => element?.matches?.("#draft textarea, #draft input[type=text], #draft input:not([type])");
  document.addEventListener("focusin", (event) => {
    if (isText(event.target)) last = event.target.closest(".CodeMirror")?.carillonArea ?? event.target;
  });

  const put = (before, after = "") => {
    const field = last?.isConnected ? last : document.querySelector("#draft textarea:not([hidden]), #draft input[type=text]");
    if (!field) return;
    if (field.carillonEditor) {
      field.carillonEditor.insert(before, after);
    } else {
      const { selectionStart: from, selectionEnd: to, value } = field;
      field.setRangeText(before + value.slice(from, to) + after, from, to, "end");
      field.focus();
    }
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const condition = (form) => {
    const part = (name) => form.querySelector(`[data-part=${name}]`).value;
    const value = JSON.stringify(part("value"));
    const tests = { is: ` == ${value}`, isnt: ` != ${value}`, filled: "", empty: "" };
    const how = part("how");
    return `{% if ${how === "empty" ? "not " : ""}${part("field")}${tests[how]} %}`;
  };

  document.addEventListener("click", (event) => {
    const insert = event.target.closest("[data-insert]");
    if (insert) put(insert.dataset.insert);
    const build = event.target.closest("[data-build]");
    if (build) put(condition(build.closest("[data-condition]")), "{% else %}{% endif %}");
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-condition]");
    if (form) form.querySelector("[data-shown]").textContent = `${condition(form)} … {% else %} … {% endif %}`;
  });

  // ---- the designer --------------------------------------------------------------------------
  const shell = document.querySelector("[data-designer]");
  let designer = null; // puts everything drawn into the text area
  if (shell) {
    const frame = shell.querySelector("iframe");
    const area = shell.querySelector("textarea");
    const tell = (message) => frame.contentWindow.postMessage(message, location.origin);
    const take = (mjml) => {
      if (!mjml || mjml === area.value) return;
      area.value = mjml;
      area.dispatchEvent(new Event("input", { bubbles: true }));
    };
    designer = async () => take(await frame.contentWindow?.carillonDesigner?.flush());
    addEventListener("message", (event) => {
      if (event.source !== frame.contentWindow || event.origin !== location.origin || !event.data.designer) return;
      const { is, mjml } = event.data;
      if (is === "ready") tell({ is: "load", mjml: area.value.trim() || frame.contentDocument.body.dataset.blank, fragments: JSON.parse(shell.dataset.fragments) });
      if (is === "loaded") shell.classList.add("is-drawn");
      if (is === "change") take(mjml);
      if (is === "pick") document.dispatchEvent(new CustomEvent("carillon:pick", { detail: (picture) => tell({ is: "image", ...picture }) }));
    });
    area.carillonEditor = { insert: (before, after) => tell({ is: "insert", before, after }) };
    last = area;
    // Who presses into the frame writes there from now on; the page sees no other sign of it.
    addEventListener("blur", () => setTimeout(() => {
      if (document.activeElement === frame) last = area;
    }));
    shell.querySelector("[data-source]").open = false;
    frame.hidden = false;
    frame.src = shell.dataset.designer;
    area.addEventListener("change", () => tell({ is: "load", mjml: area.value, fragments: [] })); // typed as text meanwhile
  }

  // ---- pictures of the library -----------------------------------------------------------------
  const dialog = document.getElementById("asset-dialog");
  let chosen = null; // what is done with the picture
  const look = async () => {
    const found = dialog.querySelector("[data-found]");
    const words = new URLSearchParams({ search: dialog.querySelector("input").value });
    const answer = await fetch(`${dialog.dataset.address}?${words}`, { credentials: "same-origin" });
    if (answer.ok) found.innerHTML = await answer.text();
  };
  const choose = (then) => {
    chosen = then;
    dialog.showModal();
    look();
  };
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
  const putPicture = ({ src, alt, width }) => {
    const named = `src="${escaped(src)}" alt="${escaped(alt)}" width="${width}`;
    if (last?.name === "html") put(`<img ${named}">`);
    else if (last?.name === "mjml") put(`<mj-image ${named}px"></mj-image>`);
    else put(src);
  };
  if (dialog) {
    let waiting = null;
    for (const button of document.querySelectorAll("[data-pick-picture]")) {
      button.hidden = Boolean(shell); // the designer asks by itself, for the picture that is chosen there
      button.addEventListener("click", () => choose(putPicture));
    }
    document.addEventListener("carillon:pick", (event) => choose(event.detail));
    dialog.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(look, 250);
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
    });
    dialog.addEventListener("click", (event) => {
      const picture = event.target.closest("[data-src]");
      if (!picture) return;
      dialog.close();
      chosen?.({ src: picture.dataset.src, alt: picture.dataset.alt, width: picture.dataset.width });
    });
  }

  // ---- autosave ------------------------------------------------------------------------------
  const form = document.querySelector("form[data-autosave]");
  if (!form) return;
  const told = document.querySelector("[data-saved]");
  const words = document.getElementById("autosave-words")?.dataset ?? {};
  let timer = null;
  let isSaving = false;
  let isChanged = false;
  let isRefused = false;

  const say = (text, how = "") => {
    if (!told) return;
    told.textContent = text;
    told.className = how;
  };

  // What a save changes elsewhere on the page. Where somebody stands or has written, nothing is touched.
  const isTouched = (place) =>
    place.contains(document.activeElement) ||
    [...place.querySelectorAll("input:not([type=hidden])")].some((one) => one.value !== one.defaultValue || one.checked !== one.defaultChecked);
  const freshen = async () => {
    const answer = await fetch(location.href, { credentials: "same-origin", headers: { "X-Renewal": "1" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const place of document.querySelectorAll("[data-fresh]")) {
      const now = page.querySelector(`[data-fresh="${CSS.escape(place.dataset.fresh)}"]`);
      if (now && !isTouched(place) && now.innerHTML !== place.innerHTML) place.replaceChildren(...now.childNodes);
    }
  };

  const save = async (isLeaving = false) => {
    if (isSaving || !isChanged) return;
    isSaving = true;
    isChanged = false;
    let isSaved = false;
    try {
      const answer = await fetch(form.getAttribute("action") || location.href, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Autosave": "1" },
        credentials: "same-origin",
      });
      const said = await answer.json();
      if (answer.ok) {
        for (const field of document.querySelectorAll("input[name=revision]")) field.value = said.revision;
        say(said.saved);
        for (const place of document.querySelectorAll("[data-sms]")) place.textContent = said.sms;
        isRefused = false;
        isSaved = true;
      } else if (answer.status === 409) {
        say(`${said.detail} ${words.slower ?? ""}`, "said-late"); // somebody else was faster: the author decides
        isRefused = true;
      } else {
        say(`${words.unfinished ?? ""} ${said.detail}`, "said-wrong");
        isRefused = true;
      }
    } catch {
      isChanged = true;
      say(words.offline ?? "", "said-late");
      timer = setTimeout(save, 10000);
    } finally {
      isSaving = false;
      if (isChanged && !timer) timer = setTimeout(save, 2000);
    }
    if (isSaved && !isLeaving) await freshen();
  };
  const settled = async () => {
    if (designer) await designer();
    clearTimeout(timer);
    timer = null;
    while (isSaving) await new Promise((done) => setTimeout(done, 50));
    await save(true);
  };

  form.addEventListener("input", () => {
    isChanged = true;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      save();
    }, 2000);
  });
  // Later than the event: a form that is being submitted ignores that it is asked to.
  const pass = (sent, pressed) => setTimeout(() => sent.requestSubmit(pressed));
  const ready = new Set(); // forms that have waited
  document.addEventListener("submit", async (event) => {
    const { target: sent, submitter: pressed } = event;
    if (event.defaultPrevented || sent.method === "dialog") return;
    if (ready.delete(sent) || (!designer && !isSaving && (sent === form || !isChanged))) {
      if (sent !== form) return;
      clearTimeout(timer);
      isChanged = false;
      isRefused = false;
      return;
    }
    event.preventDefault();
    if (sent === form) {
      if (designer) await designer();
      while (isSaving) await new Promise((done) => setTimeout(done, 50));
    } else {
      await settled();
    }
    ready.add(sent);
    pass(sent, pressed);
  });
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== location.origin || link.getAttribute("href").startsWith("#")) return;
    if (!designer && !isChanged && !isSaving) return;
    event.preventDefault();
    await settled();
    location.assign(link.href); // where it could not be saved, the browser asks first
  });
  addEventListener("beforeunload", (event) => {
    if (isChanged || isRefused) event.preventDefault();
  });
})();
