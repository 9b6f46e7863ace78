// Which part of the picture is seen, and how large: `left` is the place at its left edge, `scale` the px of a column or of
// a millisecond, `follows` whether the newest event is kept in sight. Pure.

/** Usual, least, most, and most when everything is to be seen. */
const SCALES = { causal: [46, 0.02, 160, 46], wall: [0.1, 1e-6, 50, 2] };
/** Room before the first event, and behind the newest: for its label, and for the bar of what is held since then. */
const START_PX = 30;
const MARGIN_PX = { causal: 185, wall: 40 };

const within = (least, number, most) => Math.min(most, Math.max(least, number));

export class View {
  width = 0;

  constructor(mode) {
    this.setMode(mode);
  }

  setMode(mode) {
    this.mode = mode;
    [this.scale] = SCALES[mode];
    this.left = 0;
    this.follows = true;
  }

  get marginPx() {
    return Math.min(MARGIN_PX[this.mode], this.width * 0.3);
  }

  px(place) {
    return (place - this.left) * this.scale;
  }

  place(px) {
    return this.left + px / this.scale;
  }

  /** Enlarge so many times, around a point that stays where it is; while following, around the newest. */
  zoom(factor, px, extent) {
    const [, least, most] = SCALES[this.mode];
    const place = this.place(px);
    this.scale = within(least, this.scale * factor, most);
    if (this.follows) this.follow(extent);
    else this.left = place - px / this.scale;
  }

  /** Move by so many px; whoever moves away from the newest event stays where they are. */
  pan(px, extent) {
    const newest = this.#newest(extent);
    this.left = Math.max(this.left + px / this.scale, Math.min(extent.start - START_PX / this.scale, newest));
    this.follows = px > 0 && this.left >= newest;
    if (this.follows) this.left = newest;
  }

  follow(extent) {
    this.follows = true;
    this.left = this.#newest(extent);
  }

  fit(extent) {
    const [, least, , most] = SCALES[this.mode];
    const room = Math.max(this.width - this.marginPx - START_PX, 50);
    this.scale = within(least, room / Math.max(extent.end - extent.start, 1e-3), most);
    this.follow(extent);
  }

  /** Bring a place into sight, if it is not. */
  reveal(place) {
    const px = this.px(place);
    if (this.width === 0 || (px >= START_PX && px <= this.width - START_PX)) return;
    this.follows = false;
    this.left = place - this.width / 2 / this.scale;
  }

  #newest({ start, end }) {
    // What is not more than a screen begins at the left.
    return Math.max(end - (this.width - this.marginPx) / this.scale, start - START_PX / this.scale);
  }
}
