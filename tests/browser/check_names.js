// Names of controls and regions, heads of tables, order of headings, landmarks, references, size of targets: what is wrong,
// in words.
() => {
  const wrong = [];
  const isShown = (element) => element.getClientRects().length > 0;
  const say = (what, element) => wrong.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
  const textOf = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
  const nameOf = (element) => (element.getAttribute("aria-labelledby") && textOf(element.getAttribute("aria-labelledby")))
    || element.getAttribute("aria-label")?.trim()
    || (element.labels ? [...element.labels].map((label) => label.textContent).join(" ").trim() : "")
    || (element.matches("input, select, textarea") ? "" : element.textContent.trim()) || element.getAttribute("alt")?.trim() || "";

  const all = [...document.querySelectorAll("body *")].filter(isShown);
  for (const element of all) {
    if (element.matches("button, a[href], input, select, textarea, summary, [role=region], [role=log], [tabindex='0']") && !nameOf(element)) say("no name", element);
    if (element.matches("img") && !element.hasAttribute("alt")) say("no text instead", element);
    if (Number(element.getAttribute("tabindex")) > 0) say("an order of its own", element);
    for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls"]) {
      for (const id of (element.getAttribute(attribute) ?? "").split(/\s+/).filter(Boolean)) {
        if (document.getElementById(id) === null) say(`${attribute} leads nowhere`, element);
      }
    }
    if (element.matches("table")) {
      const heads = [...element.querySelectorAll("th")];
      if (heads.length === 0 || heads.some((head) => !head.scope)) say("heads without scope", element);
    }
    if (element.matches("ul, ol") && [...element.children].some((child) => child.tagName !== "LI")) say("no item of a list", element);
    if (element.matches("button, select, input:not([type=checkbox], [type=radio])") && element.getBoundingClientRect().height < 24) say("too small to hit", element);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((each, at) => ids.indexOf(each) !== at))) wrong.push(`the id ${id} stands twice`);
  const levels = all.filter((element) => element.matches("h1, h2, h3, h4, h5, h6")).map((element) => Number(element.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1 || levels[0] !== 1) wrong.push(`headings begin with ${levels.slice(0, 3)}`);
  levels.forEach((level, at) => { if (at > 0 && level > levels[at - 1] + 1) wrong.push(`heading ${at} leaves out a level`); });
  for (const landmark of ["header", "nav", "main"]) if (document.querySelectorAll(landmark).length !== 1) wrong.push(`not one ${landmark}`);
  if (!document.documentElement.lang) wrong.push("no language");
  if (document.querySelector("[role=status], [aria-live]") === null) wrong.push("no live region");
  return wrong;
}
