// The page of the voice mesh: type and hear, upload and read, record and converse. No library.
"use strict";

const el = (id) => document.getElementById(id);
const WAV_HEADER = 44;

// --- token: kept for this tab only ---------------------------------------------------------------
el("token").value = sessionStorage.getItem("token") || "";
el("token").addEventListener("change", () => {
  sessionStorage.setItem("token", el("token").value.trim());
  loadVoices();
});
const token = () => el("token").value.trim();
const headers = (extra) => (token() ? { Authorization: `Bearer ${token()}`, ...extra } : extra || {});

function note(id, text, bad) {
  el(id).textContent = text;
  el(id).classList.toggle("bad", Boolean(bad));
}

async function failureOf(response) {
  try {
    const body = await response.json();
    const wait = response.headers.get("Retry-After");
    return body.error.message + (wait ? ` (try again in ${wait} s)` : "");
  } catch {
    return `the server answered ${response.status}`;
  }
}

// --- playing s16le mono as it arrives ------------------------------------------------------------
class Player {
  constructor(rate) {
    this.rate = rate;
    this.context = new AudioContext();
    this.at = 0;
    this.odd = new Uint8Array(0);
    this.sources = new Set();
  }

  // Schedule bytes behind what is scheduled already; a sample may be split between two pieces.
  push(bytes) {
    const joined = new Uint8Array(this.odd.length + bytes.length);
    joined.set(this.odd);
    joined.set(bytes, this.odd.length);
    const even = joined.length - (joined.length % 2);
    this.odd = joined.slice(even);
    if (!even) return;
    const view = new DataView(joined.buffer, 0, even);
    const buffer = this.context.createBuffer(1, even / 2, this.rate);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true) / 32768;
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    this.at = Math.max(this.at, this.context.currentTime + 0.05);
    source.start(this.at);
    this.at += buffer.duration;
    this.sources.add(source);
    source.onended = () => this.sources.delete(source);
  }

  stop() {
    for (const source of this.sources) source.stop();
    this.sources.clear();
    this.context.close();
  }
}

// --- recording -----------------------------------------------------------------------------------
// A button that records between two presses and hands the recording over.
function recorder(button, noteId, done) {
  const label = button.textContent;
  let media = null;
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", async () => {
    if (media) {
      media.stop();
      return;
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      note(noteId, `The microphone is not available: ${error.message}`, true);
      return;
    }
    const parts = [];
    media = new MediaRecorder(stream);
    media.ondataavailable = (event) => parts.push(event.data);
    media.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      const type = media.mimeType;
      media = null;
      button.textContent = label;
      button.setAttribute("aria-pressed", "false");
      done(new Blob(parts, { type }));
    };
    media.start();
    button.textContent = "Done";
    button.setAttribute("aria-pressed", "true");
    note(noteId, "Listening…");
  });
}

// --- type and hear -------------------------------------------------------------------------------
let voices = [];
let speaking = null;

async function loadVoices() {
  try {
    const response = await fetch("/v1/audio/voices", { headers: headers() });
    if (!response.ok) {
      note("speak-note", await failureOf(response), true);
      return;
    }
    voices = (await response.json()).voices;
  } catch {
    note("speak-note", "The list of voices could not be loaded.", true);
    return;
  }
  note("speak-note", "");
  const names = new Intl.DisplayNames([navigator.language || "en"], { type: "language" });
  const tags = [...new Set(voices.map((voice) => voice.language))].sort();
  el("language").replaceChildren(...tags.map((tag) => new Option(names.of(tag), tag)));
  if (tags.includes("en-us")) el("language").value = "en-us";
  showVoices();
}

function showVoices() {
  const fitting = voices.filter((voice) => voice.language === el("language").value);
  const options = fitting.map((voice) => new Option(`${voice.name} (${voice.engine})`, voice.id));
  el("voice").replaceChildren(new Option("default", ""), ...options);
}

el("language").addEventListener("change", showVoices);
el("speed").addEventListener("input", () => {
  el("speed-shown").value = Number(el("speed").value).toFixed(1);
});
el("speak-stop").addEventListener("click", () => speaking && speaking.stop());

el("speak").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (speaking) speaking.stop();
  const abort = new AbortController();
  let player = null;
  const mine = { stop() { abort.abort(); if (player) player.stop(); } };
  speaking = mine;
  el("speak-stop").disabled = false;
  el("speak-save").hidden = true;
  note("speak-note", "…");
  const body = {
    text: el("text").value,
    language: el("language").value || undefined,
    voice: el("voice").value || undefined,
    speed: Number(el("speed").value),
  };
  const started = performance.now();
  try {
    const response = await fetch("/synthesize", {
      method: "POST",
      headers: headers({ "Content-Type": "application/json" }),
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    if (!response.ok) throw new Error(await failureOf(response));
    player = new Player(Number(response.headers.get("X-Sample-Rate")) || 24000);
    const reader = response.body.getReader();
    const pieces = [];
    let seen = 0;
    let first = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      const skip = Math.max(0, WAV_HEADER - seen);
      seen += value.length;
      if (value.length > skip) {
        first = first || performance.now() - started;
        player.push(value.subarray(skip));
      }
    }
    const facts = [
      `engine ${response.headers.get("X-Engine")}, voice ${response.headers.get("X-Voice")}`,
      `first sound after ${Math.round(first)} ms`,
    ];
    const ignored = response.headers.get("X-Ignored-Parameters");
    if (ignored) facts.push(`ignored: ${ignored}`);
    const fallback = response.headers.get("X-Fallback");
    if (fallback) facts.push(`fallback: ${fallback}`);
    note("speak-note", facts.join(" · "));
    el("speak-save").href = URL.createObjectURL(wholeWav(pieces, seen));
    el("speak-save").hidden = false;
  } catch (error) {
    if (error.name !== "AbortError") note("speak-note", error.message, true);
    else note("speak-note", "Stopped.");
  }
});

