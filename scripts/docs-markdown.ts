// Reads one page of the documentation: headings with the anchors that GitHub gives them, links, code, and HTML for the
// site. Pure. The site (build-docs.ts) and the tests of the docs read pages through it, so both mean the same anchors.
import { Marked, type Token, type Tokens } from 'marked';

export interface Heading {
  readonly depth: number;
  readonly text: string;
  /** As GitHub makes it: `#reload`. Unique in its page. */
  readonly anchor: string;
}

/** What stands between one heading and the next, as plain text: what the search looks through. */
export interface Section extends Heading {
  readonly body: string;
}

export interface CodeBlock {
  /** The word behind the fence; empty without one, null for an indented block. */
  readonly lang: string | null;
  readonly text: string;
}

export interface DocPage {
  readonly title: string;
  readonly sections: readonly Section[];
  /** Targets of links and images, in HTML too, as written. */
  readonly links: readonly string[];
  readonly code: readonly CodeBlock[];
  /** Code inside of sentences and tables. */
  readonly spans: readonly string[];
}

export interface PageLooks {
  /** Where a link or an image of the page is in the site. */
  readonly target: (href: string) => string;
  /** HTML in place of a mermaid block; null: shown as it is written. */
  readonly drawing: (mermaid: string) => string | null;
}

/** Text for HTML: an element's content or an attribute's value. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};
const unescaped = (text: string): string =>
  text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);

const IN_HTML = /\b(?:src|srcset|href)="([^"]+)"/g;

const plain = (tokens: readonly Token[]): string =>
  tokens
    .map((token): string => {
      if (token.type === 'html') return '';
      if (token.type === 'table') {
        const { header, rows } = token as Tokens.Table;
        return `${[header, ...rows].map((row) => row.map((cell) => plain(cell.tokens)).join(' ')).join('\n')}\n`;
      }
      if (token.type === 'list')
        return (token as Tokens.List).items.map((item) => plain(item.tokens)).join('\n');
      if ('tokens' in token && token.tokens !== undefined)
        return plain(token.tokens) + (token.type === 'paragraph' ? '\n' : '');
      return 'text' in token ? unescaped(String(token.text)) : '';
    })
    .join('');

/** GitHub's rule: lower case, letters, digits, `-`, `_`; spaces become `-`; the second of a name has `-1` behind it. */
const anchors = (): ((text: string) => string) => {
  const seen = new Map<string, number>();
  return (text) => {
    const slug = text
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  };
};

/** What is in a page. */
export const readPage = (markdown: string): DocPage => {
  const marked = new Marked();
  const tokens = marked.lexer(markdown);
  const anchor = anchors();
  const sections: { depth: number; text: string; anchor: string; body: string }[] = [];
  for (const token of tokens) {
    if (token.type === 'heading') {
      const text = plain(token.tokens ?? []);
      sections.push({ depth: (token as Tokens.Heading).depth, text, anchor: anchor(text), body: '' });
    } else if (sections.length > 0) (sections.at(-1) as { body: string }).body += `${plain([token])}\n`;
  }
  const links: string[] = [];
  const code: CodeBlock[] = [];
  const spans: string[] = [];
  // What it returns are the promises of asynchronous visitors; this one is not.
  void marked.walkTokens(tokens, (token) => {
    if (token.type === 'link' || token.type === 'image') links.push((token as Tokens.Link).href);
    if (token.type === 'html') for (const [, href] of token.raw.matchAll(IN_HTML)) links.push(href ?? '');
    if (token.type === 'codespan') spans.push(unescaped((token as Tokens.Codespan).text));
    if (token.type === 'code') {
      const { lang, text, codeBlockStyle } = token as Tokens.Code;
      code.push({ lang: codeBlockStyle === 'indented' ? null : (lang ?? ''), text });
    }
  });
  return { title: sections[0]?.text ?? '', sections, links, code, spans };
};

/** The page's body as HTML. The pages are the project's own: HTML in them is taken as it stands. */
export const toHtml = (markdown: string, { target, drawing }: PageLooks): string => {
  const anchor = anchors();
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const id = anchor(plain(tokens));
        const inner = this.parser.parseInline(tokens);
        return `<h${depth} id="${id}">${inner} <a class="here" href="#${id}" aria-label="link to this section">#</a></h${depth}>\n`;
      },
      code({ text, lang }) {
        const drawn = lang === 'mermaid' ? drawing(text) : null;
        return drawn ?? `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`;
      },
      table({ header, rows, align }) {
        const row = (cells: readonly Tokens.TableCell[], tag: string): string =>
          `<tr>${cells
            .map((cell, at) => {
              const style = align[at] ? ` class="${align[at]}"` : '';
              return `<${tag}${style}>${this.parser.parseInline(cell.tokens)}</${tag}>`;
            })
            .join('')}</tr>`;
        // A table is wider than a telephone: it scrolls in a frame of its own.
        return `<div class="table" tabindex="0"><table><thead>${row(header, 'th')}</thead><tbody>${rows
          .map((cells) => row(cells, 'td'))
          .join('\n')}</tbody></table></div>\n`;
      },
      link({ href, tokens }) {
        return `<a href="${escaped(target(href))}">${this.parser.parseInline(tokens)}</a>`;
      },
      image({ href, text }) {
        return `<img src="${escaped(target(href))}" alt="${escaped(text)}">`;
      },
      html({ raw }) {
        return raw.replace(IN_HTML, (whole, href: string) => whole.replace(href, escaped(target(href))));
      },
    },
  });
  return marked.parse(markdown, { async: false });
};
