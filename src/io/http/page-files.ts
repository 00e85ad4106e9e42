// The page's files (dist/page, made by scripts/build-page.ts) as routes. Read when they are asked for, since a new
// build may replace them under a running daemon; nothing but these three names is ever opened.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Reply, Route, Routes } from './http-server.ts';

const TYPES = {
  'index.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
} as const;

/** The page may load from this server only, nobody may frame it, and it has no form that goes anywhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-cache',
  vary: 'accept-encoding',
};

const compress = promisify(gzip);

const missing = (name: string): Reply => ({
  status: 503,
  body: `${name} is not built: run scripts/setup.sh in the checkout. The API is at /api/v1/status.\n`,
});

const fileRoute =
  (directory: string, name: keyof typeof TYPES): Route =>
  async (_body, { headers }) => {
    let body: Uint8Array;
    try {
      body = await readFile(join(directory, name));
    } catch {
      return missing(name);
    }
    const isCompressed = /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));
    return {
      contentType: TYPES[name],
      headers: { ...HEADERS, ...(isCompressed ? { 'content-encoding': 'gzip' } : {}) },
      body: isCompressed ? await compress(body) : body,
    };
  };

export const pageRoutes = (directory: string): Routes => ({
  'GET /': fileRoute(directory, 'index.html'),
  'GET /page.css': fileRoute(directory, 'page.css'),
  'GET /page.js': fileRoute(directory, 'page.js'),
});
