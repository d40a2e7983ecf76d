// A server's serial line, by xterm.js.
import { run, seat, stage } from "./seat.js";

// What a guest takes for granted on a line that cannot tell the size of the terminal.
const COLUMNS = 80;
const ROWS = 24;
const NARROW_PX = 640;
const encoder = new TextEncoder();

const fontPx = () => (innerWidth < NARROW_PX ? 11 : 14);
const isDark = () => document.documentElement.dataset.bsTheme === "dark";
const theme = () =>
  isDark()
    ? { background: "#12171d", foreground: "#e3e8ed", cursor: "#7cc4e8" }
    : { background: "#ffffff", foreground: "#1d2630", cursor: "#0b6a94", selectionBackground: "#bfdcec" };

const terminal = new Terminal({
  cols: COLUMNS,
  rows: ROWS,
  cursorBlink: true,
  fontSize: fontPx(),
  fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
  minimumContrastRatio: 4.5,
  scrollback: 5000,
  theme: theme(),
});
const fit = new FitAddon.FitAddon();
let line = null;

stage.classList.add("seat-terminal");
terminal.loadAddon(fit);
terminal.open(stage);

// Never smaller than the guest believes it is; what is too wide can be scrolled.
const adjust = () => {
  if (terminal.options.fontSize !== fontPx()) terminal.options.fontSize = fontPx();
  const room = fit.proposeDimensions();
  if (room === undefined || Number.isNaN(room.cols)) return;
  terminal.resize(Math.max(COLUMNS, room.cols), Math.max(ROWS, room.rows));
};
new ResizeObserver(adjust).observe(stage);
new MutationObserver(() => (terminal.options.theme = theme())).observe(document.documentElement, {
  attributeFilter: ["data-bs-theme"],
});

const send = (data) => {
  if (line?.readyState === WebSocket.OPEN) line.send(data);
};
terminal.onData((text) => send(encoder.encode(text)));
terminal.onBinary((text) => send(Uint8Array.from(text, (each) => each.charCodeAt(0))));

run(async (socket, isReady) => {
  terminal.reset();
  line = socket;
  socket.addEventListener("message", ({ data }) => {
    if (seat.dataset.state === "opening") isReady();
    terminal.write(new Uint8Array(data));
  });
  socket.addEventListener("open", () => terminal.focus());
});
