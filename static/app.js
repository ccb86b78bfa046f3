// Improves pages that already work without it. Loaded in <head> without defer, so that the
// theme is set before the first paint; everything else waits for the document.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  // -- theme: "light", "dark" or nothing for the system's --
  const remembered = () => {
    try { return localStorage.getItem("theme"); } catch { return null; } // storage may be forbidden
  };
  const remember = (theme) => {
    try {
      if (theme) localStorage.setItem("theme", theme);
      else localStorage.removeItem("theme");
    } catch { /* the choice then lasts for this page only */ }
  };
  const showTheme = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === (root.dataset.theme || "")));
    }
  };
  showTheme(remembered());
  addEventListener("storage", (event) => { if (event.key === "theme") showTheme(event.newValue); });

  // -- times: the viewer's zone in the text, exact UTC stays in the title --
  const language = (navigator.language || "").startsWith("en") ? navigator.language : "en-GB";
  const exactTime = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  const dayThisYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
  const dayAnyYear = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
  const relative = (then) => {
    const seconds = Math.round((Date.now() - then) / 1000);
    const size = Math.abs(seconds);
    const say = (count, unit) => {
      const words = `${count} ${unit}${unit === "min" || unit === "h" || count === 1 ? "" : "s"}`;
      return seconds < 0 ? `in ${words}` : `${words} ago`;
    };
    if (size < 45) return seconds < 0 ? "in a moment" : "just now";
    if (size < 3600) return say(Math.max(1, Math.round(size / 60)), "min");
    if (size < 86400) return say(Math.round(size / 3600), "h");
    if (size < 7 * 86400) return say(Math.round(size / 86400), "day");
    return (then.getFullYear() === new Date().getFullYear() ? dayThisYear : dayAnyYear).format(then);
  };
  const showTimes = (within = document) => {
    for (const element of within.querySelectorAll("time[datetime]")) {
      const then = new Date(element.dateTime);
      if (Number.isNaN(then.getTime())) continue;
      const text = element.dataset.format === "exact" ? exactTime.format(then) : relative(then);
      if (element.textContent !== text) element.textContent = text;
    }
  };

  // -- copy: [data-copy] holds the id of the element whose text is copied --
  const say = (text) => { const live = document.getElementById("live"); if (live) live.textContent = text; };
  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    const label = button.querySelector("[data-copy-label]");
    const before = label && label.textContent;
    try {
      await copyText(source);
    } catch {
      getSelection().selectAllChildren(source);
      say("Could not copy. The text is selected: press Ctrl+C or ⌘C.");
      return;
    }
    say("Copied");
    button.classList.add("done");
    if (label) label.textContent = "Copied";
    setTimeout(() => {
      button.classList.remove("done");
      if (label) label.textContent = before;
    }, 1600);
  };
  const copyText = async (source) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(source.textContent);
    // Plain http on another host has no clipboard API.
    getSelection().selectAllChildren(source);
    if (!document.execCommand("copy")) throw new Error("copy refused");
    getSelection().removeAllRanges();
  };

  // -- confirmations: a link to a page with [data-confirm-part] opens that part in a dialog --
  const openInDialog = async (link) => {
    const answer = await fetch(link.href, { credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = answer.ok && page.querySelector("[data-confirm-part]");
    if (!part) throw new Error("nothing to confirm");
    const dialog = document.createElement("dialog");
    const heading = part.querySelector("h1");
    if (heading) { heading.id = "confirm-title"; dialog.setAttribute("aria-labelledby", heading.id); }
    dialog.append(document.importNode(part, true));
    for (const form of dialog.querySelectorAll("form")) {
      if (!form.getAttribute("action")) form.action = link.href;
    }
    for (const close of dialog.querySelectorAll("[data-close]")) {
      close.addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
    }
    dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
    document.body.append(dialog);
    showTimes(dialog);
    dialog.showModal();
  };

  // -- secrets: gone from the page when it is left, so that the back button cannot show them --
  const clearSecrets = () => {
    for (const box of document.querySelectorAll("[data-secret]")) {
      box.textContent = box.dataset.secret;
      box.removeAttribute("data-secret");
    }
  };

  // -- keyboard --
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  let pressedG = -Infinity;
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape") {
      for (const menu of document.querySelectorAll("details[data-menu][open]")) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
      return;
    }
    if (!(event.target instanceof Element) || typing(event.target) || document.querySelector("dialog[open]")) return;
    const afterG = event.timeStamp - pressedG < 1200;
    pressedG = -Infinity;
    if (afterG) {
      const place = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (place) { event.preventDefault(); place.click(); }
    } else if (event.key === "g") {
      pressedG = event.timeStamp;
    } else if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "?") {
      showShortcuts();
    }
  };
  const showShortcuts = () => {
    const dialog = document.getElementById("shortcuts");
    if (dialog) dialog.showModal();
  };

  const togglePassword = (button) => {
    const input = document.getElementById(button.dataset.reveal);
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.textContent = shown ? "Show" : "Hide";
    button.setAttribute("aria-pressed", String(!shown));
  };

  const onClick = (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(target)) menu.open = false;
    }
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    const button = target.closest("[data-copy], [data-reveal], [data-theme-choice], [data-shortcuts], a[data-dialog]");
    if (!button || !plain) return;
    if (button.dataset.copy) copy(button);
    else if (button.dataset.reveal) togglePassword(button);
    else if ("themeChoice" in button.dataset) { remember(button.dataset.themeChoice); showTheme(button.dataset.themeChoice); }
    else if ("shortcuts" in button.dataset) showShortcuts();
    else {
      event.preventDefault();
      openInDialog(button).catch(() => { location.href = button.href; });
    }
  };

  // One press, one post: the second is dropped while the first is under way.
  const onSubmit = (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented || isPreview(event)) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    if (event.submitter) event.submitter.setAttribute("aria-busy", "true");
  };
  const onShow = (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const busy of document.querySelectorAll("[aria-busy]")) busy.removeAttribute("aria-busy");
    showTimes();
  };

  // -- a live list: [data-live] holds the address of its changes. Rows change in place; new ones come
  // in at the top while nobody is busy there, and wait behind a bar otherwise. --
  const MOST_ROWS = 200;
  const followList = (place) => {
    const table = document.querySelector("table.table");
    const body = table && table.tBodies[0];
    const bar = place.firstElementChild;
    const isNewest = !("deep" in place.dataset);
    const waiting = new Map();
    const address = new URL(place.dataset.live, location.href);
    let source = null;
    let timer = 0;

    const isFull = () => body.rows.length + waiting.size >= MOST_ROWS;
    const isBusy = () => scrollY > 120 || table.matches(":hover") || table.contains(document.activeElement);
    const parsed = (html) => {
      const inert = document.createElement("template");
      inert.innerHTML = html;
      showTimes(inert.content);
      return inert.content.querySelector("tr");
    };
    const replace = (old, row) => {
      const hadFocus = old.contains(document.activeElement);
      old.replaceWith(row);
      if (hadFocus) row.querySelector("a").focus();
    };
    // A row that belongs to an older page of the list is none of this page's.
    const belongs = (row) => {
      const last = body && body.rows[body.rows.length - 1];
      return isNewest && !(last && "more" in place.dataset && row.dataset.at < last.dataset.at);
    };
    const insert = () => {
      const count = waiting.size;
      for (const row of waiting.values()) {
        const older = [...body.rows].find((other) => other.dataset.at < row.dataset.at);
        body.insertBefore(row, older || null);
      }
      waiting.clear();
      const shown = document.querySelector(".pager > span");
      if (shown) shown.textContent = `${body.rows.length}${"more" in place.dataset ? "+" : ""} messages`;
      say(count === 1 ? "A new message is listed." : `${count} new messages are listed.`);
    };
    const settle = () => {
      if (waiting.size && body && !isFull() && !isBusy()) insert();
      const words = `${waiting.size > 99 ? "99+" : waiting.size} new message${waiting.size === 1 ? "" : "s"}`;
      if (waiting.size && bar.hidden) say(`${words}.`);
      if (waiting.size) bar.lastElementChild.textContent = `Show ${words}`;
      bar.hidden = !waiting.size;
    };
    const soon = () => { clearTimeout(timer); timer = setTimeout(settle, 150); };

    const take = (event) => {
      address.searchParams.set("seen", event.lastEventId);
      const { fits, row: html } = JSON.parse(event.data);
      const row = parsed(html);
      const shown = body && body.querySelector(`tr[data-id="${CSS.escape(row.dataset.id)}"]`);
      if (shown) replace(shown, row);
      else if (!fits) waiting.delete(row.dataset.id);
      else if (waiting.has(row.dataset.id) || (belongs(row) && waiting.size < MOST_ROWS)) waiting.set(row.dataset.id, row);
      soon();
    };
    // A browser opens only a few connections to one server: a tab that nobody sees keeps none.
    const open = () => {
      if (source || document.hidden) return;
      source = new EventSource(address);
      source.addEventListener("message", take);
      source.addEventListener("ready", (event) => address.searchParams.set("seen", event.lastEventId));
    };
    const close = () => { if (source) source.close(); source = null; };

    bar.addEventListener("click", (event) => {
      if (!body || isFull() || event.ctrlKey || event.metaKey || event.shiftKey) return; // the link leads there
      event.preventDefault();
      insert();
      settle();
      scrollTo({ top: 0 });
    });
    if (table) table.addEventListener("pointerleave", soon);
    addEventListener("scroll", () => { if (waiting.size) soon(); }, { passive: true });
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
    addEventListener("pagehide", close);
    addEventListener("pageshow", open);
    open();
  };

  // -- previews: a form [data-preview] posts itself into its frame while somebody types --
  const isPreview = (event) => Boolean(event.submitter && event.submitter.formTarget);
  let previews = 0;
  // Each goes into a frame of its own, so that the back button leaves the page, and takes the place
  // of the one before when it is there.
  const showPreview = (form) => {
    const button = [...form.elements].find((element) => element.formTarget);
    const shown = document.querySelector(`iframe[name="${button.formTarget}"]`);
    const next = shown.cloneNode();
    next.removeAttribute("src");
    next.name = button.formTarget = `preview-${++previews}`;
    next.classList.add("arriving");
    shown.after(next);
    next.addEventListener("load", () => {
      while (next.previousElementSibling instanceof HTMLIFrameElement) next.previousElementSibling.remove();
      next.classList.remove("arriving");
    });
    form.requestSubmit(button);
  };
  // [data-fresh] is the address of what stands in an element, for the form as it is filled in now.
  const freshen = async (part, form) => {
    const answer = await fetch(part.dataset.fresh, { method: "POST", body: new FormData(form), credentials: "same-origin" });
    if (!answer.ok) return; // what is being typed is not whole yet
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    part.replaceChildren(...page.body.childNodes);
  };
  const watchPreview = (form) => {
    const refresh = () => {
      showPreview(form);
      for (const part of document.querySelectorAll("[data-fresh]")) freshen(part, form).catch(() => { /* stays as it is */ });
    };
    let waiting;
    // On the document: fields may stand outside of their form, beside the frame.
    document.addEventListener("input", (event) => {
      if (event.target.form !== form) return;
      clearTimeout(waiting);
      waiting = setTimeout(refresh, 300);
    });
    if (form.dataset.preview === "now") showPreview(form);
  };

  // A colour can be picked as well as typed: [data-picks] is the id of the text field.
  const joinPicker = (picker) => {
    const field = document.getElementById(picker.dataset.picks);
    picker.addEventListener("input", () => { field.value = picker.value; });
    field.addEventListener("input", () => {
      if (/^#[0-9a-f]{6}$/i.test(field.value)) picker.value = field.value;
    });
  };

  addEventListener("pagehide", clearSecrets);
  addEventListener("pageshow", onShow);
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("DOMContentLoaded", () => {
    showTheme(remembered());
    showTimes();
    setInterval(showTimes, 30000);
    for (const place of document.querySelectorAll("[data-live]")) followList(place);
    for (const picker of document.querySelectorAll("[data-picks]")) joinPicker(picker);
    for (const form of document.querySelectorAll("form[data-preview]")) watchPreview(form);
    const summary = document.querySelector("[data-error-summary], [data-secret]");
    if (summary) summary.focus();
  });
})();
