// @ts-check
// Verdicts, wherever they are given: kept on this device, then sent one after the other until the platform has answered for
// each. Its key makes one count once, however often it is sent; what its finding was when it was given keeps one that comes
// late from taking the place of a newer one. Only whom a verdict is of sends it, and sees it, from whatever page is open.
// "kestrel:verdict" tells what became of one; what was refused is shown, on every page, until it is read or judged anew.

import { newKey, shelf } from "./kept.js";
import { IN_WORDS, unanswered } from "./problem.js";
import { t } from "./words.js";

const ANSWER_MS = 10000;
// Asked again at random within a time that doubles: what browsers tell of connections cannot be relied upon, and a platform
// that is ill is not asked by all at once.
const FIRST_MS = 30000;
const LONGEST_MS = 600000;
const USER = document.body.dataset.user ?? "";
const SAID = /** @type {Record<string, string>} */ ({ confirm: t("{0} confirmed"), reject: t("{0} rejected"), regrade: t("{0} graded {1}"), undo: t("{0} taken back") });

/** Given: the findings as the person names them, what was seen of each, and what is said of them. Kept: under a number in the
 * order they were given. `refused` is why, where it was; of an answer it is "" where the person discarded the verdict.
 * @typedef {{ ids: string[], numbers: string[], seen: string[], verdict: string, rank?: string, reason?: string }} Given
 * @typedef {Given & { n?: number, key: string, user: string, refused?: string }} Verdict
 * @typedef {{ seen: Record<string, string> } | { refused: string }} Answer */

const change = shelf("kestrel-verdicts", { keyPath: "n", autoIncrement: true });
/** This person's, as they were given. @type {Verdict[]} */
let kept = [];
/** On their way to the shelf. @type {Set<Verdict>} */
const loose = new Set();
/** What it did not take: these are in this page only. @type {Set<Verdict>} */
const unkept = new Set();
/** Why the first that waits stays; "" while none has to. @type {"" | "unanswered" | "fault" | "another session"} */
let stuck = "";
/** How often the first that waits has stayed. */
let stayed = 0;
/** The platform asked not to be asked before this. */
let notBefore_ms = 0;
/** How long an answer asks not to be asked again. @param {Response | null} came */
const patience_ms = (came) => {
  const said = came?.headers.get("Retry-After") ?? "";
  return Math.min(LONGEST_MS, Math.max(0, (/^\d+$/.test(said) ? 1000 * Number(said) : Date.parse(said) - Date.now()) || 0));
};
/** The keys of those whose reader was told that nobody knows: that they are saved is said to them, too. @type {Set<string>} */
const late = new Set();
const others = new BroadcastChannel("kestrel-verdicts");
/** One page at a time, where the browser can tell; each counts once anyway. @param {() => Promise<void>} act */
const alone = (act) => (navigator.locks ? navigator.locks.request("kestrel-verdicts", act) : act());

/** What waits for an answer, oldest first. */
export const waiting = () => [...kept, ...unkept, ...loose].filter((verdict) => !verdict.refused);

/** What is said of a verdict: "F-2 confirmed". @param {Given} given */
export function said({ numbers, verdict, rank }) {
  const names = numbers.length === 1 ? `F-${numbers[0]}` : t("{0} findings", numbers.length);
  return SAID[verdict].replace("{0}", names).replace("{1}", rank ?? "");
}

async function read() {
  const all = /** @type {Verdict[] | null} */ (await change("readonly", (store) => store.getAll()).catch(() => null));
  if (all) kept = all.filter((verdict) => verdict.user === USER);
}

/** Keep a verdict and send it; return its key. The same again, before it is answered, is the same. @param {Given} given */
export function give(given) {
  const about = (/** @type {Given} */ one) => JSON.stringify([one.ids, one.verdict, one.rank, one.reason]);
  const last = (/** @type {string} */ id) => waiting().findLast((one) => one.ids.includes(id));
  const before = last(given.ids[0]);
  if (before && about(before) === about(given)) return before.key;
  const seen = given.ids.map((id, at) => (last(id) ? `after ${last(id)?.key}` : given.seen[at]));
  const verdict = { ...given, seen, key: newKey(), user: USER };
  loose.add(verdict);
  keep(verdict);
  return verdict.key;
}

