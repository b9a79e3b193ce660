"use strict";
/* The list: only the rows that can be seen are in the page, so that thousands of textures scroll like ten. */

Texup.makeList = function (model, choose) {
  const box = document.getElementById("list");
  const rows = document.getElementById("rows");
  const HEIGHT = 60, SPARE = 6;
  let order = [], selected = -1, built = new Map(), waiting = false;

  function row(place) {
    const k = order[place], one = model.all[k];
    const item = document.createElement("div");
    item.className = "item";
    item.id = `item-${k}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-posinset", String(place + 1));
    item.setAttribute("aria-setsize", String(order.length));
    item.style.top = `${place * HEIGHT}px`;
    const picture = document.createElement(one.thumb ? "img" : "div");
    picture.className = "thumb";
    if (one.thumb) { picture.decoding = "async"; picture.alt = ""; picture.src = one.thumb; }
    const words = document.createElement("span");
    words.className = "words";
    const cut = one.path.lastIndexOf("/");
    words.append(bdi(one.path.slice(cut + 1), ""), bdi(cut > 0 ? one.path.slice(0, cut) : "\u00a0", "small"), plain(facts(one), "small"));
    const state = document.createElement("span");
    state.className = "state";
    if (one.outcome !== "upscaled") state.append(plain(one.outcome, one.outcome === "failed" ? "bad" : ""));
    if ((one.problems || []).length) state.append(plain(" !", "bad"));
    if (model.picks.has(k)) state.append(plain("picked", "picked"));
    item.append(picture, words, state);
    item.addEventListener("click", () => choose(k));
    mark(item, k);
    return item;
  }

  const facts = (one) => [one.kind, one.width ? `${one.width}×${one.height}` : "", one.method && one.method !== "net" ? one.method : ""].filter(Boolean).join(" · ");

  function plain(text, name) {
    const span = document.createElement("span");
    span.className = name;
    span.textContent = text;
    return span;
  }

  function bdi(text, name) {
    const span = document.createElement("bdi");
    span.className = name;
    span.textContent = model.shown(text);
    return span;
  }

  function mark(item, k) {
    item.setAttribute("aria-selected", String(k === selected));
  }

  function draw() {
    waiting = false;
    const first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(order.length, Math.ceil((box.scrollTop + box.clientHeight) / HEIGHT) + SPARE);
    for (const [place, item] of built) {
      if (place < first || place >= last) { item.remove(); built.delete(place); }
    }
    for (let place = first; place < last; place++) {
      if (!built.has(place)) {
        const item = row(place);
        built.set(place, item);
        rows.append(item);
      }
    }
  }

  function later() {
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }

  function rebuild() {
    rows.replaceChildren();
    built = new Map();
    rows.style.height = `${order.length * HEIGHT}px`;
    draw();
  }

  box.addEventListener("scroll", later, { passive: true });
  new ResizeObserver(later).observe(box);

  return {
    get order() { return order; },
    show(next) { order = next; box.scrollTop = 0; rebuild(); },
    redraw: rebuild,
    select(k) {
      selected = k;
      for (const [place, item] of built) mark(item, order[place]);
      const place = order.indexOf(k);
      if (place < 0) { box.removeAttribute("aria-activedescendant"); return; }
      const top = place * HEIGHT;
      if (top < box.scrollTop) box.scrollTop = top;
      if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT - box.clientHeight;
      draw();
      box.setAttribute("aria-activedescendant", `item-${k}`);
    },
    page: () => Math.max(1, Math.floor(box.clientHeight / HEIGHT) - 1),
  };
};
