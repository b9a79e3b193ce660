"use strict";
/* The pictures of one texture: layers that share one place and one zoom, in one pane or in many. */

Texup.makeViewer = function (model, data, take) {
  const panesBox = document.getElementById("panes");
  const SOURCE = -1, FRAME = 150, STEP = 1.25, MOST = 64, LEAST = 1 / 64, ROOM = 150;
  const state = { k: -1, view: "split", left: SOURCE, current: 0, ground: "checker", channels: "all", tile: false, play: false, level: 0, gain: 1 };
  const place = { zoom: 1, x: 0, y: 0, isFit: true, split: 0.5, flipped: false, frame: 0 };
  let panes = [], layers = [], slider = null, clock = 0, listeners = [];

  const one = () => model.all[state.k];
  const cell = () => (state.play ? one().cell : undefined);
  const times = () => (state.tile && !cell() ? 3 : 1);
  const size = () => {
    const [width, height] = cell() || [one().width || 1, one().height || 1];
    return [width * times(), height * times()];
  };

  const labelOf = (n) => (n === SOURCE ? "source" : data.candidates[n] ? data.candidates[n].label : "");

  function pictureOf(n) {
    const texture = one();
    const picture = n === SOURCE ? texture.source : (texture.results || [])[n];
    const levels = picture ? picture.levels || [] : [];
    return n !== SOURCE && state.level && levels[state.level - 1] ? levels[state.level - 1] : picture;
  }

  function missing(n) {
    const texture = one();
    const said = [...(texture.problems || []), texture.reason].filter(Boolean).map(model.shown).join("; ");
    return `no ${n === SOURCE ? "source" : "result"} to show${said ? `: ${said}` : ""}`;
  }

  function element(tag, name, text) {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  /* Adds a picture to a box; without one, says why. */
  function addLayer(box, pane, n) {
    const picture = pictureOf(n);
    if (!picture) { box.append(element("p", "gone", missing(n))); return; }
    const url = state.channels === "colour" && picture.colour ? picture.colour : picture.url;
    const node = element("div", `layer${state.channels === "alpha" ? " alpha-alone" : ""}`);
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", `${labelOf(n)} of ${model.shown(one().path)}, ${picture.width} by ${picture.height} pixels`);
    node.style.backgroundImage = `url("${url}")`;
    box.append(node);
    layers.push({ node, pane });
    const probe = new Image();
    probe.onerror = () => { if (node.isConnected) node.replaceWith(element("p", "gone", "the file of this picture is gone; call texup again to make the page anew")); };
    probe.src = url;
  }

  function makePane(label, ground) {
    const pane = element("div", `pane ${ground}`);
    pane.setAttribute("role", "group");
    pane.setAttribute("aria-label", label);
    panes.push(pane);
    panesBox.append(pane);
    return pane;
  }

  function half(pane, n, name) {
    const box = element("div", `half ${name}`);
    pane.append(box);
    addLayer(box, pane, n);
    return box;
  }

  const builders = {
    split() {
      const pane = makePane(`${labelOf(state.left)} left, ${labelOf(state.current)} right`, state.ground);
      const halves = [half(pane, state.left, ""), half(pane, state.current, "")];
      pane.append(element("span", "tag", labelOf(state.left)), element("span", "tag right", labelOf(state.current)));
      slider = element("div", "slider");
      slider.tabIndex = 0;
      slider.setAttribute("role", "slider");
      slider.setAttribute("aria-label", "Border between the two pictures");
      slider.setAttribute("aria-valuemin", "0");
      slider.setAttribute("aria-valuemax", "100");
      slider.halves = halves;
      pane.append(slider);
      listenToSlider(slider, pane);
    },
    flip() {
      const n = place.flipped ? state.left : state.current;
      const pane = makePane(labelOf(n), state.ground);
      half(pane, n, "");
      pane.append(element("span", "tag", labelOf(n)));
    },
    side() {
      const several = data.candidates.map((_, n) => n);
      for (const n of [SOURCE, ...several]) {
        const pane = makePane(labelOf(n), state.ground);
        half(pane, n, "");
        pane.append(element("span", "tag", n === SOURCE ? "source" : `${n + 1}  ${labelOf(n)}`));
        if (n === SOURCE) continue;
        pane.classList.toggle("now", several.length > 1 && n === state.current);
        pane.candidate = n;
        const choices = model.options(state.k).filter((option) => option.candidate === n);
        if (choices.length) {
          const button = element("button", "take", "Pick");
          button.type = "button";
          button.setAttribute("aria-label", `Pick ${labelOf(n)}`);
          button.addEventListener("click", () => take(choices[0]));
          pane.append(button);
        }
      }
    },
    difference() {
      const pane = makePane(`difference of ${labelOf(state.left)} and ${labelOf(state.current)}`, "black");
      const box = element("div", "half group");
      if (state.gain > 1) box.style.filter = `brightness(${state.gain})`;
      pane.append(box);
      addLayer(box, pane, state.current);
      const over = element("div", "half over black smooth");
      box.append(over);
      addLayer(over, pane, state.left);
      pane.append(element("span", "tag", `${labelOf(state.left)} − ${labelOf(state.current)}`));
    },
  };

  function build() {
    panes = []; layers = []; slider = null;
    panesBox.replaceChildren();
    if (state.k < 0) return;
    builders[place.flipped ? "flip" : state.view]();
    for (const pane of panes) listenToPane(pane);
    arrange();
    if (place.isFit) fit(); else put();
  }

  /* Lays many panes out in rows; none gets lower than a picture needs. */
  function arrange() {
    const count = panes.length, { clientWidth: width, clientHeight: height } = panesBox;
    if (!width) return;
    const across = Math.min(count, Math.max(1, Math.round(Math.sqrt(count * width / Math.max(1, height)))), Math.max(1, Math.floor(width / ROOM)));
    const down = Math.ceil(count / across);
    panesBox.style.gridTemplateColumns = `repeat(${Math.ceil(count / down)}, minmax(0, 1fr))`;
    panesBox.style.minHeight = count > 1 ? `${down * ROOM}px` : "";
  }

  /* Every layer gets the place that the middle of its pane looks at; all panes look at the same. */
  function put() {
    if (state.k < 0) return;
    const [width, height] = size(), frame = cell(), z = place.zoom;
    place.x = Math.min(Math.max(place.x, 0), width);
    place.y = Math.min(Math.max(place.y, 0), height);
    const full = [(one().width || 1) * z, (one().height || 1) * z];
    for (const { node, pane } of layers) {
      const left = Math.round(pane.clientWidth / 2 - place.x * z), top = Math.round(pane.clientHeight / 2 - place.y * z);
      node.style.width = `${width * z}px`;
      node.style.height = `${height * z}px`;
      node.style.backgroundSize = `${full[0]}px ${full[1]}px`;
      node.style.transform = `translate(${left}px, ${top}px)`;
      if (frame) {
        const across = Math.max(1, Math.round(one().width / frame[0]));
        const at = place.frame % (across * Math.max(1, Math.round(one().height / frame[1])));
        node.style.backgroundPosition = `${-(at % across) * frame[0] * z}px ${-Math.floor(at / across) * frame[1] * z}px`;
      }
    }
    if (slider) {
      const percent = place.split * 100;
      slider.style.left = `${percent}%`;
      slider.setAttribute("aria-valuenow", String(Math.round(percent)));
      slider.halves[0].style.clipPath = `inset(0 ${100 - percent}% 0 0)`;
      slider.halves[1].style.clipPath = `inset(0 0 0 ${percent}%)`;
    }
    for (const listener of listeners) listener(place, state);
  }

  function fit() {
    if (!panes.length) return;
    const [width, height] = size(), pane = panes[0];
    const z = Math.min(pane.clientWidth / width, pane.clientHeight / height) * 0.96 || 1;
    place.zoom = Math.max(LEAST, z >= 1 ? Math.min(Math.floor(z), MOST) : z);
    [place.x, place.y, place.isFit] = [width / 2, height / 2, true];
    put();
  }

  function zoomBy(factor, dx = 0, dy = 0) {
    const old = place.zoom;
    const next = old * factor, whole = Math.round(next);
    place.zoom = Math.min(MOST, Math.max(LEAST, next > 1 && Math.abs(next - whole) < 0.12 && whole !== old ? whole : next));
    place.x += dx / old - dx / place.zoom;
    place.y += dy / old - dy / place.zoom;
    place.isFit = false;
    put();
  }

  function moveBy(dx, dy) {
    place.x -= dx / place.zoom;
    place.y -= dy / place.zoom;
    place.isFit = false;
    put();
  }

  function setSplit(share) {
    place.split = Math.min(1, Math.max(0, share));
    put();
  }

  function listenToPane(pane) {
    const fingers = new Map();
    let went = 0;
    pane.addEventListener("wheel", (event) => {
      if (event.ctrlKey && !event.deltaY) return;
      event.preventDefault();
      const box = pane.getBoundingClientRect();
      zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
    }, { passive: false });
    pane.addEventListener("pointerdown", (event) => {
      if (event.button || event.target.closest(".slider, button")) return;
      pane.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      went = 0;
    });
    pane.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      const apart = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
      const before = fingers.size === 2 ? apart() : 0;
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      const dx = event.clientX - last[0], dy = event.clientY - last[1];
      went += Math.abs(dx) + Math.abs(dy);
      pane.classList.add("moved");
      moveBy(dx / fingers.size, dy / fingers.size);
      if (before) zoomBy(apart() / before);
    });
    const up = (event) => {
      if (fingers.delete(event.pointerId) && went < 4 && pane.candidate !== undefined && event.type === "pointerup") set({ current: pane.candidate });
      pane.classList.remove("moved");
    };
    pane.addEventListener("pointerup", up);
    pane.addEventListener("pointercancel", up);
  }

  function listenToSlider(node, pane) {
    let held = false;
    node.addEventListener("pointerdown", (event) => { held = true; node.setPointerCapture(event.pointerId); event.preventDefault(); node.focus(); });
    node.addEventListener("pointermove", (event) => {
      if (!held) return;
      const box = pane.getBoundingClientRect();
      setSplit((event.clientX - box.left) / box.width);
    });
    for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => { held = false; });
    node.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05, Home: -1, End: 1 };
      if (!(event.key in steps)) return;
      event.preventDefault();
      event.stopPropagation();
      setSplit(place.split + steps[event.key]);
    });
  }

  function set(change) {
    Object.assign(state, change);
    if ("k" in change) { place.isFit = true; place.frame = 0; place.flipped = false; state.level = 0; if (!one().cell) state.play = false; }
    if ("tile" in change || "play" in change || "view" in change) place.isFit = true;
    clearInterval(clock);
    if (state.play && state.k >= 0 && one().cell) clock = setInterval(() => { place.frame++; put(); }, FRAME);
    build();
  }

  function flip(on) {
    if (place.flipped === on || state.k < 0) return;
    place.flipped = on;
    build();
  }

  new ResizeObserver(() => { arrange(); if (place.isFit) fit(); else put(); }).observe(panesBox);
  return { state, set, fit, flip, zoomBy, moveBy, setSplit, labelOf, SOURCE, STEP, onPut: (listener) => listeners.push(listener) };
};
