"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const cells = new Map();
  const runs = new Map();
  for (const group of data.groups) {
    for (const cell of group.cells) {
      cells.set(cell.id, { ...cell, title: `${cell.label}: ${group.title}` });
      for (const run of cell.runs) runs.set(run.id, cell.id);
    }
  }

  // Elements are made from text only: what a record says is never read as HTML.
  function make(name, attributes = {}, ...children) {
    const drawn = ["svg", "path", "line", "text", "title"].includes(name);
    const element = drawn
      ? document.createElementNS("http://www.w3.org/2000/svg", name)
      : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  // Tables ------------------------------------------------------------------------------------

  function sortValue(row, column) {
    const cell = row.cells[column];
    const shown = cell.querySelector("[data-rule]:not([hidden])") || cell;
    const text = shown.dataset.value === undefined ? shown.textContent.trim() : shown.dataset.value;
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  }

  function compare(a, b, sign) {
    if (a === "" || b === "") return (a === "") - (b === ""); // nothing comes last, both ways
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function sort(table) {
    const head = table.querySelector('th[aria-sort="ascending"], th[aria-sort="descending"]');
    const body = table.tBodies[0];
    const rows = [...body.rows];
    if (head) {
      const sign = head.ariaSort === "ascending" ? 1 : -1;
      const values = new Map(rows.map((row) => [row, sortValue(row, head.cellIndex)]));
      rows.sort((a, b) => compare(values.get(a), values.get(b), sign) || a.dataset.place - b.dataset.place);
    } else {
      rows.sort((a, b) => a.dataset.place - b.dataset.place);
    }
    body.append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tBodies[0].rows].forEach((row, place) => { row.dataset.place = place; });
    for (const button of table.querySelectorAll("button.sort")) {
      button.addEventListener("click", () => {
        const head = button.closest("th");
        const order = button.classList.contains("number")
          ? ["none", "descending", "ascending"]
          : ["none", "ascending", "descending"];
        const next = order[(order.indexOf(head.ariaSort) + 1) % 3];
        for (const other of table.querySelectorAll("th[aria-sort]")) other.ariaSort = "none";
        head.ariaSort = next;
        sort(table);
      });
    }
  }

  document.getElementById("policy").addEventListener("change", (event) => {
    for (const element of document.querySelectorAll("[data-rule]")) {
      element.hidden = element.dataset.rule !== event.target.value;
    }
    document.querySelectorAll("table.sortable").forEach(sort);
  });

  // Runs --------------------------------------------------------------------------------------

  function list(pairs) {
    const found = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
    return make("dl", {}, ...found.flatMap(([key, value]) => [
      make("dt", {}, key),
      make("dd", {}, value instanceof Node ? value : String(value)),
    ]));
  }

  function folded(title, values) {
    const pairs = Object.entries(values).map(([key, value]) => [
      key, typeof value === "string" ? value : JSON.stringify(value),
    ]);
    return make("details", {}, make("summary", {}, title), list(pairs));
  }

  function duration(seconds) {
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  function percent(hundredths) {
    return hundredths === null || hundredths === undefined ? "" : `${(hundredths / 100).toFixed(2)} %`;
  }

  const WIDTH = 420, HEIGHT = 190, LEFT = 34, BOTTOM = 24, TOP = 8, RIGHT = 10;

  function curves(run) {
    const lines = Object.entries(run.curves);
    const known = lines.flatMap(([, values]) => values).filter((value) => value !== null);
    if (!known.length) return [];
    const step = [100, 200, 500, 1000, 2000].find((size) => (Math.max(...known) - Math.min(...known)) / size <= 6) || 2500;
    const low = Math.floor(Math.min(...known) / step) * step;
    const high = Math.max(low + step, Math.ceil(Math.max(...known) / step) * step);
    const last = Math.max(...lines.map(([, values]) => values.length));
    const x = (epoch) => LEFT + ((WIDTH - LEFT - RIGHT) * (epoch - 1)) / Math.max(last - 1, 1);
    const y = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - value)) / (high - low);
    const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img" },
      make("title", {}, `Accuracy in percent over ${last} epochs of run ${run.id}`));
    for (let value = low; value <= high; value += step) {
      svg.append(make("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "axis" }),
        make("text", { x: LEFT - 5, y: y(value) + 4, "text-anchor": "end" }, String(value / 100)));
    }
    for (const epoch of new Set([1, Math.ceil(last / 2), last])) {
      svg.append(make("text", { x: x(epoch), y: HEIGHT - 8, "text-anchor": "middle" }, String(epoch)));
    }
    if (run.epochs.length) {
      const at = x(run.epochs[0]);
      svg.append(make("line", { x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM, class: "reported" }));
    }
    lines.forEach(([, values], number) => {
      let pen = "M";
      const steps = values.map((value, index) => {
        if (value === null) { pen = "M"; return ""; }
        const word = `${pen}${x(index + 1).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = "L";
        return word;
      });
      if (values.length === 1) steps.push("h4");
      svg.append(make("path", { d: steps.join(""), class: `c${number % 6}` }));
    });
    const keys = lines.map(([label], number) => make("li", {}, make("i", { class: `c${number % 6}` }), label));
    return [svg, make("ul", { class: "keys" }, ...keys),
      make("small", {}, `Accuracy (%) over epochs; dashed: the ${data.rules[0]} epoch. Train: online mean over the batches.`)];
  }

  function reported(run) {
    const fused = run.curves["test fused"] || Object.values(run.curves)[0] || [];
    return data.rules.map((rule, index) => run.epochs.length
      ? [`Epoch, ${rule}`, `${run.epochs[index]} (test ${percent(fused[run.epochs[index] - 1])})`] : [rule, ""]);
  }

  function card(run) {
    const [configuration, environment, sizes] = ["configuration", "environment", "sizes"]
      .map((key) => data.shared[run[key]]);
    const changed = environment.modified ? ", with changes" : "";
    const facts = list([
      ["Status", run.reason ? `${run.status}: ${run.reason}` : run.status],
      ["Left out", run.left_out],
      ["Data", run.stand_in ? "stand-in data: says nothing about the paper" : "real"],
      ["Seed", run.seed],
      ...reported(run),
      ["Wall time", run.seconds === null ? "" : duration(run.seconds) +
        (run.epoch_seconds === null ? "" : `, ${run.epoch_seconds.toFixed(2)} s per epoch`)],
      ["Finished", run.finished],
      ["Commit", (environment.commit || "unknown") + changed],
      ["Data fingerprint", run.fingerprint],
      ["Samples", Object.entries(sizes).map(([split, size]) => `${split} ${size}`).join(", ")],
      ["Hardware", environment.device],
      ["Software", ["python", "torch", "numpy"].filter((name) => environment[name])
        .map((name) => `${name} ${environment[name]}`).join(", ")],
      ["Parameters", run.parameters.toLocaleString("en")],
      ["Files", make("a", { href: `runs/${encodeURIComponent(run.id)}.json` }, "record")],
    ]);
    return make("article", { class: "card", id: `run-${run.id}` }, make("h4", {}, run.id),
      make("div", { class: "facts" }, facts, make("div", {}, ...curves(run))),
      folded("Configuration", configuration), folded("Environment", environment));
  }

  const picker = document.getElementById("cell");
  const shown = document.getElementById("shown");

  function show(id) {
    picker.value = id;
    const cell = cells.get(id);
    shown.replaceChildren(...(cell ? [make("h3", {}, cell.title), ...cell.runs.map(card)] : []));
  }

  function follow() {
    const hash = decodeURIComponent(location.hash);
    const cell = hash.startsWith("#cell-") ? hash.slice(6) : runs.get(hash.replace(/^#run-/, ""));
    if (!cells.has(cell)) return;
    show(cell);
    const target = hash.startsWith("#run-") ? document.getElementById(hash.slice(1)) : null;
    (target || document.getElementById("runs")).scrollIntoView();
  }

  picker.append(make("option", { value: "" }, "choose a row"), ...data.groups.map((group) =>
    make("optgroup", { label: group.title }, ...group.cells.map((cell) =>
      make("option", { value: cell.id }, `${cell.label} (${cell.runs.length})`)))));
  picker.addEventListener("change", () => show(picker.value));
  window.addEventListener("hashchange", follow);
  follow();
})();