/** @param {Verdict} verdict */
async function keep(verdict) {
  const judgedAnew = kept.filter((one) => one.refused && one.ids.every((id) => verdict.ids.includes(id)));
  const n = await change("readwrite", (store) => {
    for (const one of judgedAnew) store.delete(one.n ?? 0);
    return store.add(verdict);
  }).catch(() => null);
  kept = kept.filter((one) => !judgedAnew.some((other) => other.key === one.key));
  if (n === null) unkept.add(verdict);
  else kept = [...kept, { ...verdict, n: Number(n) }];
  loose.delete(verdict);
  others.postMessage({ user: USER });
  if (stuck) show();
  else send();
}

let wanted = false;
let sending = false;
let again = 0;

/** Send what waits, up to the first that is not answered: what follows may be about the same finding. */
export async function send() {
  wanted = true;
  if (sending) return;
  sending = true;
  stuck = "";
  while (wanted && !stuck) {
    wanted = false;
    await alone(sendAll);
  }
  sending = false;
  show();
  clearTimeout(again);
  if (stuck) again = setTimeout(send, Math.max(0, notBefore_ms - performance.now()) + Math.random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** stayed++));
}

/** Something tells that the platform may answer again. */
function sendSooner() {
  if (performance.now() >= notBefore_ms) send();
}

async function sendAll() {
  for (;;) {
    await read();
    const [first] = waiting();
    if (!first || loose.has(first)) return;
    const answer = await post(first);
    if (!answer) return;
    await settle(first, answer);
  }
}

