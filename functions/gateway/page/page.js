// The page: log in, upload, watch, download. What it shows of others (file
// names, sentences) it sets as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);

// ---- Who is logged in. The token lives as long as the tab.

let token = sessionStorage.getItem("token");
let session = new AbortController(); // ends, with all its requests, at logout

function enter(newToken, email) {
  token = newToken;
  session = new AbortController();
  sessionStorage.setItem("token", token);
  sessionStorage.setItem("email", email);
  notice("");
  show();
  $("files").focus();
}

function leave(why) {
  session.abort();
  token = null;
  sessionStorage.clear();
  clear();
  notice(why);
  show();
  $("email").focus();
}

function show() {
  for (const id of ["account", "work"]) $(id).hidden = !token;
  $("login").hidden = Boolean(token);
  $("who").textContent = sessionStorage.getItem("email") ?? "";
  if (token) refresh();
}

// notice shows what went wrong until something goes right; news is for those
// who listen to the page.
function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function news(text) {
  $("news").textContent = text;
}

// ---- Requests. A refusal is thrown as the problem document it came as.

class Refusal extends Error {
  constructor(problem, after) {
    super(sentence(problem));
    this.code = problem.code;
    this.after = after;
  }
}

// plainer is what the page says where the service's sentence is for programs.
const plainer = { unsupported_media_type: "That is not a video." };

function sentence(problem) {
  const detail = (problem.detail ?? "").replace(/\d{4,}(?= bytes)/, (n) => `${size(Number(n))}, or ${n}`);
  const request = problem.status >= 500 && problem.requestId ? `Request ${problem.requestId}.` : "";
  return [plainer[problem.code] ?? problem.title, detail, request].filter(Boolean).join(" ");
}

function refusal(status, body, after) {
  let problem;
  try {
    problem = JSON.parse(body);
  } catch {
    // Something on the way has answered, not the service.
  }
  if (!problem?.title) problem = { title: `The service cannot be reached properly (status ${status}). Please try again in a moment.` };
  return new Refusal(problem, Number(after) || 0);
}

const offline = "The service cannot be reached. Check your connection and try again.";

