// A report as one HTML file: the bundle of src/ui/report.ts, the page's style, and the data, so that it opens from disk
// without a network. Nothing in it may run but that one script, whatever the data say.
import { createHash } from 'node:crypto';
import type { ReportData } from '../../ui/report-data.ts';

export interface ReportParts {
  readonly script: string;
  readonly style: string;
}

/** CSP level 3, 2.3.1: the hash of what stands between the tags. */
const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/**
 * JSON that no HTML parser ends early, whatever is in it: a `<` could begin `</script` or `<!--` (WHATWG HTML, 4.12.1.3),
 * and in a JSON text it can only be inside of a string.
 */
const embeddable = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

/** Throws when the script or the style could end their own element. */
export const reportPage = (data: ReportData, { script, style }: ReportParts): string => {
  if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style))
    throw new Error('the bundle of the report cannot stand in HTML');
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Holdfast: report of the lab</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<div id="root"></div>
<noscript>This report needs JavaScript. The same is in the journals beside it: holdfast timeline, holdfast explain.</noscript>
<script type="application/json" id="data">${embeddable(data)}</script>
<script>${script}</script>
</body>
</html>
`;
};