/** What the platform answered; null where nobody knows whether it was taken. @param {Verdict} verdict @returns {Promise<Answer | null>} */
async function post({ ids, seen, verdict, reason, rank, key }) {
  const body = new URLSearchParams([...ids.map((id) => ["finding_id", id]), ...seen.map((state) => ["seen", state])]);
  if (verdict !== "undo") for (const [name, value] of Object.entries({ verdict, reason, rank })) if (value) body.set(name, value);
  const headers = { ...IN_WORDS, "X-Kestrel-CSRF": document.body.dataset.csrf ?? "", "Idempotency-Key": key };
  const asked = { method: "POST", body, headers, signal: AbortSignal.timeout(ANSWER_MS) };
  const address = verdict === "undo" ? "/fragments/review/undo" : "/fragments/review";
  const came = await fetch(address, asked).catch(() => null);
  const answer = await came?.json().catch(() => null);
  if (answer?.seen) return answer;
  notBefore_ms = performance.now() + patience_ms(came);
  if (answer?.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  // Somebody has signed in since this page came: it may be another person, and what is kept is not theirs to send.
  const fault = Number(came?.status) >= 500; // whether it was taken before that, nobody knows
  stuck = answer?.field === "X-Kestrel-CSRF" ? "another session" : fault && answer?.code ? "fault" : "unanswered";
  if (!answer?.code || answer.retryable || fault || answer.status === 401 || stuck === "another session") return null;
  stuck = "";
  return { refused: `${answer.detail} ${answer.hint}`.trim() };
}

/** Take a verdict off the shelf, or put down why it was refused: then there is nothing to take back.
 * @param {Verdict} verdict @param {Answer} answer */
async function settle(verdict, answer) {
  stayed = 0;
  unkept.delete(verdict);
  if ("refused" in answer) verdict.refused = answer.refused;
  const idle = waiting().filter((one) => verdict.refused && one.verdict === "undo" && one.seen.includes(`after ${verdict.key}`));
  await change("readwrite", (store) => {
    for (const one of idle) store.delete(one.n ?? 0);
    return verdict.refused ? store.put(verdict) : store.delete(verdict.n ?? 0);
  }).catch(() => verdict.refused && kept.push(verdict));
  await read();
  others.postMessage({ user: USER, verdict, answer });
  tell(verdict, answer);
}

/** @param {Verdict} verdict @param {Answer} answer */
function tell(verdict, answer) {
  const discarded = "refused" in answer && !answer.refused;
  const saved = discarded ? t("{0}: discarded", said(verdict)) : "seen" in answer && late.delete(verdict.key) ? t("{0}: saved", said(verdict)) : "";
  document.dispatchEvent(new CustomEvent("kestrel:verdict", { detail: { verdict, answer, saved } }));
  /** @type {HTMLElement} */ (document.getElementById("kept-said")).textContent = place().id === "kept" ? saved : "";
  show();
}

others.onmessage = async ({ data: { user, verdict, answer } }) => {
  if (user !== USER) return;
  await read();
  if (!verdict) return show();
  tell(verdict, answer);
  if (stuck) send(); // the platform answers again
};

/** Where it is said what became of verdicts: in the sheet, at the desk, else below the page. */
const place = () => /** @type {HTMLElement} */ (["dialog[open] #review-problem", "#desk-problem", "#kept"].map((one) => document.querySelector(one)).find(Boolean));
let shown = "";

/** Say what was refused, and of which verdict nobody knows whether it was taken. */
export function show() {
  const box = place();
  const html = [...kept.filter((one) => one.refused).map(refusal), ...(stuck && waiting().length ? [unknown(waiting())] : [])];
  const texts = JSON.stringify([box.id, ...html.map((one) => one.outerHTML)]);
  if (texts === shown) return;
  shown = texts;
  for (const other of document.querySelectorAll("#review-problem, #desk-problem, #kept")) if (other !== box) other.replaceChildren();
  box.replaceChildren(...html);
}

/** @param {Verdict} verdict */
function refusal(verdict) {
  const box = problem(t("“{0}” was not saved.", said(verdict)), verdict.refused ?? "");
  const names = verdict.numbers.map((number, at) => {
    const link = Object.assign(document.createElement("a"), { href: `/?finding=${encodeURIComponent(verdict.ids[at])}`, textContent: `F-${number}` });
    link.dataset.finding = verdict.ids[at];
    return link;
  });
  box.append(...names.flatMap((name) => [" ", name]), " ", button(t("I have read it"), () => forget(verdict)));
  return box;
}

/** @param {Verdict[]} all */
function unknown(all) {
  for (const one of all) late.add(one.key);
  const [first, ...rest] = all.map(said);
  const behind = rest.length ? " " + t("What was judged since waits behind it: {0}.", rest.length) : "";
  const safe = unkept.size ? t("Sent again, it counts once.") : t("It is kept on this device and sent again; it counts once.");
  if (stuck === "another session") return problem(t("“{0}” is not sent.", first), t("Somebody has signed in since this page was opened. Load it again.") + behind, button(t("Load again"), () => location.reload()));
  const box = document.createElement("div");
  const what = stuck === "fault" ? t("The platform reported a fault of its own.") : undefined;
  box.innerHTML = unanswered(t("“{0}”: whether this was saved is not known.", first) + " " + safe + behind, what);
  const once = button(t("Send again"), send);
  once.id = "send-again";
  box.firstElementChild?.append(" ", once, " ", button(t("Discard"), () => discard(all[0])));
  return /** @type {HTMLElement} */ (box.firstElementChild);
}

/** @param {string} what @param {string} then @param {...HTMLElement} more */
function problem(what, then, ...more) {
  const box = Object.assign(document.createElement("div"), { className: "problem", role: "alert" });
  box.append(Object.assign(document.createElement("strong"), { textContent: what }), " ", then, ...more.flatMap((one) => [" ", one]));
  return box;
}

/** @param {string} text @param {() => void} act */
function button(text, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "btn", textContent: text });
  made.addEventListener("click", act);
  return made;
}

/** Send no more what nobody has answered: what waits behind it goes on. @param {Verdict} verdict */
async function discard(verdict) {
  if (!confirm(t("“{0}” will not be sent again. If it was saved already, it stands: look at the finding. Discard it?", said(verdict)))) return;
  await alone(async () => {
    await read();
    const still = waiting().find((one) => one.key === verdict.key);
    if (still) await settle(still, { refused: "" });
  });
  send();
}

/** @param {Verdict} verdict */
async function forget(verdict) {
  await change("readwrite", (store) => store.delete(verdict.n ?? 0)).catch(() => null);
  kept = kept.filter((one) => one.key !== verdict.key); // read anew since it was shown, it is another object
  others.postMessage({ user: USER });
  show();
}

addEventListener("online", sendSooner);
document.body.addEventListener("kestrel:resync", sendSooner);
addEventListener("beforeunload", (event) => loose.size + unkept.size && event.preventDefault());
document.getElementById("sheet-dialog")?.addEventListener("close", show);

/** What was kept before this page came, once it is known; it is sent then. */
export const before = read().then(() => {
  for (const one of waiting()) late.add(one.key);
  setTimeout(send);
  return waiting();
});
