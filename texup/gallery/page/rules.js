"use strict";
/* What was picked, as the text of a texup.toml; see docs/rules.md for what rules can say. */

Texup.MAX_RULES = 1 << 20; // bytes that texup reads of a file of rules

/* A text of TOML: JSON's escapes are TOML's, but for DEL. */
Texup.tomlText = (text) => JSON.stringify(text).replace(/\u007f/g, "\\u007f");

Texup.tomlValue = function (value) {
  if (Array.isArray(value)) return `[${value.map(Texup.tomlValue).join(", ")}]`;
  if (typeof value === "string") return Texup.tomlText(value);
  return String(value);
};

Texup.rulesText = function (model, data) {
  if (!model.picks.size) return "";
  const globOf = (k) => model.all[k].glob || model.all[k].path;
  const depth = (k) => model.all[k].path.split("/").length;
  const nameOf = (k) => model.all[k].path.slice(model.all[k].path.lastIndexOf("/") + 1).toLowerCase();
  const picked = [...model.picks].sort((a, b) => a[0] - b[0]);
  /* A pattern without a folder also fits files of its name in folders, so that these must be named before it. */
  const tops = new Set(picked.filter(([k]) => depth(k) === 1).map(([k]) => nameOf(k)));
  const guards = tops.size ? model.all.map((_, k) => k).filter((k) => depth(k) > 1 && !model.picks.has(k) && tops.has(nameOf(k))) : [];
  const groups = new Map();
  const add = (k, settings, top) => {
    const key = `${top ? 1 : 0}${JSON.stringify(settings)}`;
    if (!groups.has(key)) groups.set(key, { settings, top, which: [] });
    groups.get(key).which.push(k);
  };
  for (const [k, settings] of picked) add(k, settings, depth(k) === 1);
  for (const k of guards) add(k, { action: "upscale", ...(model.all[k].base || {}) }, false);
  const lines = [`# Picked on the page of ${data.title.replace(/[\u0000-\u001f\u007f\ud800-\udfff]/g, "?")}, for texup upscale --rules`];
  for (const { settings, which } of [...groups.values()].sort((a, b) => a.top - b.top)) {
    lines.push("", "[[rule]]");
    const globs = which.map((k) => Texup.tomlText(globOf(k)));
    lines.push(globs.length === 1 ? `match = ${globs[0]}` : `match = [\n  ${globs.join(",\n  ")},\n]`);
    for (const [key, value] of Object.entries(settings)) lines.push(`${key} = ${Texup.tomlValue(value)}`);
  }
  if (data.rules) lines.push("", "# What stood in the rules of the pack; they name files of weights from where they lay", "", data.rules.trim());
  return `${lines.join("\n")}\n`;
};

Texup.makeRules = function (model, data) {
  const $ = (id) => document.getElementById(id);
  const dialog = $("rules"), open = $("open-rules");
  let address = "";

  function count() {
    const n = model.picks.size;
    open.disabled = !n;
    open.textContent = n ? `${n} picked — rules` : "No picks yet";
  }

  function show() {
    const text = Texup.rulesText(model, data);
    const size = new Blob([text]).size;
    $("rules-text").value = text;
    $("rules-say").textContent = size > Texup.MAX_RULES
      ? "This is more than texup reads of a file of rules (1 MiB); pick fewer, or write patterns by hand."
      : `${model.picks.size} of ${model.all.length} textures. Save it, then run:`;
    $("rules-command").textContent = "texup upscale PACK --rules texup.toml";
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
    $("download").href = address;
    dialog.showModal();
  }

  async function copy() {
    const box = $("rules-text");
    box.select();
    try { await navigator.clipboard.writeText(box.value); } catch { document.execCommand("copy"); }
    $("copy").textContent = "Copied";
    setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
  }

  open.addEventListener("click", show);
  $("copy").addEventListener("click", copy);
  $("close-rules").addEventListener("click", () => dialog.close());
  $("clear").addEventListener("click", () => { model.pick([...model.picks.keys()], null); dialog.close(); });
  model.onChange(count);
  count();
  return { show };
};
