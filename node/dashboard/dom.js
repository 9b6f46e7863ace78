// Building and changing what is shown. Text is only ever set as text: nothing that a node or a user sends is read as HTML.

/**
 * An element: `tag`, or `tag.class.class`, then perhaps an object of attributes, then children. An attribute that is true
 * is set empty; what is false, null or undefined, attribute or child, is left out; lists of children are unrolled.
 */
export function el(tag, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length > 0) element.className = classes.join(" ");
  const first = children[0];
  const hasAttributes = typeof first === "object" && first !== null && !Array.isArray(first) && !(first instanceof Node);
  for (const [attribute, value] of Object.entries(hasAttributes ? children.shift() : {})) {
    if (isThere(value)) element.setAttribute(attribute, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(isThere));
  return element;
}

const isThere = (each) => each !== null && each !== undefined && each !== false;

/**
 * Make the children of `parent` like `children` and change only what differs, so that focus, selection, scroll position
 * and opened details stay while things change around them. Elements with the same `data-key` are the same thing.
 */
export function show(parent, ...children) {
  patchChildren(parent, el("div", children));
}

function patchChildren(parent, wanted) {
  const keys = new Set([...wanted.childNodes].map(keyOf));
  // First, so that what stays need not be moved, which would take the focus from it.
  for (const child of [...parent.childNodes]) if (keyOf(child) !== null && !keys.has(keyOf(child))) child.remove();
  let current = parent.firstChild;
  for (const node of [...wanted.childNodes]) {
    const match = sameThing(current, node);
    if (match === null) {
      parent.insertBefore(node, current);
      continue;
    }
    if (match !== current) parent.insertBefore(match, current);
    else current = current.nextSibling;
    patch(match, node);
  }
  for (let next; current !== null; current = next) {
    next = current.nextSibling;
    current.remove();
  }
}

/** What among `current` and its followers stands for the same as `node`. */
function sameThing(current, node) {
  const key = keyOf(node);
  for (let other = current; other !== null; other = other.nextSibling) {
    if (other.nodeName === node.nodeName && keyOf(other) === key) return other;
    if (key === null) return null;
  }
  return null;
}

const keyOf = (node) => (node instanceof Element ? node.getAttribute("data-key") : null);

function patch(current, wanted) {
  if (!(current instanceof Element)) {
    if (current.nodeValue !== wanted.nodeValue) current.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...current.attributes]) {
    // Whether details are open is up to who reads them.
    if (!wanted.hasAttribute(name) && name !== "open") current.removeAttribute(name);
  }
  for (const { name, value } of [...wanted.attributes]) {
    if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  }
  patchChildren(current, wanted);
}

/**
 * Call `act` with the value of `data-<name>`, and its element, when one inside of `container` is clicked, now or later. One
 * with aria-disabled="true" does nothing: a button that goes out of use while it has the focus keeps that so.
 */
export function onClick(container, name, act) {
  container.addEventListener("click", (event) => {
    const element = event.target.closest(`[data-${name}]`);
    if (element !== null && element.ariaDisabled !== "true") act(element.getAttribute(`data-${name}`), element);
  });
}

/** The attribute of an element that is out of use but keeps the focus. */
export const outOfUse = (isOut) => ({ "aria-disabled": isOut && "true" });

/** A button; `rest` of its name is only heard. */
export function button(label, attributes, rest = "") {
  return el("button", { type: "button", ...attributes }, label, rest && el("span.visually-hidden", ` ${rest}`));
}

/** A control with its label. */
export function field(label, control) {
  return el("p.field", el("label", { for: control.id }, label), control);
}

/** A part of a view, with its title. */
export function panel(title, about, ...content) {
  return el("section.panel", { "aria-label": title }, el("h2", title), el("p.about", about), content);
}

/** Put a text into a live region, which speaks when it changes: so it is left alone when it does not. */
export function say(region, text) {
  if (region.textContent !== text) region.textContent = text;
}
