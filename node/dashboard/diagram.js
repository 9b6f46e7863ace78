// The space-time diagram: a lane for each node, time to the right, and on each lane what happened there to each write.

import { AXIS_PX } from "./axis.js";
import { say } from "./dom.js";
import { Filters } from "./filters.js";
import { listenToPointers } from "./gestures.js";
import { isOpen } from "./holds.js";
import { CAUSAL, createLayout, WALL } from "./layout.js";
import { NodeTime } from "./node_time.js";
import { paint, paletteOf } from "./painter.js";
import { createParts } from "./parts.js";
import { laneLabels, pictureWords } from "./picture_words.js";
import { describe, standing } from "./sentences.js";
import { View } from "./view.js";
import { entryAt, walk } from "./walking.js";

const LANE_PX = { most: 104, least: 56, all: 420 };
/** Where in its row a lane runs: bars stand above, names below. */
const LANE_LINE = 0.64;
const PANELS_EVERY_MS = 200;
/** Time flows in such steps: at least, at most, and where motion is unwanted. */
const FLOW_MS = { least: 16, most: 1000 };
const STALE_MS = 100;
/** Placing takes no more than this part of the time. */
const SETTLING_SHARE = 0.2;
const ZOOM = 5 / 3;
const MOVES = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" };

/** Show the diagram. What comes from the feed is added to the trace here, and nowhere else. `select(dot)` chooses a write. */
export const mountDiagram = (container, { trace, feed }) => new Diagram(container, trace, feed);

// Its public fields are the scene that others paint and walk through.
class Diagram {
  view = new View(CAUSAL);
  filters = new Filters();
  // Writes that are selected and compared, entries that are pointed at and stood on.
  selected = null;
  compared = null;
  hovered = null;
  focused = null;
  isComparing = false;
  isPaused = false;
  // Events that came while the picture stands still.
  waiting = [];
  rows = [];
  height = 0;
  frames = 0;
  isDirty = true;
  #feed;
  #states = new Map();
  #time = new NodeTime();
  #isAsked = false;
  #timer = 0;
  #panelsAt = -Infinity;
  #settleAt = 0;

  constructor(container, trace, feed) {
    this.trace = trace;
    this.layout = createLayout(trace);
    this.#feed = feed;
    Object.assign(this, createParts(container, {
      act: (name, value) => this.#act(name, value),
      choose: (dot, node) => this.#chooseByName(dot, node),
      turn: () => this.#changed(),
    }));
    this.#listen();
    this.#fitCanvas();
    this.#dress();
  }

  /** Choose a write by its dot, and bring it into sight; null: none. */
  select(dot) {
    this.#select(dot === null ? null : this.trace.write(dot));
    const source = this.selected === null ? null : this.layout.source(this.selected);
    if (source !== null) this.view.reveal(source.x);
    this.focused = source ?? this.focused;
  }

  #listen() {
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    document.addEventListener("themechange", () => this.#dress());
    for (const type of ["focus", "blur"]) this.canvas.addEventListener(type, () => this.#changed());
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#changed()).observe(this.stage);
    listenToPointers(this.canvas, {
      point: (x, y) => this.#point(x, y),
      choose: (x, y, isTouch, isSecond) => this.#choose(entryAt(this, x, y, isTouch), isSecond),
      move: (px) => this.#move(() => this.view.pan(px, this.#extent())),
      zoom: (factor, x) => this.#move(() => this.view.zoom(factor, x, this.#extent())),
    });
    for (const name of ["event", "gap"]) this.#feed.on(name, (detail) => this.#hear(detail));
    this.#feed.on("hello", (hello) => this.#time.greet(hello?.node, hello?.wall_ms, performance.now()));
    this.#feed.on("nodes", () => this.#meet());
    this.#meet();
  }

  #hear(detail) {
    if (this.isPaused) this.waiting.push(detail);
    // What waits tells no time: when it is let in, it is long ago.
    else if (this.#take(detail)) this.#time.hear(detail.node, detail.at_ms, performance.now());
    // What waits has a limit: then the oldest are let in, though the picture stands still.
    if (this.waiting.length > this.trace.maxEvents) this.#take(this.waiting.shift());
    this.#changed();
  }

  // Whether it is an event that was not known.
  #take(detail) {
    if (detail.kind !== undefined) return this.trace.add(detail);
    this.trace.gap(detail);
    return false;
  }

