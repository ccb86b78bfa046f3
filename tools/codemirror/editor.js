// The code editor of the dashboard: HTML or plain words with Mustache tags in them. What is built of
// it is committed under static/vendor; static/studio.js puts it in the place of a textarea.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { html } from "@codemirror/lang-html";
import { HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { Decoration, EditorView, MatchDecorator, ViewPlugin, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, placeholder as shownWhenEmpty } from "@codemirror/view";
import { tags } from "@lezer/highlight";

// -- Mustache --
const KINDS = { "#": "section", "^": "section", "/": "section", ">": "block", "!": "comment", "{": "raw", "&": "raw" };
const matcher = new MatchDecorator({
  regexp: /\{\{\{[^{}]{0,240}\}\}\}|\{\{[^{}]{0,240}\}\}/g,
  decoration: (found) => Decoration.mark({ class: `cm-tag-${KINDS[found[0][2]] || "name"}` }),
});
const mustache = ViewPlugin.fromClass(
  class {
    constructor(view) { this.decorations = matcher.createDeco(view); }
    update(update) { this.decorations = matcher.updateDeco(update, this.decorations); }
  },
  { decorations: (plugin) => plugin.decorations },
);

// `names()` gives { variables: [{ name, type, about }], blocks: [name] } as they are at the moment.
const completeTags = (names) => (context) => {
  const before = context.matchBefore(/\{\{\{?[#^&>/]?\s?[^\s{}]{0,200}$/);
  if (!before) return null;
  const [opened, sigil] = before.text.match(/^\{\{\{?([#^&>/]?)\s?/);
  const { variables, blocks } = names();
  const closing = before.text.startsWith("{{{") ? "}}}" : "}}";
  const apply = (view, completion, from, to) => {
    const rest = view.state.sliceDoc(to, to + closing.length);
    const there = [...closing].findIndex((_, i) => rest[i] !== "}");
    const had = there < 0 ? closing.length : there;
    const text = completion.label + closing.slice(had);
    view.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + completion.label.length + closing.length } });
  };
  const offered = sigil === ">" ? [] : variables.map((variable) => (
    { label: variable.name, type: "variable", detail: variable.type, info: variable.about || undefined, apply }));
  if (sigil === ">") offered.push(...blocks.map((name) => ({ label: name, type: "class", detail: "block", apply })));
  else if (!sigil) offered.push(...blocks.map((name) => ({ label: `> ${name}`, type: "class", detail: "block", apply, boost: -1 })));
  return { from: before.from + opened.length, options: offered, validFor: /^[^\s{}]*$/ };
};

// -- looks: the dashboard's own tokens, so that both themes come by themselves --
const colours = HighlightStyle.define([
  { tag: [tags.tagName, tags.angleBracket], color: "var(--code-tag)" },
  { tag: [tags.attributeName, tags.propertyName], color: "var(--code-name)" },
  { tag: [tags.attributeValue, tags.string, tags.number, tags.color, tags.unit], color: "var(--code-value)" },
  { tag: [tags.comment, tags.documentMeta, tags.processingInstruction], color: "var(--muted)" },
  { tag: [tags.keyword, tags.atom, tags.bool, tags.modifier], color: "var(--code-tag)" },
]);
const looks = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--field)", fontSize: "12.5px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "20px" },
  ".cm-content": { padding: "8px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 12px 0 8px" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--muted)", borderRight: "var(--hair)" },
  ".cm-activeLine": { backgroundColor: "transparent" },
  "&.cm-focused .cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--hover) 60%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--hover)", color: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--code-selected)" },
  ".cm-selectionMatch": { backgroundColor: "var(--accent-soft)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--accent)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--grey-soft)", border: "0", color: "var(--muted)", padding: "0 6px" },
  ".cm-tag-name, .cm-tag-raw": { color: "var(--accent)", backgroundColor: "var(--accent-soft)", borderRadius: "4px", fontWeight: "600" },
  ".cm-tag-section": { color: "var(--blue)", backgroundColor: "var(--blue-soft)", borderRadius: "4px", fontWeight: "600" },
  ".cm-tag-block": { color: "var(--green)", backgroundColor: "var(--green-soft)", borderRadius: "4px", fontWeight: "600" },
  ".cm-tag-comment": { color: "var(--muted)", fontStyle: "italic" },
  "[class*=cm-tag-] *": { color: "inherit" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "var(--hair)", borderRadius: "8px", boxShadow: "var(--shadow)", overflow: "hidden" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "240px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "4px 10px", lineHeight: "20px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--accent)" },
  ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal", marginLeft: "12px" },
  ".cm-diagnostic": { padding: "6px 10px", fontFamily: "var(--sans)", fontSize: "13px", maxWidth: "420px" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--red)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--amber)" },
  ".cm-diagnostic-hint, .cm-diagnostic-info": { borderLeftColor: "var(--blue)" },
  ".cm-lintRange": { backgroundImage: "none", textDecoration: "underline wavy 1px", textUnderlineOffset: "4px" },
  ".cm-lintRange-error": { textDecorationColor: "var(--red)" },
  ".cm-lintRange-warning": { textDecorationColor: "var(--amber)" },
  ".cm-lintRange-hint, .cm-lintRange-info": { textDecorationColor: "var(--blue)" },
  ".cm-panels": { backgroundColor: "var(--sunken)", color: "var(--text)" },
  ".cm-panels.cm-panels-bottom": { borderTop: "var(--hair)" },
  ".cm-panel.cm-search": { padding: "8px", fontFamily: "var(--sans)" },
  ".cm-textfield": { backgroundColor: "var(--field)", color: "var(--text)", border: "1px solid var(--edge)", borderRadius: "6px", padding: "4px 8px", fontSize: "13px" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--edge)", borderRadius: "6px" },
});

// -- an editor --
const placeOf = (doc, line, column) => {
  const found = doc.line(Math.min(Math.max(line, 1), doc.lines));
  return Math.min(found.from + Math.max(column, 1) - 1, found.to);
};
// A mark goes to the end of the tag or word that begins at its place.
const markOf = (doc, mark) => {
  const from = placeOf(doc, mark.line, mark.column);
  const rest = doc.sliceString(from, Math.min(from + 240, doc.length));
  const length = (rest.match(/^(?:\{\{\{?[^{}]*\}\}\}?|<[^>\s]*|[^\s<>{}]+)/) || [" "])[0].length;
  return { from, to: Math.min(from + length, doc.length), severity: mark.level, message: mark.message };
};

// A view in `parent`; `isCode` for HTML with line numbers, else plain words.
export const create = ({ parent, text, nonce, label, describedBy, isCode, isReadOnly, placeholder, names, onChange }) => {
  const attributes = { "aria-label": label, spellcheck: String(!isCode) };
  if (describedBy) attributes["aria-describedby"] = describedBy;
  const code = [lineNumbers(), foldGutter(), highlightActiveLine(), highlightActiveLineGutter(), html({ autoCloseTags: true }), bracketMatching(), indentOnInput(), keymap.of([...foldKeymap, indentWithTab])];
  const languageData = [{ autocomplete: completeTags(names) }]; // one and the same each time: it is told apart by identity
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        nonce ? EditorView.cspNonce.of(nonce) : [],
        isCode ? code : [],
        placeholder ? shownWhenEmpty(placeholder) : [],
        history(), drawSelection(), closeBrackets(), mustache, highlightSelectionMatches(),
        EditorView.lineWrapping,
        EditorState.readOnly.of(Boolean(isReadOnly)),
        EditorState.languageData.of(() => languageData),
        autocompletion({ icons: false }),
        syntaxHighlighting(colours), looks,
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...searchKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
        EditorView.contentAttributes.of(attributes),
        EditorView.updateListener.of((update) => { if (update.docChanged) onChange(update.state.doc.toString()); }),
      ],
    }),
  });
  return {
    focus: () => view.focus(),
    goTo: (line, column) => {
      const place = placeOf(view.state.doc, line, column);
      view.focus();
      view.dispatch({ selection: { anchor: place }, effects: EditorView.scrollIntoView(place, { y: "center" }) });
    },
    setText: (next) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } }),
    setMarks: (marks) => view.dispatch(setDiagnostics(view.state, marks.map((mark) => markOf(view.state.doc, mark)))),
  };
};
