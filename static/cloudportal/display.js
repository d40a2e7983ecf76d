// A server's display, by noVNC.
import { run, seat, stage } from "./seat.js";

const { default: RFB } = await import(`${seat.dataset.novnc}/rfb.js`);
// Why a display ends is said in the bar.
(await import(`${seat.dataset.novnc}/util/logging.js`)).initLogging("none");
const keys = document.getElementById("keys");
let display = null;

keys.addEventListener("click", () => {
  display?.sendCtrlAltDel();
  display?.focus();
});

run(async (socket, isReady) => {
  stage.replaceChildren();
  display = new RFB(stage, socket, { shared: true });
  display.scaleViewport = true;
  display.background = "transparent";
  display.addEventListener("connect", () => {
    keys.disabled = false;
    isReady();
    display.focus();
  });
  display.addEventListener("disconnect", () => {
    keys.disabled = true;
    display = null;
  });
});