  #meet() {
    const nodes = this.#feed.nodes.filter(({ id }) => id);
    this.trace.setNodes(nodes.map(({ id }) => id));
    for (const { id, state, status } of nodes) {
      this.#states.set(id, state);
      // A clock that counts what waits would end bars in a picture that stands still.
      if (!this.isPaused) this.trace.learnClock(id, status?.clock);
    }
    this.#changed();
  }

  #act(name, value) {
    ({
      layout: () => this.#setLayout(value),
      pause: () => this.#setPaused(!this.isPaused),
      follow: () => {
        this.#setPaused(false);
        this.view.follow(this.#extent());
      },
      zoom: () => this.view.zoom(value === "in" ? ZOOM : 1 / ZOOM, this.view.width / 2, this.#extent()),
      fit: () => this.view.fit(this.#extent()),
      compare: () => {
        this.isComparing = !this.isComparing;
        if (this.isComparing) say(this.live, this.selected === null ? "Choose a write first; then the second one." : "Now choose the second write.");
      },
      table: () => this.table.element.toggleAttribute("hidden"),
      key: () => this.#filter(() => Object.assign(this.filters, { key: value })),
      lane: () => this.#filter(({ hidden }) => hidden.delete(value) || hidden.add(value)),
    })[name]();
    this.#changed();
  }

  #setLayout(mode) {
    this.layout.setMode(mode);
    this.view.setMode(mode);
    this.view.follow(this.#extent());
    if (this.selected !== null) this.view.reveal(this.layout.source(this.selected)?.x ?? this.layout.end);
  }

  #setPaused(isPaused) {
    this.#time.stop(isPaused, performance.now());
    this.isPaused = isPaused;
    if (!isPaused) for (const detail of this.waiting.splice(0)) this.#take(detail);
  }

  #filter(change) {
    change(this.filters);
    this.layout.setFilter(this.filters.isOn ? (entry) => this.isShown(entry) && !this.filters.hidden.has(entry.node) : null);
    this.view.follow(this.#extent());
  }

  isShown = (entry) => this.filters.letsThrough(entry.write, this.selected);

  #move(change) {
    change();
    this.#point(null, null);
    this.#changed();
  }

  #choose(entry, isSecond) {
    if (entry === null) this.#letGo();
    else if ((isSecond || this.isComparing) && this.selected !== null && entry.write !== this.selected) {
      this.compared = entry.write;
      this.isComparing = false;
      say(this.live, `Second write: ${this.#inWords(entry)}`);
    } else {
      this.#select(entry.write);
      say(this.live, `Selected: ${this.trace.explain(entry.write.dot, entry.node)}`);
    }
    this.focused = entry ?? this.focused;
    this.#changed();
  }

  // A write that is named in a panel; `node`: of which node the panel speaks there.
  #chooseByName(dot, node) {
    this.select(dot);
    if (this.selected !== null) say(this.live, `Selected: ${this.trace.explain(dot, node ?? this.selected.origin)}`);
  }

  #select(write) {
    [this.selected, this.compared] = [write, null];
    if (this.filters.isOn) this.layout.settle();
    this.#changed();
  }

  #point(x, y) {
    const entry = x === null ? null : entryAt(this, x, y, false);
    if (entry === this.hovered) return;
    this.hovered = entry;
    this.tip.hidden = entry === null;
    if (entry !== null) this.#showTip(entry, x, y);
    this.#changed();
  }

  #showTip(entry, x, y) {
    say(this.tip, describe(this.trace, entry));
    const left = Math.max(0, Math.min(x + 14, this.view.width - this.tip.offsetWidth - 4));
    this.tip.style.transform = `translate(${left}px, ${y + 24}px)`;
  }

  #inWords(entry) {
    return `${describe(this.trace, entry)}. ${standing(entry.write, this.selected)}`;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const scroll = (screens) => this.#move(() => this.view.pan(screens * this.view.width, this.#extent()));
    const act = MOVES[key] !== undefined ? () => this.#walk(MOVES[key]) : {
      Enter: () => this.#choose(this.focused, event.shiftKey),
      Escape: () => this.#letGo(),
      "+": () => this.#act("zoom", "in"),
      "=": () => this.#act("zoom", "in"),
      "-": () => this.#act("zoom", "out"),
      0: () => this.#act("fit"),
      " ": () => this.#act("pause"),
      c: () => this.#choose(this.focused, true),
      PageUp: () => scroll(-0.8),
      PageDown: () => scroll(0.8),
    }[key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  }

  #walk(to) {
    this.focused = walk(this, this.focused, to);
    if (this.focused === null) return;
    if (to === "last" && this.focused.x >= this.layout.end) this.view.follow(this.#extent());
    else this.view.reveal(this.focused.x);
    say(this.live, this.#inWords(this.focused));
    this.#changed();
  }

  #letGo() {
    const wasCompared = this.compared !== null;
    this.isComparing = false;
    this.#select(wasCompared ? this.selected : null);
    say(this.live, wasCompared ? "The second write is let go." : "Nothing is selected.");
  }

  #dress() {
    this.palette = paletteOf(this.root);
    this.legend.paint(this.palette);
    this.#changed();
  }

  #changed() {
    this.isDirty = true;
    this.#ask();
  }

  // A frame for all that changes, and a further one where the picture changes by itself.
  #ask() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      clearTimeout(this.#timer);
      const pause = this.#draw();
      if (pause !== null) this.#timer = setTimeout(() => this.#ask(), pause);
    });
  }

  get nowMs() {
    return this.#time.at(performance.now());
  }

  /** What time it is by the clock of a node. */
  nowAt = (node) => this.#time.at(performance.now(), node);

  /** The place up to which time has come: a little behind the newest event, or now. */
  get nowPlace() {
    const { mode, end, baseMs } = this.layout;
    return mode === WALL ? Math.max(this.nowMs - baseMs, end) : end + (0.85 * this.view.marginPx) / this.view.scale;
  }

  #extent() {
    const { start, end, mode } = this.layout;
    return { start, end: mode === WALL && this.trace.size > 0 ? this.nowPlace : end };
  }

  // Paint a frame; after how many ms the next one is due though nothing new comes.
  #draw() {
    // Another view of the page is shown: the observer of sizes tells when this one is.
    if (this.stage.clientWidth === 0) return null;
    const began = performance.now();
    // What is chosen may be forgotten meanwhile.
    const isForgotten = (write) => write !== null && !this.trace.writes.has(write.dot);
    if (isForgotten(this.compared)) this.compared = null;
    if (isForgotten(this.selected)) this.#select(null);
    if (!this.isPaused && began >= this.#settleAt && this.layout.update(began)) {
      this.#settleAt = began + (performance.now() - began) / SETTLING_SHARE;
    }
    this.#fitCanvas();
    if (this.view.follows && !this.isPaused) this.view.follow(this.#extent());
    this.drawn = paint(this.ctx, this);
    if (this.isDirty && began - this.#panelsAt >= PANELS_EVERY_MS) this.#showPanels();
    this.frames += 1;
    this.frameMs = performance.now() - began;
    if (this.layout.isStale && !this.isPaused) return STALE_MS;
    return this.isDirty ? PANELS_EVERY_MS : this.#flowMs();
  }

  // Where time is seen to go on: in wall time half a px at a time; where a bar says how long it is.
  #flowMs() {
    const isWall = this.layout.mode === WALL;
    const isHolding = this.rows.some(({ lane }) => lane.holds.some((hold) => isOpen(lane, hold)));
    if (this.isPaused || this.trace.size === 0 || !(isWall || isHolding)) return null;
    if (this.calm.matches) return FLOW_MS.most;
    return isWall ? Math.min(Math.max(0.5 / this.view.scale, FLOW_MS.least), FLOW_MS.most) : PANELS_EVERY_MS;
  }

  #fitCanvas() {
    const lanes = this.trace.lanes.filter(({ node }) => !this.filters.hidden.has(node));
    const count = Math.max(lanes.length, 1);
    const lanePx = Math.min(LANE_PX.most, Math.max(LANE_PX.least, LANE_PX.all / count));
    this.view.width = this.stage.clientWidth;
    this.height = AXIS_PX + count * lanePx;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.view.width * ratio), Math.round(this.height * ratio)];
    if (width !== this.canvas.width || height !== this.canvas.height) {
      Object.assign(this.canvas, { width, height });
      this.canvas.style.height = `${this.height}px`;
      this.ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.rows = lanes.map((lane, index) => {
      const top = AXIS_PX + index * lanePx;
      return { lane, top, height: lanePx, y: top + lanePx * LANE_LINE };
    });
  }

  #showPanels() {
    this.#panelsAt = performance.now();
    this.isDirty = false;
    const lanes = this.rows.map(({ lane }) => lane);
    const pointed = this.hovered?.write ?? null;
    this.toolbar.show(this);
    laneLabels(this.labels, this, this.#states);
    say(this.words, pictureWords(this.trace, this.layout, this.filters));
    this.details.show(this.trace, this.selected, this.compared ?? (pointed === this.selected ? null : pointed), lanes);
    this.table.show(this, lanes);
  }
}