// The stream's header says "length unknown"; a saved file says how long it is.
function wholeWav(pieces, size) {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const view = new DataView(bytes.buffer);
  view.setUint32(4, size - 8, true);
  view.setUint32(WAV_HEADER - 4, size - WAV_HEADER, true);
  return new Blob([bytes], { type: "audio/wav" });
}

// --- upload and read -----------------------------------------------------------------------------
async function transcribe(recording, name) {
  note("listen-note", "Reading…");
  el("transcript").textContent = "";
  el("segments").replaceChildren();
  const form = new FormData();
  form.append("file", recording, name);
  form.append("model", "whisper-1");
  form.append("response_format", "verbose_json");
  try {
    const response = await fetch("/v1/audio/transcriptions", {
      method: "POST",
      headers: headers(),
      body: form,
    });
    if (!response.ok) throw new Error(await failureOf(response));
    const found = await response.json();
    el("transcript").textContent = found.text;
    const facts = found.text
      ? [`language ${found.language}`, `${found.duration.toFixed(1)} s`]
      : ["Nothing was said."];
    note("listen-note", facts.concat(found.warnings || []).join(" · "), found.warnings);
    const rows = (found.segments || []).map((segment) => {
      const row = document.createElement("li");
      const time = document.createElement("span");
      const text = document.createElement("span");
      time.textContent = `${segment.start.toFixed(1)}–${segment.end.toFixed(1)} s`;
      text.textContent = segment.text.trim();
      row.append(time, text);
      return row;
    });
    el("segments").replaceChildren(...rows);
  } catch (error) {
    note("listen-note", error.message, true);
  }
}

el("file").addEventListener("change", () => {
  const [file] = el("file").files;
  if (file) transcribe(file, file.name);
});
recorder(el("dictate"), "listen-note", (recording) => transcribe(recording, "recording.webm"));

// --- record and converse -------------------------------------------------------------------------
let socket = null;
let answer = null;
let shown = null;

function turn(kind, text) {
  const item = document.createElement("li");
  item.className = kind;
  item.textContent = text;
  el("turns").append(item);
  return item;
}

function silence() {
  if (answer) answer.stop();
  answer = null;
}

function connect() {
  if (socket && socket.readyState <= WebSocket.OPEN) return socket;
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const protocols = token() ? ["voicemesh", `openai-insecure-api-key.${token()}`] : ["voicemesh"];
  socket = new WebSocket(`${scheme}://${location.host}/ws?stream=1`, protocols);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (message) => heard(message.data);
  socket.onclose = (event) => {
    if (event.code !== 1000) note("talk-note", event.reason || "The connection was closed.", true);
    el("talk-stop").disabled = true;
  };
  return socket;
}

function heard(data) {
  if (data instanceof ArrayBuffer) {
    if (answer) answer.push(new Uint8Array(data));
    return;
  }
  const event = JSON.parse(data);
  switch (event.event) {
    case "transcription":
      turn("person", event.text || "(nothing was said)");
      shown = event.text ? turn("mesh", "") : null;
      break;
    case "delta":
      if (shown) shown.textContent += event.text;
      break;
    case "reply":
      note("talk-note", `answered by ${event.engine}`);
      break;
    case "audio_start":
      silence();
      answer = new Player(event.sample_rate);
      el("talk-stop").disabled = false;
      break;
    case "end":
    case "cancelled":
      el("talk-stop").disabled = answer === null;
      break;
    default:
      if (event.error) note("talk-note", event.error.message, true);
  }
}

recorder(el("talk"), "talk-note", async (recording) => {
  silence();
  note("talk-note", "…");
  const bytes = await recording.arrayBuffer();
  const open = connect();
  if (open.readyState === WebSocket.OPEN) open.send(bytes);
  else open.addEventListener("open", () => open.send(bytes), { once: true });
});
el("talk-stop").addEventListener("click", () => {
  silence();
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ event: "cancel" }));
  el("talk-stop").disabled = true;
});

// --- health --------------------------------------------------------------------------------------
async function health() {
  try {
    const response = await fetch("/readyz");
    const state = await response.json();
    const waiting = Object.entries(state.upstreams || {})
      .filter(([, value]) => value !== "ready")
      .map(([name]) => name);
    el("health").textContent = waiting.length ? `Waiting for: ${waiting.join(", ")}` : "Ready";
    setTimeout(health, waiting.length ? 2000 : 15000);
  } catch {
    el("health").textContent = "The gateway does not answer.";
    setTimeout(health, 3000);
  }
}

health();
loadVoices();
