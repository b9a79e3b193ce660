"use strict";
/* Puts the parts together: filters, the list, the viewer, picks and keys. */

(function () {
  const $ = (id) => document.getElementById(id);
  const data = Texup.data, model = Texup.makeModel(data);
  const list = Texup.makeList(model, (k) => open(k, true));
  const viewer = Texup.makeViewer(model, data, (option) => take(option));
  const rules = Texup.makeRules(model, data);
  const state = viewer.state;
  const KEYS = [
    ["j k", "next and previous texture"], ["1 … 9", "candidate"], ["space", "hold to see the other picture"], ["enter", "pick the shown candidate"],
    ["x", "take the pick back"], ["s v f d", "slider, side by side, flip, difference"], ["+ - 0", "zoom, fit"], ["arrows", "move the picture"],
    ["t", "3×3, to see seams"], ["b", "background"], ["a", "colour and alpha, colour, alpha"], ["p", "play an animation"], ["/", "search"], ["r", "rules"], ["esc", "back to the list"], ["?", "this help"],
  ];

  function option(value, text) {
    const node = document.createElement("option");
    node.value = value;
    node.textContent = text;
    return node;
  }

  function start() {
    document.title = `${model.shown(data.title)} · texup`;
    $("title").textContent = model.shown(data.title);
    const about = [data.about === "compare" ? `${data.candidates.length} candidates` : "before and after", data.convention, ...(data.models || []), ...(data.facts || [])];
    $("about").textContent = about.filter(Boolean).map(model.shown).join(" · ");
    $("about").title = $("about").textContent;
    for (const text of data.warnings || []) {
      const line = document.createElement("li");
      line.textContent = model.shown(text);
      $("warnings").append(line);
    }
    for (const key of ["kind", "alpha"]) for (const value of model.values(key)) $(key).append(option(value, value));
    for (const [value, text] of [["upscaled", "upscaled"], ["kept", "kept or left out"], ["failed", "failed"], ["gate", "marked by the gate"], ["notes", "with notes"], ["problems", "with problems"], ["rule", "by a rule"], ["picked", "picked"]]) $("outcome").append(option(value, text));
    $("left").append(option("-1", "source"));
    data.candidates.forEach((one, n) => {
      const time = one.seconds ? ` (${one.seconds.toFixed(1)} s)` : "";
      $("left").append(option(String(n), one.label));
      $("current").append(option(String(n), `${n + 1}  ${one.label}${time}`));
    });
    $("left").hidden = $("current").hidden = data.candidates.length < 2;
    if (data.candidates.length > 1) { state.view = "side"; $("view").value = "side"; }
    for (const [keys, text] of KEYS) {
      const term = document.createElement("dt"), what = document.createElement("dd");
      for (const key of keys.split(" ")) { const node = document.createElement("kbd"); node.textContent = key; term.append(node, " "); }
      what.textContent = text;
      $("keys").append(term, what);
    }
    theme(remembered("texup:theme"));
    listen();
    filter();
    if (matchMedia("(min-width: 761px)").matches) screen("stage"); else screen("browse");
    window.TEXUP_READY = performance.now();
  }

  function remembered(key) { try { return localStorage.getItem(key) || ""; } catch { return ""; } }

  function theme(name) {
    if (name) document.documentElement.dataset.theme = name; else delete document.documentElement.dataset.theme;
    try { if (name) localStorage.setItem("texup:theme", name); } catch { /* a browser may keep nothing for files */ }
  }

  function filter() {
    const order = model.filtered({ text: $("search").value, kind: $("kind").value, alpha: $("alpha").value, outcome: $("outcome").value, sort: $("sort").value });
    list.show(order);
    $("count").textContent = order.length === model.all.length ? `${order.length}` : `${order.length} of ${model.all.length}`;
    $("none").hidden = order.length > 0;
    $("list").hidden = order.length === 0;
    $("none").textContent = model.all.length ? "No texture fits the filters." : "There are no textures here.";
    $("pick-shown").disabled = !order.length;
    $("pick-shown").textContent = `Pick for all ${order.length} shown`;
    if (order.length && !order.includes(state.k)) open(order[0], false); else if (order.length) list.select(state.k); else if (!model.all.length) empty();
  }

  function empty() {
    for (const id of ["bar", "panes", "below"]) $(id).hidden = true;
  }

  function screen(name) { document.body.dataset.screen = name; }

  function open(k, look) {
    if (look) screen("stage");
    viewer.set({ k });
    list.select(k);
    const one = model.all[k];
    $("name").querySelector("bdi").textContent = model.shown(one.path);
    $("play").hidden = !one.cell;
    const levels = Math.max(0, ...(one.results || []).map((result) => (result && result.levels ? result.levels.length : 0)));
    $("level").hidden = !levels;
    $("level").replaceChildren(...Array.from({ length: levels + 1 }, (_, n) => option(String(n), n ? `level ${n}` : "full size")));
    facts(one);
    choices();
    controls();
  }

  function facts(one) {
    const result = (one.results || [])[state.current];
    const rows = [
      ["outcome", [one.outcome, one.reason].filter(Boolean).join(": ")],
      ["problems", (one.problems || []).join("; ")],
      ["size", [one.width ? `${one.width} × ${one.height}` : "", result ? `${result.width} × ${result.height}` : ""].filter(Boolean).join(" → ")],
      ["kind", one.kind], ["method", one.method], ["alpha", one.alpha], ["edges", one.edges],
      ["why", one.why], ["rule", one.rule === undefined ? "" : String(one.rule)], ["model", one.model],
      ["notes", (one.notes || []).join("; ")], ["time", one.seconds ? `${one.seconds.toFixed(2)} s` : ""],
      ["gate", one.gate],
      ["change", one.change === undefined ? "" : `${one.change.toFixed(2)} of 255 from the source repeated`],
      ["seam", one.seam === undefined ? "" : `${one.seam.toFixed(2)} times the mean step inside`],
    ];
    $("facts").replaceChildren(...rows.filter(([, text]) => text).flatMap(([name, text]) => {
      const term = document.createElement("dt"), what = document.createElement("dd");
      term.textContent = name;
      what.textContent = model.shown(text);
      if (name === "problems" || (name === "gate" && (one.wrong || []).length) || (name === "outcome" && one.outcome === "failed")) what.className = "bad";
      return [term, what];
    }));
  }

  function choices() {
    const options = model.options(state.k), now = model.picks.get(state.k);
    $("pick").replaceChildren(option("", "nothing picked"), ...options.map((one, n) => option(String(n), one.candidate >= 0 ? `${one.candidate + 1}  ${one.label}` : one.label)));
    const at = now ? options.findIndex((one) => model.same(one.settings, now)) : -1;
    $("pick").value = at >= 0 ? String(at) : "";
    $("undo").disabled = !model.canUndo();
  }

  function take(picked) {
    if (state.k < 0) return;
    model.pick([state.k], picked ? picked.settings : null);
    say(picked ? `picked: ${picked.label}` : "pick taken back");
  }

  const current = () => model.options(state.k).find((one) => one.candidate === state.current);

  function takeShown() {
    const n = $("pick").value, options = model.options(state.k);
    if (n === "") { model.pick(list.order, null); say("picks of all shown taken back"); return; }
    const count = model.pickLike(list.order, options[Number(n)]);
    say(`${count} picked: ${options[Number(n)].label}`);
  }

  function say(text) { $("said").textContent = text; }

  /* Makes the controls say what the viewer does. */
  function controls() {
    for (const id of ["view", "ground", "channels"]) $(id).value = state[id];
    $("left").value = String(state.left);
    $("current").value = String(state.current);
    $("level").value = String(state.level);
    $("gain").value = String(state.gain);
    $("gain").hidden = state.view !== "difference";
    $("tile").setAttribute("aria-pressed", String(state.tile));
    $("play").setAttribute("aria-pressed", String(state.play));
  }

  function set(change) {
    if (state.k < 0) return;
    viewer.set(change);
    if ("current" in change) facts(model.all[state.k]);
    controls();
  }

  function step(by) {
    const order = list.order, at = order.indexOf(state.k);
    const next = order[Math.min(order.length - 1, Math.max(0, at + by))];
    if (next !== undefined && next !== state.k) open(next, false);
  }

  function cycle(id) {
    const values = [...$(id).options].map((one) => one.value);
    set({ [id]: values[(values.indexOf(state[id]) + 1) % values.length] });
  }

  const actions = {
    j: () => step(1), k: () => step(-1), "/": () => { screen("browse"); $("search").focus(); $("search").select(); }, "?": () => $("help").showModal(),
    s: () => set({ view: "split" }), v: () => set({ view: "side" }), f: () => set({ view: "flip" }), d: () => set({ view: "difference" }),
    t: () => set({ tile: !state.tile }), b: () => cycle("ground"), a: () => cycle("channels"), r: () => { if (model.picks.size) rules.show(); },
    p: () => { if (state.k >= 0 && model.all[state.k].cell) set({ play: !state.play }); },
    "+": () => viewer.zoomBy(viewer.STEP), "=": () => viewer.zoomBy(viewer.STEP), "-": () => viewer.zoomBy(1 / viewer.STEP), 0: () => viewer.fit(),
    x: () => take(null), Escape: () => { screen("browse"); $("list").focus(); },
    Enter: () => { if (current()) take(current()); },
    ArrowLeft: () => viewer.moveBy(40, 0), ArrowRight: () => viewer.moveBy(-40, 0), ArrowUp: () => viewer.moveBy(0, 40), ArrowDown: () => viewer.moveBy(0, -40),
  };

  function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const target = event.target, name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const isField = target.closest("input, select, textarea");
    if (isField) {
      if (name === "Escape" || (name === "Enter" && target.id === "search")) { event.preventDefault(); target.blur(); $("list").focus(); }
      return;
    }
    if (name === "Enter" && target.closest("#list")) { event.preventDefault(); screen("stage"); $("stage").focus(); return; }
    if ((name === " " || name === "Enter") && target.closest("button, a")) return;
    if (name === " ") { event.preventDefault(); viewer.flip(true); return; }
    if (target.id === "list") {
      const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: list.page(), PageUp: -list.page(), Home: -list.order.length, End: list.order.length };
      if (name in moves) { event.preventDefault(); step(moves[name]); return; }
    }
    if (/^[1-9]$/.test(name)) { if (Number(name) <= data.candidates.length) set({ current: Number(name) - 1 }); return; }
    const action = actions[name];
    if (action) { event.preventDefault(); action(); }
  }

  function listen() {
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    $("picks").addEventListener("submit", (event) => event.preventDefault());
    let wait = 0;
    $("search").addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(filter, 80); });
    for (const id of ["kind", "alpha", "outcome", "sort"]) $(id).addEventListener("change", filter);
    for (const id of ["view", "ground", "channels"]) $(id).addEventListener("change", () => set({ [id]: $(id).value }));
    for (const id of ["left", "current", "level", "gain"]) $(id).addEventListener("change", () => set({ [id]: Number($(id).value) }));
    $("tile").addEventListener("click", actions.t);
    $("play").addEventListener("click", actions.p);
    $("back").addEventListener("click", actions.Escape);
    $("previous").addEventListener("click", actions.k);
    $("next").addEventListener("click", actions.j);
    $("smaller").addEventListener("click", actions["-"]);
    $("larger").addEventListener("click", actions["+"]);
    $("fit").addEventListener("click", viewer.fit);
    $("pick").addEventListener("change", () => take($("pick").value === "" ? null : model.options(state.k)[Number($("pick").value)]));
    $("pick-shown").addEventListener("click", takeShown);
    $("undo").addEventListener("click", () => { model.back(); say("taken back"); });
    $("open-help").addEventListener("click", actions["?"]);
    $("close-help").addEventListener("click", () => $("help").close());
    $("theme").addEventListener("click", () => {
      const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      theme(dark ? "light" : "dark");
    });
    const hold = $("flip");
    hold.addEventListener("pointerdown", (event) => { hold.setPointerCapture(event.pointerId); viewer.flip(true); });
    for (const end of ["pointerup", "pointercancel", "blur"]) hold.addEventListener(end, () => viewer.flip(false));
    hold.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); viewer.flip(true); } });
    document.addEventListener("keydown", key);
    document.addEventListener("keyup", (event) => { if (event.key === " " || event.key === "Enter") viewer.flip(false); });
    window.addEventListener("blur", () => viewer.flip(false));
    viewer.onPut((place) => { $("zoom").textContent = `×${place.zoom >= 1 ? Number(place.zoom.toFixed(1)) : place.zoom.toFixed(2)}`; });
    model.onChange(() => { list.redraw(); list.select(state.k); if (state.k >= 0) choices(); $("undo").disabled = !model.canUndo(); });
  }

  start();
})();
