// The page: log in, upload, follow the jobs, download. File names and messages
// are set as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);

// ---- Session. The token is kept until the tab is closed.

let token = sessionStorage.getItem("token");
let session = new AbortController(); // aborted, with all its requests, at logout

function startSession(newToken, email) {
  token = newToken;
  session = new AbortController();
  sessionStorage.setItem("token", token);
  sessionStorage.setItem("email", email);
  showNotice("");
  render();
  $("files").focus();
}

function endSession(why) {
  session.abort();
  token = null;
  sessionStorage.clear();
  clearList();
  showNotice(why);
  render();
  $("email").focus();
}

function render() {
  for (const id of ["account", "work"]) $(id).hidden = !token;
  $("login").hidden = Boolean(token);
  $("who").textContent = sessionStorage.getItem("email") ?? "";
  if (token) refresh();
}

// showNotice shows an error until an action succeeds; announce sends text to screen
// readers.
function showNotice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function announce(text) {
  $("news").textContent = text;
}

// ---- Requests. Problem documents are thrown as RequestError.

class RequestError extends Error {
  constructor(problem, after) {
    super(errorMessage(problem));
    this.code = problem.code;
    this.after = after;
  }
}

// plainTitles replaces problem titles that are written for API clients.
const plainTitles = { unsupported_media_type: "That is not a video." };

function errorMessage(problem) {
  const detail = (problem.detail ?? "").replace(/\d{4,}(?= bytes)/, (n) => `${formatSize(Number(n))}, or ${n}`);
  const request = problem.status >= 500 && problem.requestId ? `Request ${problem.requestId}.` : "";
  return [plainTitles[problem.code] ?? problem.title, detail, request].filter(Boolean).join(" ");
}

function requestError(status, body, after) {
  let problem;
  try {
    problem = JSON.parse(body);
  } catch {
    // The response is from a proxy, not from the service.
  }
  if (!problem?.title) problem = { title: `The service sent an unexpected response (status ${status}). Please try again in a moment.` };
  return new RequestError(problem, Number(after) || 0);
}

const offlineMessage = "The service cannot be reached. Check your connection and try again.";

