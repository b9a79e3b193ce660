"use strict";
/* The data, what is shown of it, and what was picked. Nothing here touches the page. */

const Texup = {};

Texup.data = window.TEXUP_GALLERY || { title: "", about: "pack", exhibits: [], candidates: [], wishes: [], warnings: ["data.js is missing or damaged."], facts: [], models: [], rules: "" };

Texup.makeModel = function (data) {
  const all = data.exhibits;
  const picks = new Map(); // index of a texture -> settings of its rule
  const undo = [];
  const words = new Array(all.length);
  const store = `texup:${data.title}:${all.length}`;
  const listeners = [];

  const list = (value) => value || [];
  const isKept = (one) => ["copied", "skipped", "joined", "written"].includes(one.outcome);
  const hasNotes = (one) => list(one.notes).length > 0 || list(one.problems).length > 0;
  const outcomes = {
    upscaled: (one) => one.outcome === "upscaled",
    failed: (one) => one.outcome === "failed",
    kept: isKept,
    notes: hasNotes,
    problems: (one) => list(one.problems).length > 0,
    gate: (one) => list(one.wrong).length > 0,
    rule: (one) => one.rule !== undefined,
  };

  /* Names may hold control and bidirectional characters; they are shown as what they are. */
  const unsafe = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const shown = (text) => String(text).replace(unsafe, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

  function wordsOf(k) {
    if (words[k] === undefined) {
      const one = all[k];
      words[k] = [one.path, one.kind, one.method, one.alpha, one.reason, one.why, one.model, one.outcome, ...list(one.notes), ...list(one.problems)]
        .join("\n").toLowerCase();
    }
    return words[k];
  }

  function filtered(want) {
    const parts = want.text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let k = 0; k < all.length; k++) {
      const one = all[k];
      if (want.kind && one.kind !== want.kind) continue;
      if (want.alpha && one.alpha !== want.alpha) continue;
      if (want.outcome === "picked" ? !picks.has(k) : want.outcome && !outcomes[want.outcome](one)) continue;
      if (parts.length && !parts.every((part) => wordsOf(k).includes(part))) continue;
      found.push(k);
    }
    const number = { change: (one) => one.change ?? -1, seam: (one) => one.seam ?? -1, largest: (one) => (one.width || 0) * (one.height || 0), slowest: (one) => one.seconds || 0 }[want.sort];
    return number ? found.sort((a, b) => number(all[b]) - number(all[a]) || a - b) : found;
  }

  const values = (key) => [...new Set(all.map((one) => one[key]).filter(Boolean))].sort();

  /* What can be picked for a texture: its candidates, then wishes that nobody has tried. */
  function options(k) {
    const one = all[k];
    const base = one.base || {};
    const found = [];
    list(one.choices).forEach((settings, n) => {
      if (settings && list(one.results)[n]) found.push({ label: data.candidates[n].label, settings, candidate: n });
    });
    for (const wish of data.wishes) {
      const settings = wish.action ? wish : { ...base, ...wish };
      found.push({ label: labelOf(wish), settings, candidate: -1 });
    }
    return found;
  }

  function labelOf(settings) {
    if (settings.action === "copy") return "keep the source";
    if (settings.action === "skip") return "leave it out";
    return Object.entries(settings).map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(" + ") : value}`).join(", ");
  }

  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  function remember() {
    undo.push(new Map(picks));
    if (undo.length > 50) undo.shift();
  }

  function changed() {
    try {
      localStorage.setItem(store, JSON.stringify([...picks].map(([k, settings]) => [all[k].path, settings])));
    } catch { /* a browser may keep nothing for files */ }
    for (const listener of listeners) listener();
  }

  function pick(which, settings) {
    remember();
    for (const k of which) settings ? picks.set(k, settings) : picks.delete(k);
    changed();
  }

  /* Picks the same candidate or wish for many: what it sets may differ from texture to texture. */
  function pickLike(which, option) {
    remember();
    let count = 0;
    for (const k of which) {
      const own = options(k).find((one) => one.label === option.label && one.candidate === option.candidate);
      if (own) { picks.set(k, own.settings); count++; }
    }
    changed();
    return count;
  }

  function back() {
    const last = undo.pop();
    if (!last) return;
    picks.clear();
    for (const [k, settings] of last) picks.set(k, settings);
    changed();
  }

  function restore() {
    try {
      const kept = JSON.parse(localStorage.getItem(store) || "[]");
      if (!kept.length) return;
      const places = new Map(all.map((one, k) => [one.path, k]));
      for (const [path, settings] of kept) {
        const k = places.get(path);
        if (k !== undefined && options(k).some((one) => same(one.settings, settings))) picks.set(k, settings);
      }
    } catch { /* as above */ }
  }

  restore();
  return {
    all, picks, filtered, values, options, pick, pickLike, back, same, labelOf, shown,
    canUndo: () => undo.length > 0,
    onChange: (listener) => listeners.push(listener),
  };
};