// ask sends a request and returns its answer. With a token that is not good
// any more it ends the session.
async function ask(path, options = {}) {
  const mine = session;
  const headers = { ...options.headers };
  if (token) headers.Authorization ??= `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, signal: mine.signal });
  } catch (e) {
    throw mine.signal.aborted ? e : new Refusal({ title: offline });
  }
  if (answer.ok) return answer;
  const e = refusal(answer.status, await answer.text(), answer.headers.get("Retry-After"));
  if (answer.status === 401 && token && mine === session) expel(e);
  throw e;
}

function expel(e) {
  leave(e.code === "expired_token" ? "You have been logged out because your session has expired. Please log in again." : e.message);
}

// attempt runs what a click asked for and shows why it did not work.
async function attempt(button, work) {
  const mine = session;
  button.disabled = true;
  try {
    await work();
  } catch (e) {
    if (!mine.signal.aborted) notice(e.message);
  } finally {
    button.disabled = false;
  }
}

// ---- Logging in and out.

function basic(email, password) {
  return "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(`${email}:${password}`)));
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const email = $("email").value.trim();
  const password = $("password").value;
  attempt(event.submitter ?? event.target.querySelector(".primary"), async () => {
    notice("");
    if (event.submitter?.value === "register") {
      await ask("/register", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ email, password }),
      });
    }
    const answer = await ask("/login", {
      method: "POST",
      headers: { Authorization: basic(email, password), Accept: "application/json" },
    });
    $("password").value = "";
    enter((await answer.json()).token, email);
  });
});

$("logout").addEventListener("click", () => leave(""));

// ---- The list: a row for each job, and above them one for each upload that
// is not a job yet. Rows are changed in place, so that focus stays where it is.

const rows = new Map(); // job id → row
const jobs = new Map(); // job id → job, as last heard
const uploads = new Set();
let next = null; // where older jobs begin: "" if nowhere, null if not known yet

function makeRow(name) {
  const element = $("row").content.cloneNode(true).querySelector("li");
  const bar = element.querySelector("progress");
  element.querySelector(".name").textContent = name;
  bar.setAttribute("aria-label", `Progress of ${name}`);
  return { element, bar, name, state: element.querySelector(".state"), actions: element.querySelector(".actions"), offered: "" };
}

// paint shows a state: its words, how far it is (null for no bar), and what can
// be done: [label, what it does, its class].
function paint(row, kind, words, percent, ...actions) {
  row.element.className = `card ${kind}`;
  if (row.state.textContent !== words) row.state.textContent = words;
  row.bar.hidden = percent === null;
  row.bar.value = percent ?? 0;
  const offered = kind + actions.map(([label]) => label);
  if (row.offered === offered) return;
  const focused = row.actions.contains(document.activeElement);
  row.offered = offered;
  row.actions.replaceChildren(...actions.map(([label, work, look]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.className = look ?? "";
    button.setAttribute("aria-label", `${label}: ${row.name}`);
    button.addEventListener("click", () => attempt(button, work));
    return button;
  }));
  if (focused) (row.actions.firstChild ?? $("heading")).focus();
}

const unfinished = (job) => job.state === "queued" || job.state === "converting";

function paintJob(job) {
  const before = jobs.get(job.id)?.state;
  jobs.set(job.id, job);
  if (!rows.has(job.id)) rows.set(job.id, makeRow(job.name));
  const row = rows.get(job.id);
  const erase = () => remove(job);
  switch (job.state) {
    case "queued":
      paint(row, "queued", "Waiting for a converter", null, ["Cancel", erase]);
      break;
    case "converting":
      paint(row, "converting", `Converting: ${job.progress} %`, job.progress, ["Cancel", erase]);
      break;
    case "done":
      paint(row, "done", ["Ready", length(job.source?.seconds), size(job.audio.bytes), kept(job)].filter(Boolean).join(" · "), null,
        ["Download", () => download(job), "primary"], ["Delete", erase]);
      break;
    case "failed":
      paint(row, "failed", job.error?.message ?? "The conversion failed.", null, ["Remove", erase]);
      break;
    default:
      paint(row, "cancelled", "Cancelled", null, ["Remove", erase]);
  }
  if (before && before !== job.state && !unfinished(job)) news(`${job.name}: ${row.state.textContent}`);
}

// arrange puts the rows in order, and moves none that stands right.
function arrange() {
  const order = [...uploads].map((u) => u.row).reverse();
  for (const id of [...rows.keys()].sort().reverse()) order.push(rows.get(id));
  order.forEach((row, i) => {
    const there = $("list").children[i];
    if (there !== row.element) $("list").insertBefore(row.element, there ?? null);
  });
  $("empty").hidden = order.length > 0;
  $("more").hidden = !next;
}

function drop(id) {
  const row = rows.get(id);
  if (row?.element.contains(document.activeElement)) $("heading").focus();
  row?.element.remove();
  rows.delete(id);
  jobs.delete(id);
}

function clear() {
  for (const upload of uploads) upload.row.element.remove();
  uploads.clear();
  for (const id of [...rows.keys()]) drop(id);
  next = null;
  clearTimeout(timer);
}

// ---- Looking at how the jobs stand: only while one is unfinished and somebody
// is looking.

const pace = 1500; // ms
let timer;
let looking = false;

async function refresh() {
  clearTimeout(timer);
  if (looking || !token || document.hidden) return;
  looking = true;
  const mine = session;
  let pause = pace;
  try {
    const limit = Math.min(200, Math.max(50, rows.size));
    const page = await (await ask(`/jobs?limit=${limit}`)).json();
    const seen = new Set(page.jobs.map((job) => job.id));
    const oldest = page.next ?? "";
    for (const id of [...rows.keys()]) {
      if (id >= oldest && !seen.has(id) && !fresh.has(id)) drop(id); // expired, or deleted elsewhere
    }
    fresh.clear();
    page.jobs.forEach(paintJob);
    next ??= oldest;
    arrange();
  } catch (e) {
    if (mine.signal.aborted) return;
    notice(e.message);
    pause = 10 * pace;
  } finally {
    looking = false;
    if (mine !== session && token) refresh();
  }
  watch(pause);
}

// fresh are the jobs accepted since the last look began: the answer on its way
// may not know them yet.
const fresh = new Set();

function watch(pause) {
  clearTimeout(timer);
  if (token && !document.hidden && [...jobs.values()].some(unfinished)) timer = setTimeout(refresh, pause);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

$("more").addEventListener("click", () => attempt($("more"), async () => {
  const page = await (await ask(`/jobs?before=${next}`)).json();
  page.jobs.forEach(paintJob);
  next = page.next ?? "";
  arrange();
}));

// ---- What can be done with a job.

async function remove(job) {
  if (job.state === "done" && !confirm(`Delete ${job.audio.name}? It cannot be brought back.`)) return;
  try {
    await ask(`/jobs/${job.id}`, { method: "DELETE" });
  } catch (e) {
    if (e.code !== "job_not_found") throw e;
  }
  notice("");
  if (unfinished(job)) return refresh();
  drop(job.id);
  arrange();
  news(`${job.name} was removed.`);
}

// download lets the browser keep the bytes (it puts big blobs on disk) and
// saves them under the name that the service gives.
async function download(job) {
  const blob = await (await ask(job.audio.url)).blob();
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = job.audio.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still be copying
  notice("");
  news(`${job.audio.name} was downloaded.`);
}

// ---- Uploading: two at a time, the others wait.

const atOnce = 2;

function add(files) {
  notice("");
  for (const file of files) {
    const upload = { file, preset: $("preset").value, row: makeRow(file.name), state: "waiting", request: null, tries: 0 };
    uploads.add(upload);
    enqueue(upload);
  }
  arrange();
  advance();
}

function enqueue(upload) {
  upload.state = "waiting";
  paint(upload.row, "waiting", "Waiting to be uploaded", null, ["Cancel", () => forget(upload)]);
}

function advance() {
  const list = [...uploads];
  let free = atOnce - list.filter((u) => u.state === "sending").length;
  for (const upload of list.filter((u) => u.state === "waiting")) {
    if (free-- <= 0) break;
    start(upload);
  }
}

function start(upload) {
  const mine = session;
  const request = new XMLHttpRequest(); // fetch tells nothing of how far an upload is
  const cancel = ["Cancel", () => forget(upload)];
  const began = Date.now();
  upload.request = request;
  upload.state = "sending";
  paint(upload.row, "sending", "Uploading", 0, cancel);
  request.upload.onprogress = (e) => {
    if (!e.lengthComputable || upload.state !== "sending") return;
    const percent = Math.floor((100 * e.loaded) / e.total);
    const words = e.loaded < e.total ? `Uploading: ${percent} % of ${size(upload.file.size)}${left(began, e)}` : "Storing";
    paint(upload.row, "sending", words, percent, cancel);
  };
  request.onload = () => settle(upload, request, mine);
  request.onerror = () => fail(upload, "The connection broke before the whole file had arrived.");
  mine.signal.addEventListener("abort", () => request.abort());
  const form = new FormData();
  if (upload.preset) form.append("preset", upload.preset);
  form.append("file", upload.file);
  request.open("POST", "/upload");
  request.setRequestHeader("Authorization", `Bearer ${token}`);
  request.send(form);
}

// left says how long an upload will take, once that can be told.
function left(began, e) {
  const ms = Date.now() - began;
  const rest = (ms * (e.total - e.loaded)) / e.loaded / 1000;
  return ms > 3000 && rest > 1 ? `, ${length(rest)} left` : "";
}

function settle(upload, request, mine) {
  if (request.status === 202) {
    const job = JSON.parse(request.responseText);
    uploads.delete(upload);
    upload.row.element.remove();
    fresh.add(job.id);
    paintJob(job);
    arrange();
    news(`${job.name} was uploaded.`);
    watch(pace);
    advance();
    return;
  }
  const e = refusal(request.status, request.responseText, request.getResponseHeader("Retry-After"));
  if (request.status === 401) {
    if (mine === session) expel(e);
  } else if (e.code === "busy" && upload.tries++ < 10) {
    upload.state = "pausing";
    paint(upload.row, "waiting", "Waiting: the service is busy", null, ["Cancel", () => forget(upload)]);
    setTimeout(() => { if (uploads.has(upload)) { enqueue(upload); advance(); } }, 1000 * (e.after || 5));
    advance();
  } else {
    const own = e.code === "too_large" ? ` This file has ${size(upload.file.size)}.` : "";
    fail(upload, e.message + own);
  }
}

function fail(upload, why) {
  upload.state = "failed";
  upload.tries = 0;
  paint(upload.row, "failed", why, null,
    ["Try again", () => { enqueue(upload); advance(); }],
    ["Remove", () => forget(upload)]);
  news(`${upload.file.name}: ${why}`);
  advance();
}

function forget(upload) {
  uploads.delete(upload);
  upload.request?.abort();
  if (upload.row.element.contains(document.activeElement)) $("heading").focus();
  upload.row.element.remove();
  arrange();
  advance();
}

$("files").addEventListener("change", () => {
  add([...$("files").files]);
  $("files").value = ""; // the same file may be chosen again
});

// The whole page takes what is dropped on it.
let inside = 0; // elements entered and not left
for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    inside += { dragenter: 1, dragleave: -1 }[type] ?? 0;
    if (type === "drop") inside = 0;
    document.body.classList.toggle("over", inside > 0 && Boolean(token));
    if (type === "drop" && token) add([...event.dataTransfer.files]);
  });
}

addEventListener("beforeunload", (event) => {
  if ([...uploads].some((u) => u.state !== "failed")) event.preventDefault();
});

// ---- Words and numbers.

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let n = bytes;
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${n.toLocaleString(undefined, { maximumFractionDigits: n < 10 && i > 0 ? 1 : 0 })} ${units[i]}`;
}

function length(seconds) {
  if (!seconds) return "";
  const s = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes}:${two(s % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

function kept(job) {
  if (!job.expiresAt) return "";
  return "kept until " + new Date(job.expiresAt).toLocaleDateString(undefined, { day: "numeric", month: "long" });
}

show();
