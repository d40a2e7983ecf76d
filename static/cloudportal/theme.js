// Sets light or dark before the first paint: what was chosen here, else what the system prefers.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    const theme = chosen ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.bsTheme = theme;
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-switch-theme]")) return;
    const wanted = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
    if (wanted === (system.matches ? "dark" : "light")) localStorage.removeItem("theme");
    else localStorage.setItem("theme", wanted);
    apply();
  });
})();
