// Light or dark: what the system prefers, or what was chosen here. A classic script in the head, so that the page is
// never painted in the wrong colours first.
(() => {
  const KEY = "causalkv-theme";
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");

  const chosen = () => {
    try {
      const kept = localStorage.getItem(KEY);
      return kept === "light" || kept === "dark" ? kept : "auto";
    } catch { // no storage is allowed: the choice lasts as long as the page
      return document.documentElement.dataset.themeChoice ?? "auto";
    }
  };

  const apply = () => {
    const choice = chosen();
    const theme = choice === "auto" ? (prefersDark.matches ? "dark" : "light") : choice;
    if (document.documentElement.dataset.theme !== theme) {
      document.documentElement.dataset.theme = theme;
      document.dispatchEvent(new Event("themechange"));
    }
  };

  prefersDark.addEventListener("change", apply);
  addEventListener("storage", apply); // chosen in another tab
  addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    choice.value = chosen();
    choice.addEventListener("change", () => {
      document.documentElement.dataset.themeChoice = choice.value;
      try {
        localStorage.setItem(KEY, choice.value);
      } catch { // as above
      }
      apply();
    });
  });
  apply();
})();
