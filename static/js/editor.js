// The editor's own behaviours, over pages that save without them.
//   data-autosave      on a form: saves it some seconds after the last change, and says who was faster
//   data-insert="…"    on a button: puts the text where the cursor stood last
//   data-condition     a small form: builds a condition around what is marked
//   textarea under SMS counts its parts on the server (data-count)
(() => {
  "use strict";

  let last = null; // the field in which the cursor stood
  const isText = (element) => element?.matches?.("#draft textarea, #draft input[type=text], #draft input:not([type])");
  document.addEventListener("focusin", (event) => {
    if (isText(event.target)) last = event.target;
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

  // ---- autosave ------------------------------------------------------------------------------
  const form = document.querySelector("form[data-autosave]");
  if (!form) return;
  const told = document.querySelector("[data-saved]");
  const words = document.getElementById("autosave-words")?.dataset ?? {};
  let timer = null;
  let isSaving = false;
  let isChanged = false;

  const say = (text, isWrong = false) => {
    if (!told) return;
    told.textContent = text;
    told.classList.toggle("said-wrong", isWrong);
  };

  const save = async () => {
    if (isSaving || !isChanged) return;
    isSaving = true;
    isChanged = false;
    try {
      const answer = await fetch(form.action || location.href, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Autosave": "1" },
        credentials: "same-origin",
      });
      const said = await answer.json();
      if (answer.ok) {
        for (const field of document.querySelectorAll("input[name=revision]")) field.value = said.revision;
        say(said.saved);
      } else {
        say(said.detail, true);
        if (answer.status === 409) return; // somebody else was faster: the author decides
      }
    } catch {
      isChanged = true;
      say(words.offline ?? "", true);
      timer = setTimeout(save, 10000);
    } finally {
      isSaving = false;
      if (isChanged && !timer) timer = setTimeout(save, 2000);
    }
  };

  form.addEventListener("input", () => {
    isChanged = true;
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      save();
    }, 2000);
  });
  form.addEventListener("submit", () => {
    clearTimeout(timer);
    isChanged = false;
  });
  addEventListener("beforeunload", (event) => {
    if (isChanged) event.preventDefault();
  });
})();
