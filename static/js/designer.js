// The visual designer, in a frame of its own whose policy lets it neither send nor load anything but pictures.
// The page around it holds the design (MJML) in a text area and saves it; here it is only drawn and changed.
//   from the page: {is: "load", mjml, fragments}, {is: "insert", before, after}, {is: "image", src, alt}
//   to the page:   {is: "ready"}, {is: "change", mjml}, {is: "pick"} (a picture is asked for)
// What GrapesJS does not know travels as an island: kept word for word, drawn, and edited as code.
(() => {
  "use strict";

  const words = JSON.parse(document.body.dataset.words);
  const say = (message) => parent.postMessage({ designer: true, ...message }, location.origin);
  const TAG = /\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}|\{#[\s\S]*?#\}/g;
  const ISLANDS = ["mj-raw", "mj-table", "mj-accordion", "mj-carousel"];
  const ISLAND = new RegExp(`<(${ISLANDS.join("|")})\\b((?:[^<>"']|"[^"]*"|'[^']*')*?)(?:/>|>([\\s\\S]*?)</\\1\\s*>)`, "g");
  const CLOSED = /<(mj-[a-z-]+)((?:[^<>"']|"[^"]*"|'[^']*')*?)\/>/g;
  const PARTS = /^([\s\S]*?<mjml\b[^>]*>)\s*(<mj-head\b[\s\S]*?<\/mj-head\s*>)?\s*([\s\S]*)<\/mjml\s*>\s*$/;
  const PICTURE = "data:image/svg+xml," + encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="240"><rect width="600" height="240" fill="#e3e9eb"/><path d="M60 200l140-120 90 80 60-50 190 90z" fill="#b6c3c8"/></svg>');
  const escaped = (text) => text.replace(/&(?!(?:#\d+|#x[0-9a-f]+|[a-z]+);)/gi, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
  const plain = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&#0?39;/g, "'").replace(/\u00a0|&nbsp;/g, " ").replace(/&amp;/g, "&");

  let opening = "<mjml>";
  let head = "";
  let isLoading = true;
  let wanted = null; // who asked for a picture
  let ground = ""; // the colour that the design's sections stand on

  // ---- from text to what GrapesJS reads, and back ---------------------------------------------
  const packed = (source) => {
    const found = PARTS.exec(source);
    if (!found) return null;
    opening = found[1].trim();
    head = found[2] ?? "";
    return found[3]
      .replace(ISLAND, (_all, name, attributes, inner) => `<${name}${attributes} data-inner="${encodeURIComponent(inner ?? "")}"></${name}>`)
      .replace(TAG, escaped)
      .replace(CLOSED, (_all, name, attributes) => `<${name}${attributes}></${name}>`)
      .replace(/(>|^)\s+(?=<\/?mj-)/g, "$1")
      .replace(/(<\/mj-[a-z-]+>|<mj-(?:body|section|column|group|wrapper|hero)\b[^<>]*>)\s+/g, "$1");
  };
  // One element a line, by its depth; what stands inside a text is left as it is.
  const laidOut = (body) => {
    let depth = 0;
    return body.replace(/<(\/?)(mj-(?:body|wrapper|section|group|column|hero|social|navbar|text|button|image|divider|spacer|social-element|navbar-link|raw|table|accordion|carousel))\b(?=[\s>\/])/g, (all, closing, name) => {
      const holds = /^mj-(body|wrapper|section|group|column|hero|social|navbar)$/.test(name);
      if (closing && holds) depth -= 1;
      const line = closing && !holds ? all : `\n${"  ".repeat(depth + 1)}${all}`;
      if (!closing && holds) depth += 1;
      return line;
    });
  };
  const unpacked = (whole) => {
    const body = whole.slice(whole.indexOf("<mj-body"), whole.lastIndexOf("</mj-body>") + "</mj-body>".length);
    return `${opening}${head ? `\n  ${head}` : ""}${laidOut(body).replace(TAG, plain)}\n</mjml>\n`;
  };

  // ---- the editor -----------------------------------------------------------------------------
  const convert = (() => {
    const quiet = grapesjs.init({ headless: true, telemetry: false, storageManager: false, plugins: [window["grapesjs-mjml"].default ?? window["grapesjs-mjml"]] });
    return (mjml) => quiet.runCommand("mjml-code-to-html", { mjml });
  })();
  const withHead = (mjml) => (head && !mjml.includes("<mj-head") ? mjml.replace(/<mjml[^>]*>/, `$&${head}`) : mjml);

  const islands = ISLANDS.map((name) => (editor, { coreMjmlModel, coreMjmlView }) => {
    const inner = (model) => decodeURIComponent(model.get("attributes")["data-inner"] ?? "");
    const own = (model) => Object.entries(model.get("attributes")).filter(([key]) => key !== "data-inner" && key !== "id" && key !== "style");
    const code = (model) => {
      const attributes = own(model).map(([key, value]) => ` ${key}="${escaped(String(value))}"`).join("");
      return `<${name}${attributes}>${inner(model)}</${name}>`;
    };
    editor.Components.addType(name, {
      isComponent: (element) => (element.tagName ?? "").toLowerCase() === name,
      model: {
        ...coreMjmlModel,
        defaults: {
          name: words.names[name] ?? name,
          draggable: '[data-gjs-type="mj-body"], [data-gjs-type="mj-column"], [data-gjs-type="mj-hero"], [data-gjs-type="mj-wrapper"]',
          droppable: false,
          stylable: [],
          traits: [],
          "style-default": {},
        },
        toHTML() {
          return code(this);
        },
        // Its attributes are no styles.
        init() {},
      },
      view: {
        ...coreMjmlView,
        tagName: "section",
        init() {
          this.listenTo(this.model, "change:attributes", this.render);
        },
        render() {
          this.renderAttributes();
          const isRaw = name === "mj-raw";
          const tags = isRaw && inner(this.model).replace(TAG, "").trim() === "";
          const shell = isRaw ? ["", ""] : ["<mj-section><mj-column>", "</mj-column></mj-section>"];
          let html = "";
          if (!tags) {
            html = convert(withHead(`<mjml><mj-body>${shell[0]}${code(this.model)}${shell[1]}</mj-body></mjml>`)).html;
            html = html.slice(html.search(/<body[^>]*>/)).replace(/^<body[^>]*>/, "").replace(/<\/body>[\s\S]*$/, "");
          }
          this.el.className = "c-island";
          if (tags) {
            this.el.textContent = inner(this.model).trim();
            this.el.classList.add("is-tag");
          } else {
            this.el.innerHTML = html;
          }
          this.updateStatus?.();
          this.postRender?.();
          return this;
        },
        events: () => ({ dblclick: "open" }),
        open(event) {
          event.stopPropagation();
          openCode(editor, this.model);
        },
      },
    });
  });

  const openCode = (editor, model) => {
    const area = document.createElement("textarea");
    area.className = "code";
    area.spellcheck = false;
    area.value = decodeURIComponent(model.getAttributes()["data-inner"] ?? "");
    const done = document.createElement("button");
    done.type = "button";
    done.className = "tool wide";
    done.textContent = words.take;
    done.addEventListener("click", () => {
      model.setAttributes({ ...model.getAttributes(), "data-inner": encodeURIComponent(area.value) });
      editor.Modal.close();
    });
    const box = document.createElement("div");
    box.append(area, done);
    editor.Modal.open({ title: model.getName(), content: box });
    area.focus();
  };

  const number = (name, property) => ({ property, name: words.styles[name] ?? name });
  const sectors = [
    { name: words.sectors.text, open: true, properties: [
      { property: "color", type: "color", name: words.styles.color },
      number("font-size", "font-size"), number("font-weight", "font-weight"), number("line-height", "line-height"),
      { property: "align", type: "select", name: words.styles.align, options: ["left", "center", "right", "justify"].map((id) => ({ id, label: words.styles[id] })) },
      number("font-family", "font-family"),
    ] },
    { name: words.sectors.box, open: false, properties: [
      { property: "background-color", type: "color", name: words.styles["background-color"] },
      { property: "container-background-color", type: "color", name: words.styles["container-background-color"] },
      ...["width", "height", "padding", "padding-top", "padding-right", "padding-bottom", "padding-left", "border", "border-radius"].map((one) => number(one, one)),
      { property: "vertical-align", type: "select", name: words.styles["vertical-align"], options: ["top", "middle", "bottom"].map((id) => ({ id, label: words.styles[id] })) },
      { property: "background-url", name: words.styles["background-url"] },
    ] },
  ].map((sector) => ({ ...sector, properties: sector.properties.map((one) => ({ type: "base", ...one })) }));

  const editor = grapesjs.init({
    container: "#canvas",
    height: "100%",
    width: "auto",
    telemetry: false,
    storageManager: false,
    noticeOnUnload: false,
    showOffsets: false,
    cssIcons: "",
    avoidInlineStyle: false,
    panels: { defaults: [] },
    parser: { optionsHtml: { keepEmptyTextNodes: true } },
    blockManager: { appendTo: "#blocks" },
    layerManager: { appendTo: "#layers" },
    traitManager: { appendTo: "#traits" },
    styleManager: { appendTo: "#styles", sectors },
    deviceManager: { devices: [{ id: "Desktop", name: "Desktop", width: "" }, { id: "Phone", name: "Phone", width: "375px" }] },
    assetManager: { custom: { open: (props) => { wanted = props; say({ is: "pick" }); }, close: () => {} } },
    canvas: { frameStyle: "body { margin: 0 } .c-island { min-height: 22px; pointer-events: all } .c-island > * { pointer-events: none } .c-island.is-tag { font: 12px/22px monospace; padding: 2px 10px; background: #fdf0d5; color: #6a4100; text-align: center; overflow-wrap: anywhere } * ::-webkit-scrollbar { width: 8px }" },
    i18n: { locale: "en", detectLocale: false, messages: { en: words.grapes } },
    plugins: [window["grapesjs-mjml"].default ?? window["grapesjs-mjml"]],
    pluginsOpts: {
      [window["grapesjs-mjml"].default ?? window["grapesjs-mjml"]]: {
        blocks: [],
        resetStyleManager: false,
        resetDevices: false,
        useCustomTheme: false,
        columnsPadding: "",
        imagePlaceholderSrc: PICTURE,
        mjmlParser: (mjml) => convert(withHead(mjml)),
        customComponents: islands,
        i18n: { en: { "grapesjs-mjml": { components: { names: words.names } } } },
      },
    },
  });

  // What the plugin takes for given would hide what the head of a design says; and it quotes nothing.
  const TRAITS = {
    "mj-image": ["alt", "href", "src", "title"],
    "mj-button": ["href", "title"],
    link: ["href", "title"],
    "mj-section": [{ type: "checkbox", name: "full-width", valueTrue: "full-width", valueFalse: "" }, "css-class"],
    "mj-hero": ["background-url"],
  };
  const traits = (type) =>
    (TRAITS[type] ?? []).map((one) => (typeof one === "string" ? { name: one, label: words.traits[one] ?? one } : { ...one, label: words.traits[one.name] }));
  function toHTML(options) {
    const tag = this.get("tagName");
    const attributes = Object.entries(this.getAttrToHTML())
      .filter(([key, value]) => value !== undefined && value !== "" && !key.startsWith("data-gjs"))
      .map(([key, value]) => ` ${key}="${escaped(String(value))}"`)
      .join("");
    const inside = this.components().map((one) => one.toHTML(options)).join("");
    return `<${tag}${attributes}>${this.get("content") ?? ""}${inside}</${tag}>`;
  }
  const own = editor.Components.getTypes().map((type) => type.id).filter((id) => /^mj-/.test(id) && !ISLANDS.includes(id));
  for (const id of own) editor.Components.addType(id, { model: { defaults: { "style-default": {}, traits: traits(id) }, toHTML } });
  editor.Components.addType("link", { model: { defaults: { traits: traits("link") } } });

  // ---- blocks ---------------------------------------------------------------------------------
  const text = `<mj-text>${words.sample}</mj-text>`;
  const heading = (size) => `<mj-text font-size="${size}" font-weight="700" line-height="1.3">${words.heading}</mj-text>`;
  const picture = `<mj-image src="${PICTURE}" alt=""></mj-image>`;
  const press = (look = "") => `<mj-button href="https://www.example.com/" ${look}>${words.press}</mj-button>`;
  const section = (columns) => `<mj-section${ground ? ` background-color="${ground}"` : ""} padding="20px 24px">${columns}</mj-section>`;
  const SECTIONS = {
    column1: () => section(`<mj-column>${text}</mj-column>`),
    column2: () => section(`<mj-column>${text}</mj-column>`.repeat(2)),
    column3: () => section(`<mj-column>${text}</mj-column>`.repeat(3)),
    media: () => section(`<mj-column width="42%">${picture}</mj-column><mj-column width="58%">${heading("20px")}${text}</mj-column>`),
  };
  const drawn = (path) => `<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">${path}</svg>`;
  const addBlock = (id, icon, content, more = {}) =>
    editor.Blocks.add(id, { label: words.blocks[id] ?? more.label, media: drawn(icon), content, select: true, attributes: { title: words.blocks[id] ?? more.label ?? "" }, ...more });
  addBlock("column1", '<rect x="3" y="4" width="18" height="16" rx="1"/>', SECTIONS.column1());
  addBlock("column2", '<rect x="3" y="4" width="8" height="16" rx="1"/><rect x="13" y="4" width="8" height="16" rx="1"/>', SECTIONS.column2());
  addBlock("column3", '<rect x="2" y="4" width="5.5" height="16" rx="1"/><rect x="9.2" y="4" width="5.5" height="16" rx="1"/><rect x="16.5" y="4" width="5.5" height="16" rx="1"/>', SECTIONS.column3());
  addBlock("media", '<rect x="3" y="5" width="8" height="14" rx="1"/><path d="M14 8h7M14 12h7M14 16h4"/>', SECTIONS.media());
  addBlock("banner", '<rect x="2" y="5" width="20" height="14" rx="1"/><path d="M7 9.500h10"/><rect x="8.500" y="13" width="7" height="3.200" rx="1.600"/>', `<mj-section background-color="#0b6b74" padding="40px 24px"><mj-column><mj-text align="center" color="#ffffff" font-size="30px" font-weight="700" line-height="1.3">${words.heading}</mj-text>${press('background-color="#ffffff" color="#0b6b74"')}</mj-column></mj-section>`);
  addBlock("heading", '<path d="M6 5v14M18 5v14M6 12h12"/>', heading("24px"), { activate: true });
  addBlock("text", '<path d="M5 5h14M12 5v14M9 19h6"/>', text, { activate: true });
  addBlock("button", '<rect x="3" y="8" width="18" height="8" rx="3"/><path d="M8 12h8"/>', press());
  addBlock("image", '<rect x="3" y="5" width="18" height="14" rx="1"/><path d="M4 17l5-5 4 4 3-3 4 4"/><circle cx="15.5" cy="9" r="1.2"/>', picture, { activate: true });
  addBlock("navBar", '<path d="M3 12h4M10 12h4M17 12h4M3 8h18M3 16h18" />', `<mj-navbar>${`<mj-navbar-link href="https://www.example.com/">${words.names.navLink}</mj-navbar-link>`.repeat(3)}</mj-navbar>`);
  addBlock("divider", '<path d="M3 12h18"/>', '<mj-divider border-width="1px" border-color="#c3cdd1"></mj-divider>');
  addBlock("spacer", '<path d="M4 4h16M4 20h16M12 8v8M9.500 10.500L12 8l2.500 2.500M9.500 13.500L12 16l2.500-2.500"/>', '<mj-spacer height="24px"></mj-spacer>');
  addBlock("table", '<rect x="3" y="4" width="18" height="16" rx="1"/><path d="M3 10h18M3 15h18M11 4v16"/>', `<mj-table data-inner="${encodeURIComponent(`<tr><td style="padding:8px 0">${words.sample}</td><td style="padding:8px 0;text-align:right">1</td></tr>`)}"></mj-table>`);
  addBlock("raw", '<path d="M8 7l-5 5 5 5M16 7l5 5-5 5"/>', `<mj-raw data-inner="${encodeURIComponent("{# … #}")}"></mj-raw>`);
  const addFragments = (fragments) => {
    for (const one of fragments ?? []) {
      addBlock(`fragment-${one.name}`, '<path d="M4 7h6V4a2 2 0 1 1 4 0v3h6v6h-3a2 2 0 1 0 0 4h3v3H4z"/>', `<mj-raw data-inner="${encodeURIComponent(`{{ fragment("${one.name}") }}`)}"></mj-raw>`, { label: one.title, category: words.fragments });
    }
  };

  // ---- tools ----------------------------------------------------------------------------------
  const tools = {
    undo: () => editor.UndoManager.undo(),
    redo: () => editor.UndoManager.redo(),
    desktop: () => editor.setDevice("Desktop"),
    phone: () => editor.setDevice("Phone"),
    code: () => {
      const chosen = editor.getSelected();
      if (chosen && ISLANDS.includes(chosen.get("type"))) openCode(editor, chosen);
    },
    remove: () => editor.getSelected()?.get("removable") && editor.getSelected().remove(),
    copy: () => {
      const chosen = editor.getSelected();
      if (chosen?.get("copyable")) chosen.parent().append(chosen.clone(), { at: chosen.index() + 1 });
    },
    up: () => shift(-1),
    down: () => shift(1),
  };
  const shift = (by) => {
    const chosen = editor.getSelected();
    const among = chosen?.parent()?.components();
    const to = chosen ? chosen.index() + by : -1;
    if (!among || to < 0 || to >= among.length) return;
    chosen.move(chosen.parent(), { at: by > 0 ? to + 1 : to });
    editor.select(chosen);
  };
  document.addEventListener("click", (event) => {
    const tool = event.target.closest("[data-tool]");
    if (tool) tools[tool.dataset.tool]();
    const tab = event.target.closest("[data-tab]");
    if (!tab) return;
    for (const one of document.querySelectorAll("[data-tab]")) one.setAttribute("aria-pressed", String(one === tab));
    for (const one of document.querySelectorAll("[data-pane]")) one.hidden = one.dataset.pane !== tab.dataset.tab;
  });
  // A block is put in by a press or by the keyboard too: behind what is chosen, where it may stand, or else
  // before the way out, with which a mail ends.
  const place = (block) => {
    const content = block.get("content");
    const body = editor.getWrapper().findType("mj-body")[0];
    const isWhole = /^\s*<mj-(section|wrapper|hero|raw)/.test(content);
    let at = editor.getSelected();
    const fits = (one) => (isWhole ? one?.parent() === body : ["mj-column", "mj-hero"].includes(one?.parent()?.get("type")));
    while (at && !fits(at)) at = at.parent();
    const wayOut = body.components().filter((one) => one.toHTML().includes("unsubscribe_url")).at(-1);
    const put = at
      ? at.parent().append(content, { at: at.index() + 1 })
      : body.append(isWhole ? content : section(`<mj-column>${content}</mj-column>`), { at: wayOut?.index() });
    editor.select(put[0]);
    editor.Canvas.scrollTo(put[0], { behavior: "smooth", block: "nearest" });
  };
  const reachable = () => {
    for (const element of document.querySelectorAll("#blocks .gjs-block")) {
      element.tabIndex = 0;
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", element.textContent.trim());
    }
  };
  const placed = (element) => {
    const index = [...document.querySelectorAll("#blocks .gjs-block")].indexOf(element);
    const label = element.textContent.trim();
    const block = editor.Blocks.getAll().find((one) => one.get("label") === label) ?? editor.Blocks.getAll().at(index);
    if (block) place(block);
  };
  document.getElementById("blocks").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    placed(event.target.closest(".gjs-block"));
  });
  document.getElementById("blocks").addEventListener("dblclick", (event) => {
    const element = event.target.closest(".gjs-block");
    if (element) placed(element);
  });

  // ---- to and from the page around ------------------------------------------------------------
  const design = () => unpacked(editor.getHtml());
  let timer = null;
  let known = null; // what the page around holds; drawing alone changes nothing
  const changed = () => {
    clearTimeout(timer);
    timer = null;
    if (isLoading || known === null) return null;
    const mjml = design();
    if (mjml === known) return null;
    known = mjml;
    return mjml;
  };
  const tell = () => {
    const mjml = changed();
    if (mjml !== null) say({ is: "change", mjml });
  };
  const soon = () => {
    if (isLoading) return;
    clearTimeout(timer);
    timer = setTimeout(tell, 200);
  };
  for (const event of ["component:add", "component:remove", "component:update", "component:drag:end", "undo", "redo", "rte:disable"]) {
    editor.on(event, soon);
  }
  // What is typed stands in the element alone until the text is left.
  const settle = async () => {
    const view = editor.getEditing()?.view;
    if (view?.syncContent) await view.syncContent({ force: true });
  };
  window.carillonDesigner = {
    peek: () => design(),
    flush: async () => {
      await settle();
      return changed();
    },
  };
  addEventListener("blur", () => settle().then(tell));

  const isOfBody = (one) => one?.parent() === editor.getWrapper().findType("mj-body")[0];
  const tagged = (tag) => `<mj-raw data-inner="${encodeURIComponent(tag)}"></mj-raw>`;
  // Around the section that is chosen, into the text that is written, or behind what a text or button says.
  const insert = ({ before, after }) => {
    const view = editor.getEditing()?.view;
    const section = view ? null : editor.getSelected();
    if (after && isOfBody(section)) {
      const at = section.index();
      section.parent().append(tagged("{% endif %}"), { at: at + 1 });
      section.parent().append(tagged(before), { at });
      tell();
      return;
    }
    const what = before + after;
    const frame = editor.Canvas.getDocument();
    if (view) {
      view.el.ownerDocument.defaultView.focus();
      frame.execCommand("insertText", false, what);
      settle().then(tell);
      return;
    }
    const chosen = editor.getSelected();
    const target = chosen && (chosen.is("mj-text") || chosen.is("mj-button")) ? chosen : editor.getWrapper().findType("mj-text")[0];
    if (target) target.append(escaped(` ${what}`));
    tell();
  };

  const load = ({ mjml, fragments }) => {
    isLoading = true;
    known = null;
    addFragments(fragments);
    const body = packed(mjml);
    document.body.classList.toggle("is-unreadable", body === null);
    if (body === null) return;
    ground = /<mj-section\b[^>]*\bbackground-color="(#\w+)"/.exec(body)?.[1] ?? "";
    for (const [id, content] of Object.entries(SECTIONS)) editor.Blocks.get(id).set("content", content());
    editor.setComponents(`<mjml>${body}</mjml>`);
    editor.UndoManager.clear();
    reachable();
    const styles = [...head.matchAll(/<mj-style\b[^>]*>([\s\S]*?)<\/mj-style>/g)].map((one) => one[1]).join("\n");
    if (styles) editor.Canvas.getDocument().head.append(Object.assign(editor.Canvas.getDocument().createElement("style"), { textContent: styles }));
    setTimeout(() => {
      isLoading = false;
      known = design();
      say({ is: "loaded" });
    }, 50);
  };
  addEventListener("message", (event) => {
    if (event.origin !== location.origin || event.source !== parent) return;
    if (event.data.is === "load") load(event.data);
    if (event.data.is === "insert") insert(event.data);
    if (event.data.is === "image") {
      const target = wanted?.options?.target ?? editor.getSelected();
      if (target?.is?.("mj-image")) {
        target.set("src", event.data.src); // what it is drawn from; the attribute is what is written
        target.addAttributes({ src: event.data.src, alt: event.data.alt });
      } else wanted?.select?.({ src: event.data.src, getSrc: () => event.data.src, get: (name) => event.data[name] }, true);
      wanted = null;
      soon();
    }
  });
  editor.onReady(() => {
    reachable();
    say({ is: "ready" });
  });
  if (parent === window) load({ mjml: document.body.dataset.blank });
})();
