"use strict";
(() => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const root = document.getElementById("explorer");
  const find = (selector) => root.querySelector(selector);
  const plane = find(".plane");
  const [tools, spoken, chosen, odds, body] =
    [".tools", ".spoken", ".chosen", ".chance", "tbody"].map(find);
  const shownClasses = data.classes.map(() => true);
  let heldOutOnly = false, background = false;
  let current = -1, selected = -1; // cells, as positions in the lists
  let box = null, dots = [], ring = null, here = null;
  document.documentElement.classList.add("js");

  // Elements

  function make(name, attributes = {}, text = null) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== null) node.textContent = text;
    return node;
  }

  function html(name, text = null) {
    const node = document.createElement(name);
    if (text !== null) node.textContent = text;
    return node;
  }

  // Sprites: many tiles in one picture

  const pictures = {};
  for (const name of ["crops", "reconstructions", "decoded"]) {
    if (data[name] === null) continue;
    pictures[name] = new Image();
    pictures[name].src = data[name].src;
  }

  async function drawTile(canvas, name, number) {
    const [width, height] = data.tile;
    canvas.dataset.tile = number;
    await pictures[name].decode();
    if (Number(canvas.dataset.tile) !== number) return; // another was asked for meanwhile
    canvas.width = width;
    canvas.height = height;
    const column = number % data[name].columns, row = Math.floor(number / data[name].columns);
    canvas.getContext("2d").drawImage(
      pictures[name], column * width, row * height, width, height, 0, 0, width, height);
  }

  // The plane

  const isShown = (cell) =>
    shownClasses[data.classOf[cell]] && (!heldOutOnly || data.heldOut[cell] === 1);

  function toScreen([x, y]) {
    const [[x0, x1], [y0, y1]] = data.limits;
    return [
      box.left + ((x - x0) / (x1 - x0)) * box.width,
      box.top + ((y1 - y) / (y1 - y0)) * box.height,
    ];
  }

  function ticks([low, high]) {
    const rough = (high - low) / 7, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const first = Math.ceil(low / step), last = Math.floor(high / step);
    return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
  }

  const inWords = (value) => String(value).replace("-", "\u2212");

  function drawAxes(width, height) {
    const [[x0, x1], [y0, y1]] = data.limits;
    const bottom = box.top + box.height;
    for (const x of ticks([x0, x1])) {
      const at = toScreen([x, y0])[0];
      plane.append(make("text", { x: at, y: bottom + 16, "text-anchor": "middle" }, inWords(x)));
    }
    if (data.axes[1]) {
      for (const y of ticks([y0, y1])) {
        const at = toScreen([x0, y])[1];
        plane.append(make("text", { x: box.left - 6, y: at + 4, "text-anchor": "end" }, inWords(y)));
      }
    }
    const middle = box.top + box.height / 2;
    plane.append(
      make("text", { x: box.left + box.width / 2, y: height - 6, "text-anchor": "middle" }, data.axes[0]),
      make("text", { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, data.axes[1]),
    );
  }

  function draw() {
    const width = Math.max(plane.clientWidth, 200), height = Math.round(Math.min(width * 0.92, 560));
    plane.setAttribute("viewBox", `0 0 ${width} ${height}`);
    plane.style.height = `${height}px`;
    const longest = Math.max(...ticks(data.limits[1]).map((value) => String(value).length));
    const left = 30 + 7.5 * longest;
    box = { left, top: 6, width: width - left - 8, height: height - 48 };
    const area = { x: box.left, y: box.top, width: box.width, height: box.height };
    plane.replaceChildren();
    if (background) plane.append(make("image", { ...area, href: data.decoded.src, preserveAspectRatio: "none" }));
    plane.append(make("rect", { ...area, class: "frame" }));
    drawAxes(width, height);
    dots = data.points.map((point, cell) => {
      const [cx, cy] = toScreen(point), held = data.heldOut[cell] === 1;
      return make("circle", {
        cx, cy, r: held ? 4.5 : 3.5, class: held ? "dot held" : "dot",
        fill: data.colours[data.classOf[cell]], "data-row": data.rows[cell],
      });
    });
    const order = dots.map((_, cell) => cell).sort((a, b) => data.heldOut[a] - data.heldOut[b]);
    plane.append(...order.map((cell) => dots[cell])); // held-out cells on top
    here = make("rect", { class: "here", visibility: "hidden" });
    ring = make("circle", { class: "ring", r: 8, visibility: "hidden" });
    plane.append(here, ring);
    hideDots();
    markCurrent();
  }

  function hideDots() {
    dots.forEach((dot, cell) => dot.setAttribute("visibility", isShown(cell) ? "visible" : "hidden"));
  }

  function markCurrent() {
    const shown = current >= 0 && isShown(current);
    ring.setAttribute("visibility", shown ? "visible" : "hidden");
    if (!shown) return;
    const [cx, cy] = toScreen(data.points[current]);
    ring.setAttribute("cx", cx);
    ring.setAttribute("cy", cy);
  }

  // The cell decoded at a point

  function decodeAt(x, y) {
    if (data.decoded === null) return;
    const { columns, rows } = data.decoded;
    const across = (x - box.left) / box.width, down = (y - box.top) / box.height;
    if (across < 0 || across >= 1 || down < 0 || down >= 1) return;
    const column = Math.floor(across * columns), row = Math.floor(down * rows);
    const width = box.width / columns, height = box.height / rows;
    const place = { x: box.left + column * width, y: box.top + row * height, width, height };
    for (const [key, value] of Object.entries(place)) here.setAttribute(key, value);
    here.setAttribute("visibility", "visible");
    drawTile(find(".decoded canvas"), "decoded", row * columns + column);
  }

  // The chosen cell

  function describe(cell) {
    const number = data.classOf[cell], odds = data.probabilities[cell];
    const seen = data.heldOut[cell] === 1 ? "held out" : "trained on";
    const chance = odds === null ? "" : `, probability of its class ${odds[number].toFixed(2)}`;
    return `Row ${data.rows[cell]}: ${data.classes[number]}, ${seen}${chance}.`;
  }

  function goTo(cell) {
    current = cell;
    markCurrent();
    decodeAt(...toScreen(data.points[cell]));
    spoken.textContent = describe(cell);
  }

  function select(cell) {
    goTo(cell);
    selected = cell;
    chosen.hidden = false;
    chosen.dataset.row = data.rows[cell];
    for (const [place, name] of [[".crop", "crops"], [".reconstruction", "reconstructions"]]) {
      const canvas = find(place);
      canvas.parentElement.hidden = data[name] === null;
      canvas.setAttribute("aria-label", `${place.slice(1)} of the cell in row ${data.rows[cell]}`);
      if (data[name] !== null) drawTile(canvas, name, cell);
    }
    showOdds(data.probabilities[cell]);
    body.replaceChildren(...data.columns.map((name, column) => {
      const line = html("tr"), head = html("th", name);
      head.scope = "row";
      line.append(head, html("td", data.values[cell][column]));
      return line;
    }));
  }

  function showOdds(values) {
    odds.replaceChildren();
    if (values === null) return odds.append(html("b", "never held out: no probability"));
    values.forEach((value, number) => {
      const cell = html("div"), bar = html("i");
      bar.style.setProperty("--dot", data.colours[number]);
      bar.style.width = `${100 * value}%`;
      cell.append(bar);
      odds.append(html("b", data.classes[number]), cell, html("span", value.toFixed(2)));
    });
  }

  function letGo() {
    current = selected = -1;
    chosen.hidden = true;
    markCurrent();
    spoken.textContent = "No cell chosen.";
  }

  // By pointer

  function toPlane(event) {
    const frame = plane.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  function nearest(x, y, most) {
    let best = -1, least = most ** 2;
    data.points.forEach((point, cell) => {
      if (!isShown(cell)) return;
      const [dotX, dotY] = toScreen(point), distance = (dotX - x) ** 2 + (dotY - y) ** 2;
      if (distance <= least) [best, least] = [cell, distance];
    });
    return best;
  }

  plane.addEventListener("pointermove", (event) => decodeAt(...toPlane(event)));
  plane.addEventListener("click", (event) => {
    const [x, y] = toPlane(event), hit = dots.indexOf(event.target);
    const cell = hit >= 0 ? hit : nearest(x, y, 16); // a finger need not hit it exactly
    decodeAt(x, y);
    if (cell >= 0) select(cell);
  });

  // By keyboard

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function neighbour([right, down]) {
    const [x, y] = toScreen(data.points[current]);
    let best = -1, least = Infinity;
    data.points.forEach((point, cell) => {
      if (cell === current || !isShown(cell)) return;
      const [dotX, dotY] = toScreen(point);
      const along = (dotX - x) * right + (dotY - y) * down;
      const aside = Math.abs((dotX - x) * down) + Math.abs((dotY - y) * right);
      if (along > 0 && aside <= along && along + aside < least) [best, least] = [cell, along + aside];
    });
    return best;
  }

  plane.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const lost = current < 0 || !isShown(current);
      const cell = lost ? nearest(box.left + box.width / 2, box.top + box.height / 2, Infinity) : neighbour(arrow);
      if (cell >= 0) goTo(cell);
    } else if ((event.key === "Enter" || event.key === " ") && current >= 0 && isShown(current)) {
      select(current);
    } else if (event.key === "Escape") {
      letGo();
    } else {
      return;
    }
    event.preventDefault();
  });

  // Buttons

  function button(text, pressed, onPress, colour = null) {
    const node = html("button");
    node.type = "button";
    node.setAttribute("aria-pressed", pressed);
    if (colour === null) {
      node.className = "plain";
    } else {
      node.style.setProperty("--dot", colour);
      node.append(html("i"));
    }
    node.append(text);
    node.addEventListener("click", () => {
      const now = node.getAttribute("aria-pressed") !== "true";
      node.setAttribute("aria-pressed", now);
      onPress(now);
    });
    tools.append(node);
  }

  function refresh() {
    hideDots();
    markCurrent();
    if (selected >= 0 && !isShown(selected)) letGo();
  }

  data.classes.forEach((label, number) => button(label, true, (now) => {
    shownClasses[number] = now;
    refresh();
  }, data.colours[number]));
  button("held-out cells only", false, (now) => {
    heldOutOnly = now;
    refresh();
  });
  if (data.decoded !== null) {
    button("decoded cells behind", false, (now) => {
      background = now;
      draw();
    });
  } else {
    find(".decoded").hidden = true;
  }

  draw();
  decodeAt(box.left + box.width / 2, box.top + box.height / 2);
  let lastWidth = plane.clientWidth;
  new ResizeObserver(() => {
    if (plane.clientWidth !== lastWidth) draw();
    lastWidth = plane.clientWidth;
  }).observe(plane);
})();
