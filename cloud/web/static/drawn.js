// @ts-check
// Marks of blind audits that are drawn and not sent: kept on this device for who drew them, until she answers or signs out.
// Nothing sends them but her own answer.

import { shelf } from "./kept.js";

/** @typedef {{ x0: number, y0: number, x1: number, y1: number }} Box shares of the frame */
/** @typedef {{ kind: string, box: Box }} Mark */
/** @typedef {{ user: string, frame: string, marks: Mark[] }} Drawn */

const USER = document.body.dataset.user ?? "";
const change = shelf("kestrel-marks", { keyPath: ["user", "frame"] });
const mine = IDBKeyRange.bound([USER], [USER, []]);

/** The marks that were kept of a frame; none where this device keeps nothing. @param {string} frame @returns {Promise<Mark[]>} */
export const drawnOn = (frame) => change("readonly", (store) => store.get([USER, frame])).then((kept) => kept?.marks ?? [], () => []);

/** Keep the marks of a frame in place of those before; without any it is forgotten. @param {string} frame @param {Mark[]} marks */
export const keep = (frame, marks) => change("readwrite", (store) => /** @type {IDBRequest} */ (marks.length ? store.put({ user: USER, frame, marks }) : store.delete([USER, frame])));

/** How many marks of this person are not sent. */
export const unsentMarks = () => change("readonly", (store) => store.getAll(mine)).then((all) => /** @type {Drawn[]} */ (all).reduce((sum, one) => sum + one.marks.length, 0), () => 0);

/** Forget all of this person's. */
export const forgetMarks = () => change("readwrite", (store) => store.delete(mine)).catch(() => null);
