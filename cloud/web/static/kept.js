// @ts-check
// What a page keeps on this device until the platform has it (IndexedDB): it outlives the tab, the browser and the battery.

const OPEN_MS = 5000; // some browsers never answer

/** A key for what is sent: sent again with it, it counts once. A page that came over plain http has no crypto.randomUUID. */
export function newKey() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A shelf of this device: what is done with it is one change, on the disk when the promise is kept.
 * @param {string} name @param {IDBObjectStoreParameters} keyed */
export function shelf(name, keyed) {
  /** @returns {Promise<IDBDatabase>} */
  const open = () => new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("waiting", keyed);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    setTimeout(() => reject(new Error(`${name} could not be opened on this device.`)), OPEN_MS);
  });
  /** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} act @returns {Promise<T>} */
  return async function change(mode, act) {
    const database = await open();
    return new Promise((resolve, reject) => {
      const transaction = database.transaction("waiting", mode, { durability: "strict" });
      const request = act(transaction.objectStore("waiting"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    }).finally(() => database.close());
  };
}
