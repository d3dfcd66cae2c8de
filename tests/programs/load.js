// SPDX-License-Identifier: MIT
// Buffers, zlib, crypto, worker threads: what of node lives in the C heap.
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const zlib = require('zlib');
const crypto = require('crypto');

function work(seed) {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 1);
  const hash = crypto.createHash('sha256');
  let kept = [];
  for (let i = 0; i < 1500; i++) {
    const data = Buffer.alloc(100 + next() % 60000, String(i % 10));
    kept.push(zlib.deflateSync(data, { level: 1 + i % 9 }));
    if (kept.length > 200) {
      for (const packed of kept) hash.update(zlib.inflateSync(packed));
      kept = [];
    }
  }
  const map = new Map();
  for (let i = 0; i < 100000; i++) map.set('k' + next() % 20000, { i, text: 'x'.repeat(i % 50) });
  hash.update(JSON.stringify([...map]));
  return hash.digest('hex');
}

if (isMainThread) {
  console.log('main', work(1));
  const jobs = [2, 3, 4, 5].map((seed) => new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: seed });
    worker.on('message', resolve);
    worker.on('error', reject);
  }));
  Promise.all(jobs).then((results) => results.forEach((text, i) => console.log('worker', i, text)));
} else {
  parentPort.postMessage(work(workerData));
}
