// All files of the page have to come, or nothing works. One may not: a node restarts, a network changes. Then the page is
// loaded again, a few times by itself and then when it is asked to. A classic script that needs none of the others.
(() => {
  const KEY = "causalkv-loads";
  const PAUSES_SECONDS = [0.5, 1, 2, 4, 8];
  let isWhole = true;

  /** How often in a row this tab has loaded the page again by itself; without storage it does not. */
  const loads = () => {
    try {
      return Number(sessionStorage.getItem(KEY) ?? 0);
    } catch {
      return PAUSES_SECONDS.length;
    }
  };

  const keepLoads = (count) => {
    try {
      sessionStorage.setItem(KEY, String(count));
    } catch { // as above
    }
  };

  const tell = (text, ...more) => {
    const place = document.getElementById("loading");
    place.hidden = false;
    place.className = "notice"; // at once
    place.replaceChildren(text, ...more);
  };

  /** Load the page again once its node answers: in place of a page that cannot be had, a browser shows one of its own. */
  const loadAgain = async () => {
    const before = loads();
    if (before < PAUSES_SECONDS.length) {
      const seconds = PAUSES_SECONDS[before];
      keepLoads(before + 1);
      tell(`Not all files of this page came. It is loaded again in ${seconds} s (${before + 1} of ${PAUSES_SECONDS.length}).`);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      if (await answers()) location.reload();
      else loadAgain();
      return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Load the page again";
    button.addEventListener("click", () => {
      keepLoads(0);
      location.reload();
    });
    tell("Not all files of this page came, although it was loaded several times. Is the node up, and the way to it? ", button);
  };

  const answers = async () => {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      await answer.text();
      return answer.ok;
    } catch {
      return false;
    }
  };

  // A file that does not come is told to its element alone; what a module imports, to that of the first one.
  addEventListener("error", ({ target }) => {
    if (target instanceof HTMLScriptElement || target?.rel === "stylesheet") isWhole = false;
  }, true);
  addEventListener("load", () => (isWhole ? keepLoads(0) : loadAgain()));
})();
