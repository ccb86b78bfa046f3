// The editor of templates: improves a page that works without it. The words are always in the form's
// own fields; what is shown beside them comes from the server, which alone can render and check.
(() => {
  "use strict";
  const form = document.querySelector("form[data-studio]");
  if (!form) return;
  const isArchived = "archived" in form.dataset;
  const say = (text) => { const live = document.getElementById("live"); if (live) live.textContent = text; };
  const field = (name) => form.elements.namedItem(name);

  // -- what is typed --
  const ASIDE = new Set(["csrf_token", "base", "newest", "language", "part", "width", "scheme", "pictures", "sample", "to", "send_nonce", "note", "do"]);
  const snapshot = () => JSON.stringify([...new FormData(form)].filter(([name, text]) => !ASIDE.has(name) && !(name.startsWith("var-") && isOfBlankRow(name)) && typeof text === "string"));
  const isOfBlankRow = (name) => {
    const row = name.split("-", 2).join("-");
    return ["name", "example", "description"].every((part) => !(field(`${row}-${part}`) || {}).value);
  };
  let saved = null; // set once the page is put together
  let isLeaving = false;
  let isDirty = "dirty" in form.dataset;

  const showState = () => {
    form.querySelector("[data-saved]")?.toggleAttribute("hidden", isDirty);
    form.querySelector("[data-not-saved]")?.toggleAttribute("hidden", !isDirty);
    form.querySelector("[data-save]")?.classList.toggle("primary", isDirty || !form.querySelector("[data-publish]"));
    const publish = form.querySelector("[data-publish]");
    if (publish) { publish.disabled = isDirty; publish.classList.toggle("primary", !isDirty); }
  };
  const touched = () => {
    const now = snapshot();
    isDirty = "dirty" in form.dataset || now !== saved;
    showState();
    keep(now);
  };

  // -- unsaved words: kept in this browser by template, version and language --
  const PREFIX = "senderkit-draft:";
  const KEPT_DAYS = 30;
  const key = `${PREFIX}${form.dataset.studio}:${field("base").value}:${field("language").value}`;
  const store = (work) => { try { return work(localStorage); } catch { return null; } }; // it may be full or forbidden
  const bar = document.querySelector("[data-draft-bar]");
  const keep = (now) => {
    if (isArchived || !bar.hidden) return; // what was kept before waits for a decision
    if (isDirty) store((kept) => kept.setItem(key, JSON.stringify({ at: Date.now(), words: now })));
    else store((kept) => kept.removeItem(key));
  };
  const findKept = () => {
    try { return JSON.parse(store((kept) => kept.getItem(key))); } catch { return null; }
  };
  const forgetOld = () => store((kept) => {
    for (const name of Object.keys(kept).filter((each) => each.startsWith(PREFIX))) {
      let at = 0;
      try { at = JSON.parse(kept.getItem(name)).at; } catch { /* not ours any more */ }
      if (!(Date.now() - at < KEPT_DAYS * 86400000)) kept.removeItem(name);
    }
  });
  // The save went well when the page that follows it has another version in the editor.
  const SAVING = "senderkit-saving";
  const noteSaving = () => { try { sessionStorage.setItem(SAVING, key); } catch { /* the draft then stays */ } };
  const forgetSaved = () => {
    let before = null;
    try { before = sessionStorage.getItem(SAVING); sessionStorage.removeItem(SAVING); } catch { return; }
    if (before && before !== key && !("dirty" in form.dataset)) store((kept) => kept.removeItem(before));
  };
  const offerKept = () => {
    const found = findKept();
    if (isArchived || !found || found.words === snapshot()) return;
    const then = new Date(found.at);
    const isToday = then.toDateString() === new Date().toDateString();
    const shown = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
    bar.querySelector("[data-draft-time]").textContent = new Intl.DateTimeFormat(undefined, shown).format(then);
    bar.hidden = false;
    bar.querySelector("[data-draft-restore]").onclick = () => { bar.hidden = true; restore(JSON.parse(found.words)); };
    bar.querySelector("[data-draft-discard]").onclick = () => { bar.hidden = true; store((kept) => kept.removeItem(key)); touched(); say("Discarded"); };
  };
  const restore = (words) => {
    const wanted = new Map(words);
    for (const row of [...rows()]) if (!wanted.has(`var-${row.dataset.row}-name`)) dropRow(row);
    for (const name of wanted.keys()) {
      const index = (name.match(/^var-(\d+)-name$/) || [])[1];
      if (index && !field(name)) addRow(index);
    }
    for (const input of form.querySelectorAll("[name$='-required']")) input.checked = wanted.has(input.name);
    for (const [name, text] of words) setField(name, text);
    touched();
    refresh();
    say("Restored");
  };
  const setField = (name, text) => {
    const input = field(name);
    if (!input || input.type === "checkbox") return;
    const value = text.replace(/\r\n/g, "\n");
    if (editors.has(name)) editors.get(name).setText(value);
    else input.value = value;
  };

  // -- the code editor in the place of textareas --
  const editors = new Map();
  const examples = (text) => {
    try { const value = JSON.parse(text); return Object.keys((Array.isArray(value) ? value[0] : value) || {}); } catch { return []; }
  };
  const names = () => {
    const variables = [];
    for (const row of rows()) {
      const part = (name) => row.querySelector(`[name$='-${name}']`).value;
      if (!part("name")) continue;
      variables.push({ name: part("name"), type: part("type"), about: part("description") });
      if (part("type") === "array" || part("type") === "object") variables.push(...examples(part("example")).map((name) => ({ name, type: `in ${part("name")}` })));
    }
    const first = new Map(variables.map((each) => [each.name, each]).reverse());
    return { variables: [...first.values()].reverse(), blocks: form.dataset.blocks.split(" ").filter(Boolean) };
  };
  const mount = (area) => {
    const label = form.querySelector(`label[for="${area.id}"]`);
    const parent = document.createElement("div");
    parent.className = `code-editor ${area.dataset.code}`;
    if (area.getAttribute("aria-invalid")) parent.classList.add("invalid");
    area.after(parent);
    const editor = window.SenderKitEditor.create({
      parent, text: area.value, nonce: form.dataset.styleNonce, label: label.textContent.trim(), isReadOnly: isArchived,
      describedBy: area.getAttribute("aria-describedby"), isCode: area.dataset.code === "html", placeholder: area.placeholder, names,
      onChange: (text) => { area.value = text; area.dispatchEvent(new Event("input", { bubbles: true })); },
    });
    area.hidden = true;
    label.addEventListener("click", (event) => { event.preventDefault(); editor.focus(); });
    editors.set(area.name, editor);
  };

  // -- what follows the typing --
  const post = (url, more = {}) => {
    const data = new URLSearchParams(new FormData(form));
    for (const [name, value] of Object.entries(more)) data.set(name, value);
    return fetch(url, { method: "POST", body: data, credentials: "same-origin" });
  };
  const exchange = (page, ids) => {
    for (const id of ids) {
      const [now, next] = [document.getElementById(id), page.getElementById(id)];
      if (now && next && now.outerHTML !== next.outerHTML) now.replaceWith(document.importNode(next, true));
    }
    showMarks();
  };
  const LIVE = ["live-head", "live-missing", "live-checks", "live-undeclared"];
  let asked = 0;
  const refresh = async () => {
    const number = ++asked;
    try {
      const answer = await post(form.dataset.looks);
      const text = await answer.text();
      if (number !== asked) return;
      const page = new DOMParser().parseFromString(text, "text/html");
      if (!page.getElementById("live-checks")) throw new Error(answer.status === 413 ? "It is too much to be shown at once." : "Reload the page: your words are kept in this browser.");
      exchange(page, LIVE);
      const isFaulty = document.querySelector("#live-head > .box") !== null;
      box?.classList.toggle("stale", isFaulty); // the last one that could be rendered
      if (!isFaulty) showFrame();
    } catch (error) {
      if (number === asked) showFault(error instanceof TypeError ? "The server cannot be reached. Your words are kept in this browser." : error.message);
    }
  };
  const showFault = (words) => {
    const box = document.createElement("div");
    box.className = "box red";
    const title = document.createElement("b");
    title.textContent = "The preview cannot follow";
    const text = document.createElement("p");
    text.textContent = words;
    box.append(title, text);
    document.getElementById("live-head").replaceChildren(box);
  };
  let waiting = 0;
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(refresh, 400); };

  // Each answer gets a frame of its own: no flicker, and nothing in the history of the window.
  const box = form.querySelector("[data-frame-box]");
  let frames = 0;
  const showFrame = () => {
    if (!box) return;
    const next = document.createElement("iframe");
    next.setAttribute("sandbox", "");
    next.name = `preview-${++frames}`;
    next.title = "The email as it would arrive";
    next.className = "waiting";
    box.append(next);
    const carrier = document.createElement("form");
    Object.assign(carrier, { method: "post", action: form.dataset.frame, target: next.name, hidden: true });
    for (const [name, value] of new FormData(form)) {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name, value });
      carrier.append(input);
    }
    document.body.append(carrier);
    carrier.submit();
    carrier.remove();
    next.addEventListener("load", () => {
      for (const frame of [...box.querySelectorAll("iframe")]) {
        if (frame === next) break;
        frame.remove();
      }
      next.classList.remove("waiting");
      fit();
    });
  };
  const WIDTHS = { desktop: 680, phone: 375 };
  const fit = () => {
    if (!box || !box.clientWidth) return;
    const isPlain = field("part").value !== "html";
    const width = WIDTHS[field("width").value];
    for (const frame of box.querySelectorAll("iframe")) {
      const scale = isPlain ? 1 : Math.min(1, box.clientWidth / width);
      const isWide = isPlain || field("width").value === "desktop";
      frame.style.width = `${isWide ? Math.max(box.clientWidth / scale, 0) : width}px`;
      frame.style.height = `${box.clientHeight / scale}px`;
      frame.style.left = isWide ? "0" : `${Math.max(0, (box.clientWidth - width * scale) / 2)}px`;
      frame.style.transform = scale < 1 ? `scale(${scale})` : "";
    }
  };

  const showMarks = () => {
    const marks = new Map([...editors.keys()].map((name) => [name, []]));
    for (const each of form.querySelectorAll("[data-field][data-line]")) {
      const found = each.dataset;
      marks.get(found.field)?.push({ line: Number(found.line), column: Number(found.column), level: found.level, message: found.message });
    }
    for (const [name, editor] of editors) editor.setMarks(marks.get(name));
  };
  const goTo = (link) => {
    const name = link.hash.slice(3);
    const { line = "1", column = "1" } = (link.closest("[data-field]") || { dataset: {} }).dataset;
    if (editors.has(name)) editors.get(name).goTo(Number(line), Number(column));
    else if (field(name)?.setSelectionRange) {
      const start = field(name).value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + Number(column) - 1;
      field(name).focus();
      field(name).setSelectionRange(start, start);
    } else return false;
    return true;
  };

  // -- rows of variables --
  const list = () => form.querySelector(".vars");
  const rows = () => list().children;
  const isBlank = (row) => ["name", "example", "description"].every((part) => !row.querySelector(`[name$='-${part}']`).value);
  const addRow = (index = Math.max(-1, ...[...rows()].map((row) => Number(row.dataset.row))) + 1) => {
    const row = rows()[rows().length - 1].cloneNode(true);
    for (const error of row.querySelectorAll(".field-error")) error.remove();
    for (const input of row.querySelectorAll("[name]")) {
      const name = `var-${index}-${input.name.split("-")[2]}`;
      Object.assign(input, { name, id: `f-${name}` });
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-describedby");
      if (input.type === "checkbox") input.checked = false;
      else if (input.tagName === "SELECT") input.selectedIndex = 0;
      else input.value = "";
    }
    row.dataset.row = index;
    list().append(row);
    number();
    return row;
  };
  const dropRow = (row) => {
    if (rows().length > 1) row.remove();
    else for (const input of row.querySelectorAll("input:not([type=checkbox]), textarea")) input.value = "";
    number();
  };
  const number = () => [...rows()].forEach((row, i) => {
    row.setAttribute("aria-label", `Variable ${i + 1}`);
    row.querySelector("[data-remove-row]").setAttribute("aria-label", `Remove variable ${i + 1}`);
  });
  const addVariable = () => {
    const last = rows()[rows().length - 1];
    (isBlank(last) ? last : addRow()).querySelector("[name$='-name']").focus();
  };

  // -- buttons that change a part of the page --
  const press = async (button) => {
    button.setAttribute("aria-busy", "true");
    const id = button.dataset.swap;
    try {
      const answer = await post(button.formAction, { do: button.value });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!page.getElementById(id)) throw new Error("another page");
      const isOpen = document.querySelector(`#${id} details`)?.open;
      exchange(page, [id, ...LIVE]);
      const details = document.querySelector(`#${id} details`);
      if (details && isOpen) details.open = true;
      const told = page.querySelector("#studio-note, .test-sent, [data-error-summary]");
      say(told ? told.textContent.trim().replace(/\s+/g, " ") : "Done");
      (document.querySelector(`#${id} [aria-invalid], #${id} .test-sent a`) || document.querySelector(`#${id} button[name=do], #${id} summary`))?.focus();
      touched();
    } catch {
      isLeaving = true;
      button.removeAttribute("data-swap");
      form.requestSubmit(button);
    }
    button.removeAttribute("aria-busy");
  };

  form.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const button = target?.closest("button");
    if (!button) return;
    if ("removeRow" in button.dataset) { dropRow(button.closest(".var")); touched(); soon(); addFocus(); }
    else if (button.value === "rows") { event.preventDefault(); addVariable(); }
    else if (button.dataset.swap) { event.preventDefault(); press(button); }
  });
  const addFocus = () => form.querySelector("#variables button[name=do][value=rows]")?.focus();
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[href^='#f-']");
    if (link && goTo(link)) event.preventDefault();
  });
  form.addEventListener("input", (event) => {
    const name = event.target.name || "";
    if (name === "width") fit();
    else if (name && name !== "note" && name !== "to") { touched(); soon(); }
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.name !== "to") return;
    event.preventDefault();
    form.querySelector("#test-send button[name=do]").click();
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "s") return;
    event.preventDefault();
    const save = form.querySelector("[data-save]");
    if (save) form.requestSubmit(save);
  });
  form.addEventListener("submit", (event) => {
    isLeaving = true;
    if (!event.submitter || event.submitter.name !== "do") noteSaving();
  });
  addEventListener("beforeunload", (event) => { if (isDirty && !isLeaving) event.preventDefault(); });
  addEventListener("pageshow", () => { isLeaving = false; });

  // -- put together --
  const nameLanguages = () => {
    const words = new Intl.DisplayNames(["en"], { type: "language" });
    for (const each of document.querySelectorAll("[data-language]")) {
      const tag = each.dataset.language;
      let name = "";
      try { name = tag && words.of(tag); } catch { /* no tag that the browser knows */ }
      if (name && name.toLowerCase() !== tag) each.textContent = `${name} (${tag})`;
    }
  };
  nameLanguages();
  if (window.SenderKitEditor) for (const area of form.querySelectorAll("textarea[data-code]")) mount(area);
  saved = snapshot();
  showState();
  showMarks();
  forgetSaved();
  forgetOld();
  offerKept();
  if (isDirty) { touched(); refresh(); }
  if (box) {
    new ResizeObserver(fit).observe(box);
    fit();
  }
  document.documentElement.classList.add("studio-ready");
})();
