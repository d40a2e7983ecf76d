// What both consoles share: the token, the websocket, and the words in the bar.
export const seat = document.getElementById("seat");
export const stage = document.getElementById("stage");
const note = document.getElementById("note");
const again = document.getElementById("again");
const LEFT_UNSAID = 1006;

// A token opens a console once. It leaves the address at once, so that no history keeps it.
let given = new URLSearchParams(location.search).get("token");
if (given !== null) history.replaceState(null, "", location.pathname);

const say = (state, words) => {
  seat.dataset.state = state;
  note.textContent = words;
  if (again !== null) again.hidden = state !== "over";
};

const newToken = async () => {
  if (seat.dataset.ask === "") {
    const token = given;
    given = null;
    if (!token) throw new Error(seat.dataset.spent);
    return token;
  }
  const answer = await fetch(seat.dataset.ask, {
    method: "POST",
    headers: { "X-CSRFToken": seat.dataset.csrf },
  });
  // Logged out meanwhile: the page itself leads to the login.
  if (answer.redirected) location.reload();
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok || !body.token) throw new Error(body.message ?? seat.dataset.lost);
  return body.token;
};

const opened = async () => {
  const token = await newToken();
  const socket = new WebSocket(`${seat.dataset.socket}?token=${encodeURIComponent(token)}`);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("close", ({ code, reason }) => {
    const isMute = reason === "" && code === LEFT_UNSAID;
    say("over", reason || (isMute ? seat.dataset.lost : seat.dataset.closed));
  });
  return socket;
};

// Runs a console with each websocket; `show(socket, isReady)` calls isReady once something is seen.
export const run = (show) => {
  const start = async () => {
    say("opening", seat.dataset.opening);
    try {
      await show(await opened(), () => say("open", seat.dataset.open));
    } catch (error) {
      say("over", error.message);
    }
  };
  again?.addEventListener("click", start);
  document.getElementById("full").addEventListener("click", () => stage.requestFullscreen());
  start();
};
