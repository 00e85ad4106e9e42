// Kubernetes label selectors: which objects a list of terms selects. The semantics are those of
// metav1.LabelSelector: terms are ANDed, NotIn and DoesNotExist hold for objects that lack the key.
import type { LabelSelector, Labels, SelectorTerm } from './cluster-facts.ts';

const matchesTerm = (term: SelectorTerm, labels: Labels): boolean => {
  const value = Object.hasOwn(labels, term.key) ? labels[term.key] : undefined;
  switch (term.operator) {
    case 'In':
      return value !== undefined && term.values.includes(value);
    case 'NotIn':
      return value === undefined || !term.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
};

/** True when every term holds; the empty selector selects everything. */
export const matches = (selector: LabelSelector, labels: Labels): boolean =>
  selector.every((term) => matchesTerm(term, labels));

/** True when one of `selectors` selects; false when there are none. */
export const matchesOneOf = (selectors: readonly LabelSelector[], labels: Labels): boolean =>
  selectors.some((selector) => matches(selector, labels));