// fetchAPI sends a request and returns the response. If the token is no longer
// valid, it ends the session.
async function fetchAPI(path, options = {}) {
  const mine = session;
  const headers = { ...options.headers };
  if (token) headers.Authorization ??= `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, signal: mine.signal });
  } catch (e) {
    throw mine.signal.aborted ? e : new RequestError({ title: offlineMessage });
  }
  if (response.ok) return response;
  const e = requestError(response.status, await response.text(), response.headers.get("Retry-After"));
  if (response.status === 401 && token && mine === session) handleUnauthorized(e);
  throw e;
}

function handleUnauthorized(e) {
  endSession(e.code === "expired_token" ? "You have been logged out because your session has expired. Please log in again." : e.message);
}

// runAction runs the action of a button and shows its error.
async function runAction(button, work) {
  const mine = session;
  button.disabled = true;
  try {
    await work();
  } catch (e) {
    if (!mine.signal.aborted) showNotice(e.message);
  } finally {
    button.disabled = false;
  }
}

// ---- Logging in and out.

function basicAuth(email, password) {
  return "Basic " + btoa(String.fromCharCode(...new TextEncoder().encode(`${email}:${password}`)));
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const email = $("email").value.trim();
  const password = $("password").value;
  runAction(event.submitter ?? event.target.querySelector(".primary"), async () => {
    showNotice("");
    if (event.submitter?.value === "register") await register(email, password);
    const response = await fetchAPI("/login", {
      method: "POST",
      headers: { Authorization: basicAuth(email, password), Accept: "application/json" },
    });
    $("password").value = $("code").value = "";
    startSession((await response.json()).token, email);
  });
});

// register creates an account. It shows the field for the registration code once the
// service demands one.
async function register(email, password) {
  try {
    await fetchAPI("/register", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email, password, code: $("code").value }),
    });
  } catch (e) {
    if (e.code === "bad_registration_code") {
      $("registration").hidden = false;
      $("code").focus();
    }
    throw e;
  }
}

$("logout").addEventListener("click", () => endSession(""));

// ---- The list: a row for each job, and above them one for each upload that
// is not a job yet. Rows are updated in place to keep the focus.

const rows = new Map(); // job id → row
const jobs = new Map(); // job id → job, as last fetched
const uploads = new Set();
let next = null; // "before" of the older jobs: "" if there are none, null if unknown

function createRow(name) {
  const element = $("row").content.cloneNode(true).querySelector("li");
  const bar = element.querySelector("progress");
  element.querySelector(".name").textContent = name;
  bar.setAttribute("aria-label", `Progress of ${name}`);
  return { element, bar, name, state: element.querySelector(".state"), actions: element.querySelector(".actions"), offered: "" };
}

// updateRow shows a state: its text, the progress in percent (null for no bar)
// and its actions, each [label, function, class].
function updateRow(row, kind, text, percent, ...actions) {
  row.element.className = `card ${kind}`;
  if (row.state.textContent !== text) row.state.textContent = text;
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
    button.addEventListener("click", () => runAction(button, work));
    return button;
  }));
  if (focused) (row.actions.firstChild ?? $("heading")).focus();
}

const unfinished = (job) => job.state === "queued" || job.state === "converting";

function updateJobRow(job) {
  const before = jobs.get(job.id)?.state;
  jobs.set(job.id, job);
  if (!rows.has(job.id)) rows.set(job.id, createRow(job.name));
  const row = rows.get(job.id);
  const cancel = () => cancelJob(job);
  const erase = () => deleteJob(job);
  switch (job.state) {
    case "queued":
      updateRow(row, "queued", ["Waiting to be converted", formatPosition(job), formatStart(job)].filter(Boolean).join(" · "), null, ["Cancel", cancel]);
      break;
    case "converting":
      updateRow(row, "converting", `Converting: ${job.progress} %`, job.progress, ["Cancel", cancel]);
      break;
    case "done":
      updateRow(row, "done", ["Ready", formatDuration(job.source?.seconds), formatSize(job.audio.bytes), formatExpiry(job)].filter(Boolean).join(" · "), null,
        ["Download", () => download(job), "primary"], ["Delete", erase]);
      break;
    case "failed":
      updateRow(row, "failed", job.error?.message ?? "The conversion failed.", null,
        ...(canRetry(job) ? [["Try again", () => retryJob(job)]] : []), ["Remove", erase]);
      break;
    default:
      updateRow(row, "cancelled", "Cancelled", null, ["Remove", erase]);
  }
  if (before && before !== job.state && !unfinished(job)) announce(`${job.name}: ${row.state.textContent}`);
}

// sortRows sorts the rows and moves only those out of place.
function sortRows() {
  const order = [...uploads].map((u) => u.row).reverse();
  for (const id of [...rows.keys()].sort().reverse()) order.push(rows.get(id));
  order.forEach((row, i) => {
    const there = $("list").children[i];
    if (there !== row.element) $("list").insertBefore(row.element, there ?? null);
  });
  $("empty").hidden = order.length > 0;
  $("more").hidden = !next;
}

function removeJobRow(id) {
  const row = rows.get(id);
  if (row?.element.contains(document.activeElement)) $("heading").focus();
  row?.element.remove();
  rows.delete(id);
  jobs.delete(id);
}

function clearList() {
  for (const upload of uploads) upload.row.element.remove();
  uploads.clear();
  for (const id of [...rows.keys()]) removeJobRow(id);
  next = null;
  clearTimeout(timer);
}

// ---- Polling: only while a job is unfinished and the page is visible.

const refreshInterval = 1500; // ms
let timer;
let refreshing = false;

async function refresh() {
  clearTimeout(timer);
  if (refreshing || !token || document.hidden) return;
  refreshing = true;
  const mine = session;
  let pause = refreshInterval;
  try {
    const limit = Math.min(200, Math.max(50, rows.size));
    const page = await (await fetchAPI(`/jobs?limit=${limit}`)).json();
    const seen = new Set(page.jobs.map((job) => job.id));
    const oldest = page.next ?? "";
    for (const id of [...rows.keys()]) {
      if (id >= oldest && !seen.has(id) && !created.has(id)) removeJobRow(id); // expired, or deleted elsewhere
    }
    created.clear();
    page.jobs.forEach(updateJobRow);
    next ??= oldest;
    sortRows();
  } catch (e) {
    if (mine.signal.aborted) return;
    showNotice(e.message);
    pause = 10 * refreshInterval;
  } finally {
    refreshing = false;
    if (mine !== session && token) refresh();
  }
  scheduleRefresh(pause);
}

// created are the jobs created since the last refresh began, whose response may not
// include them yet.
const created = new Set();

function scheduleRefresh(pause) {
  clearTimeout(timer);
  if (token && !document.hidden && [...jobs.values()].some(unfinished)) timer = setTimeout(refresh, pause);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

$("more").addEventListener("click", () => runAction($("more"), async () => {
  const page = await (await fetchAPI(`/jobs?before=${next}`)).json();
  page.jobs.forEach(updateJobRow);
  next = page.next ?? "";
  sortRows();
}));

// ---- Actions of a job.

// changeJob sends a request that changes a job. If the job has changed meanwhile, so that
// the request is refused with one of these codes, the refreshed list shows that.
async function changeJob(job, method, action, ...codes) {
  try {
    await fetchAPI(`/jobs/${job.id}${action}`, { method });
    showNotice("");
    return true;
  } catch (e) {
    if (![...codes, "job_not_found"].includes(e.code)) throw e;
    return e.code === "job_not_found";
  }
}

// cancelJob never deletes a job: it may have become ready just before.
async function cancelJob(job) {
  await changeJob(job, "POST", "/cancel", "job_finished");
  await refresh();
}

const canRetry = (job) => Date.now() < Date.parse(job.retryUntil ?? "");

async function retryJob(job) {
  await changeJob(job, "POST", "/retry", "job_not_failed");
  await refresh();
}

async function deleteJob(job) {
  if (job.state === "done" && !confirm(`Delete ${job.audio.name}? This cannot be undone.`)) return;
  if (!(await changeJob(job, "DELETE", "", "job_not_finished"))) return refresh();
  removeJobRow(job.id);
  sortRows();
  announce(`${job.name} was removed.`);
}

// download fetches the MP3 as a blob (browsers store large ones on disk) and
// saves it under the name that the service sends.
async function download(job) {
  const blob = await (await fetchAPI(`/jobs/${job.id}/audio`)).blob();
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = job.audio.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still be copying
  showNotice("");
  announce(`${job.audio.name} was downloaded.`);
}

// ---- Uploads: two at a time; the others wait.

const maxUploads = 2;

function addFiles(files) {
  showNotice("");
  for (const file of files) {
    const upload = { file, preset: $("preset").value, row: createRow(file.name), state: "waiting", request: null, tries: 0 };
    uploads.add(upload);
    enqueue(upload);
  }
  sortRows();
  startUploads();
}

function enqueue(upload) {
  upload.state = "waiting";
  updateRow(upload.row, "waiting", "Waiting to be uploaded", null, ["Cancel", () => cancelUpload(upload)]);
}

function startUploads() {
  const list = [...uploads];
  let free = maxUploads - list.filter((u) => u.state === "sending").length;
  for (const upload of list.filter((u) => u.state === "waiting")) {
    if (free-- <= 0) break;
    startUpload(upload);
  }
}

function startUpload(upload) {
  const mine = session;
  const request = new XMLHttpRequest(); // fetch does not report upload progress
  const cancel = ["Cancel", () => cancelUpload(upload)];
  const began = Date.now();
  upload.request = request;
  upload.state = "sending";
  updateRow(upload.row, "sending", "Uploading", 0, cancel);
  request.upload.onprogress = (e) => {
    if (!e.lengthComputable || upload.state !== "sending") return;
    const percent = Math.floor((100 * e.loaded) / e.total);
    const text = e.loaded < e.total ? `Uploading: ${percent} % of ${formatSize(upload.file.size)}${timeLeft(began, e)}` : "Storing";
    updateRow(upload.row, "sending", text, percent, cancel);
  };
  request.onload = () => finishUpload(upload, request, mine);
  request.onerror = () => failUpload(upload, "The connection was lost before the upload was complete.");
  mine.signal.addEventListener("abort", () => request.abort());
  const form = new FormData();
  if (upload.preset) form.append("preset", upload.preset);
  form.append("file", upload.file);
  request.open("POST", "/upload");
  request.setRequestHeader("Authorization", `Bearer ${token}`);
  request.send(form);
}

// timeLeft estimates the remaining time after the first seconds.
function timeLeft(began, e) {
  const ms = Date.now() - began;
  const rest = (ms * (e.total - e.loaded)) / e.loaded / 1000;
  return ms > 3000 && rest > 1 ? `, ${formatDuration(rest)} left` : "";
}

function finishUpload(upload, request, mine) {
  if (request.status === 202) {
    const job = JSON.parse(request.responseText);
    uploads.delete(upload);
    upload.row.element.remove();
    created.add(job.id);
    updateJobRow(job);
    sortRows();
    announce(`${job.name} was uploaded.`);
    scheduleRefresh(refreshInterval);
    startUploads();
    return;
  }
  const e = requestError(request.status, request.responseText, request.getResponseHeader("Retry-After"));
  if (request.status === 401) {
    if (mine === session) handleUnauthorized(e);
  } else if ((e.code === "busy" || e.code === "too_many_requests") && upload.tries++ < 10) {
    upload.state = "pausing";
    updateRow(upload.row, "waiting", "Waiting: the service is busy", null, ["Cancel", () => cancelUpload(upload)]);
    setTimeout(() => { if (uploads.has(upload)) { enqueue(upload); startUploads(); } }, 1000 * (e.after || 5));
    startUploads();
  } else {
    const own = e.code === "too_large" ? ` This file is ${formatSize(upload.file.size)}.` : "";
    failUpload(upload, e.message + own);
  }
}

function failUpload(upload, why) {
  upload.state = "failed";
  upload.tries = 0;
  updateRow(upload.row, "failed", why, null,
    ["Try again", () => { enqueue(upload); startUploads(); }],
    ["Remove", () => cancelUpload(upload)]);
  announce(`${upload.file.name}: ${why}`);
  startUploads();
}

function cancelUpload(upload) {
  uploads.delete(upload);
  upload.request?.abort();
  if (upload.row.element.contains(document.activeElement)) $("heading").focus();
  upload.row.element.remove();
  sortRows();
  startUploads();
}

$("files").addEventListener("change", () => {
  addFiles([...$("files").files]);
  $("files").value = ""; // the same file may be chosen again
});

// Files can be dropped anywhere on the page.
let inside = 0; // number of elements entered minus left
for (const type of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    inside += { dragenter: 1, dragleave: -1 }[type] ?? 0;
    if (type === "drop") inside = 0;
    document.body.classList.toggle("over", inside > 0 && Boolean(token));
    if (type === "drop" && token) addFiles([...event.dataTransfer.files]);
  });
}

addEventListener("beforeunload", (event) => {
  if ([...uploads].some((u) => u.state !== "failed")) event.preventDefault();
});

// ---- Formatting.

function formatSize(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let n = bytes;
  let i = 0;
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${n.toLocaleString(undefined, { maximumFractionDigits: n < 10 && i > 0 ? 1 : 0 })} ${units[i]}`;
}

function formatDuration(seconds) {
  if (!seconds) return "";
  const s = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes}:${two(s % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

function formatPosition(job) {
  if (job.queuePosition === undefined) return "";
  return job.queuePosition === 0 ? "next" : `${job.queuePosition.toLocaleString()} before it`;
}

function formatStart(job) {
  const at = Date.parse(job.expectedStart ?? "");
  if (!(at - Date.now() > 60_000)) return ""; // soon, or not known
  return `starts at about ${new Date(at).toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" })}`;
}

function formatExpiry(job) {
  if (!job.expiresAt) return "";
  return "kept until " + new Date(job.expiresAt).toLocaleDateString(undefined, { day: "numeric", month: "long" });
}

render();
