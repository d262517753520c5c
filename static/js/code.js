// Colours, line numbers and indenting for a text area with data-code="html", "xml" or "json" (CodeMirror 5).
// The area stays what is sent and saved. Tab indents; Escape, then Tab leaves.
(() => {
  "use strict";
  const MODES = { html: "htmlmixed", xml: "xml", json: { name: "javascript", json: true } };
  // What is personal stands out wherever it is written, in a text or inside an attribute.
  const PERSONAL = {
    token(stream) {
      if (stream.match(/\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}/)) return "personal";
      stream.next();
      while (!stream.eol() && !stream.match(/\{[{%#]/, false)) stream.next();
      return null;
    },
  };
  const LEAVE = { Tab: false, "Shift-Tab": false };
  const stay = { Esc: (editor) => editor.setOption("extraKeys", LEAVE) };

  const draw = (area) => {
    const editor = CodeMirror.fromTextArea(area, {
      mode: MODES[area.dataset.code],
      lineNumbers: true,
      lineWrapping: true,
      inputStyle: "contenteditable", // inside of what scrolls, so that the keys scroll it
      extraKeys: stay,
      screenReaderLabel: area.labels[0]?.textContent.trim() ?? "",
    });
    editor.addOverlay(PERSONAL);
    editor.on("blur", () => editor.setOption("extraKeys", stay));
    editor.on("change", (_editor, change) => {
      editor.save();
      if (change.origin !== "setValue") area.dispatchEvent(new Event("input", { bubbles: true }));
    });
    for (const label of area.labels) label.addEventListener("click", () => editor.focus());
    editor.getWrapperElement().carillonArea = area;
    area.carillonEditor = {
      insert(before, after) {
        editor.replaceSelections(editor.getSelections().map((marked) => before + marked + after));
        editor.focus();
      },
    };
  };

  for (const area of document.querySelectorAll("textarea[data-code]")) {
    if (!area.closest("[data-designer]")) draw(area);
  }
  for (const hint of document.querySelectorAll("[data-code-hint]")) hint.hidden = !document.querySelector(".CodeMirror");
})();
