// The search of the documentation's site: every word must be in a section; sections with the words in their title come
// first. The index is a script beside this one, since a page from disk may fetch nothing. Texts only ever become text
// nodes: nothing of the index or of what was typed is read as HTML.

interface Entry {
  readonly page: string;
  readonly at: string;
  readonly title: string;
  readonly body: string;
}

/** More than a screen of results is a question put too widely. */
const MOST_SHOWN = 20;
const SNIPPET = 160;

const { HOLDFAST_DOCS: entries = [] } = globalThis as { HOLDFAST_DOCS?: readonly Entry[] };

/** Null: a word is missing. */
const weight = ({ title, page, body }: Entry, words: readonly string[]): number | null => {
  const [inTitle, inPage, inBody] = [title, page, body].map((text) => text.toLowerCase()) as [
    string,
    string,
    string,
  ];
  let sum = 0;
  for (const word of words) {
    if (inTitle.includes(word)) sum += 10;
    else if (inBody.includes(word)) sum += 1;
    else if (inPage.includes(word)) sum += 0.5;
    else return null;
  }
  return sum;
};

const snippetOf = (body: string, words: readonly string[]): string => {
  const low = body.toLowerCase();
  const first = Math.min(...words.map((word) => low.indexOf(word)).filter((at) => at >= 0), body.length);
  const from = first === body.length ? 0 : Math.max(0, first - SNIPPET / 3);
  return `${from > 0 ? '…' : ''}${body.slice(from, from + SNIPPET)}${from + SNIPPET < body.length ? '…' : ''}`;
};

const resultOf = (entry: Entry, words: readonly string[]): HTMLElement => {
  const link = document.createElement('a');
  link.href = entry.at;
  const title = document.createElement('strong');
  title.textContent = entry.title === entry.page ? entry.title : `${entry.page}: ${entry.title}`;
  const snippet = document.createElement('span');
  snippet.textContent = snippetOf(entry.body, words);
  link.append(title, snippet);
  return link;
};

const look = (field: HTMLInputElement, found: HTMLElement): void => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  found.hidden = words.length === 0;
  const hits = entries
    .flatMap((entry) => {
      const sum = words.length === 0 ? null : weight(entry, words);
      return sum === null ? [] : [{ entry, sum }];
    })
    .sort((a, b) => b.sum - a.sum)
    .slice(0, MOST_SHOWN);
  const none = document.createElement('p');
  none.textContent = 'No section has all of these words.';
  found.replaceChildren(...(hits.length === 0 ? [none] : hits.map(({ entry }) => resultOf(entry, words))));
};

const field = document.querySelector<HTMLInputElement>('#search');
const found = document.querySelector<HTMLElement>('#found');
if (field !== null && found !== null) {
  field.addEventListener('input', () => look(field, found));
  field.addEventListener('keydown', ({ key }) => {
    if (key === 'Enter') found.querySelector('a')?.click();
  });
  addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== field) {
      event.preventDefault();
      field.focus();
    }
    if (event.key !== 'Escape') return;
    field.blur();
    field.value = '';
    look(field, found);
  });
  // A result on this very page is a jump: the list would stay in front of it.
  addEventListener('hashchange', () => {
    found.hidden = true;
  });
}
// On a narrow screen the list of pages would stand before every page.
if (innerWidth < 800) document.querySelector('nav details')?.removeAttribute('open');
