// tus-js-client uploads: node uploads.js URL URL-OVER-A-BAD-LINK TOKEN FILE
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const { Readable } = require('node:stream');
const tus = require('tus-js-client');

const [url, badLink, token, path] = process.argv.slice(2);
const bytes = fs.readFileSync(path);
const headers = { Authorization: `Bearer ${token}` };
// Where the client remembers what it has begun.
const urlStorage = new tus.FileUrlStorage(`${path}.urls`);

/** Makes an upload of the file; `events` tells what became of it. */
function upload(options) {
  const events = { methods: [] };
  events.ended = new Promise((resolve, reject) => {
    events.upload = new tus.Upload(options.source ?? fs.createReadStream(path), {
      endpoint: url,
      retryDelays: [],
      headers,
      onBeforeRequest: (request) => events.methods.push(request.getMethod()),
      onSuccess: resolve,
      onError: reject,
      ...options,
    });
  });
  return events;
}

async function whole(options) {
  const events = upload(options);
  events.upload.start();
  await events.ended;
  return events;
}

async function standing(address) {
  const answer = await fetch(address, { method: 'HEAD', headers: { ...headers, 'Tus-Resumable': '1.0.0' } });
  return [answer.status, Number(answer.headers.get('upload-offset'))];
}

async function linkBreaks() {
  const events = await whole({ endpoint: badLink, retryDelays: [20, 20, 20, 20], metadata: { filename: 'über.mp3' } });
  assert.deepStrictEqual(events.methods, ['POST', 'PATCH', 'HEAD', 'PATCH', 'HEAD', 'PATCH']);
  assert.deepStrictEqual(await standing(events.upload.url.replace(badLink, url)), [200, bytes.length]);
}

/** The client is gone in the middle; another one finds in its memory what to go on with. */
async function resumedByAnother() {
  const options = { chunkSize: 30000, urlStorage, storeFingerprintForResuming: true };
  const first = upload(options);
  await new Promise((resolve) => {
    first.upload.options.onChunkComplete = (_, accepted) => {
      if (accepted < 60000) return;
      first.upload.abort();
      resolve();
    };
    first.upload.start();
  });
  const [, there] = await standing(first.upload.url);
  assert.ok(there >= 60000 && there < bytes.length, there);

  const second = upload(options);
  const [previous, ...others] = await second.upload.findPreviousUploads();
  assert.deepStrictEqual([previous.uploadUrl, previous.size, others.length], [first.upload.url, bytes.length, 0]);
  second.upload.resumeFromPreviousUpload(previous);
  second.upload.start();
  await second.ended;
  assert.strictEqual(second.methods.indexOf('POST'), -1, second.methods);
  assert.deepStrictEqual(await standing(second.upload.url), [200, bytes.length]);
}

/** What the client remembers was removed meanwhile: it begins anew. */
async function goneMeanwhile() {
  const events = await whole({ uploadUrl: `${url}/6f1c0f1e-9a44-4b0e-8f6f-0d6f0c2b7a11` });
  assert.deepStrictEqual(events.methods, ['HEAD', 'POST', 'PATCH']);
}

async function bytesComeAlong() {
  const events = await whole({ uploadDataDuringCreation: true });
  assert.deepStrictEqual(events.methods, ['POST']);
  const inPieces = await whole({ uploadDataDuringCreation: true, chunkSize: 150000 });
  assert.deepStrictEqual(inPieces.methods, ['POST', 'PATCH']);
  assert.deepStrictEqual(await standing(inPieces.upload.url), [200, bytes.length]);
}

async function lengthComesLater() {
  // Of a file the client says a wrong length; a stream is what this is for.
  const source = Readable.from([bytes.subarray(0, 90000), bytes.subarray(90000)]);
  const events = await whole({ source, uploadLengthDeferred: true, chunkSize: 70000 });
  assert.deepStrictEqual(events.methods.slice(0, 3), ['POST', 'PATCH', 'PATCH']);
  assert.deepStrictEqual(await standing(events.upload.url), [200, bytes.length]);
}

async function patchByPost() {
  const events = await whole({ overridePatchMethod: true, chunkSize: 90000 });
  assert.deepStrictEqual(events.methods, ['POST', 'POST', 'POST', 'POST']);
  assert.deepStrictEqual(await standing(events.upload.url), [200, bytes.length]);
}

async function terminated() {
  const events = upload({ chunkSize: 50000 });
  await new Promise((resolve, reject) => {
    events.upload.options.onChunkComplete = () => events.upload.abort(true).then(resolve, reject);
    events.upload.start();
  });
  assert.deepStrictEqual((await standing(events.upload.url))[0], 404);
}

async function partsAreNotJoined() {
  const sent = [];
  const events = upload({ parallelUploads: 3, onBeforeRequest: (request) => sent.push(request.getMethod()) });
  events.upload.start();
  const error = await events.ended.then(() => null, (error) => error);
  assert.strictEqual(error?.originalResponse?.getStatus(), 400, error);
  assert.match(error.originalResponse.getBody(), /Send all bytes in one upload/);
  assert.ok(!sent.includes('PATCH'), 'it is said before any byte is sent');
}

async function whatIsWrongIsSaid() {
  const error = await whole({ source: Buffer.alloc(2 * 1024 * 1024) }).then(() => null, (error) => error);
  assert.strictEqual(error?.originalResponse?.getStatus(), 413, error);
  const stranger = await whole({ headers: { Authorization: 'Bearer none' } }).then(() => null, (error) => error);
  assert.strictEqual(stranger?.originalResponse?.getStatus(), 401, stranger);
}

const all = [
  linkBreaks, resumedByAnother, goneMeanwhile, bytesComeAlong, lengthComesLater, patchByPost, terminated, partsAreNotJoined, whatIsWrongIsSaid,
];

function failed(test, error) {
  console.error(`${test.name}:`, error);
  process.exit(1);
}

(async () => {
  for (const test of all) {
    const patience = setTimeout(failed, 30000, test, 'nothing happens any more');
    await test().catch((error) => failed(test, error));
    clearTimeout(patience);
  }
})();
