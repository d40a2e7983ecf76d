// Sets light or dark before the first paint: what was chosen, else what the system prefers.
// The key and its values are those of Django's admin, so that both follow one choice.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const preferred = () => (system.matches ? "dark" : "light");
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    const isChosen = chosen === "light" || chosen === "dark";
    document.documentElement.dataset.bsTheme = isChosen ? chosen : preferred();
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-switch-theme]")) return;
    const wanted = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", wanted === preferred() ? "auto" : wanted);
    apply();
  });
})();
