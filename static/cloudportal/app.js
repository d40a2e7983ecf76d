// Small helpers of the pages: live regions, the dialog, toasts, copying. All pages work without.
(() => {
  const TICK_MS = 250;
  const TOAST_MS = 7000;
  const dueAt = new WeakMap();
  const states = new Map();

  // Live regions: `data-poll` is the pause in ms, written anew by the server with each answer.
  // Nothing is asked for while the page is hidden, or while a menu inside the region is open.
  const isBusy = (region) => region.querySelector('[aria-expanded="true"]') !== null;
  const tick = () => {
    if (document.visibilityState !== "visible") return;
    const now = Date.now();
    for (const region of document.querySelectorAll("[data-poll]")) {
      const pause = Number(region.dataset.poll);
      const due = dueAt.get(region);
      if (due === undefined) dueAt.set(region, now + pause);
      else if (now >= Math.min(due, now + pause) && !isBusy(region)) {
        dueAt.set(region, now + pause);
        htmx.trigger(region, "refresh");
      }
    }
  };
  setInterval(tick, TICK_MS);

  // Says aloud when a server's state has changed, and only then.
  const noteStates = (announce) => {
    const changes = [];
    for (const node of document.querySelectorAll("[data-state-of]")) {
      const { stateOf, stateName, state } = node.dataset;
      const before = states.get(stateOf);
      if (before !== undefined && before !== state) changes.push(`${stateName}: ${state}`);
      states.set(stateOf, state);
    }
    if (announce && changes.length > 0) {
      document.getElementById("announcer").textContent = changes.join(", ");
    }
  };

  const stickToBottom = () => {
    for (const box of document.querySelectorAll("[data-stick]")) {
      if (box.dataset.left !== "1") box.scrollTop = box.scrollHeight;
    }
  };
  document.addEventListener(
    "scroll",
    ({ target }) => {
      if (!(target instanceof Element) || !target.matches("[data-stick]")) return;
      const rest = target.scrollHeight - target.scrollTop - target.clientHeight;
      target.dataset.left = rest > 24 ? "1" : "";
    },
    true,
  );

  const fadeToasts = () => {
    for (const note of document.querySelectorAll("[data-fades]:not([data-fading])")) {
      note.dataset.fading = "";
      setTimeout(() => note.remove(), TOAST_MS);
    }
  };

  const dialog = document.getElementById("ask");
  const openDialog = () => {
    if (dialog === null || dialog.open || dialog.childElementCount === 0) return;
    dialog.showModal();
  };
  dialog?.addEventListener("close", () => dialog.replaceChildren());
  dialog?.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });

  document.addEventListener("htmx:after:swap", () => {
    noteStates(true);
    stickToBottom();
    fadeToasts();
    openDialog();
  });
  document.addEventListener("htmx:finally:request", ({ detail }) => {
    if (dialog?.open && detail.ctx.sourceElement?.closest?.("#ask")) dialog.close();
  });
  // A region that could not be fetched says so by turning pale, until it can be again.
  document.addEventListener("htmx:error", ({ detail }) => {
    detail.ctx?.sourceElement?.closest?.("[data-poll]")?.classList.add("is-stale");
  });

  document.addEventListener("click", async (event) => {
    const closer = event.target.closest("[data-dismiss-note]");
    if (closer !== null) closer.closest(".note").remove();
    const copier = event.target.closest("[data-copy]");
    if (copier !== null) {
      await navigator.clipboard.writeText(document.querySelector(copier.dataset.copy).textContent);
      const label = copier.querySelector("[data-copy-label]");
      const before = label.textContent;
      label.textContent = copier.dataset.copied;
      setTimeout(() => (label.textContent = before), 1500);
    }
  });

  // One press, one request.
  document.addEventListener("submit", ({ target }) => {
    if (target.matches("[data-once]")) {
      setTimeout(() => target.querySelectorAll("[type=submit]").forEach((each) => (each.disabled = true)));
    }
  });
  addEventListener("pageshow", () => {
    document
      .querySelectorAll("[data-once] [type=submit]")
      .forEach((each) => (each.disabled = false));
  });

  addEventListener("DOMContentLoaded", () => {
    noteStates(false);
    stickToBottom();
    fadeToasts();
    const address = document.querySelector("[data-replace-address]");
    // So that a reload shows the server instead of asking for another one.
    if (address !== null) history.replaceState(null, "", address.dataset.replaceAddress);
  });
})();
